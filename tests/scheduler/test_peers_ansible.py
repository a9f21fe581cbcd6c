"""What Ansible does by itself in a rolling upgrade, measured on ansible-core 2.16 to 2.21, and what happens here instead."""

from rollout.model.event import Kind
from rollout.model.plan import Amount, Failures, Limits
from rollout.model.seams import Ending
from rollout.model.state import Status
from tests.fleet import a_combo, a_graph, a_plan
from tests.scheduler.given import CHAIN, Given
from tests.scheduler.rehearsed import Rehearsed, lost

TWOS = (Amount(2), Amount(4), Amount(6))
"""As `serial: [2, 2, 2]` over six hosts."""

WIDE = Limits(at_once=Amount(9))


def six(*, failures: Failures = Failures()) -> Rehearsed:  # noqa: B008  frozen
    plan = a_plan(a_combo("a"), waves=TWOS, limits=Limits(at_once=Amount(2)), failures=failures)
    return Rehearsed(a_graph({"a": 6}, plan), lost("a1"))


def test_ansible_82834_an_unreachable_canary_stops_the_rest() -> None:
    """There: `max_fail_percentage: 0` does not count unreachable hosts, and every batch runs. Here: lost is failed, and the budget is ours."""
    run = six()
    assert run.go().exit_code == 3
    assert set(run.disrupted()) == {"a1", "a2"}, "its mate had begun beside it"
    assert run.with_status(Status.WAITING) == ["a3", "a4", "a5", "a6"]


def test_ansible_56265_any_errors_fatal_spared_only_the_batch_mate() -> None:
    """There: the batch of an unreachable host stops in mid-upgrade, and the next batch begins. Here: what has begun is finished, and nothing more begins."""
    run = six()
    run.go()
    assert run.with_status(Status.VERIFIED) == ["a2"], "no half upgrade is left behind"
    assert run.began() == ["a1", "a2"]


def test_ansible_strategy_free_ignored_every_brake() -> None:
    """There: hosts that are ahead run on to their end, whatever fails. Here: a breaker is judged before each host, however wide the window."""
    plan = a_plan(a_combo("a"), waves=[Amount(100, percent=True)], limits=Limits(at_once=Amount(3)))
    run = Rehearsed(a_graph({"a": 12}, plan), lost("a1"))
    assert run.go().exit_code == 3
    assert len(run.disrupted()) == 3, "those that held their slots when it was lost"


def test_ansible_limit_cut_the_batches_anew() -> None:
    """There: `--limit` on what is left turned batches of 1, 3 and 2 hosts into 1, 1 and 1. Here: waves are fixed when the plan is compiled."""
    sizes = (Amount(17, percent=True), Amount(67, percent=True), Amount(100, percent=True))
    plan = a_plan(a_combo("a"), waves=sizes, failures=Failures(1, 9), limits=WIDE)
    graph = a_graph({"a": 6}, plan)
    waves = {name: wave.hosts for name, wave in graph.waves.items()}
    assert [len(hosts) for hosts in waves.values()] == [1, 3, 2]
    run = Rehearsed(graph, lost("a2", "a3"))
    assert run.go().exit_code == 3
    run.world.faults = {}
    for host in ("a2", "a3"):
        run.ask(Kind.RETRIED, host)
    assert run.go().exit_code == 0
    kept = run.journal.graph("run").waves
    assert {name: wave.hosts for name, wave in kept.items()} == waves
    opened = [event.data["wave"] for event in run.events if event.kind is Kind.OPENED]
    assert opened == ["a/1", "a/2", "a/3"], "each once, and none for what was tried again"


def test_ansible_failures_of_one_batch_were_forgotten_in_the_next() -> None:
    """There: `max_fail_percentage` looks at each batch for itself, so one host of each may die for ever. Here: failures add up over waves."""
    plan = a_plan(a_combo("a"), waves=TWOS, failures=Failures(1, 1, 1), limits=WIDE)
    run = Rehearsed(a_graph({"a": 6}, plan), lost("a1", "a3", "a5"))
    assert run.go().exit_code == 3
    assert run.with_status(Status.HELD) == ["a1", "a3"]
    assert run.with_status(Status.WAITING) == ["a5", "a6"]


def test_ansible_an_unreachable_host_vanished_from_later_plays() -> None:
    """There: later plays go on without it, and say nothing. Here: it is held, keeps its place, and the exit code and the words name it."""
    plan = a_plan(a_combo("a"), waves=TWOS, failures=Failures(1, 9), limits=WIDE)
    run = Rehearsed(a_graph({"a": 6}, plan), lost("a1"))
    stop = run.go()
    assert stop.exit_code == 4
    assert stop.because == "finished: 5 verified, 1 held, 0 not started"
    assert run.journal.slots("run")["fleet"] == ["a1"]


def test_ansible_a_host_healed_by_rescue_exits_0() -> None:
    """There: `rescue:` makes a success of a failure. Here: what healed a disrupted host does not take back that it failed."""
    given = Given(a_graph({"a": 4})).opened("a/1").did("a1", *CHAIN[: CHAIN.index("verify")])
    given.failed("a1", "verify", Ending.FAILED).carry_on().did("a1", "verify").carry_on()
    assert given.host("a1").status is Status.VERIFIED
    assert given.host("a1").harmed
    assert set(given.state.run.tripped) == {"a"}
    assert given.decides() == ["stop 3"]
