"""What stops what, and until when: budgets per combo, value and run; evidence; a common cause; and what `on_fault` makes of it."""

from collections.abc import Mapping

import pytest

from rollout.graph import compile_graph
from rollout.model.decision import Record
from rollout.model.event import Kind
from rollout.model.fleet import Fleet, Host
from rollout.model.graph import Graph
from rollout.model.plan import Amount, Budget, Failures, Limits
from rollout.model.state import State
from rollout.scheduler.why import explain
from tests.fleet import a_combo, a_plan
from tests.scheduler.given import Given

ALL = Amount(100, percent=True)
MANY = Failures(99, 99)
FACTORS = {"hardware": "hw", "os": "os", "rack": "rack", "nic": "nic"}


def a_graph(failures: Failures = MANY, *, hosts: int = 8, nics: int = 4) -> Graph:
    """Combos a to d with as many hosts each: a1 has nic n1, a2 nic n2 ...; every host a rack of its own, and a wave for each combo."""
    combos = [a_combo(name) for name in "abcd"]
    plan = a_plan(*combos, waves=[ALL], failures=failures, limits=Limits(Amount(99), {"rack": Amount(1)}))
    found = []
    for combo in "abcd":
        for number in range(1, hosts + 1):
            factors = {"hardware": combo, "os": "old", "rack": f"{combo}{number}", "nic": f"n{number % nics}"}
            found.append(Host(f"{combo}{number}", factors, digest="d"))
    sizes: dict[str, dict[str, int]] = {factor: {} for factor in FACTORS}
    for host in found:
        for factor, value in host.factors.items():
            sizes[factor][value] = sizes[factor].get(value, 0) + 1
    return compile_graph(plan, Fleet(tuple(found), sizes), {"plan": "p"})


def begun(failures: Failures = MANY, **shape: int) -> Given:
    return Given(a_graph(failures, **shape)).opened("a/1", "b/1", "c/1", "d/1")


def retried(given: Given, *hosts: str) -> Given:
    for host in hosts:
        given.tell(Kind.RETRIED, host)
    return given


def trips(given: Given) -> Mapping[str, str]:
    return given.carry_on().state.run.tripped


def stopped(given: Given) -> set[str]:
    return {name for name in given.graph.nodes if given.state.broken(name)}


# --- counts --------------------------------------------------------------------------------------------------------------


def test_a_budget_of_a_value_counts_over_all_combos() -> None:
    given = begun(Failures(99, 99, per={"nic": 1}), hosts=40, nics=2)
    given.verified(*(f"{combo}{number}" for combo in "abcd" for number in range(5, 41)))
    assert trips(given.held("a1")) == {}
    why = "2 hosts with nic=n1 failed, 1 tolerated; nothing more begins on hosts with nic=n1"
    assert trips(given.held("b3")) == {"nic=n1": why}
    assert stopped(given) == {name for name, node in given.graph.nodes.items() if node.factors["nic"] == "n1"}


def test_a_budget_is_a_share_of_the_hosts_to_upgrade() -> None:
    given = begun(Failures(0, 0, Budget(Amount(10, percent=True))))
    assert given.graph.tolerated_run == 3
    given.held("a1").held("b2").held("c3")
    assert "" not in trips(given)


def test_any_breaker_halts_the_run_if_the_plan_says_so() -> None:
    given = begun(Failures(0, 0, on_fault="halt")).held("a1")
    why = "a: 1 canary failed, 0 tolerated; nothing more begins in this combo"
    assert trips(given) == {"a": why, "": f"{why}; `on_fault: halt`, so nothing more begins anywhere"}
    assert given.decides() == ["stop 3"]
    assert trips(retried(given, "a1")) == {}


# --- evidence ------------------------------------------------------------------------------------------------------------


def evidence_of_a_nic() -> Given:
    """Three of four hosts with nic n1 failed, in two combos; ten others are healthy."""
    given = begun(hosts=8).verified("a2", "a3", "a4", "b2", "b3", "b4", "c2", "c3", "d2", "d3", "c1")
    return given.held("a1").held("b1").held("a5")


def test_what_shares_the_factor_stops_and_the_rest_goes_on() -> None:
    given = evidence_of_a_nic()
    (because,) = trips(given).values()
    assert because == (
        "3 of 4 begun hosts with nic=n1 failed, 0 of 10 others did (e-value 24,048, stops at 378): nothing more begins on hosts "
        "with nic=n1; what they share is a correlation, not a cause: `rollout why HOST` says how each failed"
    )
    assert stopped(given) == {f"{combo}{number}" for combo in "abcd" for number in (1, 5)}
    why = explain(given.graph, given.state, "d5", given.now)
    assert why.startswith(f"d5 (wave d/1) waits: nothing may begin: {because}")
    begins = given.decides()
    assert begins
    assert all(said.split()[1] not in stopped(given) for said in begins)


