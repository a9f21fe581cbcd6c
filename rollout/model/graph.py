"""The compiled plan: which host is in which wave, what each wave waits for, which gates are asked when."""

from collections.abc import Container, Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from typing import Any, Literal

from rollout.model.chain import UNDO, Step
from rollout.model.plan import NO_GUESTS, GateRule, Moment, Risk
from rollout.model.verdict import Cause, Waiver, Word
from rollout.model.windows import Calendar, Key

Json = Any
"""What json.dumps takes and json.loads gives."""


@dataclass(frozen=True, slots=True)
class Node:
    """A host in the graph. `slots` names what it takes while disrupted, e.g. `("fleet", "rack=r1")`.

    `expect` is how many seconds its whole chain is thought to take; `guests` how many guests the inventory says it carries.
    `zones` is what the graph's calendar is asked with.
    """

    name: str
    combo: str
    wave: str
    slots: tuple[str, ...]
    factors: Mapping[str, str]
    address: str = ""
    digest: str = ""
    expect: float = 0.0
    guests: int | None = None
    zones: Key = ()
    risks: tuple[str, ...] = ()
    """Known risks with an `applies` that concern the host."""
    waivers: tuple[str, ...] = ()
    """What lets it be touched although not all is well with it."""
    to: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Where it is led, if it began before an amendment had its combo lead elsewhere."""


@dataclass(frozen=True, slots=True)
class Combo:
    """Hosts that break alike. `chain` is what each of them walks; `to` is where it leads (factor -> globs).

    `hosts` counts those in waves, `current` those already there. `guests_ignored` is the reason why guests are no obstacle.
    """

    name: str
    chain: tuple[Step, ...]
    to: Mapping[str, tuple[str, ...]]
    hosts: int
    current: int = 0
    guests_ignored: str | None = None
    learned: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    """The seconds that steps took in an earlier run: p50 and p90."""
    rule: str = ""
    """The combo of the plan that it is a part of; empty: it is the whole of it."""
    verdict: Word = "supported"
    because: tuple[str, ...] = ()
    """Why the verdict is not `supported`."""
    hops: tuple[str, ...] = ()
    """Where each leg of the way leads, if it has several."""

    @property
    def of_rule(self) -> str:
        """The name of its combo in the plan."""
        return self.rule or self.name

    def step(self, name: str) -> Step | None:
        """The step of that name, if the chain has it; or the undo or commit of one of its steps."""
        for step in self.chain:
            for one in (step, step.undo, step.commit):
                if one is not None and one.name == name:
                    return one
        return None

    def leads_to(self, step: Step) -> Mapping[str, tuple[str, ...]]:
        """Where the step is to bring the host: `to`, or as far as the step's own hop leads."""
        return {**self.to, **{factor: (value,) for factor, value in step.target.items()}}

    def begins_leg(self, name: str) -> bool:
        """Whether it is the first step of a further hop that disrupts the host."""
        last: Step | None = None
        for link in self.chain:
            if link.needs_slot:
                if link.name == name:
                    return last is not None and dict(last.target) != dict(link.target)
                last = link
        return False

    def before(self, name: str) -> str | None:
        """The step before the one named; None for the first."""
        names = [step.name for step in self.chain]
        index = names.index(name)
        return names[index - 1] if index else None

    def reached(self, *known: str | None) -> tuple[Step, ...]:
        """The chain up to the last of the named steps."""
        names = [step.name for step in self.chain]
        ends = [names.index(name) + 1 for name in known if name in names]
        return self.chain[: max(ends, default=0)]

    def following(self, passed: str | None) -> Step | None:
        """The step after the one named; the first for None; None at the end. Steps are keys, never positions."""
        if passed is None:
            return self.chain[0]
        names = [step.name for step in self.chain]
        index = names.index(passed) + 1
        return self.chain[index] if index < len(names) else None

    def irreversible(self, steps: Iterable[Step], kept: Container[str] | None = None) -> str | None:
        """The first step that changes the host and that nothing takes back: it has no undo, and no snapshot was kept before it.

        `kept`: the steps whose effect is still open; None: all that can be.
        """
        snapshot = False
        for step in steps:
            is_kept = step.undo is not None and (kept is None or step.name in kept)
            if step.commit is not None and is_kept:
                snapshot = True
            if step.changes_host and not is_kept and not snapshot:
                return step.name
        return None

    def holds_slot(self, step: str) -> bool:
        """Whether a host is disrupted in that step: it, or one before it, needs a slot. So does an undo, if its step did."""
        side = self.step(step)
        if side is not None and side.of is not None:
            return side.name.startswith(UNDO) and (side.needs_slot or self.holds_slot(side.of))
        for link in self.chain:
            if link.needs_slot:
                return True
            if link.name == step:
                return False
        return False

    @property
    def first_disruptive(self) -> str | None:
        """The name of the first step that needs a slot."""
        return next((step.name for step in self.chain if step.needs_slot), None)


