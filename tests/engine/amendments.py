"""Runs whose plan is amended in the middle, again and again, by chance: what must be true of every amendment, and of every event before and after."""

import json
from collections import ChainMap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from random import Random

from rollout.engine import Engine, amending
from rollout.engine.amending import Asked
from rollout.engine.rehearsal import imagined_owner, rehearsed_engine
from rollout.errors import PlanInvalid
from rollout.executors.imagined import Chances, Fates, ImaginedGate
from rollout.executors.rehearsal import World
from rollout.graph import compile_graph
from rollout.graph.amend import Amended, amend, has_begun, may_leave
from rollout.journal.memory import MemoryJournal
from rollout.model.decision import Stop
from rollout.model.event import Event, Kind
from rollout.model.graph import Graph
from rollout.model.plan import Approval
from rollout.model.state import State
from rollout.model.verdict import Given
from tests.engine.amended_plans import another
from tests.engine.dying import Died
from tests.engine.ramping import RUN, _Bystander, _Time, mended, recounted
from tests.engine.ramps import Drawn, drawn
from tests.engine.recount import Recount
from tests.engine.rules import Seen

LOOKS = 6
"""How often a person looks after a run that has stopped."""

AMENDMENTS = 4


class Refused(Exception):
    """Hosts that have begun could not go on by that plan."""


class Recounted(Recount):
    """A recount that is told of amendments. `done`: the steps that each host has finished, whatever chains said of them at any time."""

    def __init__(self, drawn: Drawn) -> None:
        super().__init__(drawn)
        self.done: dict[str, list[str]] = {name: [] for name in drawn.graph.nodes}
        self.outdated: set[str] = set()
        self.graphs: dict[str, Drawn] = {}
        self.asked_first = False

    def see(self, event: Event) -> None:
        if event.kind is Kind.AMENDED:
            self._goes_on(event)
            return
        self.asked_first |= event.kind is Kind.ROUND and event.data["moment"] == "before run"
        name, step = event.host or "", event.step or ""
        if (
            name in self.done
            and event.kind is Kind.INTENDED
            and not step.startswith(("undo-", "remedy-", "commit-"))
        ):
            assert step not in self.done[name], f"I4: a finished step was run again: {event}"
        super().see(event)
        if name in self.done:
            self._note(event, name, step)

    def was_asked_first(self) -> bool:
        """By gates that may be gone by now."""
        return self.asked_first

    def _note(self, event: Event, name: str, step: str) -> None:
        done = self.done[name]
        if event.kind is Kind.DONE and step.startswith("undo-"):
            of = step.removeprefix("undo-")
            del done[done.index(of) if of in done else len(done) :]
        elif event.kind is Kind.DONE:
            done.append(step)
        elif event.kind is Kind.ROLLED_BACK:
            done.clear()
            self.outdated.discard(name)
        elif event.kind is Kind.RESOLVED:
            behind = self._behind(name, self.hosts[name])
            done[:] = [one for one in done if one in behind]

    def _goes_on(self, event: Event) -> None:
        assert event.data["old"] == self.graph.digest, "it was amended from another graph"
        self.drawn = self.graphs[event.data["new"]]
        self.graph = self.drawn.graph
        self.at = event.at
        left = set(self.hosts) - set(self.graph.nodes)
        assert not any(self.hosts[name].slot or self.hosts[name].open for name in left), "a host that was disrupted left the run"  # fmt: skip
        self.hosts = {name: self.hosts[name] for name in self.graph.nodes}
        self.canaries = {name for wave in self.graph.waves.values() if wave.canary for name in wave.hosts}
        self.opened &= set(self.graph.waves)
        self.passed &= set(self.graph.waves)
        for name, seen in self.hosts.items():
            steps = event.data["credit"].get(self.graph.nodes[name].combo)
            if steps is not None and (
                seen.status in {"verified", "soaking"} or set(steps) & self._behind(name, seen)
            ):
                self.outdated.add(name)
            changed = [gate for gate in self.graph.gates if gate.name in event.data["gates"]]
            seen.proofs = [one for one in seen.proofs if one not in event.data["gates"]]
            past = self._behind(name, seen) - {seen.passed}
            seen.proofs += [
                gate.name for gate in changed if gate.when.edge == "after" and gate.when.what in past
            ]

    def _behind(self, name: str, seen: Seen) -> set[str]:
        names = [step.name for step in self.chain(name)]
        return set(names[: names.index(seen.passed) + 1]) if seen.passed in names else set()

    def has_credit(self, event: Event) -> None:
        """What was verified by other steps proves nothing."""
        everyone = self.hosts
        self.hosts = {
            name: replace(seen, status="outdated")
            if name in self.outdated and seen.status == "verified"
            else seen
            for name, seen in everyone.items()
        }
        super().has_credit(event)
        self.hosts = everyone


