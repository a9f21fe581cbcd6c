"""The path is suspected before the hosts: what vanishes together is not blamed, and goes on when the path does."""

from collections import Counter
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rollout.engine.paths import Examiner, InlinePaths
from rollout.errors import HALTED, SshUnsupported
from rollout.executors.rehearsal import Fault
from rollout.journal.memory import MemoryJournal
from rollout.model.decision import Stop
from rollout.model.event import Event, Kind
from rollout.model.graph import Graph
from rollout.model.plan import Amount, Failures, GateRule, Limits, Moment
from rollout.model.seams import Ending
from rollout.model.state import State, Status
from tests.engine.dying import Died, DyingJournal
from tests.engine.outages import BASTION, PATH, BrokenWorld, FreshGate, ImaginedWays, Outage
from tests.engine.worlds import Death, Patience, deaths
from tests.fleet import CHAIN, a_combo, a_graph, a_plan, an_engine
from tests.scheduler.given import Given

BEGIN = 1000.0
ALL = frozenset(f"a{number}" for number in range(1, 9))
UPGRADING = BEGIN + 60
"""Five hosts are in the middle of `upgrade`, which takes from 1010 to 1110; three wait."""


def eight(gates: tuple[GateRule, ...] = (), *, tolerated: int = 0, at_once: int = 5) -> Graph:
    plan = a_plan(
        a_combo("a"),
        waves=(Amount(100, percent=True),),
        limits=Limits(at_once=Amount(at_once)),
        failures=Failures(tolerated, tolerated, tolerated),
        gates=gates,
    )
    return a_graph({"a": 8}, plan)


@dataclass
class Run:
    """A run that several controllers carry on, in a world with outages."""

    graph: Graph
    outages: tuple[Outage, ...] = ()
    inbox: Patience = field(default_factory=lambda: Patience(BEGIN))

    def __post_init__(self) -> None:
        self.world = BrokenWorld(self.inbox.now, outages=self.outages)
        self.ways = ImaginedWays(self.world)
        self.paths = InlinePaths(Examiner(self.ways, self.inbox.now))
        self.journal = MemoryJournal(self.inbox.now)
        self.journal.create("run", self.graph, plan_file="plan.yml", created_by="test")

    def carry_on(self, death: Death | None = None) -> tuple[Stop, State]:
        mortal = (
            self.journal
            if death is None
            else DyingJournal(self.journal, death.write, committed=death.committed)
        )
        self.inbox.forget()
        engine = an_engine(
            self.graph, mortal, self.world, self.inbox, gate=lambda _world: FreshGate(self.world), paths=self.paths
        )  # fmt: skip
        return engine.run(), engine.state

    @property
    def events(self) -> list[Event]:
        return list(self.journal.events("run"))

    def kinds(self) -> Counter[Kind]:
        return Counter(event.kind for event in self.events)

    def only(self, kind: Kind) -> Event:
        (event,) = [event for event in self.events if event.kind is kind]
        return event

    def twice(self) -> list[tuple[str, str]]:
        """What was begun more than once on a host."""
        return [key for key, times in self.world.began.items() if times > 1]


def check_healed(run: Run, stop: Stop, state: State) -> None:
    assert stop.exit_code == 0, stop
    assert {host.status for host in state.hosts.values()} == {Status.VERIFIED}
    assert not any(host.harmed or host.lost or host.stuck for host in state.hosts.values())
    assert run.kinds()[Kind.FAILED] == run.kinds()[Kind.HELD] == run.kinds()[Kind.TRIPPED] == 0
    assert run.twice() == []
    assert (state.run.suspected, state.run.paused, state.run.paused_by) == ({}, None, "")


