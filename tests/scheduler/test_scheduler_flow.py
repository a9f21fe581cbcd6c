"""How a host walks its chain, when it takes its slot, and whose turn it is."""

from dataclasses import replace

import pytest

from rollout.model.chain import Step
from rollout.model.event import Kind
from rollout.model.plan import After, Amount, Failures, Limits, Soak
from rollout.model.seams import Ending
from rollout.model.state import Status
from tests.fleet import CHAIN as STEPS
from tests.fleet import a_combo, a_graph, a_plan
from tests.scheduler.given import CHAIN, Given

ALL = Amount(100, percent=True)
STAGED = (Step("precheck", playbook="p.yml"), Step("stage", playbook="s.yml"), *a_combo("a").steps[1:])


def test_the_first_wave_opens_at_once_and_the_rest_waits() -> None:
    given = Given(a_graph({"a": 3, "b": 2}))
    assert given.decides() == ["write wave-opened a/1", "write wave-opened b/1"]
    assert given.decide()[0].because == "a/1: nothing comes before it"
    assert given.carry_on().decides() == ["start a1 precheck #1"]


def test_a_host_walks_its_chain_and_takes_its_slots_at_the_first_disruptive_step() -> None:
    graph = a_graph({"a": 1}, a_plan(limits=Limits(at_once=Amount(1), per={"rack": Amount(1)})))
    given = Given(graph).opened("a/1")
    said = []
    for step in CHAIN:
        said += given.decides()
        given.did("a1", step)
    assert said == [
        "start a1 precheck #1",
        "start a1 upgrade #2 [fleet rack=r1]",
        "start a1 reboot #3",
        "start a1 verify #4",
    ]
    assert given.decides() == ["write host-verified a1"]
    assert given.carry_on().decides() == ["stop 0"]
    assert given.host("a1").slot is False
    assert given.why() == "finished: 1 verified, 0 held, 0 not started"


def test_steps_are_names_so_a_step_put_before_one_that_is_done_is_not_run() -> None:
    given = Given(a_graph({"a": 1}, a_plan(a_combo("a", steps=STAGED)))).opened("a/1").did("a1", "upgrade")
    assert given.decides() == ["start a1 reboot #2"]


def test_a_wave_opens_when_the_one_before_has_passed() -> None:
    given = Given(a_graph({"a": 3})).opened("a/1").verified("a1")
    assert given.decides() == ["write wave-passed a/1"]
    assert given.why() == "a/1: 1 of 1 hosts verified"
    given.passed("a/1")
    assert given.why() == "a/2: a/1 has passed"


@pytest.mark.parametrize(
    ("until", "verified", "opens"),
    [
        ("canaries", 0, False),
        ("canaries", 1, True),
        (0.5, 1, False),
        (0.5, 2, True),
        (1.0, 3, False),
        (1.0, 4, True),
    ],
)
def test_after(until: object, verified: int, opens: bool) -> None:
    after = After("a", until)  # type: ignore[arg-type]
    graph = a_graph({"a": 4, "b": 1}, a_plan(a_combo("a"), a_combo("b", after=[after])))
    given = Given(graph).opened("a/1", "a/2").verified(*(f"a{n}" for n in range(1, verified + 1)))
    if verified:
        given.passed("a/1")
    assert ("write wave-opened b/1" in given.decides()) is opens


def test_after_says_what_is_missing() -> None:
    graph = a_graph({"a": 4, "b": 1}, a_plan(a_combo("a"), a_combo("b", after=[After("a", 0.95)])))
    given = Given(graph).opened("a/1").held("a1").tripped("a")
    assert "b/1 cannot open: 95% of a is to be verified first, 0 of 4 hosts are" in given.why()


