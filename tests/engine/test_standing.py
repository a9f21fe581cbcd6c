"""Gates about the fleet, and those that take more than one pass: asked of a real engine over imagined hosts."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import ClassVar

import pytest

from rollout.errors import DONE, HALTED
from rollout.executors.rehearsal import World
from rollout.journal import Journal
from rollout.journal.memory import MemoryJournal
from rollout.model.decision import Stop
from rollout.model.event import Event, Kind
from rollout.model.graph import Graph
from rollout.model.plan import DURING, Amount, GateRule, Limits, Moment, Soak
from rollout.model.seams import Answer, Subject, Verdict
from rollout.model.state import State, Status
from tests.engine.dying import Died, DyingJournal
from tests.engine.worlds import Patience
from tests.fleet import a_combo, a_graph, a_plan, an_engine

START = 1000.0
ALL_THE_TIME = Moment(DURING, "")
ERRORS = GateRule("errors", "prometheus", ALL_THE_TIME, per="run", fleet=True)

Says = Callable[[Subject], Answer]


class Oracle:
    """A gate that answers as it is told, and notes what it was asked."""

    remembers: ClassVar[bool] = False

    def __init__(self, says: Says) -> None:
        self.says = says
        self.asked: list[Subject] = []

    def check(self, subject: Subject) -> Verdict:
        self.asked.append(subject)
        return Verdict(self.says(subject), f"at {subject.now - START:.0f}", {"sample": len(self.asked)})

    def remember(self, subject: Subject) -> Verdict:
        return self.check(subject)


class Tried:
    """One run, carried on by as many controllers as are asked for."""

    def __init__(self, gates: Sequence[GateRule], says: Says, counts: dict[str, int], **more: object) -> None:
        combos = [a_combo(name) for name in counts]
        self.graph: Graph = a_graph(counts, a_plan(*combos, gates=gates, **more))  # type: ignore[arg-type]
        self.inbox = Patience(start=START)
        self.journal = MemoryJournal(self.inbox.now)
        self.journal.create("run", self.graph, plan_file="", created_by="")
        self.world = World(self.inbox.now)
        self.oracle = Oracle(says)

    def carry(self, journal: Journal | None = None, *, unattended: bool = False) -> tuple[Stop, State]:
        engine = an_engine(
            self.graph,
            journal or self.journal,
            self.world,
            self.inbox,
            gate=lambda _world: self.oracle,
            unattended=unattended,
        )
        return engine.run(), engine.state

    def events(self, *kinds: Kind) -> list[Event]:
        return [event for event in self.journal.events("run") if not kinds or event.kind in kinds]


def until(seconds: float, then: Answer = Answer.FAIL) -> Says:
    """Passes so long after the start; what it says afterwards."""
    return lambda subject: Answer.PASS if subject.now - START < seconds else then


def between(begin: float, end: float, then: Answer = Answer.FAIL) -> Says:
    return lambda subject: then if begin <= subject.now - START < end else Answer.PASS


def test_nothing_begins_before_a_gate_during_the_run_has_passed() -> None:
    tried = Tried([replace(ERRORS, retries=10)], between(0, 40), {"a": 3})
    stop, _ = tried.carry()
    assert stop.exit_code == DONE
    begun = tried.events(Kind.INTENDED)
    assert begun[0].at - START >= 40
    assert len(begun) == 12
    assert not tried.events(Kind.TRIPPED, Kind.PAUSED)


def test_it_is_asked_all_the_time_and_written_down_now_and_then() -> None:
    tried = Tried([ERRORS], lambda _subject: Answer.PASS, {"a": 8})
    stop, _ = tried.carry()
    assert stop.exit_code == DONE
    times = [subject.now for subject in tried.oracle.asked]
    assert max(later - earlier for earlier, later in pairwise(times)) <= ERRORS.interval
    assert len(tried.events(Kind.ANSWERED)) <= 2 + (times[-1] - times[0]) / 600


def test_its_failure_stops_the_run_and_lets_what_has_begun_finish() -> None:
    tried = Tried([ERRORS], until(100), {"a": 12})
    stop, state = tried.carry()
    assert stop.exit_code == HALTED
    assert "gate errors during failed: at 100; nothing more begins" in stop.because
    begun = {event.host for event in tried.events(Kind.INTENDED)}
    assert max(event.at for event in tried.events(Kind.INTENDED) if event.step == "precheck") <= START + 100
    assert {name for name, host in state.hosts.items() if host.status is Status.VERIFIED} >= begun - {
        name for name, host in state.hosts.items() if not host.slot and host.status is Status.RUNNING
    }
    assert not any(host.harmed for host in state.hosts.values())


def test_a_failure_that_has_stopped_the_run_is_written_down_now_and_then() -> None:
    tried = Tried([ERRORS], until(20), {"a": 1})
    tried.carry()
    asked = [subject.now for subject in tried.oracle.asked if subject.now >= START + 20]
    failed = [event for event in tried.events(Kind.ANSWERED) if event.data["value"] == Answer.FAIL]
    assert len(asked) > 10
    assert len(failed) == 1


def test_it_goes_on_only_under_a_later_controller_and_after_it_has_passed() -> None:
    mended = False
    failing = between(100, 130)
    tried = Tried([ERRORS], lambda subject: Answer.PASS if mended else failing(subject), {"a": 12})
    assert tried.carry()[0].exit_code == HALTED
    verified_later = [event for event in tried.events(Kind.ANSWERED) if event.at >= START + 130]
    assert verified_later  # it passed again while what was in flight ended
    assert not tried.events(Kind.RESET)
    mended = True
    stop, state = tried.carry()
    assert stop.exit_code == DONE
    (reset,) = tried.events(Kind.RESET)
    assert reset.because == "the run: gate errors passes again; it goes on"
    assert all(host.status is Status.VERIFIED for host in state.hosts.values())


def test_a_schedule_lets_nothing_go_on_that_a_gate_has_stopped() -> None:
    mended = False
    tried = Tried(
        [ERRORS],
        lambda subject: Answer.PASS if mended or subject.now - START < 100 else Answer.FAIL,
        {"a": 12},
    )
    tried.carry(unattended=True)
    mended = True
    before = len(tried.events(Kind.INTENDED))
    for _tick in range(3):
        stop, _ = tried.carry(unattended=True)
        assert stop.exit_code == HALTED
    assert len(tried.events(Kind.INTENDED)) == before
    assert not tried.events(Kind.RESET)
    assert tried.carry()[0].exit_code == DONE


def test_a_person_whom_a_gate_has_stopped_again_is_no_word_for_a_schedule() -> None:
    mended = False
    tried = Tried(
        [ERRORS],
        lambda subject: Answer.PASS if mended or subject.now - START < 100 else Answer.FAIL,
        {"a": 12},
    )
    for _again in range(2):
        assert tried.carry()[0].exit_code == HALTED
    mended = True
    before = len(tried.events(Kind.INTENDED))
    assert tried.carry(unattended=True)[0].exit_code == HALTED
    assert len(tried.events(Kind.INTENDED)) == before
    assert not tried.events(Kind.RESET)
    assert tried.carry()[0].exit_code == DONE


def test_a_schedule_carries_on_what_a_dead_controller_left() -> None:
    tried = Tried([ERRORS], lambda _subject: Answer.PASS, {"a": 4})
    with pytest.raises(Died):
        tried.carry(DyingJournal(tried.journal, 12, committed=True))
    stop, state = tried.carry(unattended=True)
    assert stop.exit_code == DONE
    assert all(host.status is Status.VERIFIED for host in state.hosts.values())


def test_a_run_that_still_fails_stays_stopped() -> None:
    tried = Tried([ERRORS], until(100), {"a": 12})
    tried.carry()
    before = len(tried.events(Kind.INTENDED))
    assert tried.carry()[0].exit_code == HALTED
    assert len(tried.events(Kind.INTENDED)) == before
    assert len(tried.events(Kind.TRIPPED)) == 1


@pytest.mark.parametrize("value", [Answer.INCONCLUSIVE, Answer.ERROR])
def test_what_could_not_be_found_out_pauses_the_run(value: Answer) -> None:
    broken = True
    tried = Tried(
        [ERRORS],
        lambda subject: value if broken and subject.now - START >= 100 else Answer.PASS,
        {"a": 12},
    )
    stop, _ = tried.carry()
    assert stop.exit_code == HALTED
    assert "gate errors during could not find out: at 100" in stop.because
    assert "rollout resume" in stop.because
    broken = False
    tried.journal.request("run", Event(Kind.CONTINUED, "mended"))
    assert tried.carry()[0].exit_code == DONE


def test_it_may_count_as_a_failure() -> None:
    rule = replace(ERRORS, on_inconclusive="fail")
    tried = Tried([rule], until(100, Answer.ERROR), {"a": 12})
    assert tried.carry()[0].exit_code == HALTED
    assert len(tried.events(Kind.TRIPPED)) == 1
    assert not tried.events(Kind.PAUSED)


def test_of_a_factor_each_value_is_asked_about_and_stopped_by_itself() -> None:
    rule = replace(ERRORS, per="rack")
    tried = Tried(
        [rule],
        lambda subject: Answer.FAIL if subject.factors == {"rack": "r1"} else Answer.PASS,
        {"a": 8},
        waves=[Amount(100, percent=True)],
    )
    stop, state = tried.carry()
    assert stop.exit_code == HALTED
    assert {subject.about for subject in tried.oracle.asked} == {f"rack=r{n}" for n in range(4)}
    verified = {name for name, host in state.hosts.items() if host.status is Status.VERIFIED}
    assert verified == {name for name, node in tried.graph.nodes.items() if node.factors["rack"] != "r1"}
    (trip,) = tried.events(Kind.TRIPPED)
    assert trip.data["factors"] == {"rack": "r1"}


def test_after_a_wave_it_is_asked_once_and_stops_the_combo() -> None:
    rule = replace(ERRORS, when=Moment("after", "wave"), per="wave")
    tried = Tried(
        [rule], lambda subject: Answer.FAIL if subject.about == "a/1" else Answer.PASS, {"a": 4, "b": 4}
    )
    stop, state = tried.carry()
    assert stop.exit_code == HALTED
    assert [subject.about for subject in tried.oracle.asked].count("a/1") == 1
    assert {subject.combo for subject in tried.oracle.asked} == {"a", "b"}
    verified = {name for name, host in state.hosts.items() if host.status is Status.VERIFIED}
    assert {"b1", "b2", "b3", "b4"} < verified
    assert len(verified) == 5
    assert "in combo a" in stop.because


@pytest.mark.parametrize("moment", ["before run", "before wave"])
def test_before_a_moment_it_keeps_everything_from_beginning(moment: str) -> None:
    edge, what = moment.split()
    rule = replace(ERRORS, when=Moment("before", what), per="run" if what == "run" else "wave", retries=2)
    assert edge == "before"
    tried = Tried([rule], lambda _subject: Answer.FAIL, {"a": 4})
    stop, _ = tried.carry()
    assert stop.exit_code == HALTED
    assert not tried.events(Kind.INTENDED)
    assert len(tried.oracle.asked) == 3
    tried.journal.request("run", Event(Kind.WAIVED, "known", data={"gate": "errors"}))
    assert tried.carry()[0].exit_code == DONE


def test_the_last_wave_is_asked_about_before_the_run_is_done() -> None:
    rule = replace(ERRORS, when=Moment("after", "wave"), per="wave")
    tried = Tried([rule], lambda subject: Answer.ERROR if subject.about == "a/2" else Answer.PASS, {"a": 2})
    stop, state = tried.carry()
    assert all(host.status is Status.VERIFIED for host in state.hosts.values())
    assert stop.exit_code == HALTED


@pytest.mark.parametrize("when", [ALL_THE_TIME, Moment("after", "wave"), Moment("after", "verify")])
@pytest.mark.parametrize("value", [Answer.FAIL, Answer.ERROR])
def test_a_shadow_decides_nothing(when: Moment, value: Answer) -> None:
    per = {"": "run", "wave": "wave"}.get(when.what, "host")
    rule = replace(ERRORS, when=when, per=per, shadow=True)
    tried = Tried([rule], lambda _subject: value, {"a": 4})
    assert tried.carry()[0].exit_code == DONE
    assert {event.data["value"] for event in tried.events(Kind.ANSWERED)} == {value}


def test_a_waived_gate_decides_nothing_any_more() -> None:
    tried = Tried([ERRORS], until(100), {"a": 12})
    assert tried.carry()[0].exit_code == HALTED
    tried.journal.request("run", Event(Kind.WAIVED, "it counts backups", data={"gate": "errors"}))
    assert tried.carry()[0].exit_code == DONE
    (reset,) = tried.events(Kind.RESET)
    assert reset.because == "the run: gate errors is waived: it counts backups; it goes on"


def test_guests_cannot_be_waived() -> None:
    tried = Tried([], lambda _subject: Answer.PASS, {"a": 1})
    tried.journal.request("run", Event(Kind.WAIVED, "hurry", data={"gate": "no-guests"}))
    _, state = tried.carry()
    assert state.run.waived == {}


AFTER_VERIFY = GateRule("steady", "command", Moment("after", "verify"), interval=10)


def test_several_passes_in_a_row_are_asked_for() -> None:
    tried = Tried([replace(AFTER_VERIFY, samples=3)], lambda _subject: Answer.PASS, {"a": 1})
    assert tried.carry()[0].exit_code == DONE
    times = [subject.now for subject in tried.oracle.asked if subject.moment == "after verify"]
    assert [later - times[0] for later in times] == [0, 10, 20]


def test_a_pass_has_to_last() -> None:
    tried = Tried([replace(AFTER_VERIFY, lasts=45)], lambda _subject: Answer.PASS, {"a": 1})
    assert tried.carry()[0].exit_code == DONE
    times = [subject.now for subject in tried.oracle.asked if subject.moment == "after verify"]
    assert [later - times[0] for later in times] == [0, 10, 20, 30, 40, 50]


def test_a_failure_in_between_begins_anew() -> None:
    answers = iter([Answer.PASS, Answer.PASS, Answer.FAIL, Answer.PASS, Answer.PASS, Answer.PASS])
    tried = Tried([replace(AFTER_VERIFY, samples=3, retries=1)], lambda _subject: next(answers), {"a": 1})
    assert tried.carry()[0].exit_code == DONE
    assert len(tried.oracle.asked) == 6


def test_only_canaries_are_asked() -> None:
    rule = replace(AFTER_VERIFY, canaries=True)
    tried = Tried([rule], lambda _subject: Answer.PASS, {"a": 5})
    assert tried.carry()[0].exit_code == DONE
    canaries = {name for wave in tried.graph.waves.values() if wave.canary for name in wave.hosts}
    assert {subject.host for subject in tried.oracle.asked} == canaries
    assert len(canaries) < 5


def test_what_disturbs_a_host_is_not_asked_again_after_its_soak() -> None:
    rules = [replace(AFTER_VERIFY, acts=True), replace(AFTER_VERIFY, name="calm")]
    tried = Tried(rules, lambda _subject: Answer.PASS, {"a": 2}, soak=Soak(300, 300))
    assert tried.carry()[0].exit_code == DONE
    asked = [(subject.gate, subject.moment) for subject in tried.oracle.asked]
    assert ("calm", "soak") in asked
    assert ("steady", "soak") not in asked


def test_the_cohort_tells_who_is_upgraded_and_since_when() -> None:
    tried = Tried([ERRORS], lambda _subject: Answer.PASS, {"a": 3}, limits=Limits(at_once=Amount(1)))
    assert tried.carry()[0].exit_code == DONE
    first, last = tried.oracle.asked[0].cohort, tried.oracle.asked[-1].cohort
    assert [peer.stage for peer in first.peers] == ["untouched"] * 3
    assert "upgraded" in {peer.stage for peer in last.peers}
    for peer in last.at("upgraded"):
        assert START <= peer.disrupted_at < peer.healthy_at
    assert not any(peer.disrupted_at for peer in last.at("untouched"))


def test_a_question_about_a_wave_tells_of_the_other_hosts_of_its_combo_too() -> None:
    rule = GateRule("errors", "prometheus", Moment("after", "wave"), per="wave", fleet=True)
    tried = Tried([rule], lambda _subject: Answer.PASS, {"a": 4, "b": 2})
    assert tried.carry()[0].exit_code == DONE
    hosts = {
        combo: {node.name for node in tried.graph.nodes.values() if node.combo == combo} for combo in "ab"
    }
    for subject in tried.oracle.asked:
        wave = tried.graph.waves[subject.about]
        assert [peer.host for peer in subject.cohort.at("upgraded")] == list(wave.hosts)
        assert {peer.host for peer in subject.beside.peers} == hosts[wave.combo] - set(wave.hosts)
    assert tried.oracle.asked[0].beside.at("untouched")


@pytest.mark.parametrize("committed", [False, True])
@pytest.mark.parametrize("writes", range(1, 30, 2))
def test_whoever_dies_when_the_next_one_asks_anew(writes: int, committed: bool) -> None:
    """What the dead controller had asked is worth nothing: before anything begins the gate has passed for the next."""
    tried = Tried([ERRORS], lambda _subject: Answer.PASS, {"a": 3})
    mortal = DyingJournal(tried.journal, writes, committed=committed)
    with pytest.raises(Died):
        tried.carry(mortal)
    tried.inbox.forget()
    assert tried.carry()[0].exit_code == DONE
    events = tried.events()
    last = max(index for index, event in enumerate(events) if event.kind is Kind.TAKEN_UP)
    said = [event for event in events[last:] if event.kind in {Kind.INTENDED, Kind.ANSWERED}]
    begins = next((index for index, event in enumerate(said) if event.data.get("slots")), None)
    answered = [event for event in said[:begins] if event.kind is Kind.ANSWERED]
    assert begins is None or answered
