"""What is known of each host, and of the run as a whole: values that only the fold alters."""

from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any


class Status(StrEnum):
    """The words for a host in the graph. Those that are current or excluded when the plan is compiled are in no wave; a person excludes others."""

    WAITING = "waiting"
    RUNNING = "running"
    SOAKING = "soaking"
    VERIFIED = "verified"
    HELD = "held"
    RETIRED = "retired"
    GONE = "gone"
    ROLLED_BACK = "rolled-back"
    EXCLUDED = "excluded"


OUT = frozenset({Status.HELD, Status.RETIRED, Status.GONE, Status.ROLLED_BACK, Status.EXCLUDED})
"""Nothing is done to the host unless a person says so."""


class Outcome(StrEnum):
    """What a host says about those that are like it."""

    BEGUN = "begun"
    HEALTHY = "healthy"
    FAILED = "failed"
    UNTRIED = "untried"
    """It counts as a failure, and no step was ever begun on it: it says nothing about what the steps do."""


LEFT = frozenset({Status.RETIRED, Status.GONE, Status.EXCLUDED, Status.ROLLED_BACK})
"""The host is out of the run, and nobody waits for it."""

UNFINISHED = frozenset({Status.WAITING, Status.RUNNING, Status.SOAKING})
"""The host has yet to come to an end."""


@dataclass(slots=True)
class HostState:
    """One host's progress.

    `passed`: the last step done; `step`: the one in flight (`open`) or last tried; `tries`: its failures so far.
    `attempt` counts the host's orders and never goes back, so that no two share a mark and attempt.
    `slot`: it counts in its limits (held hosts too); `fresh`: it took the slot with the order in flight. `harmed`: it counts as a failure. `answered`: passed gates of the present
    moment (`moment/gate` -> when). `round`: the wave's or run's gates that it still has to answer. `ending`: how the last try came out,
    until something is decided about it. `stuck`: a gate could not find out; a person is asked.
    `effects` is the ledger: steps whose side effect is open, in the order of the chain. `back`: why it walks back, undoing them; None:
    it goes forwards. `found`: what steps handed on, by step. `remedied` counts the remedies that it was given; `failure` is what the one
    in flight is for: step and words. `tried`: the furthest step that may have done something on it.
    """

    name: str
    status: Status = Status.WAITING
    passed: str | None = None
    step: str | None = None
    attempt: int = 0
    tries: int = 0
    deaths: int = 0
    """How often our process for its step died, and the step went on where the host's guard had kept it."""
    open: bool = False
    slot: bool = False
    fresh: bool = False
    harmed: bool = False
    uncertain: bool = False
    ending: str | None = None
    not_before: float = 0.0
    since: float = 0.0
    because: str = ""
    answered: dict[str, float] = field(default_factory=dict)
    gate_tries: dict[str, int] = field(default_factory=dict)
    passes: dict[str, list[float]] = field(default_factory=dict)
    """Of gates for which one pass is not enough: how many in a row there are, when the first was, and the last."""
    round: str | None = None
    stuck: bool = False
    remembered: dict[str, int] = field(default_factory=dict)
    """Gate -> the number of the event that holds what it saw before the first disruptive step. Not that itself, which may be many KB of a host."""
    effects: list[str] = field(default_factory=list)
    back: str | None = None
    found: dict[str, dict[str, Any]] = field(default_factory=dict)
    remedied: dict[str, int] = field(default_factory=dict)
    failure: list[str] = field(default_factory=list)
    tried: str | None = None
    suspect: str | None = None
    """The path that it waits for while `stuck`."""
    lost: bool = False
    """A step was under way when its path vanished: what that did is asked before it begins again."""
    promoted: bool = False
    """A person has ended its soak."""
    late: bool = False
    """It failed after it had been healthy on the target: what it seemed to prove, it did not."""
    started: float = 0.0
    """When the step in flight began."""
    spent: dict[str, float] = field(default_factory=dict)
    """The seconds that each done step took."""
    judged_at: float = 0.0
    """Since when its outcome is what it is."""
    silent: bool = False
    """Nobody answered there when it was last looked at."""
    away: bool = False
    """Others broke it before it was touched: it counts in its limits like a host that we broke."""
    disrupted_at: float = 0.0
    """When its first disruptive step began."""
    healthy_at: float = 0.0
    """Since when it is healthy on the target; 0 while it is not."""
    discounted: bool = False
    """It went through steps that an amendment has changed since: verified, it is no proof of what the plan says now."""
    asking: bool = False
    """A question is in flight: known to the asking controller alone, never written."""
    reserved: bool = False
    """The slot is kept free for it while it is asked; never written."""

    @property
    def outcome(self) -> Outcome | None:
        """Disrupted and not failed yet, healthy on the target, or failed; None for a host that says nothing."""
        if self.harmed:
            return Outcome.FAILED if self.attempt else Outcome.UNTRIED
        if self.back is not None or self.status in OUT:
            return None
        if self.status is Status.SOAKING or self.status is Status.VERIFIED:
            return Outcome.HEALTHY
        return Outcome.BEGUN if self.slot else None

    @property
    def exposed(self) -> bool:
        """Whether it is in flight beyond what is proven: it has its slot, or soaks, and neither its health nor its failure is known."""
        if self.status is Status.SOAKING:
            return self.back is None
        begun = self.status is Status.RUNNING or self.status is Status.WAITING
        return begun and self.back is None and (self.slot or self.reserved)

    @property
    def all_found(self) -> dict[str, Any]:
        """What its steps handed on, a later one's word over an earlier one's."""
        return {key: value for found in self.found.values() for key, value in found.items()}

    def to_json(self) -> dict[str, Any]:
        """Without what is never written, and without what is at its default."""
        plain = asdict(self)
        del plain["asking"], plain["reserved"]
        return {key: value for key, value in plain.items() if key == "name" or value not in _EMPTY}

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> "HostState":
        """The value that `to_json` wrote."""
        value["status"] = Status(value.get("status", "waiting"))
        return cls(**value)