def test_retired_hosts_are_waited_for_by_nobody_but_all_of_them_prove_nothing() -> None:
    graph = a_graph({"a": 2, "b": 1}, a_plan(a_combo("a"), a_combo("b", after=[After("a")])))
    given = Given(graph).opened("a/1").verified("a1").passed("a/1").tell(Kind.RETIRED, "a2")
    assert "write wave-opened b/1" in given.decides()
    nobody = Given(graph).opened("a/1").tell(Kind.RETIRED, "a1").tell(Kind.RETIRED, "a2")
    assert nobody.decides() == ["stop 3"]
    assert "b/1 cannot open: no host of a is left that could prove anything" in nobody.why()
    assert nobody.why().endswith("(0 verified, 0 held, 1 not started, 2 retired)")


def test_a_canary_wave_whose_hosts_have_all_left_does_not_pass() -> None:
    given = Given(a_graph({"a": 3})).opened("a/1").tell(Kind.GONE, "a1")
    assert given.decides() == ["stop 3"]
    assert given.why() == (
        "halted: a/1 has no verified canary (1 gone), so the rest of a does not begin (0 verified, 0 held, 2 not started, 1 gone)"
    )


def test_a_later_wave_whose_hosts_have_all_left_passes() -> None:
    graph = a_graph({"a": 3}, a_plan(waves=[Amount(1), Amount(2), ALL]))
    given = Given(graph).opened("a/1").verified("a1").passed("a/1").opened("a/2").tell(Kind.RETIRED, "a2")
    assert given.decides() == ["write wave-passed a/2"]


def test_at_once_counts_running_and_held_hosts() -> None:
    plan = a_plan(waves=[ALL], limits=Limits(at_once=Amount(2)), failures=Failures(5, 5))
    given = (
        Given(a_graph({"a": 4}, plan)).opened("a/1").held("a1").did("a2", "precheck").did("a3", "precheck")
    )
    assert given.decides() == ["start a2 upgrade #2 [fleet]"]
    assert given.began("a2", "upgrade").decides() == ["start a4 precheck #1"]
    assert given.began("a4", "precheck").decides() == ["wait"]


def test_one_slot_is_taken_at_a_time_and_the_next_is_judged_when_it_is_counted() -> None:
    graph = a_graph({"a": 3}, a_plan(waves=[ALL], limits=Limits(at_once=Amount(2))))
    given = Given(graph).opened("a/1")
    for name in ("a1", "a2", "a3"):
        given.did(name, "precheck")
    assert given.decides() == ["start a1 upgrade #2 [fleet]"]
    assert given.began("a1", "upgrade").decides() == ["start a2 upgrade #2 [fleet]"]
    assert given.began("a2", "upgrade").decides() == ["wait"]


def test_a_full_domain_does_not_hold_up_the_others() -> None:
    graph = a_graph(
        {"a": 4}, a_plan(waves=[ALL], limits=Limits(at_once=Amount(4), per={"rack": Amount(1)})), racks=2
    )
    given = Given(graph).opened("a/1")
    for name in graph.nodes:
        given.did(name, "precheck")
    first = given.decides()
    assert first == ["start a2 upgrade #2 [fleet rack=r0]"]
    assert given.began("a2", "upgrade").decides() == ["start a1 upgrade #2 [fleet rack=r1]"]
    assert given.began("a1", "upgrade").decides() == ["wait"]


def test_the_domain_with_the_least_slack_goes_first() -> None:
    plan = a_plan(waves=[ALL], limits=Limits(at_once=Amount(1), per={"rack": Amount(1)}))
    given = Given(a_graph({"a": 6}, plan, racks=2)).opened("a/1")
    assert given.decides() == ["start a2 precheck #1"]
    given.tell(Kind.RETIRED, "a4").tell(Kind.RETIRED, "a6")
    assert given.decides() == ["start a1 precheck #1"]


def test_in_a_domain_the_longest_expected_host_goes_first() -> None:
    longer = (*STEPS[:3], replace(STEPS[3], expect=1000))
    plan = a_plan(a_combo("a"), a_combo("b", steps=longer), waves=[ALL], limits=Limits(Amount(1)))
    given = Given(a_graph({"a": 1, "b": 1}, plan)).opened("a/1", "b/1")
    assert given.decides() == ["start b1 precheck #1"]