# --- what must be true of an amendment -----------------------------------------------------------------------------------------------


def check_sound(old: Graph, amended: Amended, state: State) -> None:
    """Whoever has begun is where it was; every host is in one wave; every need leads somewhere, and none to itself."""
    new = amended.graph
    places = [(name, wave) for wave in new.waves.values() for name in wave.hosts]
    assert sorted(name for name, _ in places) == sorted(new.nodes), "a host is in no wave, or in two"
    assert all(
        new.nodes[name].wave == wave.id and new.nodes[name].combo == wave.combo for name, wave in places
    )
    assert set(new.nodes) <= set(old.nodes), "a host joined the run"
    assert set(new.nodes) | set(amended.excluded) | set(amended.gone) | {
        name for name, host in state.hosts.items() if host.status in {"retired", "gone", "excluded"}
    } >= set(old.nodes), "a host was lost"
    left = {*amended.excluded, *amended.gone}
    assert all(
        may_leave(old.chain_of(name), state.hosts[name]) for name in left if has_begun(state.hosts[name])
    )
    for name, host in state.hosts.items():
        if has_begun(host) and name not in left:
            was, now = old.nodes[name], new.nodes[name]
            assert (was.combo, was.wave) == (now.combo, now.wave), f"{name} has begun, and moved"
            assert was.factors.items() <= now.factors.items()
            target = now.to or new.combos[now.combo].to
            assert dict(target) == dict(was.to or old.combos[was.combo].to), (
                f"{name} has begun, and is led elsewhere"
            )
    for wave in old.waves.values():
        begun = {name for name in wave.hosts if has_begun(state.hosts[name]) and name not in left}
        if begun and wave.id in new.waves:
            assert set(new.waves[wave.id].hosts) <= set(wave.hosts), f"{wave.id} was given to others"
    for combo, line in new.waves_of.items():
        opened = [wave.id in state.run.opened for wave in line]
        assert opened == sorted(opened, reverse=True), f"{combo}: what is open stands behind what is not"
    assert set(new.caps) >= {slot for node in new.nodes.values() for slot in node.slots}
    assert sum(combo.hosts for combo in new.combos.values()) == len(new.nodes)
    assert Graph.from_json(json.loads(json.dumps(new.to_json()))).to_json() == new.to_json()
    check_needs(new, state.run.opened)


def check_needs(graph: Graph, opened: Mapping[str, float]) -> None:
    """Each need has something that can meet it, and no wave waits for itself."""
    before: dict[str, set[str]] = {}
    for wave in graph.waves.values():
        found: set[str] = set()
        for need in wave.needs if wave.id not in opened else ():
            if need.wave is not None:
                assert need.wave in graph.waves, f"{wave.id} waits for {need.wave}, which is no more"
                found.add(need.wave)
            if need.rung is not None:
                assert need.rung in graph.rungs, f"{wave.id} waits for rung {need.rung}, which is no more"
                found.update(one.id for one in graph.rungs[need.rung])
            if need.combo is not None:
                combo = graph.combos[need.combo]
                assert combo.hosts + combo.current, f"{wave.id} waits for {need.combo}, which has no host"
                found.update(one.id for one in graph.waves_of[need.combo])
        before[wave.id] = found
    settled: set[str] = set()
    while len(settled) < len(before):
        ready = {wave for wave, needs in before.items() if wave not in settled and needs <= settled}
        assert ready, f"waves wait for themselves: {sorted(set(before) - settled)}"
        settled |= ready


# --- runs ---------------------------------------------------------------------------------------------------------------------------


@dataclass
class Carried:
    """What a run left behind. `amendments`: what each of them did."""

    stop: Stop
    events: list[Event]
    state: State
    world: World
    amendments: list[Amended] = field(default_factory=list)
    refused: int = 0


