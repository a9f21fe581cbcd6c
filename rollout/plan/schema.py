"""What people write: the shape of a plan file. Every key of it, and nothing else.

Values are validated as strict JSON: `yes` is no bool and "5" is no number. Keys whose behaviour comes later are not
here but in `rollout.plan.later`. What a single value means is in `rollout.plan.scalars`; what values mean together is
in `rollout.plan.check`.
"""

from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    PlainValidator,
    Tag,
)

from rollout.model import plan as meant
from rollout.model.verdict import Order
from rollout.plan import patterns, scalars
from rollout.plan.shape import PROJECT, URL

MAP, LIST, TEXT = "(mapping)", "(list)", "(text)"
"""Tags of the forms that a value can take; never a key that a person would write."""


def _form(value: object) -> str:
    return MAP if isinstance(value, dict) else LIST if isinstance(value, list) else TEXT


Text = Annotated[str, Field(min_length=1)]
Name = Annotated[str, AfterValidator(scalars.name), patterns.NAME]
StepName = Annotated[str, AfterValidator(scalars.step_name), patterns.STEP_NAME]
Duration = Annotated[float, BeforeValidator(scalars.duration), patterns.DURATION]
Positive = Annotated[float, BeforeValidator(scalars.positive), patterns.LASTING]
Hosts = Annotated[meant.Amount, PlainValidator(scalars.amount), patterns.HOSTS]
Failed = Annotated[meant.Budget, PlainValidator(scalars.budget), patterns.FAILED]
FailedOrEvidence = Annotated[Any, PlainValidator(scalars.budget_or_evidence), patterns.JUDGED]
Share = Annotated[Any, PlainValidator(scalars.until), patterns.SHARE]
Moment = Annotated[Any, PlainValidator(scalars.moment), patterns.MOMENT]
Several = Annotated[list[Text], Field(min_length=1)]
OneOrMore = Annotated[Annotated[Text, Tag(TEXT)] | Annotated[Several, Tag(LIST)], Discriminator(_form)]
Sizes = Annotated[list[Hosts], Field(min_length=1)]
Wanted = dict[Name, OneOrMore]
HostVar = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")]


class Part(BaseModel):
    """A mapping of the plan: an unknown key is a mistake."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Side(Part):
    """What takes a step back, or makes it final."""

    playbook: Text | None = None
    drain: Text | None = None
    reopen: Text | None = None
    retries: int = Field(default=0, ge=0, le=100)
    backoff: Duration = 30.0
    timeout: Positive | None = None


PlaybookOrSide = Annotated[Annotated[Text, Tag(TEXT)] | Annotated[Side, Tag(MAP)], Discriminator(_form)]


class Action(Part):
    """What a step does, apart from its name; a combo's `steps` overrides these keys."""

    playbook: Text | None = None
    drain: Text | None = None
    reopen: Text | None = None
    once: bool = False
    disruptive: bool = False
    retries: int = Field(default=0, ge=0, le=100)
    backoff: Duration = 30.0
    timeout: Positive = 3600.0
    expect: Positive | None = None
    undo: PlaybookOrSide | None = None
    commit: PlaybookOrSide | None = None
    closes: OneOrMore | None = None


class Step(Action):
    name: StepName


class After(Part):
    combo: Text
    until: Share = 1.0


Wait = Annotated[Annotated[Text, Tag(TEXT)] | Annotated[After, Tag(MAP)], Discriminator(_form)]
Waits = Annotated[list[Wait], Field(min_length=1)]


class Combo(Part):
    name: Name
    match: Wanted = Field(min_length=1)
    to: Wanted = Field(default_factory=dict)
    require: Wanted = Field(default_factory=dict)
    verdict: Literal["supported", "unknown", "blocked"] = "supported"
    reason: Text | None = None
    after: Annotated[
        Annotated[Text, Tag(TEXT)] | Annotated[Waits, Tag(LIST)] | Annotated[After, Tag(MAP)],
        Discriminator(_form),
    ] = Field(default_factory=list)
    steps: dict[str, Action] = Field(default_factory=dict)
    guests: Literal["ignore"] | None = None
    waves: Sizes | None = None


class Soak(Part):
    canary: Duration = 600.0
    ramp: Duration = 600.0


class Identity(Part):
    issuer: str = Field(pattern=URL)
    audience: str = Field(min_length=1)
    project: str = Field(pattern=PROJECT)
    protected: bool = True


class Approve(Part):
    after: OneOrMore | None = None
    begin: bool = False
    four_eyes: bool = False
    identity: Identity | None = None


class Waves(Part):
    ladder: Annotated[list[meant.Rung], Field(min_length=1)] | None = None
    factors: Several | None = None
    harm: float | None = Field(default=None, gt=0, le=1_000_000)
    sizes: Sizes | None = None
    soak: (
        Annotated[Annotated[Duration, Tag(TEXT)] | Annotated[Soak, Tag(MAP)], Discriminator(_form)] | None
    ) = None
    scope: Literal["combo", "fleet"] = "combo"
    approve: Approve | None = None
    pilots: OneOrMore | None = None
    last: OneOrMore | None = None
    guests: HostVar | None = None


class Together(Part):
    hosts: OneOrMore
    at_most: int = Field(ge=1)


class Limits(Part):
    at_once: Hosts = Field(default_factory=lambda: meant.Amount(1))
    per: dict[Name, Hosts] = Field(default_factory=dict)
    controller: int = Field(default=100, ge=1, le=10_000)
    together: dict[Name, Together] = Field(default_factory=dict)
    never_together: list[OneOrMore] = Field(default_factory=list)