@dataclass(frozen=True, slots=True)
class Need:
    """One thing that a wave waits for.

    `wave` has passed; or `share` (0..1) of the hosts of `combo` are verified; or the waves of `rung` are settled, and one of its hosts is
    verified; or a person has `approved` what comes after that rung.
    """

    wave: str | None = None
    combo: str | None = None
    share: float = 1.0
    rung: str | None = None
    approved: str | None = None


@dataclass(frozen=True, slots=True)
class Wave:
    """Hosts that may start together once every need is met. `id` is `combo/number`, counted from 1.

    `rung`: where it stands among the waves of all combos: a rung of the ladder, `ramp`, `last`, or the number of the wave.
    """

    id: str
    combo: str
    hosts: tuple[str, ...]
    canary: bool
    needs: tuple[Need, ...] = ()
    soak: float = 0.0
    rung: str = ""


@dataclass(frozen=True, slots=True)
class Untouched:
    """A selected host that no wave holds, and why."""

    host: str
    word: Literal["current", "excluded"]
    because: str
    combo: str | None = None
    cause: Cause = ""


@dataclass(frozen=True)
class Graph:
    """Everything that the scheduler needs to know, and nothing that changes.

    `caps` maps every slot to how many hosts may hold it. `tolerated_*` are numbers of failed hosts: `_combo` by combo (one that
    is absent is judged by evidence alone), `_per` by `factor=value`. `on_fault` says what a breaker stops. `harm` is how many hosts an unseen
    defect is expected to harm, at 95 % (None: the ramp asks for no credit). `calendar` says when hosts may begin (None: always);
    nothing begins that would not end before `deadline`, an instant. `waivers` are those on which a host's place in the graph rests.
    `digest` names plan, playbooks and hosts together; `parts` are the digests of each, for saying what changed. `seed` is what ties among canaries
    were decided by, `shape` a digest of all that says how waves are cut: a plan that is amended moves nobody without need.
    """

    plan: str
    digest: str
    nodes: Mapping[str, Node]
    combos: Mapping[str, Combo]
    waves: Mapping[str, Wave]
    gates: tuple[GateRule, ...]
    caps: Mapping[str, int]
    controller: int
    tolerated_canary: int
    tolerated_combo: Mapping[str, int]
    tolerated_run: int
    untouched: tuple[Untouched, ...] = ()
    notes: tuple[str, ...] = ()
    parts: Mapping[str, str] = field(default_factory=dict)
    risks: tuple[Risk, ...] = ()
    tolerated_per: Mapping[str, int] = field(default_factory=dict)
    on_fault: Literal["isolate", "halt"] = "isolate"
    harm: float | None = None
    seed: str = ""
    shape: str = ""
    four_eyes: bool = False
    calendar: Calendar | None = None
    deadline: float | None = None
    waivers: tuple[Waiver, ...] = ()
    allow_unknown: bool = False

    @cached_property
    def gates_at(self) -> Mapping[tuple[str, str], tuple[GateRule, ...]]:
        """The gates by (edge, what), in the plan's order."""
        found: dict[tuple[str, str], tuple[GateRule, ...]] = {}
        for gate in self.gates:
            key = (gate.when.edge, gate.when.what)
            found[key] = (*found.get(key, ()), gate)
        return found

    @cached_property
    def remembering(self) -> tuple[GateRule, ...]:
        """The gates that want to see a host before its first disruptive step."""
        return tuple(gate for gate in self.gates if gate.remembers)

    @cached_property
    def no_guests(self) -> GateRule | None:
        """The gate that rollout added, if any step endangers guests."""
        return next((gate for gate in self.gates if gate.name == NO_GUESTS), None)

    def step_of(self, host: str, name: str) -> Step | None:
        """What an order of that name carries out on a host: a step of its chain, an undo, a commit, or a risk's remedy."""
        found = self.chain_of(host).step(name)
        remedies = (risk.remedy for risk in self.risks if risk.remedy is not None)
        return found or next((remedy for remedy in remedies if remedy.name == name), None)

    @cached_property
    def rungs(self) -> Mapping[str, tuple[Wave, ...]]:
        """The waves of each rung, in order."""
        found: dict[str, tuple[Wave, ...]] = {}
        for wave in self.waves.values():
            found[wave.rung] = (*found.get(wave.rung, ()), wave)
        return found

    @cached_property
    def approvals(self) -> tuple[str, ...]:
        """The rungs after which a person is asked, in order."""
        needs = (need.approved for wave in self.waves.values() for need in wave.needs)
        return tuple(dict.fromkeys(rung for rung in needs if rung is not None))

    @cached_property
    def waves_of(self) -> Mapping[str, tuple[Wave, ...]]:
        """The waves of each combo, in order."""
        found: dict[str, tuple[Wave, ...]] = dict.fromkeys(self.combos, ())
        for wave in self.waves.values():
            found[wave.combo] = (*found[wave.combo], wave)
        return found

    def target_of(self, host: str, step: Step | None) -> Mapping[str, tuple[str, ...]]:
        """Where the host is led: as far as the step's own hop, if it is on one."""
        combo = replace(self.chain_of(host), to=self.nodes[host].to or self.chain_of(host).to)
        return combo.to if step is None else combo.leads_to(step)

    def chain_of(self, host: str) -> Combo:
        """The combo of a host in the graph."""
        return self.combos[self.nodes[host].combo]

    def to_json(self) -> Json:
        """A value for json.dumps; `from_json` gives the same graph back. Factors and addresses are all it tells of a host."""
        return {
            "version": 1,
            "plan": self.plan,
            "digest": self.digest,
            "parts": dict(self.parts),
            "nodes": [
                [
                    n.name,
                    n.combo,
                    n.wave,
                    list(n.slots),
                    dict(n.factors),
                    n.address,
                    n.digest,
                    n.expect,
                    n.guests,
                    list(n.zones),
                    list(n.risks),
                    list(n.waivers),
                    dict(n.to),
                ]
                for n in self.nodes.values()
            ],
            "combos": [asdict(combo) for combo in self.combos.values()],
            "waves": [asdict(wave) for wave in self.waves.values()],
            "gates": [asdict(gate) for gate in self.gates],
            "risks": [asdict(risk) for risk in self.risks],
            "caps": dict(self.caps),
            "controller": self.controller,
            "tolerated": {
                "canary": self.tolerated_canary,
                "combo": dict(self.tolerated_combo),
                "run": self.tolerated_run,
                "per": dict(self.tolerated_per),
            },
            "on_fault": self.on_fault,
            "untouched": [[u.host, u.word, u.because, u.combo, u.cause] for u in self.untouched],
            "notes": list(self.notes),
            "harm": self.harm,
            "seed": self.seed,
            "shape": self.shape,
            "four_eyes": self.four_eyes,
            "calendar": self.calendar and self.calendar.to_json(),
            "deadline": self.deadline,
            "waivers": [asdict(waiver) for waiver in self.waivers],
            "allow_unknown": self.allow_unknown,
        }

    @classmethod
    def from_json(cls, value: Json) -> "Graph":
        """The graph that `to_json` wrote."""
        nodes = {n[0]: _node(n) for n in value["nodes"]}
        calendar = value.get("calendar")
        return cls(
            plan=value["plan"],
            digest=value["digest"],
            parts=value["parts"],
            nodes=nodes,
            combos={c["name"]: _combo(c) for c in value["combos"]},
            waves={w["id"]: _wave(w) for w in value["waves"]},
            gates=tuple(GateRule(**{**g, "when": Moment(**g["when"])}) for g in value["gates"]),
            risks=tuple(_risk(risk) for risk in value.get("risks", ())),
            caps=value["caps"],
            controller=value["controller"],
            **_tolerated(value),
            on_fault=value.get("on_fault", "isolate"),
            untouched=tuple(Untouched(*u) for u in value["untouched"]),
            notes=tuple(value["notes"]),
            harm=value.get("harm"),
            seed=value.get("seed", ""),
            shape=value.get("shape", ""),
            four_eyes=value.get("four_eyes", False),
            calendar=None if calendar is None else Calendar.from_json(calendar),
            deadline=value.get("deadline"),
            waivers=tuple(_waiver(waiver) for waiver in value.get("waivers", ())),
            allow_unknown=value.get("allow_unknown", False),
        )