def test_a_bastion_that_dies_under_five_hosts_pauses_the_run_once_and_counts_none() -> None:
    run = Run(eight(), (Outage(ALL, UPGRADING, UPGRADING + 600),))
    stop, state = run.carry_on()
    check_healed(run, stop, state)
    assert (run.kinds()[Kind.SUSPECTED], run.kinds()[Kind.STRANDED], run.kinds()[Kind.RESTORED]) == (1, 5, 1)
    assert run.only(Kind.SUSPECTED).because == (
        f"the path {PATH} is suspected: the bastion {BASTION} does not let us in (Permission denied (publickey)), "
        "and none of a6, a7, a8 answers through it (a6: no answer within 12 s)"
    )
    assert run.only(Kind.SUSPECTED).data == {"path": PATH, "by": "path", "asked": ["a6", "a7", "a8"]}
    assert run.only(Kind.RESTORED).because.startswith(f"the path {PATH} works again: a")
    first = {who: times for (at, who), times in run.ways.asked.items() if at == UPGRADING}
    assert first == {BASTION: 1, "a6": 1, "a7": 1, "a8": 1}, (
        "one question for the path, not one for each host"
    )


def test_nothing_begins_while_a_path_is_suspected() -> None:
    run = Run(eight(), (Outage(ALL, UPGRADING, UPGRADING + 600),))
    run.carry_on()
    begun = [event.at for event in run.events if event.kind is Kind.INTENDED]
    assert not [at for at in begun if UPGRADING <= at < run.only(Kind.RESTORED).at]


def test_a_path_is_asked_again_soon_and_then_less_often() -> None:
    run = Run(eight(), (Outage(ALL, UPGRADING, UPGRADING + 200),))
    run.carry_on()
    looks = sorted({at - UPGRADING for at, who in run.ways.asked if who == BASTION and at > UPGRADING})
    assert looks == [5, 15, 35, 75, 135, 195, 255]


def test_a_controller_waits_an_hour_and_a_person_goes_on_later() -> None:
    run = Run(eight(), (Outage(ALL, UPGRADING, UPGRADING + 8000),))
    stop, state = run.carry_on()
    assert stop.exit_code == HALTED
    assert stop.because.endswith(
        "; hosts a1, a2, a3, a4, a5 wait and are not counted; mend it, then `rollout resume` "
        "(0 verified, 0 held, 0 not started, 8 under way)"
    )
    assert run.inbox.now() == UPGRADING + 3600
    assert state.run.paused_by == "path"

    run.journal.request("run", Event(Kind.CONTINUED, "the bastion is back, I think"))
    stop, _ = run.carry_on()  # it is not
    assert stop.exit_code == HALTED
    run.inbox.get(UPGRADING + 8000)
    run.journal.request("run", Event(Kind.CONTINUED, "now it is"))
    check_healed(run, *run.carry_on())


def test_a_controller_that_carries_on_by_itself_lifts_the_pause_when_the_path_is_back() -> None:
    run = Run(eight(), (Outage(ALL, UPGRADING, UPGRADING + 5000),))
    assert run.carry_on()[0].exit_code == HALTED
    run.inbox.get(UPGRADING + 5000)
    check_healed(run, *run.carry_on())


def test_a_host_that_alone_vanishes_is_held_as_ever() -> None:
    run = Run(eight(), (Outage(frozenset({"a2"}), UPGRADING, UPGRADING + 9999),))
    stop, state = run.carry_on()
    assert stop.exit_code == HALTED
    assert run.kinds()[Kind.SUSPECTED] == 0
    assert [host.name for host in state.hosts.values() if host.harmed] == ["a2"]
    assert state.hosts["a2"].status is Status.HELD


@pytest.mark.parametrize("alive", ["a4", "a5", "a8"])
def test_a_dead_host_is_counted_soon_although_most_witnesses_are_dead_too(alive: str) -> None:
    dead = frozenset({f"a{number}" for number in range(2, 9)} - {alive})
    away = Outage(frozenset({"a1"}), UPGRADING, 1e9, bastion=False)
    others = Outage(dead, UPGRADING - 5, 1e9, bastion=False)
    run = Run(eight(at_once=1, tolerated=1), (away, others))
    run.ways.has_bastion = False
    stop, state = run.carry_on()
    assert stop.exit_code == HALTED
    assert (state.hosts["a1"].status, state.run.suspected) == (Status.HELD, {})
    assert run.kinds()[Kind.INTENDED] <= 4
    assert run.inbox.now() - UPGRADING <= 60


