"""The three seams to the outside world, and the values that cross them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import TracebackType
from typing import Any, ClassVar, Literal, Protocol, Self, runtime_checkable

from rollout.model.chain import Step
from rollout.model.cohort import Cohort


class Ending(StrEnum):
    """How a step came out. Only DONE is success; UNKNOWN is its own answer and never a yes."""

    DONE = "done"
    FAILED = "failed"
    UNREACHABLE = "unreachable"
    LATE = "late"
    """Past its time-out. A `once` step may still be running on the host."""
    REFUSED = "refused"
    """A security stop, such as a changed host key: never retried."""
    MISFIT = "misfit"
    """It failed for a reason that another try changes nothing about, such as a missing password for sudo: never retried."""
    NEVER_BEGAN = "never-began"
    """Taken up, and known never to have reached the host."""
    INTERRUPTED = "interrupted"
    """Our process died; the host was asked, and nothing of the step runs there any more."""
    RESUMABLE = "resumable"
    """As INTERRUPTED, and the host's guard keeps what the step did: begun again it goes on, and nothing happens twice."""
    UNKNOWN = "unknown"
    """Our process died, and what it did cannot be known."""
    LOST = "lost"
    """As UNKNOWN, because the host could not be reached to be asked: perhaps another time."""
    CONTROLLER = "controller"
    """Our own machine could not carry it out (a full disk, no more processes ...): the host is not to blame."""


@dataclass(frozen=True, slots=True)
class Order:
    """Carry out `step` on `host`. `mark` names it on this machine and on the host.

    `taken_up`: an earlier controller recorded this intent; it may be running, finished, or never have begun.
    """

    run: str
    host: str
    step: Step
    attempt: int
    fence: int
    taken_up: bool = False
    variables: Mapping[str, Any] = field(default_factory=dict)
    """Extra variables for the playbook, e.g. `rollout_target`: the combo's `to`. Never a secret."""
    lost: bool = False
    """An earlier attempt vanished with the path to the host: it begins only when that did nothing, or goes on where that was."""

    @property
    def mark(self) -> str:
        """`run/host/step`: unique for a step of a host in a run, whatever the attempt."""
        return f"{self.run}/{self.host}/{self.step.name}"


@dataclass(frozen=True, slots=True)
class Outcome:
    """How an order came out. `because` is one sentence for a person; `task` the failing Ansible task."""

    host: str
    step: str
    attempt: int
    ending: Ending
    because: str = ""
    task: str = ""
    found: Mapping[str, Any] = field(default_factory=dict)
    """What the step hands on to later steps of the host, as `rollout_found`: small JSON values, kept in the journal."""
    begun: bool = True
    """False: nothing of it can have reached the host."""


