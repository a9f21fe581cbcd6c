"""What befalls imagined hosts follows from the seed, the host and what is drawn; nothing else."""

import math
from statistics import median

import pytest

from rollout.executors.imagined import GRAIN, Chances, Defect, Fates, ImaginedGate, drawn
from rollout.executors.rehearsal import World
from rollout.model.chain import Step
from rollout.model.seams import Answer, Ending, Order, Subject
from tests.fleet import a_graph

MANY = a_graph({"a": 1000, "b": 1000})
STEP = Step("upgrade", expect=100, timeout=10_000)


def fates(*defects: Defect, seed: int = 1, **chances: float) -> Fates:
    return Fates(MANY, Chances(defects=defects, **chances), seed)


def test_what_is_drawn_follows_from_its_words_and_is_spread_evenly() -> None:
    assert drawn(1, "a", "b") == drawn(1, "a", "b") != drawn(1, "ab", "")
    numbers = [number for seed in range(1000) for number in drawn(seed, "a1")]
    assert all(0 <= number < 1 for number in numbers)
    assert 0.48 < sum(numbers) / len(numbers) < 0.52


def test_durations_are_lognormal_around_what_is_expected() -> None:
    drawn_for = fates(spread=0.3)
    seconds = [drawn_for.duration(host, STEP) for host in MANY.nodes]
    assert 97 < median(seconds) < 103
    assert 0.28 < math.sqrt(sum(math.log(one / 100) ** 2 for one in seconds) / len(seconds)) < 0.32
    assert all(one * GRAIN == int(one * GRAIN) for one in seconds), "sums of times are exact"
    assert fates(spread=0).duration("a1", STEP) == 100


def test_a_straggler_is_slow_in_every_step() -> None:
    slow = fates(spread=0.0, stragglers=0.1, slower=4.0)
    late = {host for host in MANY.nodes if slow.duration(host, STEP) == 400}
    assert 160 < len(late) < 240
    other = Step("verify", expect=10)
    assert {host for host in MANY.nodes if slow.duration(host, other) == 40} == late


def test_a_step_that_would_take_longer_than_its_time_out_is_late() -> None:
    short = Fates(MANY, Chances(spread=0.0, stragglers=1.0, slower=20.0), 1)
    step = MANY.chain_of("a1").chain[1]
    assert short.duration("a1", step) == step.timeout
    assert short["a1", step.name].ending is Ending.LATE


@pytest.mark.parametrize(
    ("defect", "concerned"),
    [
        (Defect("all"), 2000),
        (Defect("a", {"hardware": "a"}), 1000),
        (Defect("a", combo="a"), 1000),
        (Defect("pair", {"hardware": "b", "rack": "r1"}), 250),
        (Defect("glob", {"rack": "r[12]"}), 1000),
        (Defect("none", {"nic": "x"}), 0),
    ],
    ids=lambda value: getattr(value, "name", ""),
)
def test_a_defect_concerns_the_hosts_that_are_all_of_it(defect: Defect, concerned: int) -> None:
    planted = fates(defect)
    assert sum(1 for host in MANY.nodes if planted.broken(host)) == concerned


def test_a_share_of_the_concerned_hosts_is_broken_and_always_the_same() -> None:
    planted = fates(Defect("a", {"hardware": "a"}, q=0.3))
    broken = {host for host in MANY.nodes if planted.broken(host)}
    assert 260 < len(broken) < 340
    assert broken == {
        host for host in MANY.nodes if fates(Defect("other", {"hardware": "a"}, q=0.3)).broken(host)
    }
    assert broken != {
        host for host in MANY.nodes if fates(Defect("a", {"hardware": "a"}, q=0.3), seed=2).broken(host)
    }


def test_a_defect_shows_in_the_once_step_unless_it_says_where() -> None:
    combo = MANY.combos["a"]
    assert Defect("all").shows_in(combo) == "upgrade"
    assert Defect("all", step="verify").shows_in(combo) == "verify"
    assert Defect("all", step="frob").shows_in(combo) is None
    assert Defect("all", late=60).shows_in(combo) is None


def test_hosts_that_break_by_themselves_do_so_while_they_are_disrupted() -> None:
    frail = fates(base=0.05)
    steps = [step for host in MANY.nodes for step in frail.broken(host)]
    assert 70 < len(steps) < 130
    assert {*steps} == {"upgrade", "reboot", "verify"}


def the_last_step_is_done(world: World, host: str) -> None:
    world.begin(Order("run", host, MANY.chain_of(host).chain[-1], 1, 1))


def asked(gate: ImaginedGate, host: str) -> Answer:
    subject = Subject(host, "a", {}, {}, lambda: pytest.fail("nothing is reached"))
    return gate.check(subject).value


def test_a_late_defect_shows_in_gates_so_long_after_the_host_was_done() -> None:
    now = [0.0]
    planted = fates(Defect("late", {"hardware": "a"}, late=100), spread=0)
    world = World(lambda: now[0], planted.duration, planted)
    gate = ImaginedGate(world, planted, MANY, "g")
    now[0] = 1000.0
    assert asked(gate, "a1") is Answer.PASS, "nothing was done to it"
    assert planted.harmed(world) == ()
    the_last_step_is_done(world, "a1")
    the_last_step_is_done(world, "b1")
    assert planted.harmed(world) == ("a1",), "it has yet to show"
    done = world.busy_until["a1"][1]
    now[0] = done + 99
    assert asked(gate, "a1") is Answer.PASS
    now[0] = done + 100
    assert asked(gate, "a1") is Answer.FAIL
    assert asked(gate, "b1") is Answer.PASS


def test_a_gate_has_gaps_now_and_then() -> None:
    gappy = fates(gaps=0.05)
    gate = ImaginedGate(World(lambda: 0.0), gappy, MANY, "g")
    answers = [asked(gate, host) for host in MANY.nodes]
    assert 60 < answers.count(Answer.INCONCLUSIVE) < 140
    again = ImaginedGate(World(lambda: 0.0), gappy, MANY, "g")
    assert [asked(again, host) for host in MANY.nodes] == answers


def test_a_host_is_harmed_by_what_befalls_it_from_its_first_disruptive_step_on() -> None:
    early, late = (
        Defect("early", {"hardware": "a"}, step="precheck"),
        Defect("late", {"hardware": "b"}, step="verify"),
    )
    planted = fates(early, late)
    world = World(lambda: 0.0, planted.duration, planted)
    chain = MANY.chain_of("a1").chain
    world.begin(Order("run", "a1", chain[0], 1, 1))
    world.begin(Order("run", "b1", chain[1], 1, 1))
    assert planted.harmed(world) == ()
    world.begin(Order("run", "b1", chain[3], 2, 1))
    assert planted.harmed(world) == ("b1",)