def _tolerated(value: Json) -> dict[str, Any]:
    """Graphs of earlier versions have one number for all combos."""
    told = value["tolerated"]
    if isinstance(told, list):
        of_combos = {combo["name"]: told[1] for combo in value["combos"]}
        told = {"canary": told[0], "combo": of_combos, "run": told[2], "per": {}}
    return {f"tolerated_{what}": amount for what, amount in told.items()}


def _node(value: Json) -> Node:
    """Graphs of earlier versions tell less of a host."""
    node = Node(value[0], value[1], value[2], tuple(value[3]), *value[4:9])
    extra: dict[str, Any] = dict(zip(("zones", "risks", "waivers"), map(tuple, value[9:12]), strict=False))
    extra["to"] = {factor: tuple(globs) for factor, globs in dict(*value[12:]).items()}
    return replace(node, **extra) if any(extra.values()) else node


def _combo(value: Json) -> Combo:
    chain = tuple(Step.from_json(step) for step in value["chain"])
    learned = {step: (usual, late) for step, (usual, late) in value.get("learned", {}).items()}
    to = {factor: tuple(globs) for factor, globs in value["to"].items()}
    words = {key: tuple(value.get(key, ())) for key in ("because", "hops")}
    return Combo(**{**value, **words, "chain": chain, "to": to, "learned": learned})


def _risk(value: Json) -> Risk:
    remedy = Step.from_json(value["remedy"]) if value["remedy"] else None
    applies = {name: tuple(wanted) for name, wanted in value.get("applies", {}).items()}
    return Risk(**{**value, "steps": tuple(value["steps"]), "remedy": remedy, "applies": applies})


def _waiver(value: Json) -> Waiver:
    lists = {key: tuple(value[key]) for key in ("waives", "combos", "hosts")}
    return Waiver(**{**value, **lists})


def _wave(value: Json) -> Wave:
    needs = tuple(Need(**need) for need in value["needs"])
    return Wave(**{**value, "hosts": tuple(value["hosts"]), "needs": needs})
