"""The compiled plan: which host is in which wave, what each wave waits for, which gates are asked when."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from typing import Any, Literal

from rollout.model.chain import Step
from rollout.model.combo import Combo
from rollout.model.plan import NO_GUESTS, PER_HOST, GateRule, Identity, Moment, Risk
from rollout.model.verdict import Cause, Waiver
from rollout.model.windows import Calendar, Key

Json = Any
"""What json.dumps takes and json.loads gives."""

__all__ = ["Combo", "Graph", "Json", "Need", "Node", "Untouched", "Wave"]


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
    approval_to_begin: bool = False
    """Whether it begins, or goes on after an amendment, only with a recorded approval of its digest."""
    identity: Identity | None = None
    calendar: Calendar | None = None
    deadline: float | None = None
    waivers: tuple[Waiver, ...] = ()
    allow_unknown: bool = False

    @cached_property
    def gates_at(self) -> Mapping[tuple[str, str], tuple[GateRule, ...]]:
        """The gates that are asked of each host, by (edge, what), in the plan's order."""
        own = [gate for gate in self.gates if gate.per == PER_HOST]
        keys = dict.fromkeys((gate.when.edge, gate.when.what) for gate in own)
        return {key: tuple(gate for gate in own if (gate.when.edge, gate.when.what) == key) for key in keys}

    @cached_property
    def fleet_gates(self) -> Mapping[str, tuple[GateRule, ...]]:
        """The gates that are asked about many hosts at once, by moment, in the plan's order."""
        many = [gate for gate in self.gates if gate.per != PER_HOST]
        moments = dict.fromkeys(str(gate.when) for gate in many)
        return {moment: tuple(gate for gate in many if str(gate.when) == moment) for moment in moments}

    def rule(self, name: str) -> GateRule | None:
        """The first gate of that name: a gate of several hops has one settings for them all."""
        return next((gate for gate in self.gates if gate.name == name), None)

    @cached_property
    def remembering(self) -> tuple[GateRule, ...]:
        """The gates that want to see a host before its first disruptive step."""
        return tuple(gate for gate in self.gates if gate.remembers)

    @cached_property
    def no_guests(self) -> GateRule | None:
        """The gate that rollout added, if any step endangers guests."""
        return self.rule(NO_GUESTS)

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
            "approval_to_begin": self.approval_to_begin,
            "identity": self.identity and asdict(self.identity),
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
            approval_to_begin=value.get("approval_to_begin", False),
            identity=None if value.get("identity") is None else Identity(**value["identity"]),
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
