"""What users of peers ask for most, in their trackers."""

from rollout.model.event import Kind
from rollout.model.plan import Amount, Failures, GateRule, Limits, Moment
from rollout.model.state import Status
from rollout.scheduler.why import explain
from tests.fleet import a_combo, a_graph, a_plan
from tests.scheduler.rehearsed import Rehearsed, lost

ALL = Amount(100, percent=True)


def test_awx_1284_resume_from_the_point_of_failure() -> None:
    """Finished steps of the host, and finished hosts, are not done again."""
    run = Rehearsed(a_graph({"a": 4}), lost("a1"))
    assert run.go().exit_code == 3
    run.world.faults = {}
    run.ask(Kind.RETRIED, "a1")
    assert run.go().exit_code == 0
    assert {step: run.world.began["a1", step] for step in ("precheck", "upgrade", "reboot", "verify")} == {
        "precheck": 1,
        "upgrade": 1,
        "reboot": 2,
        "verify": 1,
    }


def test_rundeck_2722_an_error_threshold() -> None:
    """So many may fail, and the rest goes on; one more, and it stops."""
    budget = Failures(canary=0, combo=2, run=2)
    plan = a_plan(a_combo("a"), waves=[Amount(30), ALL], limits=Limits(at_once=Amount(4)), failures=budget)
    for failing, code in ((["a40", "a50"], 4), (["a40", "a50", "a60"], 3)):
        run = Rehearsed(a_graph({"a": 80}, plan), lost(*failing))
        assert run.go().exit_code == code
        assert len(run.with_status(Status.HELD)) == len(failing)


def test_rundeck_5155_those_that_failed_and_those_that_never_began_again() -> None:
    """One word to go on with both, and nobody else is touched."""
    plan = a_plan(a_combo("a"), waves=[Amount(3), ALL], limits=Limits(at_once=Amount(1)))
    run = Rehearsed(a_graph({"a": 6}, plan), lost("a2"))
    assert run.go().exit_code == 3
    verified = run.with_status(Status.VERIFIED)
    assert run.with_status(Status.HELD) == ["a2"]
    assert len(run.with_status(Status.WAITING)) >= 3
    begun = len(run.events)
    run.world.faults = {}
    run.ask(Kind.RETRIED, "a2")
    assert run.go().exit_code == 0
    again = {event.host for event in run.events[begun:] if event.kind is Kind.INTENDED}
    assert again == {*run.graph.nodes} - {*verified}


def test_brupop_12_health_is_proven_before_the_next_host() -> None:
    """The gate after the last step has passed on each before the next takes its slot."""
    gate = GateRule("well", "ssh", Moment("after", "verify"))
    plan = a_plan(a_combo("a"), waves=[ALL], limits=Limits(at_once=Amount(1)), gates=[gate])
    run = Rehearsed(a_graph({"a": 5}, plan))
    run.go()
    told = [
        (event.kind, event.host)
        for event in run.events
        if event.kind is Kind.ANSWERED or (event.kind is Kind.INTENDED and event.data["slots"])
    ]
    assert [kind for kind, _ in told] == [Kind.INTENDED, Kind.ANSWERED] * 5
    assert all(began == proven for (_, began), (_, proven) in zip(told[::2], told[1::2], strict=True))
    sick = Rehearsed(a_graph({"a": 5}, plan), unhealthy=frozenset({"a1"}))
    sick.go()
    assert sick.disrupted() == ["a1"]


def test_kured_660_parallel_over_racks_and_never_within_one() -> None:
    """All racks at once, one host of each."""
    limits = Limits(at_once=Amount(99), per={"rack": Amount(1)})
    run = Rehearsed(a_graph({"a": 12}, a_plan(a_combo("a"), waves=[ALL], limits=limits), racks=3))
    assert run.go().exit_code == 0
    rack_of = {name: node.factors["rack"] for name, node in run.graph.nodes.items()}
    down: dict[str, str] = {}
    most = 0
    for event in run.events:
        host = event.host or ""
        if event.kind is Kind.INTENDED and event.data["slots"]:
            assert rack_of[host] not in down
            down[rack_of[host]] = host
        elif event.kind is Kind.VERIFIED:
            del down[rack_of[host]]
        most = max(most, len(down))
    assert most == 3


def test_kured_137_why_is_nothing_happening() -> None:
    """Every host that waits says for what; and the end of a run that stands still says it, too."""
    limits = Limits(at_once=Amount(1))
    plan = a_plan(a_combo("a"), a_combo("b"), waves=[Amount(1), ALL], limits=limits, failures=Failures(9, 9))
    run = Rehearsed(a_graph({"a": 2, "b": 2}, plan), lost("a1"))
    stop = run.go()
    assert stop.exit_code == 3
    assert "limit fleet is full (1 of 1: a1 held" in stop.because
    for name in run.with_status(Status.WAITING):
        words = explain(run.graph, run.state, name, run.inbox.now())
        assert "a1" in words or "wave" in words, words
    words = explain(run.graph, run.state, "b1", run.inbox.now())
    assert "a1" in words