def test_hosts_prepare_only_as_far_ahead_as_their_domain_can_take_them() -> None:
    graph = a_graph(
        {"a": 5}, a_plan(waves=[ALL], limits=Limits(at_once=Amount(5), per={"rack": Amount(2)})), racks=1
    )
    given = Given(graph).opened("a/1")
    assert given.decides() == ["start a1 precheck #1"]
    assert given.began("a1", "precheck").decides() == ["start a2 precheck #1"]
    assert given.began("a2", "precheck").decides() == ["wait"]


def test_controller_limits_the_steps_in_flight() -> None:
    graph = a_graph({"a": 3}, a_plan(waves=[ALL], limits=Limits(at_once=Amount(3), controller=1)))
    given = Given(graph).opened("a/1").began("a1", "precheck")
    assert given.decides() == ["wait"]
    given.tell(Kind.DONE, "a1", "precheck")
    assert given.decides() == ["start a1 upgrade #2 [fleet]"]


def test_at_once_may_be_larger_than_the_fleet_of_one() -> None:
    given = Given(a_graph({"a": 1}, a_plan(limits=Limits(at_once=Amount(500))))).opened("a/1").verified("a1")
    assert given.carry_on().decides() == ["stop 0"]


def test_nothing_to_do_is_done() -> None:
    graph = a_graph({"b": 1}, a_plan(a_combo("b")))
    given = Given(graph).opened("b/1").verified("b1").passed("b/1")
    assert given.decides() == ["stop 0"]


def test_an_intent_that_never_began_is_begun_again_and_is_no_try() -> None:
    given = Given(a_graph({"a": 1})).opened("a/1").did("a1", "precheck").began("a1", "upgrade")
    given.tell(Kind.VOID, "a1", "upgrade", ending=str(Ending.NEVER_BEGAN))
    assert given.host("a1").tries == 0
    assert given.decides() == ["start a1 upgrade #3 [fleet]"]


@pytest.mark.parametrize("stop", [Kind.PAUSED, Kind.ABORTED, Kind.TRIPPED])
def test_an_intent_that_never_began_is_not_begun_once_the_run_is_stopped(stop: Kind) -> None:
    given = Given(a_graph({"a": 1})).opened("a/1").did("a1", "precheck").began("a1", "upgrade").tell(stop)
    given.tell(Kind.VOID, "a1", "upgrade", ending=str(Ending.NEVER_BEGAN))
    assert given.host("a1").slot is False
    assert not any(said.startswith("start") for said in given.decides())


def test_a_disruptive_step_that_was_cut_short_keeps_the_slot_and_goes_on() -> None:
    given = Given(a_graph({"a": 1})).opened("a/1").did("a1", "precheck", "upgrade").began("a1", "reboot")
    given.tell(Kind.VOID, "a1", "reboot", ending=str(Ending.INTERRUPTED)).tell(Kind.PAUSED)
    assert given.decides() == ["start a1 reboot #4"]


def test_soak() -> None:
    given = Given(a_graph({"a": 2}, a_plan(soak=Soak(600, 60)))).opened("a/1").did("a1", *CHAIN)
    assert given.decides() == ["write host-soaking a1"]
    assert given.why() == "healthy on the target; its health has to hold for 10 min"
    began = given.now
    given.carry_on()
    assert given.host("a1").slot is False
    assert given.decides() == [f"wait until {began + 600:g}"]
    assert given.decides(after=600) == ["write host-verified a1"]
    assert given.why(after=600) == "its health has held for the whole soak"


def test_hosts_that_are_gone_are_not_begun() -> None:
    graph = a_graph({"a": 2}, a_plan(waves=[ALL]))
    given = Given(graph).tell(Kind.GONE, "a1").carry_on()
    assert given.decides() == ["start a2 precheck #1"]
    begun = Given(graph).opened("a/1").began("a2", "precheck").tell(Kind.GONE, "a2")
    assert begun.host("a2").status is Status.RUNNING
