"""Peers that count who may be disrupted at once: what they got right, and how some lost whole fleets."""

from dataclasses import replace

from rollout.model.event import Kind
from rollout.model.plan import Amount, Failures, GateRule, Limits, Moment, Together
from rollout.model.seams import Answer, Ending
from rollout.model.state import Status
from rollout.scheduler.why import explain
from tests.fleet import CHAIN, a_combo, a_graph, a_plan
from tests.scheduler.given import CHAIN as STEPS
from tests.scheduler.given import Given
from tests.scheduler.rehearsed import Rehearsed, lost

ALL = Amount(100, percent=True)
ANY = Failures(99, 99)
"""No number of failures stops anything: what stops is something else."""

WELL_BEFORE = GateRule("well", "ssh", Moment("before", "upgrade"))
WELL_AFTER = GateRule("well", "ssh", Moment("after", "verify"))
YEAR = 365 * 86400.0


def at_once(number: int, hosts: int, *gates: GateRule, **per: Amount) -> Given:
    """One open wave."""
    limits = Limits(at_once=Amount(number), per=per)
    plan = a_plan(a_combo("a"), waves=[ALL], failures=ANY, limits=limits, gates=gates)
    return Given(a_graph({"a": hosts}, plan, racks=2)).opened("a/1")


def proven(given: Given, hosts: int) -> Given:
    """The last so many are verified, so that two failures are no evidence of anything."""
    names = list(given.graph.nodes)
    return given.verified(*names[-hosts:])


def starts(given: Given, after: float = 0.0) -> list[str]:
    return [words for words in given.decides(after) if words.startswith(("start", "ask"))]


def test_bootc_operator_only_a_healthy_host_takes_a_slot() -> None:
    """As there: whoever is sick before it is touched is set aside, and takes no place."""
    given = at_once(1, 3, WELL_BEFORE).did("a1", "precheck").did("a2", "precheck")
    assert starts(given) == ["ask a1 well before upgrade keeping its place"]
    given.answered("a1", "well", "before upgrade", Answer.FAIL).carry_on()
    assert given.host("a1").status is Status.HELD
    assert not given.host("a1").slot
    assert starts(given) == ["ask a2 well before upgrade keeping its place"]


def test_bootc_operator_a_slot_is_given_back_only_by_a_host_that_is_healthy_on_the_target() -> None:
    """As there: done is not healthy; the place is kept until the gates after the last step have passed."""
    given = at_once(1, 2, WELL_AFTER).did("a2", "precheck").did("a1", *STEPS)
    assert given.decides() == ["ask a1 well after verify"]
    given.answered("a1", "well", "after verify", Answer.FAIL).carry_on()
    assert given.state.slots.taken["fleet"] == 1
    assert starts(given) == []
    given.tell(Kind.RETRIED, "a1").answered("a1", "well", "after verify").carry_on()
    assert given.host("a1").status is Status.VERIFIED
    assert starts(given) == ["start a2 upgrade #2 [fleet]"]


def test_bootc_operator_two_sick_hosts_in_two_slots_stop_new_ones() -> None:
    """As there: nobody else begins while the sick fill the places, and the end says who they are."""
    given = proven(at_once(2, 43), 40).held("a1").held("a2").did("a3", "precheck").carry_on()
    assert given.state.run.tripped == {}
    assert given.decides() == ["stop 3"]
    assert "limit fleet is full (2 of 2: a1 held" in given.why()
    assert "a2 held" in given.why()


def test_fleetlock_a_host_that_comes_again_takes_no_second_slot() -> None:
    """As there: the lock is recursive, by the host's name. Every further step, and every retry, is under the same slot."""
    given = at_once(2, 3).did("a1", "precheck", "upgrade").failed("a1", "reboot").carry_on()
    assert given.state.slots.taken["fleet"] == 1
    given.tell(Kind.RETRIED, "a1")
    assert given.carry_on().decides()[0] == "start a1 reboot #4", "without slots: it has them"
    given.began("a1", "reboot")
    assert given.state.slots.taken["fleet"] == 1


def test_fleetlock_a_slot_has_no_time_to_live() -> None:
    """As there: a dead host's place does not come free by itself, not in a year."""
    given = at_once(1, 2).did("a2", "precheck").held("a1").carry_on()
    assert starts(given, after=YEAR) == []


def test_fleetlock_the_holder_is_shown_and_since_when_and_why() -> None:
    """As there: `why` names who holds the place that a host waits for, and why."""
    given = at_once(1, 2).did("a2", "precheck").held("a1").carry_on()
    waits = explain(given.graph, given.state, "a2", given.now + 3 * 86400)
    assert "a1" in waits
    holder = explain(given.graph, given.state, "a1", given.now + 3 * 86400)
    assert "held" in holder
    assert "lost" in holder
    assert "3 d" in holder