def carried(seed: int, *, calm: bool = False, sizes: tuple[int, int] = (12, 30)) -> Carried:
    """A drawn run that is amended whenever its controller has died, or stopped. `calm`: nothing fails, nobody meddles, and nobody is asked."""
    was = drawn(seed, sizes)
    if calm:
        was = _calmed(was)
    return _Carrying(was, calm).carried()


def _calmed(was: Drawn) -> Drawn:
    plan = replace(was.plan, approval=Approval(), windows=(), deadline=None)
    graph = compile_graph(plan, was.fleet, {"plan": str(was.seed)})
    return replace(
        was,
        plan=plan,
        graph=graph,
        chances=Chances(),
        faults={},
        nights=(),
        denied=None,
        crashes=6,
        meddling=0,
    )


class _Carrying:
    def __init__(self, was: Drawn, calm: bool) -> None:
        self.drawn, self.calm = was, calm
        self.dice = Random(f"amendments {was.seed}")
        self.inbox = _Time(was.start)
        fates = Fates(was.graph, was.chances, was.seed)
        self.fates, self.known = fates, was.graph
        self.world = World(self.inbox.now, fates.duration, ChainMap(dict(was.faults), fates))  # type: ignore[arg-type]
        self.journal, self.recount = MemoryJournal(self.inbox.now), Recounted(was)
        self.journal.create(RUN, was.graph, plan_file="", created_by="test")
        deaths = was.crashes or 2
        self.bystander = _Bystander(was, self.journal, self.recount, self.dice, deaths)
        self.made: list[Amended] = []
        self.refused = self.number = 0

    def carried(self) -> Carried:
        looks, told = LOOKS, 0
        while True:
            engine, stop = self._controller()
            told = recounted(self.recount, self.journal, told)
            if stop is not None:
                self.recount.ends(stop, engine.state)
                check_indexes(engine.state)
                looks -= 1
                if (stop.exit_code == 0 and not self.calm) or not looks or engine.state.run.aborted:
                    break
                if stop.exit_code == 0 and len(self.made) >= AMENDMENTS:
                    break
                for request in [] if self.calm else mended(self.dice, engine.state, self.drawn):
                    self.bystander.request(request)
            if len(self.made) + self.refused < 2 * AMENDMENTS and self.dice.random() < 0.8:
                self._amend()
                told = recounted(self.recount, self.journal, told)
            self.inbox.forget(600.0)
        return Carried(
            stop, list(self.journal.events(RUN)), engine.state, self.world, self.made, self.refused
        )

    def _controller(self) -> tuple[Engine, Stop | None]:
        self.number += 1
        graph = self.journal.graph(RUN)
        gates = {
            rule.name: ImaginedGate(self.world, self.fates, self.known, rule.name) for rule in graph.gates
        }
        lease = self.journal.claim(RUN, imagined_owner(self.number))
        engine = rehearsed_engine(
            self.journal, lease, graph, self.world, self.inbox, gates=gates, listener=self.bystander.listen
        )
        try:
            return engine, engine.run()
        except Died:
            return engine, None

    def _amend(self) -> None:
        self.number += 1
        old = self.journal.graph(RUN)
        plan, parts = another(self.dice, self.drawn, self.number)

        def merged(state: State) -> tuple[Amended, Asked]:
            try:
                found = amend(old, plan.plan, plan.fleet, parts, Given(), state.run, state.hosts)
            except PlanInvalid as error:
                raise Refused from error
            if found.refused:
                raise Refused(found.refused)
            check_sound(old, found, state)
            self.drawn = replace(plan, graph=found.graph)
            self.recount.graphs[found.graph.digest] = self.bystander.drawn = self.drawn
            self.made.append(found)
            return found, Asked("test", "", ["something"])

        try:
            amending.amend(self.journal, RUN, imagined_owner(self.number), old, merged)
        except Refused:
            self.refused += 1
            assert self.journal.graph(RUN) is old


def check_indexes(state: State) -> None:
    """Those that were kept equal those that are built anew."""
    anew = State(state.graph, state.run, state.hosts)
    assert anew.slots.taken == +state.slots.taken
    for count in ("verified", "outdated", "late", "exposed"):
        assert +getattr(anew.credit, count) == +getattr(state.credit, count), count
    names: Sequence[str] = [*state.graph.combos]
    assert [anew.credit.left(name) for name in names] == [state.credit.left(name) for name in names]
    assert set(anew.idle) == set(state.idle)
