"""The plan as it was meant: what a person wrote, checked and with the defaults filled in. Durations are seconds."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from rollout.errors import Place
from rollout.model.windows import Window

Edge = Literal["before", "after"]
Rung = Literal["one", "factors", "pairs", "combos"]
RUNGS: tuple[Rung, ...] = ("one", "factors", "pairs", "combos")
"""The rungs of the canary ladder, in their order: one host; every value of every factor once; every pair of values; every combo."""

RAMP, LAST = "ramp", "last"
"""The rungs above all canaries: the rest of a combo, and what is touched after all others."""

Path = tuple[str | int, ...]

REBOOT = "reboot"
"""A step of this name restarts the host: it is disruptive, and no guest may be on the host."""

UNDO, COMMIT, REMEDY = "undo-", "commit-", "remedy-"
"""How the names of steps begin that no host walks by itself: they belong to a step, or to a risk."""

ROLLBACK = "rollback"
"""`after rollback`: the moment at which a host that has walked back is to prove its health."""

NO_GUESTS = "no-guests"
"""The gate that rollout adds: nothing reboots or upgrades under guests."""

IN_REACH = "in-reach"
"""The gate that rollout adds: a host that has walked back answers over a fresh SSH connection."""


@dataclass(frozen=True, slots=True)
class Amount:
    """A number of hosts, or a percentage of them."""

    number: float
    percent: bool = False

    def of(self, total: int) -> int:
        """How many of `total`: rounded down, at least 1."""
        return max(1, int(total * self.number / 100 + 1e-9) if self.percent else int(self.number))

    def __str__(self) -> str:
        """As it is written in a plan."""
        return f"{self.number:g}%" if self.percent else f"{self.number:g}"


@dataclass(frozen=True, slots=True)
class Step:
    """One link of the chain that every host walks: a playbook, or a drain action.

    `drain` and `reopen` name a kind of `rollout.drains`. `once` steps are destructive: never run again on a guess.
    `playbook` is relative to the plan's folder. `expect` is how long the step usually takes.

    `undo` takes back what the step did; a step that has one leaves a side effect, which stays in the ledger until it is undone,
    or `commit` (after the soak) makes it final, or a later step that names it in `closes` is done. `of` is the step that
    an undo or a commit belongs to.
    """

    name: str
    playbook: str | None = None
    drain: str | None = None
    reopen: str | None = None
    once: bool = False
    disruptive: bool = False
    retries: int = 0
    backoff: float = 30.0
    timeout: float = 3600.0
    expect: float = 360.0
    undo: "Step | None" = None
    commit: "Step | None" = None
    closes: tuple[str, ...] = ()
    of: str | None = None

    @property
    def needs_slot(self) -> bool:
        """Whether the host must hold its slot from this step on."""
        return self.drain is not None or self.once or self.disruptive

    @property
    def endangers_guests(self) -> bool:
        """Whether no guest may be on the host in that step (design, section 12)."""
        return self.once or REBOOT in {self.name, self.of}

    @property
    def changes_host(self) -> bool:
        """Whether the host is another after it, so that reopening it is no way back. A restart or a snapshot alone changes nothing."""
        if self.commit is not None:
            return False
        return self.once or (self.disruptive and self.drain is None and self.name != REBOOT)

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "Step":
        """The step that `dataclasses.asdict` took apart."""
        sides = {key: cls.from_json(value[key]) for key in ("undo", "commit") if value.get(key)}
        return cls(**{**value, **sides, "closes": tuple(value.get("closes", ()))})


@dataclass(frozen=True, slots=True)
class After:
    """An edge of the graph: wait for another combo; `until` is `canaries`, or a share of its hosts (1.0 = all)."""

    combo: str
    until: Literal["canaries"] | float = 1.0


@dataclass(frozen=True, slots=True)
class Risk:
    """A known failure: a `symptom` (regular expression) of a failing step, and what to do then, at most `times` on a host.

    `steps`: the steps that it is about; empty means any. `then` is `hold` (with `because`), `retry`, or `remedy`: a playbook that mends it,
    after which the step is begun again. `repeatable`: a `once` step may be begun again after this failure.
    """

    name: str
    symptom: str
    then: Literal["hold", "retry", "remedy"]
    steps: tuple[str, ...] = ()
    because: str = ""
    remedy: Step | None = None
    times: int = 1
    backoff: float = 30.0
    repeatable: bool = False


@dataclass(frozen=True, slots=True)
class ComboRule:
    """Which hosts are alike, what becomes of them, and what they wait for.

    `match` and `to` map a factor to globs, any of which may fit. `guests_ignored` holds the reason
    for which hosts are touched although they carry guests.
    """

    name: str
    match: Mapping[str, tuple[str, ...]]
    to: Mapping[str, tuple[str, ...]]
    verdict: Literal["supported", "blocked"] = "supported"
    reason: str = ""
    after: tuple[After, ...] = ()
    steps: tuple[Step, ...] = ()
    guests_ignored: str | None = None
    waves: tuple[Amount, ...] | None = None
    """Its own sizes, instead of the plan's ladder or sizes."""