@pytest.mark.parametrize(("bastion", "healed"), [(True, True), (False, False)])
def test_with_nobody_else_on_the_path_the_bastion_decides(bastion: bool, healed: bool) -> None:
    run = Run(eight(), (Outage(ALL, UPGRADING, UPGRADING + 100, bastion=bastion),))
    run.ways.alone = True
    stop, state = run.carry_on()
    assert (stop.exit_code == 0) is healed
    assert bool(run.kinds()[Kind.SUSPECTED]) is healed
    assert any(host.harmed for host in state.hosts.values()) is not healed


@pytest.mark.parametrize("bastion", [True, False])
def test_a_refused_host_key_is_the_bastions_or_the_hosts_own(bastion: bool) -> None:
    run = Run(eight(), (Outage(ALL, UPGRADING, UPGRADING + 100, bastion=bastion, ending=Ending.REFUSED),))
    run.ways.alone = True
    stop, _ = run.carry_on()
    assert (stop.exit_code == 0) is bastion
    assert bool(run.kinds()[Kind.SUSPECTED]) is bastion
    assert bool(run.kinds()[Kind.HELD]) is not bastion


def test_without_a_bastion_and_others_it_is_the_host() -> None:
    run = Run(eight(), (Outage(ALL, UPGRADING, UPGRADING + 100),))
    run.ways.alone, run.ways.has_bastion = True, False
    run.carry_on()
    assert run.kinds()[Kind.SUSPECTED] == 0
    assert run.kinds()[Kind.HELD] == 5


def test_a_path_that_cannot_be_known_suspects_nothing() -> None:
    run = Run(eight(), (Outage(ALL, UPGRADING, UPGRADING + 100),))
    run.ways.broken = SshUnsupported("an option that we cannot honour")
    run.carry_on()
    assert (run.kinds()[Kind.SUSPECTED], run.kinds()[Kind.HELD]) == (0, 5)


def test_what_keeps_us_from_asking_is_our_own_machine_if_it_is() -> None:
    run = Run(eight(), (Outage(ALL, UPGRADING, UPGRADING + 100),))
    run.ways.broken = RuntimeError("can't start new thread")
    stop, state = run.carry_on()
    assert (stop.exit_code, state.run.paused_by) == (HALTED, "controller")
    assert stop.because.startswith("paused: this machine: no more threads can be started; hosts a1, a2")
    run.ways.broken = None
    run.journal.request("run", Event(Kind.CONTINUED, "mended"))
    check_healed(run, *run.carry_on())


def test_what_died_while_nobody_could_be_asked_is_found_out_when_the_path_is_back() -> None:
    """The unit of a1 died with its machine, and its host cannot be asked what became of it."""
    run = Run(eight(), (Outage(ALL - {"a1"}, UPGRADING, UPGRADING + 300),))
    run.world.faults = {("a1", "upgrade"): Fault(Ending.LOST, because="its supervisor died")}
    stop, state = run.carry_on()
    check_healed(run, stop, state)
    assert [event.host for event in run.events if event.kind is Kind.STRANDED].count("a1") == 1


def test_what_died_on_a_host_that_alone_is_lost_is_uncertain() -> None:
    run = Run(eight(tolerated=8))
    run.world.faults = {("a1", "upgrade"): Fault(Ending.LOST, because="its supervisor died")}
    stop, state = run.carry_on()
    assert (stop.exit_code, state.hosts["a1"].uncertain) == (4, True)
    assert state.hosts["a1"].because == "what upgrade did cannot be known: its supervisor died"