def test_the_evidence_is_kept_with_the_event() -> None:
    (trip,) = evidence_of_a_nic().carry_on().state.run.trips.values()
    assert trip["factors"] == {"nic": "n1"}
    counted = ("by", "harmed", "failed", "healthy", "failed_outside", "healthy_outside")
    assert [trip[key] for key in counted] == ["evidence", 3, 3, 1, 0, 10]
    assert trip["e_value"] > trip["stops_at"] > 20


def test_two_failures_among_many_healthy_hosts_are_no_evidence() -> None:
    given = begun(hosts=20)
    given.verified(*(f"{combo}{number}" for combo in "abcd" for number in range(5, 21)))
    assert trips(given.held("a1").held("b2")) == {}


def test_hosts_that_finish_meanwhile_reset_nothing_and_answers_do() -> None:
    given = evidence_of_a_nic().carry_on()
    given.verified("d1", "d5", "c5", "b5")
    assert {*trips(given)} == {"nic=n1"}
    assert trips(retried(given, "a1", "b1", "a5")) == {}


def test_a_breaker_does_not_flap() -> None:
    """However much more is learned, it trips once and resets once."""
    given = evidence_of_a_nic()
    told = []
    for host in ("d1", "c5", "b5"):
        told += [d.event.kind for d in given.decide() if isinstance(d, Record)]
        given.carry_on().verified(host)
    assert told.count(Kind.TRIPPED) == 1
    assert Kind.RESET not in told


def test_a_combo_that_is_stopped_by_its_budget_explains_its_own_failures() -> None:
    given = begun(Failures(0, 0), hosts=8).verified("b2", "c3", "d4", "b3", "c4")
    given.did("a1", "precheck", "upgrade").did("a5", "precheck", "upgrade")
    given.failed("a1", "reboot").failed("a5", "reboot")
    assert {*trips(given)} == {"a"}, (
        "not nic n1, which both have: it would stop hosts of the other combos, too"
    )


def test_nothing_is_stopped_where_nothing_is_left_to_begin() -> None:
    given = begun(Failures(99, 99), hosts=1).held("a1").held("b1").verified("c1", "d1")
    assert trips(given) == {}


# --- common cause --------------------------------------------------------------------------------------------------------


def shared_by_nobody() -> Given:
    given = begun(hosts=8).verified("d5", "d6")
    return given.held("a1").held("b2").held("c3").held("d4")


def test_failures_that_share_nothing_pause_the_run() -> None:
    given = shared_by_nobody().carry_on()
    assert given.state.run.paused_by == "common-cause"
    assert given.state.run.tripped == {}
    assert given.state.run.paused == (
        "4 of the last 6 hosts failed within 21 s, in 4 combos that share no declared factor (e-value 396,174, stops at 1,000): "
        "something common is suspected, and not known: a mirror, a playbook, a network? `rollout why HOST` says how each failed; "
        "once it is mended, `rollout resume` goes on"
    )
    assert given.decides() == ["stop 3"]


def test_once_a_person_has_gone_on_only_what_follows_counts() -> None:
    given = shared_by_nobody().carry_on().tell(Kind.CONTINUED)
    assert given.carry_on().state.run.paused is None
    assert given.decides()[0].startswith("start ")
    given.held("a6").held("b7").held("c8")
    assert given.carry_on().state.run.paused_by == "common-cause"


def test_old_failures_are_not_close_to_new_ones() -> None:
    given = begun(hosts=60)
    healthy = [f"{combo}{number}" for combo in "abcd" for number in range(10, 61)]
    given.held("a1").held("b2").verified(*healthy)
    given.now += 7200
    given.held("c3").held("d4")
    assert given.carry_on().state.run.paused is None


def test_failures_in_a_burst_are_seen_after_a_long_healthy_time() -> None:
    given = begun(hosts=60).verified(*(f"{combo}{number}" for combo in "abcd" for number in range(10, 61)))
    given.now += 7200
    given.held("a1").held("b2").held("c3").held("d4")
    assert given.carry_on().state.run.paused_by == "common-cause"
    assert "4 of the last 4 hosts" in (given.state.run.paused or "")


@pytest.mark.parametrize("stop", [Kind.PAUSED, Kind.ABORTED])
def test_a_run_that_stands_still_is_not_paused_again(stop: Kind) -> None:
    given = shared_by_nobody().tell(stop, because="lunch")
    assert given.carry_on().state.run.paused_by != "common-cause"


def test_an_index_that_is_built_anew_decides_the_same() -> None:
    for given in (evidence_of_a_nic(), shared_by_nobody()):
        before = given.decides()
        given.state = State(given.graph, given.state.run, given.state.hosts)
        assert given.decides() == before
