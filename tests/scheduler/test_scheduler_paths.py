"""Whom to ask about a path, how long to wait for one, and what is said meanwhile."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from rollout.graph import compile_graph
from rollout.model.event import Kind
from rollout.model.fleet import Fleet, Host
from rollout.model.graph import Graph
from rollout.model.plan import Amount, Limits
from rollout.model.state import Status
from rollout.model.suspicion import THIS_MACHINE
from rollout.scheduler.paths import PATIENCE, witnesses
from rollout.scheduler.why import explain
from tests.fleet import a_combo, a_graph, a_plan
from tests.scheduler.given import Given

PATH = "through b1 as root"


def suspected(given: Given, *hosts: str, path: str = PATH, by: str = "path") -> Given:
    """The hosts, whose `upgrade` was under way, have vanished with their path."""
    for host in hosts:
        given.did(host, "precheck").began(host, "upgrade")
    given.tell(Kind.SUSPECTED, because=f"{path} is suspected", path=path, by=by, asked=[])
    for host in hosts:
        given.tell(Kind.STRANDED, host, "upgrade", "no way", path=path, begun=True)
    return given


def at_sites(sites: Mapping[str, int]) -> Graph:
    plan = replace(
        a_plan(a_combo("a"), waves=(Amount(100, percent=True),)),
        factors={"hardware": "hw", "os": "os", "site": "site"},
    )
    hosts = [
        Host(f"{site}{number}", {"hardware": "a", "os": "old", "site": site}, digest="d")
        for site, count in sites.items()
        for number in range(1, count + 1)
    ]  # fmt: skip
    return compile_graph(plan, Fleet(tuple(hosts), {"site": dict(sites)}), {"plan": "p"})


def racked() -> Given:
    plan = a_plan(waves=(Amount(100, percent=True),), limits=Limits(Amount(9), {"rack": Amount(9)}))
    return Given(a_graph({"a": 9}, plan, racks=3)).opened("a/1")


def test_those_who_have_answered_in_this_run_are_asked_first() -> None:
    given = racked()
    given.verified("a7").did("a8", *("precheck", "upgrade", "reboot", "verify")).tell(
        Kind.SOAKING, "a8", until=9e9
    )
    given.did("a5", "precheck").began("a6", "precheck").did("a1", "precheck").began("a1", "upgrade")
    assert witnesses(given.graph, given.state, ["a1"])[:3] == ["a7", "a8", "a5"]


def test_nobody_is_asked_who_is_disrupted_busy_held_or_lost() -> None:
    given = (
        racked().did("a1", "precheck", "upgrade").began("a2", "precheck").held("a3").failed("a4", "precheck")
    )
    given.tell(Kind.HELD, "a4")
    assert set(witnesses(given.graph, given.state, ["a5"])) == {"a6", "a7", "a8", "a9"}


def test_other_racks_are_asked_in_turn() -> None:
    """a1, a4 and a7 stand in one rack, a2, a5 and a8 in another: the rack of the lost one comes last."""
    given = racked()
    found = witnesses(given.graph, given.state, ["a1"])
    assert found == ["a2", "a3", "a5", "a6", "a8", "a9", "a4", "a7"]


def test_only_hosts_of_the_same_site_are_asked() -> None:
    graph = at_sites({"x": 2, "y": 3})
    given = Given(graph)
    assert witnesses(graph, given.state, ["y2"]) == ["y1", "y3"]


def test_a_suspected_path_keeps_everything_from_beginning_and_the_controller_waits() -> None:
    given = suspected(racked(), "a1", "a2")
    (decision,) = given.decide()
    assert given.decides() == [f"wait until {given.state.run.suspected_at + PATIENCE:g}"]
    assert decision.because == (
        f"{PATH} is suspected; hosts a1, a2 wait and are not counted; mend it, then `rollout resume`"
    )
    assert given.host("a1").tries == 0
    assert not given.host("a1").harmed


def test_a_soak_that_ends_meanwhile_is_looked_at_in_time() -> None:
    given = racked().did("a8", "precheck", "upgrade", "reboot", "verify")
    soon = given.now + 100
    suspected(given.tell(Kind.SOAKING, "a8", until=soon), "a1")
    assert given.decides() == [f"wait until {soon:g}"]


def test_after_its_patience_the_controller_leaves_the_run_to_a_person() -> None:
    given = suspected(racked(), "a1")
    assert given.decides(after=PATIENCE + 1) == ["stop 3"]
    given.tell(Kind.CONTINUED)
    assert given.decides() == ["start a1 upgrade #3"]
    assert given.why() == "upgrade was under way when its path vanished; what it did is found out first"


def test_our_own_machine_is_not_waited_for() -> None:
    given = suspected(racked(), "a1", path=THIS_MACHINE, by="controller")
    assert given.decides() == ["stop 3"]
    assert given.why().startswith(
        f"paused: {THIS_MACHINE} is suspected; host a1 waits and is not counted; mend it"
    )


def test_a_run_that_was_aborted_waits_for_the_path_of_half_an_upgrade() -> None:
    given = suspected(racked(), "a1").tell(Kind.ABORTED, because="enough")
    assert given.decides()[0].startswith("wait until")
    assert given.decides(after=PATIENCE + 1) == ["stop 3"]


def test_of_two_paths_each_comes_back_for_its_own_hosts() -> None:
    given = suspected(suspected(racked(), "a1"), "a2", path="as admin")
    assert given.state.run.paused == f"{PATH} is suspected; as admin is suspected"
    given.tell(Kind.RESTORED, path=PATH)
    assert (given.host("a1").stuck, given.host("a2").stuck) == (False, True)
    assert given.state.run.paused == "as admin is suspected"
    given.tell(Kind.RESTORED, path="as admin")
    assert given.state.run.paused is None


def test_a_gate_that_could_not_find_out_still_wants_a_person() -> None:
    given = suspected(racked(), "a1").tell(Kind.STUCK, "a9", because="no answer", gate="g")
    given.tell(Kind.RESTORED, path=PATH)
    assert (given.state.run.paused, given.state.run.paused_by) == ("no answer", "gate")
    given.tell(Kind.CONTINUED)
    assert not given.state.stuck


def test_a_new_controller_waits_anew() -> None:
    given = suspected(racked(), "a1")
    given.tell(Kind.TAKEN_UP, at=given.now + 5000, fence=2)
    assert given.decides() == [f"wait until {given.now + PATIENCE:g}"]


@pytest.mark.parametrize(
    ("facts", "lost"),
    [
        ([(Kind.INTENDED, "upgrade", {})], True),
        ([(Kind.INTENDED, "upgrade", {}), (Kind.VOID, "upgrade", {"ending": "never-began"})], True),
        ([(Kind.INTENDED, "upgrade", {}), (Kind.DONE, "upgrade", {})], False),
        ([(Kind.INTENDED, "upgrade", {}), (Kind.FAILED, "upgrade", {"ending": "failed"})], False),
        ([(Kind.INTENDED, "another", {})], False),
    ],
)
def test_what_was_lost_is_asked_about_until_it_is_known(
    facts: list[tuple[Kind, str, dict[str, Any]]], lost: bool
) -> None:
    given = suspected(racked(), "a1").tell(Kind.RESTORED, path=PATH)
    for kind, step, data in facts:
        given.tell(kind, "a1", step, **data)
    assert given.host("a1").lost is lost


def test_a_host_that_left_the_run_is_not_stranded() -> None:
    given = racked().asked("a1", "g", "before precheck").tell(Kind.RETIRED, "a1")
    given.tell(Kind.STRANDED, "a1", path=PATH)
    assert (given.host("a1").status, list(given.state.stuck), list(given.state.asking)) == (
        Status.RETIRED,
        [],
        [],
    )


def test_why_says_that_it_waits_and_is_not_counted() -> None:
    given = suspected(racked(), "a1")
    assert explain(given.graph, given.state, "a1", given.now) == (
        "a1 (wave a/1) is under way: it is not counted, and waits until this is mended: no way; once it is, `rollout resume` goes on"
    )