_EMPTY: tuple[Any, ...] = (None, "", 0, False, {}, [])


@dataclass(frozen=True, slots=True)
class Standing:
    """What a gate about the fleet answered last. `value` is empty before the first answer; `since`: from when on it is that.

    `tries`: answers in a row that were no pass. `count`, `first`, `last`: passes in a row, and when. `passed`: there were enough of them.
    """

    gate: str
    moment: str
    about: str
    value: str = ""
    because: str = ""
    since: float = 0.0
    tries: int = 0
    count: int = 0
    first: float = 0.0
    last: float = 0.0
    passed: bool = False
    seq: int = 0
    """The event of the last answer that was written down."""
    shadow: bool = False
    told: float = 0.0
    """When that was."""


@dataclass(slots=True)
class RunState:
    """What is true of the run as a whole. `tripped` maps the key of a breaker (`rollout.model.breaker`) to why it tripped.

    `trips` holds what each of them counted. Failures before `excused_at` no longer speak of a common cause: a person has gone on since.

    `attended` is the fence of the last controller that a person has started: a schedule answers for nothing.

    `suspected` maps a path (or our own machine) to why it is in doubt, `suspected_at` is since when this
    controller knows of the last one.
    """

    seq: int = 0
    fence: int = 0
    attended: int = 0
    paused: str | None = None
    paused_by: str = ""
    paused_at: float = 0.0
    aborted: str | None = None
    opened: dict[str, float] = field(default_factory=dict)
    passed: dict[str, float] = field(default_factory=dict)
    rounds: list[str] = field(default_factory=list)
    tripped: dict[str, str] = field(default_factory=dict)
    trips: dict[str, dict[str, Any]] = field(default_factory=dict)
    excused_at: float = 0.0
    at: float = 0.0
    approved: dict[str, str] = field(default_factory=dict)
    """Rungs after which a person has let the run go on: who, and why."""
    risky: dict[str, str] = field(default_factory=dict)
    """Hosts that a known error holds, by its name, until a person answers for them."""
    suspected: dict[str, str] = field(default_factory=dict)
    suspected_at: float = 0.0
    began: float = 0.0
    """When the first controller took the run."""
    standing: dict[str, Standing] = field(default_factory=dict)
    """What gates about the fleet answered last, by question."""
    waived: dict[str, str] = field(default_factory=dict)
    """Gates that a person has waived, and why."""

    def __post_init__(self) -> None:
        """From a journal, answers come as they are written there."""
        read: dict[str, Any] = dict(self.standing)
        self.standing = {
            key: Standing(**value) if isinstance(value, dict) else value for key, value in read.items()
        }

    def to_json(self) -> dict[str, Any]:
        """A value for json.dumps."""
        return asdict(self)