def test_nebraska_slots_of_dead_hosts_are_not_freed() -> None:
    """There: the slot of a host that never reported back was freed, and 100 of 100 hosts were lost. Here: it is kept until a person releases it."""
    limits = Limits(at_once=Amount(4))
    plan = a_plan(a_combo("a"), waves=[ALL], failures=ANY, limits=limits)
    graph = a_graph({"a": 100}, plan)
    run = Rehearsed(graph, lost(*graph.nodes))
    for _ in range(20):  # one controller after the other, each after a year
        assert run.go().exit_code == 3
        run.inbox._now += YEAR
    assert len(run.disrupted()) <= 4
    assert len(run.journal.slots("run")["fleet"]) == len(run.disrupted())


def test_kured_one_host_never_holds_two_of_three_slots() -> None:
    """There: a host whose lock had expired took another one, and held two of three. Here: slots are counted by host, and none expires."""
    plan = a_plan(a_combo("a"), waves=[ALL], failures=ANY, limits=Limits(at_once=Amount(3)))
    run = Rehearsed(a_graph({"a": 9}, plan), lost("a1", "a2", "a3"))
    run.go()
    for _ in range(3):
        run.inbox._now += YEAR
        run.ask(Kind.RETRIED, "a1")
        run.go()
        holders = run.journal.slots("run")["fleet"]
        assert len(holders) == len(set(holders)) <= 3
        assert holders.count("a1") == 1


def test_gcp_failed_hosts_keep_occupying_the_budget() -> None:
    """As there: who failed is unavailable like who is being upgraded, in its rack too."""
    given = proven(at_once(9, 46, rack=Amount(1)), 40).held("a1").held("a2").carry_on()
    assert given.state.run.tripped == {}
    given.did("a3", "precheck").did("a4", "precheck")
    assert starts(given) == [], "both racks have their one host down"
    given.tell(Kind.RETIRED, "a1")
    assert starts(given) == ["start a3 upgrade #2 [fleet rack=r1]"]


def test_mco_hosts_disrupted_by_others_count() -> None:
    """As there: a node that anybody has taken away is unavailable, and its domain spares no other meanwhile."""
    steps = (CHAIN[0], replace(CHAIN[0], name="stage"), *CHAIN[1:])
    limits = Limits(at_once=Amount(9), per={"rack": Amount(1)})
    plan = a_plan(a_combo("a", steps=steps), waves=[ALL], failures=ANY, limits=limits)
    run = Rehearsed(a_graph({"a": 6}, plan, racks=2), lost("a1", step="stage"))
    assert run.go().exit_code == 3
    assert set(run.disrupted()) == {"a2", "a4", "a6"}, "nobody of rack r1, where a1 is away"


def test_cau_a_reboot_that_runs_into_its_time_out_is_a_failure() -> None:
    """As there: not back in time is lost, not slow; it counts, and its place stays taken."""
    given = at_once(1, 3).did("a1", "precheck", "upgrade").failed("a1", "reboot", Ending.LATE).carry_on()
    assert given.host("a1").status is Status.HELD
    assert given.host("a1").harmed
    assert given.state.slots.taken["fleet"] == 1


def test_starlingx_no_two_hosts_of_a_server_group_are_disrupted_together() -> None:
    """As there: hosts that carry each other's replicas are never down at once, whatever the other limits allow."""
    limits = Limits(at_once=Amount(9), together=(Together("replicas", ("a1", "a4"), 1),))
    plan = a_plan(a_combo("a"), waves=[ALL], limits=limits)
    given = Given(a_graph({"a": 4}, plan)).opened("a/1").did("a4", "precheck").did("a2", "precheck")
    given.did("a1", "precheck").began("a1", "upgrade")
    assert starts(given) == ["start a2 upgrade #2 [fleet]"]
    given.began("a2", "upgrade")
    assert starts(given) == ["start a3 precheck #1"], "a4 waits for a1"
    given.began("a3", "precheck").tell(Kind.DONE, "a1", "upgrade").did("a1", "reboot", "verify").carry_on()
    assert starts(given) == ["start a4 upgrade #2 [fleet together=replicas]"]


def test_starlingx_the_emptiest_host_goes_first() -> None:
    """As there: the first host of all is the one that carries least."""
    from rollout.graph import compile_graph
    from rollout.model.fleet import Fleet
    from tests.fleet import a_fleet

    fleet = a_fleet({"a": 4})
    guests = {"a1": 9, "a2": 4, "a3": 0, "a4": 30}
    hosts = tuple(replace(host, guests=guests[host.name]) for host in fleet.hosts)
    plan = replace(a_plan(a_combo("a")), waves=None)
    graph = compile_graph(plan, Fleet(hosts, fleet.domain_sizes), {"plan": "p"})
    assert next(iter(graph.waves.values())).hosts == ("a3",)


def test_cou_a_first_ctrl_c_leaves_every_host_at_a_safe_point() -> None:
    """As there: the first asks, the second insists. What is in flight is awaited, and nothing is begun."""
    from rollout.engine.inbox import StopAsked

    plan = a_plan(a_combo("a"), waves=[ALL], limits=Limits(at_once=Amount(3)))
    run = Rehearsed(a_graph({"a": 9}, plan))
    run.inbox.post(StopAsked(130, "stopped by SIGINT"), after=50.0)
    assert run.go().exit_code == 130
    assert not run.state.open
    assert [step.name for step in CHAIN if run.world.began["a1", step.name]] == ["precheck", "upgrade"]
    assert run.go().exit_code == 0