class Answer(StrEnum):
    """A gate's verdict. Zero samples never pass."""

    PASS = "pass"  # noqa: S105  the word of the plan language, not a password
    FAIL = "fail"
    INCONCLUSIVE = "inconclusive"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a gate answered, with what it saw. `samples` are small JSON values, kept in the journal.

    `link`: where a person can look at the same numbers, empty if nowhere. Samples with these names are shown as what they are:
    `query`, `from` and `to` (seconds since the epoch), `value`, `series` (numbers over time), `upgraded` and `controls` (how many hosts).
    `packed` is not shown: what a gate keeps for its own next answer.
    """

    value: Answer
    because: str
    samples: Mapping[str, Any] = field(default_factory=dict)
    link: str = ""


@dataclass(frozen=True, slots=True)
class Ran:
    """A command that ran on a host: exit code, and its output as text (undecodable bytes replaced)."""

    code: int
    out: str
    err: str


class Connection(Protocol):
    """A fresh SSH connection, closed at the end of its `with` block. Raises `rollout.errors.SshError` kinds."""

    def run(self, command: str, timeout: float = 30.0) -> Ran: ...
    def __enter__(self) -> Self: ...
    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None: ...


@dataclass(frozen=True, slots=True)
class Subject:
    """What a gate or drain is about: a host; or, for a gate about the fleet, `about` and the hosts of `cohort` (`host` is empty then).

    `connect` opens a fresh, strict SSH connection. `remembered` is what this gate saw before the first disruptive step
    (empty when it was not asked then). `found`: how the host was before a drain closed it, and what its steps handed on. `target` is the combo's `to`: factor -> globs. `variables` are the host's resolved
    variables: they may hold secrets. `now` is the controller's clock; `timeout` how many seconds the answer may take.
    """

    host: str
    combo: str
    factors: Mapping[str, str]
    target: Mapping[str, tuple[str, ...]]
    connect: Callable[[], Connection]
    variables: Mapping[str, Any] = field(default_factory=dict)
    remembered: Mapping[str, Any] = field(default_factory=dict)
    now: float = 0.0
    timeout: float = 60.0
    found: Mapping[str, Any] = field(default_factory=dict)
    run: str = ""
    gate: str = ""
    """The name of the gate in the plan."""
    moment: str = ""
    """What is asked for: `after verify`, `remember`, `soak`, `during` ..."""
    about: str = ""
    """Of a question about the fleet: a wave's id, `FACTOR=VALUE`, or a combo's name; empty: the whole run."""
    cohort: Cohort = field(default_factory=Cohort)
    """The hosts that a question about the fleet is about, and with `host`, those of its combo; empty for gates about the host alone."""
    beside: Cohort = field(default_factory=Cohort)
    """The other hosts of the combos of `cohort`: a question about some of them may compare with them."""
    disrupted_at: float = 0.0
    """When the host's first disruptive step began, in seconds since the epoch; 0: it has not."""
    run_began: float = 0.0
    """When the run began, in seconds since the epoch."""
    folder: str = ""
    """A folder on this machine, made on demand, for what a gate keeps of the host in this run beyond one answer; empty: nowhere."""
    run_playbook: "Callable[[str], Outcome] | None" = None
    """Runs a playbook (its path) on the host and waits for it; for kinds with a setting `playbook`."""


class Gate(Protocol):
    """A question about a host, or about the fleet. A file of `rollout.gates` holds one class `Kind`: a pydantic model of its settings.

    With `remembers`, the host is also shown to `remember` before its first disruptive step, and the samples of its
    verdict come back as `subject.remembered`. An exception counts as `error`. `rollout.gates.HostGate` and `FleetGate` say what else
    a kind may be.
    """

    remembers: ClassVar[bool]

    def check(self, subject: Subject) -> Verdict: ...
    def remember(self, subject: Subject) -> Verdict: ...


RunPlaybook = Callable[[], Outcome]
"""Runs the playbook of the present step on the subject and waits for it."""


class Drain(Protocol):
    """How a host is emptied and refilled. A file of `rollout.drains` holds one class `Kind`.

    `look` tells how the host is before anything is done: small JSON values, in the journal before `close` is called, and
    given to `reopen` as `subject.found`: a host that others had closed is given back closed. A class with `looks = False` is
    never asked, and costs no event.
    """

    needs_playbook: ClassVar[bool]

    def look(self, subject: Subject) -> Mapping[str, Any]: ...
    def close(self, subject: Subject, run_playbook: RunPlaybook) -> Outcome | None: ...
    def empty(self, subject: Subject, run_playbook: RunPlaybook) -> Outcome | None: ...
    def reopen(self, subject: Subject, run_playbook: RunPlaybook) -> Outcome | None: ...


class Post(Protocol):
    """The engine's inbox. `after` seconds of the engine's clock pass before the message is seen."""

    def __call__(self, message: Outcome, after: float = 0.0) -> None: ...


class Executor(Protocol):
    """What carries out a step. `run` never blocks: it posts exactly one outcome, sooner or later.

    Given an order that is `taken_up` it finds out what became of it: attaches to what still runs, reads the result of what
    finished, asks the host about what died.
    """

    kind: ClassVar[Literal["ansible", "rehearsal"]]

    def run(self, order: Order, post: Post) -> None: ...
    def close(self) -> None:
        """Stop following; what runs goes on under its own supervisor."""


@runtime_checkable
class Forgets(Protocol):
    """An executor that keeps something of each order until told that the outcome, which was DONE, is in the journal."""

    def forget(self, run: str, host: str, step: str, attempt: int) -> None: ...


class Clock(Protocol):
    def now(self) -> float: ...