class Tolerated(Part):
    """A percentage of hosts, and the number below which it never goes."""

    of: Failed
    at_least: int = Field(ge=1)


Budget = Annotated[Annotated[Failed, Tag(TEXT)] | Annotated[Tolerated, Tag(MAP)], Discriminator(_form)]
BudgetOrEvidence = Annotated[
    Annotated[FailedOrEvidence, Tag(TEXT)] | Annotated[Tolerated, Tag(MAP)], Discriminator(_form)
]
NONE = meant.Budget(meant.Amount(0))


class Failures(Part):
    canary: int = Field(default=0, ge=0)
    combo: BudgetOrEvidence = NONE
    run: Budget | None = None
    per: dict[Name, Budget] = Field(default_factory=dict)
    on_fault: Literal["isolate", "halt"] = "isolate"


class Gate(BaseModel):
    """The keys of every gate. What else stands in its mapping are its kind's settings."""

    model_config = ConfigDict(extra="allow", frozen=True)

    name: Name
    kind: Text
    when: Moment
    retries: int = Field(default=0, ge=0, le=1000)
    interval: Positive = 10.0
    timeout: Positive = 60.0
    per: Name | None = None
    samples: int = Field(default=1, ge=1, le=1000)
    lasts: Duration = Field(default=0.0, alias="for")
    on_inconclusive: Literal["pause", "fail"] = "pause"
    shadow: bool = False
    hosts: Literal["canaries", "all"] | None = None


GATE_KEYS = tuple(field.alias or name for name, field in Gate.model_fields.items())
"""The keys that every gate may have."""


class Examples(Part):
    """Words of failures that a risk must, and must not, be seen in."""

    matches: list[Text] = Field(default_factory=list)
    misses: list[Text] = Field(default_factory=list)


class Risk(Part):
    """A known error, in a file of its own."""

    name: Name
    applies: Wanted = Field(default_factory=dict)
    symptom: Text | None = None
    steps: OneOrMore | None = None
    hold: Text | None = None
    retry: int | None = Field(default=None, ge=1, le=100)
    remedy: Text | None = None
    halt: Name | None = None
    link: Text | None = None
    times: int = Field(default=1, ge=1, le=100)
    backoff: Duration = 30.0
    timeout: Positive = 3600.0
    repeatable: bool = False
    examples: Examples | None = None


class Factor(Part):
    """Where a factor is read from, what a probe calls it, and how its versions are ordered."""

    from_: Text | None = Field(default=None, alias="from")
    probe: Text | None = None
    versions: Order | None = None


class Compat(Part):
    """Compatibility files, and the verdict of hosts of which they do not speak."""

    files: OneOrMore
    otherwise: Literal["supported", "unknown"] = "supported"


class Compatibility(Part):
    """A row of a compatibility file."""

    match: Wanted = Field(min_length=1)
    to: Wanted = Field(default_factory=dict)
    verdict: Literal["supported", "unknown", "blocked"]
    reason: Text
    source: Text | None = None


class Waiver(Part):
    name: Name
    waives: OneOrMore
    combos: OneOrMore | None = None
    hosts: OneOrMore | None = None
    reason: Text
    owner: Text
    expires: Text


class Hop(Part):
    """One leg of an upgrade; without `to` a dead end."""

    from_: Wanted = Field(alias="from", min_length=1)
    to: dict[Name, Text] = Field(default_factory=dict)
    require: Wanted = Field(default_factory=dict)
    reason: Text | None = None
    steps: dict[str, Action] = Field(default_factory=dict)


class Window(Part):
    allow: Text | None = None
    deny: Text | None = None
    zone: Text | None = None
    reason: Text | None = None


class Deadline(Part):
    at: Text
    zone: Text = "UTC"


class PlanFile(Part):
    rollout: Name
    inventory: OneOrMore
    hosts: Text
    factors: dict[
        Name, Annotated[Annotated[Text, Tag(TEXT)] | Annotated[Factor, Tag(MAP)], Discriminator(_form)]
    ] = Field(min_length=1)
    combos: list[Combo] = Field(min_length=1)
    steps: list[Step] = Field(min_length=1)
    waves: (
        Annotated[Annotated[Sizes, Tag(LIST)] | Annotated[Waves, Tag(MAP)], Discriminator(_form)] | None
    ) = None
    limits: Limits = Field(default_factory=Limits)
    otherwise: Literal["error", "exclude"] = "error"
    failures: Failures = Field(default_factory=Failures)
    gates: list[Gate] = Field(default_factory=list)
    risks: OneOrMore | None = None
    compat: (
        Annotated[
            Annotated[Text, Tag(TEXT)] | Annotated[Several, Tag(LIST)] | Annotated[Compat, Tag(MAP)],
            Discriminator(_form),
        ]
        | None
    ) = None
    waivers: list[Waiver] = Field(default_factory=list)
    hops: list[Hop] = Field(default_factory=list)
    windows: list[Window] = Field(default_factory=list)
    deadline: (
        Annotated[Annotated[Text, Tag(TEXT)] | Annotated[Deadline, Tag(MAP)], Discriminator(_form)] | None
    ) = None


def waits(combo: Combo) -> list[After]:
    """The edges of a combo, whichever way they are written."""
    written = combo.after if isinstance(combo.after, list) else [combo.after]
    return [After(combo=wait) if isinstance(wait, str) else wait for wait in written]


def globs(value: str | list[str]) -> tuple[str, ...]:
    """One glob or several."""
    return (value,) if isinstance(value, str) else tuple(value)
