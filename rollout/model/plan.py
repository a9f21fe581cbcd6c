"""The plan as it was meant: what a person wrote, checked and with the defaults filled in. Durations are seconds."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal
from urllib.parse import urlsplit

from rollout.errors import Place
from rollout.model.chain import Step
from rollout.model.verdict import Compatibility, Hop, Order, Waiver
from rollout.model.windows import Window

Edge = Literal["before", "after", "during"]
Rung = Literal["one", "factors", "pairs", "combos"]
RUNGS: tuple[Rung, ...] = ("one", "factors", "pairs", "combos")
"""The rungs of the canary ladder, in their order: one host; every value of every factor once; every pair of values; every combo."""

RAMP, LAST = "ramp", "last"
"""The rungs above all canaries: the rest of a combo, and what is touched after all others."""

Path = tuple[str | int, ...]

ROLLBACK = "rollback"
"""`after rollback`: the moment at which a host that has walked back is to prove its health."""

NO_GUESTS = "no-guests"
"""The gate that rollout adds: nothing reboots or upgrades under guests."""

PER_HOST, PER_WAVE, PER_RUN, PER_COMBO = "host", "wave", "run", "combo"
"""What a gate's answer may be about, besides a factor's value."""

DURING: Literal["during"] = "during"
"""The moment of gates that are asked all the time, while anything is in flight."""

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
class After:
    """An edge of the graph: wait for another combo; `until` is `canaries`, or a share of its hosts (1.0 = all)."""

    combo: str
    until: Literal["canaries"] | float = 1.0


@dataclass(frozen=True, slots=True)
class Risk:
    """A known failure: a `symptom` (regular expression) of a failing step, and what to do then, at most `times` on a host.

    `steps`: the steps that it is about; empty means any. `then` is `hold` (with `because`), `retry`, `remedy`: a playbook that mends it,
    after which the step is begun again; or `halt`: nothing more begins on hosts with the same value of the factor `halts`.
    `repeatable`: a `once` step may be begun again after this failure.

    `applies`: the hosts that it concerns; empty: all. Where a person would be needed afterwards (`hold`, `halt`), such a host is not begun
    unless the risk is accepted by a waiver; `symptom` may be empty then.
    """

    name: str
    symptom: str
    then: Literal["hold", "retry", "remedy", "halt"]
    steps: tuple[str, ...] = ()
    because: str = ""
    remedy: Step | None = None
    times: int = 1
    backoff: float = 30.0
    repeatable: bool = False
    applies: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    halts: str = ""
    link: str = ""
    """Where more is to be read about it."""


@dataclass(frozen=True, slots=True)
class ComboRule:
    """Which hosts are alike, what becomes of them, and what they wait for.

    `match` and `to` map a factor to globs or ranges, any of which may fit; `require` a factor or fact that the host has to have so
    before it is begun. `guests_ignored` holds the reason for which hosts are touched although they carry guests.
    """

    name: str
    match: Mapping[str, tuple[str, ...]]
    to: Mapping[str, tuple[str, ...]]
    verdict: Literal["supported", "unknown", "blocked"] = "supported"
    reason: str = ""
    after: tuple[After, ...] = ()
    steps: tuple[Step, ...] = ()
    guests_ignored: str | None = None
    waves: tuple[Amount, ...] | None = None
    """Its own sizes, instead of the plan's ladder or sizes."""
    require: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Moment:
    """When a gate is asked: `before run`, `after wave`, `after verify` (a step's name) ...; `during`, all the time: `what` is empty then."""

    edge: Edge
    what: str

    def __str__(self) -> str:
        """As it is written in a plan."""
        return f"{self.edge} {self.what}".rstrip()


@dataclass(frozen=True, slots=True)
class GateRule:
    """A question to be asked of a host, or about the fleet.

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
    per: str = PER_HOST
    """What one answer is about: `host`, `wave`, `run`, `combo`, or a factor: then one question for each of its values."""
    samples: int = 1
    """It has passed when so many answers in a row, `interval` apart, were passes."""
    lasts: float = 0.0
    """It has passed when no answer within so many seconds was another: the plan's `for`."""
    on_inconclusive: Literal["pause", "fail"] = "pause"
    """What becomes of inconclusive and error when no retry is left."""
    shadow: bool = False
    """It is asked and its answers are kept; they decide nothing."""
    canaries: bool = False
    """Of canaries alone."""
    acts: bool = False
    """It disturbs the host: asked only while that has its slot."""
    fleet: bool = False
    """Something else than the host answers."""

    @property
    def playbook(self) -> str | None:
        """The file that the kind runs on the host: its own setting of that name."""
        named = self.settings.get("playbook")
        return named if isinstance(named, str) else None

    @property
    def needs_more(self) -> bool:
        """Whether one pass is not enough."""
        return self.samples > 1 or self.lasts > 0


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


def is_loopback(url: str) -> bool:
    """Whether nobody is between: an address of this machine itself."""
    try:
        return urlsplit(url).hostname in {"127.0.0.1", "::1", "localhost"}
    except ValueError:  # no URL
        return False


@dataclass(frozen=True, slots=True)
class Identity:
    """Whose word counts as a person's: an OpenID Connect token of `issuer` (an URL), for `audience`, of a job of `project` (its path).

    `protected`: of a protected branch or tag only, where nobody pushes unseen.
    """

    issuer: str
    audience: str
    project: str
    protected: bool = True


@dataclass(frozen=True, slots=True)
class Approval:
    """A person is asked before what comes after these rungs (or numbers of waves, as text) begins; with `begin`, before anything does.

    `four_eyes`: not whoever wrote the plan or changed its playbooks last, or began the run. `identity`: who a person is, a token has to prove; None: the machine tells it.
    """

    after: tuple[str, ...] = ()
    four_eyes: bool = False
    begin: bool = False
    identity: Identity | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """A plan file, read and checked.

    `waves` are cumulative sizes of each combo, or of the fleet (`scope`); None: the ladder. `harm` is how many hosts an unseen defect is expected
    to harm, at 95 %: it sets the ramp's credit; None: no credit is asked for. After `deadline` (an instant) nothing begins.

    `factors` maps each factor to the hostvar or fact that it is read from, or to a text with several in braces; `probes` to what a probe calls it;
    `orders` to how its versions are ordered (without one: dotted). `unlisted` is the verdict of a host of which no row of `compat` speaks.

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
    probes: Mapping[str, str] = field(default_factory=dict)
    orders: Mapping[str, Order] = field(default_factory=dict)
    compat: tuple[Compatibility, ...] = ()
    unlisted: Literal["supported", "unknown"] = "supported"
    waivers: tuple[Waiver, ...] = ()
    hops: tuple[Hop, ...] = ()
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