@dataclass(frozen=True, slots=True)
class Moment:
    """When a gate is asked: `before run`, `after wave`, `after verify` (a step's name) ..."""

    edge: Edge
    what: str

    def __str__(self) -> str:
        """As it is written in a plan."""
        return f"{self.edge} {self.what}"


@dataclass(frozen=True, slots=True)
class GateRule:
    """A question to be asked of a host.

    `settings` are the kind's own, already checked by the kind. `remembers`: the kind wants to see the host before
    its first disruptive step too, and is given then what it saw. A gate that does not pass is asked `retries`
    more times, `interval` seconds apart; one answer may take `timeout` seconds.
    """

    name: str
    kind: str
    when: Moment
    settings: Mapping[str, Any] = field(default_factory=dict)
    remembers: bool = False
    retries: int = 0
    interval: float = 10.0
    timeout: float = 60.0


@dataclass(frozen=True, slots=True)
class Together:
    """A set of hosts, by globs of their names, of which at most so many may be disrupted at once."""

    name: str
    hosts: tuple[str, ...]
    at_most: int


@dataclass(frozen=True, slots=True)
class Limits:
    """How many hosts may be disrupted at once: in all, per value of a factor, of a named set; and our own processes."""

    at_once: Amount = Amount(1)
    per: Mapping[str, Amount] = field(default_factory=dict)
    controller: int = 100
    together: tuple[Together, ...] = ()
    """`never_together` sets are those with `at_most` 1."""


@dataclass(frozen=True, slots=True)
class Budget:
    """How many failed hosts are tolerated: a number, or a percentage of the hosts to upgrade that never goes below `at_least`."""

    amount: Amount
    at_least: int = 0

    def of(self, total: int) -> int:
        """How many of `total`: rounded down; 0 is a budget, too."""
        percent = int(total * self.amount.number / 100 + 1e-9)
        return max(percent, self.at_least) if self.amount.percent else int(self.amount.number)

    def __str__(self) -> str:
        """As it is said to a person."""
        return f"{self.amount}, at least {self.at_least}" if self.at_least else str(self.amount)


EVIDENCE: Literal["evidence"] = "evidence"
"""In place of a budget: no number of failures is too many by itself; what they show is judged alone."""


@dataclass(frozen=True, slots=True)
class Failures:
    """How many failed hosts are tolerated: among a combo's canaries, in its other waves, in the whole run, per value of a factor.

    `on_fault`: a breaker stops what shares the fault (`isolate`), or the whole run (`halt`).
    """

    canary: int = 0
    combo: Budget | int | Literal["evidence"] = 0
    run: Budget | int | None = None
    per: Mapping[str, Budget | int] = field(default_factory=dict)
    on_fault: Literal["isolate", "halt"] = "isolate"


@dataclass(frozen=True, slots=True)
class Soak:
    """How long health must hold before a host counts as verified."""

    canary: float = 600.0
    ramp: float = 600.0


@dataclass(frozen=True, slots=True)
class Ladder:
    """How a fleet is climbed when the plan lists no sizes.

    `factors`: those whose values and pairs of values are covered by canaries; None: all that no limit counts by. `pilots` and `last` are globs of
    host names: preferred as canaries, and touched after all others. `guests` is the hostvar that holds the number of a host's guests.
    """

    rungs: tuple[Rung, ...] = RUNGS
    factors: tuple[str, ...] | None = None
    pilots: tuple[str, ...] = ()
    last: tuple[str, ...] = ()
    guests: str | None = None


@dataclass(frozen=True, slots=True)
class Approval:
    """A person is asked before what comes after these rungs (or numbers of waves, as text) begins. `four_eyes`: not whoever began the run."""

    after: tuple[str, ...] = ()
    four_eyes: bool = False


@dataclass(frozen=True, slots=True)
class Plan:
    """A plan file, read and checked.

    `waves` are cumulative sizes of each combo, or of the fleet (`scope`); None: the ladder. `harm` is how many hosts an unseen defect is expected
    to harm, at 95 %: it sets the ramp's credit; None: no credit is asked for. After `deadline` (an instant) nothing begins.

    `combos[i].steps` is that combo's whole chain, overrides applied. `defaults` are sentences, one for each default used.
    `places` finds the position of a key by its path in the file, e.g. `("combos", 0, "match")`.
    """

    name: str
    file: str
    inventory: tuple[str, ...]
    hosts: str
    factors: Mapping[str, str]
    combos: tuple[ComboRule, ...]
    steps: tuple[Step, ...]
    waves: tuple[Amount, ...] | None = None
    scope: Literal["combo", "fleet"] = "combo"
    ladder: Ladder = Ladder()
    harm: float | None = None
    approval: Approval = Approval()
    soak: Soak = Soak()
    limits: Limits = Limits()
    failures: Failures = Failures()
    otherwise: Literal["error", "exclude"] = "error"
    gates: tuple[GateRule, ...] = ()
    risks: tuple[Risk, ...] = ()
    windows: tuple[Window, ...] = ()
    deadline: float | None = None
    defaults: tuple[str, ...] = ()
    places: Mapping[Path, Place] = field(default_factory=dict)

    def place(self, *path: str | int) -> Place:
        """The position of the nearest key on `path` that stands in the file."""
        while path:
            if path in self.places:
                return self.places[path]
            path = path[:-1]
        return Place(self.file)