def test_a_gate_that_finds_nobody_blames_the_path_too() -> None:
    gate = GateRule("fresh", "ssh", Moment("after", "verify"), retries=1, interval=10)
    verified = BEGIN + 180
    run = Run(eight((gate,)), (Outage(ALL, verified, verified + 300),))
    stop, state = run.carry_on()
    check_healed(run, stop, state)
    assert run.kinds()[Kind.SUSPECTED] >= 1
    stranded = [event for event in run.events if event.kind is Kind.STRANDED]
    assert any(event.step is None for event in stranded)


def test_a_gate_whose_host_alone_is_away_fails_as_ever() -> None:
    gate = GateRule("fresh", "ssh", Moment("after", "verify"))
    run = Run(eight((gate,), tolerated=8), (Outage(frozenset({"a1"}), BEGIN + 180, BEGIN + 9999),))
    stop, state = run.carry_on()
    assert (stop.exit_code, state.hosts["a1"].status) == (4, Status.HELD)
    assert run.kinds()[Kind.SUSPECTED] == 0


def test_a_full_disk_of_ours_blames_no_host() -> None:
    run = Run(eight())
    run.world.full_until = BEGIN + 50
    stop, state = run.carry_on()
    assert (stop.exit_code, state.run.paused_by) == (HALTED, "controller")
    assert stop.because.startswith(
        "paused: this machine: no space left on device; hosts a1, a2, a3, a4, a5 wait"
    )
    assert run.kinds()[Kind.SUSPECTED] == 1
    assert not any(host.lost for host in state.hosts.values()), "nothing of it had begun"
    assert run.inbox.now() == BEGIN, "it does not wait for its own disk"
    run.inbox.get(BEGIN + 60)
    run.journal.request("run", Event(Kind.CONTINUED, "there is room again"))
    check_healed(run, *run.carry_on())


def test_a_pause_that_a_person_asked_for_stays_when_the_path_is_back() -> None:
    given = Given(eight()).opened("a/1").did("a1", "precheck").began("a1", "upgrade")
    given.tell(Kind.PAUSED, because="lunch").tell(Kind.SUSPECTED, because="no way", path=PATH, by="path")
    given.tell(Kind.STRANDED, "a1", "upgrade", path=PATH, begun=True)
    assert (given.state.run.paused, given.state.run.paused_by) == ("lunch", "person")
    given.tell(Kind.RESTORED, path=PATH)
    assert (given.state.run.paused, given.host("a1").stuck, given.host("a1").lost) == ("lunch", False, True)


@given(
    st.lists(
        st.tuples(
            st.frozensets(st.sampled_from(sorted(ALL)), min_size=1), st.integers(0, 500), st.integers(1, 400)
        ),
        max_size=3,
    ),
    deaths,
)
def test_whoever_vanishes_and_dies_no_once_step_is_begun_twice(
    cuts: list[tuple[frozenset[str], int, int]], deaths: list[Death]
) -> None:
    """Hosts that vanish with their path, or alone; controllers that die meanwhile."""
    run = Run(
        eight(tolerated=8, at_once=8),
        tuple(Outage(hosts, BEGIN + at, BEGIN + at + long) for hosts, at, long in cuts),
    )
    for death in deaths:
        try:
            run.carry_on(death)
            break
        except Died:
            continue
    for _ in range(2):
        stop, state = run.carry_on()
        run.journal.request("run", Event(Kind.CONTINUED, "and on"))
    assert stop.exit_code in {0, 4} or state.run.tripped, stop
    assert not state.stuck
    held = {host.name for host in state.hosts.values() if host.status is Status.HELD}
    assert held <= {name for hosts, _, _ in cuts if hosts != ALL for name in hosts}, (
        "a path alone harms nobody"
    )
    for step in CHAIN:
        for name in ALL:
            if step.once:
                assert run.world.began[name, step.name] <= 1
    assert run.world.overlaps == []
