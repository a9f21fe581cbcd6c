"""What a run goes on with when its plan has changed: who stays, who moves, who leaves, and whose credit is lost."""

from collections.abc import Mapping
from dataclasses import replace

import pytest

from rollout.graph import compile_graph
from rollout.graph.amend import Amended, amend
from rollout.model.chain import Step
from rollout.model.fleet import Fleet
from rollout.model.graph import Graph, Need
from rollout.model.plan import After, Amount, Approval, ComboRule, GateRule, Limits, Moment, Plan, Risk, Soak
from rollout.model.state import HostState, RunState, Status
from rollout.model.verdict import Compatibility, Given
from rollout.model.windows import Weekly, Window
from rollout.model.zones import UTC, Zone
from tests.fleet import CHAIN, a_combo, a_fleet, a_plan

HOSTS = {"a": 4, "b": 3}
FILES = {"plan": "1", "precheck.yml": "1", "upgrade.yml": "1", "reboot.yml": "1", "verify.yml": "1"}
DONE = HostState("a1", Status.VERIFIED, "verify", attempt=4)
HELD = HostState("a1", Status.HELD, "precheck", "upgrade", 2, slot=True, harmed=True, tried="upgrade")


def the_plan() -> Plan:
    return a_plan(a_combo("a"), a_combo("b", after=[After("a", "canaries")]))


def the_graph(plan: Plan | None = None) -> Graph:
    return compile_graph(plan or the_plan(), a_fleet(HOSTS), FILES)


def taken_in(
    plan: Plan | None = None,
    *hosts: HostState,
    files: Mapping[str, str] = FILES,
    fleet: Fleet | None = None,
    old: Graph | None = None,
) -> Amended:
    """A run of `the_plan` in which these hosts have begun, and all waves with such a host are open."""
    old = old or the_graph()
    known = {host.name: host for host in hosts}
    state = {name: known.get(name) or HostState(name) for name in old.nodes}
    opened = {old.nodes[host.name].wave: 1.0 for host in hosts}
    run = RunState(opened=opened)
    return amend(old, plan or the_plan(), fleet or a_fleet(HOSTS), files, Given(), run, state)


def without(*names: str) -> Fleet:
    fleet = a_fleet(HOSTS)
    return replace(fleet, hosts=tuple(host for host in fleet.hosts if host.name not in names))


def chain(**changed: Step) -> tuple[Step, ...]:
    return tuple(changed.get(step.name, step) for step in CHAIN)


def of_a(steps: tuple[Step, ...]) -> Plan:
    return replace(the_plan(), combos=(a_combo("a", steps=steps), the_plan().combos[1]))


def waves_of(graph: Graph) -> dict[str, tuple[str, ...]]:
    return {wave.id: wave.hosts for wave in graph.waves.values()}


# --- who is where ------------------------------------------------------------------------------------------------------------


def test_a_mended_playbook_moves_nobody() -> None:
    """The plan file's digest, which decides ties among canaries, has changed too."""
    ladder = replace(the_plan(), waves=None)
    old = the_graph(ladder)
    found = taken_in(
        ladder, replace(DONE, name="b1"), files={**FILES, "plan": "2", "upgrade.yml": "2"}, old=old
    )
    assert waves_of(found.graph) == waves_of(old)
    assert found.graph.seed == old.seed == "1"
    assert found.graph.digest != old.digest
    assert (found.excluded, found.gone, found.new) == ({}, {}, ())


def test_a_soak_is_replaced_where_it_is() -> None:
    found = taken_in(replace(the_plan(), soak=Soak(60.0, 30.0)))
    assert {wave.soak for wave in found.graph.waves.values() if wave.canary} == {60.0}
    assert waves_of(found.graph) == waves_of(the_graph())


def test_waves_that_are_cut_otherwise_leave_who_has_begun_where_it_was() -> None:
    sizes = (Amount(2), Amount(100, percent=True))
    found = taken_in(replace(the_plan(), waves=sizes), DONE)
    assert waves_of(found.graph) == {
        "a/1": ("a1",),
        "a/3": ("a2",),
        "a/4": ("a3", "a4"),
        "b/3": ("b1", "b2"),
        "b/4": ("b3",),
    }
    assert found.graph.waves["a/4"].needs == (Need(wave="a/3"),)
    assert found.graph.waves["b/3"].needs == (Need(wave="a/3"),)
    assert found.graph.waves["a/1"].canary


def test_what_waited_for_hosts_that_have_all_begun_waits_for_the_waves_that_they_are_in() -> None:
    """From sizes to the ladder: its first rung is a host that is verified already, in a wave of another name."""
    ladder = replace(the_plan(), waves=None)
    first = next(iter(compile_graph(ladder, a_fleet(HOSTS), FILES).rungs["one"])).hosts[0]
    found = taken_in(ladder, replace(DONE, name=first))
    wave = the_graph().nodes[first].wave
    rungs = [one.rung for one in found.graph.waves.values()]
    assert "one" not in rungs
    assert any(Need(wave=wave) in one.needs for one in found.graph.waves.values())


def test_a_lost_canary_is_replaced() -> None:
    """Although nothing else has changed: otherwise nobody would prove anything for the rest."""
    found = taken_in(None, fleet=without("a1"))
    assert found.gone == {"a1": "the plan's host pattern no longer selects it from the inventory"}
    canaries = [wave for wave in found.graph.waves_of["a"] if wave.canary]
    assert [wave.hosts for wave in canaries] == [("a2",)]


def test_a_canary_that_was_given_up_and_is_no_longer_in_the_plan_is_replaced_too() -> None:
    found = taken_in(None, replace(HELD, status=Status.RETIRED, slot=False), fleet=without("a1"))
    assert found.graph.nodes["a1"].wave == "a/1"
    assert [wave.hosts for wave in found.graph.waves_of["a"] if wave.canary] == [("a1",), ("a2",)]
    assert found.graph.waves["a/4"].needs == (Need(wave="a/3"),)


def test_a_host_more_or_less_in_the_ramp_moves_nobody_else() -> None:
    found = taken_in(None, fleet=without("a3"))
    assert waves_of(found.graph)["a/2"] == ("a2", "a4")
    assert found.graph.combos["a"].hosts == 3


def test_hosts_that_are_to_be_left_out_leave_with_the_reason() -> None:
    plan = replace(the_plan(), combos=(the_plan().combos[0], a_combo("b", verdict="blocked")))
    found = taken_in(plan, replace(HELD, name="b1"))
    assert set(found.excluded) == {"b2", "b3"}
    assert "combo b is blocked: a reason" in found.excluded["b2"]
    assert found.graph.nodes["b1"].wave == "b/1"
    assert found.kept == {"b": 1}
    assert {one.host for one in found.graph.untouched} == {"b2", "b3"}


@pytest.mark.parametrize(
    ("host", "leaves"),
    [
        (HostState("b1", Status.RUNNING, "precheck", "precheck", 1), True),
        (HostState("b1", Status.HELD, None, "precheck", 1, harmed=True), True),
        (HostState("b1", Status.RUNNING, None, "precheck", 1, open=True), False),
        (HostState("b1", Status.RUNNING, "precheck", "upgrade", 2, slot=True, open=True), False),
        (HostState("b1", Status.RUNNING, "precheck", "upgrade", 2, tried="upgrade"), False),
        (HostState("b1", Status.VERIFIED, "verify", attempt=4), False),
    ],
)
def test_what_was_only_looked_at_need_not_go_on_into_an_upgrade_that_is_blocked_now(
    host: HostState, leaves: bool
) -> None:
    plan = replace(the_plan(), combos=(the_plan().combos[0], a_combo("b", verdict="blocked")))
    found = taken_in(plan, host)
    assert ("b1" in found.excluded) is leaves
    assert ("b1" in found.graph.nodes) is not leaves


def test_nobody_joins_and_who_would_is_named() -> None:
    found = taken_in(None, fleet=a_fleet({"a": 5, "b": 3}))
    assert found.new == ("a5",)
    assert "a5" not in found.graph.nodes
    assert waves_of(found.graph) == waves_of(the_graph())


def test_a_host_that_was_held_or_left_out_before_any_step_takes_what_the_plan_says() -> None:
    skipped = HostState("b3", Status.EXCLUDED, because="not this one")
    held = HostState("a4", Status.HELD, harmed=True, because="no ssh")
    found = taken_in(None, skipped, held, fleet=without("b3", "a4"))
    assert not {"a4", "b3"} & set(found.graph.nodes)
    assert set(found.gone) == {"a4"}, "whom a person left out stays what it is"


def test_a_half_upgraded_host_is_no_mistake_of_the_plan() -> None:
    """Our own steps have changed what it is: no combo matches it any more."""
    fleet = a_fleet(HOSTS)
    hosts = tuple(
        replace(host, factors={**host.factors, "os": "half"}) if host.name == "a1" else host
        for host in fleet.hosts
    )
    found = taken_in(None, HELD, fleet=replace(fleet, hosts=hosts))
    assert found.graph.nodes["a1"].factors["os"] == "old"
    assert waves_of(found.graph) == waves_of(the_graph())


def test_limits_hold_for_those_that_have_begun_too() -> None:
    plan = replace(the_plan(), limits=Limits(Amount(2), {"rack": Amount(1)}))
    found = taken_in(plan, HELD, fleet=without("a1"))
    assert found.graph.nodes["a1"].slots == ("fleet", "rack=r1")
    assert found.graph.caps == {"fleet": 2, "rack=r0": 1, "rack=r1": 1, "rack=r2": 1, "rack=r3": 1}


def test_a_target_that_changes_does_not_reach_who_has_begun() -> None:
    rule = replace(the_plan().combos[0], to={"os": ("newer",)})
    found = taken_in(replace(the_plan(), combos=(rule, the_plan().combos[1])), HELD)
    graph = found.graph
    assert graph.target_of("a1", None) == {"os": ("new",)}
    assert graph.target_of("a2", None) == {"os": ("newer",)}
    assert Graph.from_json(graph.to_json()).target_of("a1", None) == {"os": ("new",)}
    assert found.credit == {"a": ()}


# --- chains ------------------------------------------------------------------------------------------------------------------


def test_a_held_host_takes_its_step_as_it_is_written_now() -> None:
    mended = replace(CHAIN[1], playbook="other.yml", timeout=9.0)
    found = taken_in(of_a(chain(upgrade=mended)), HELD)
    assert found.graph.chain_of("a1").step("upgrade") == mended
    assert not found.refused


def test_a_new_step_that_a_host_is_past_is_told() -> None:
    new = Step("look", playbook="look.yml")
    found = taken_in(of_a((new, *CHAIN)), HELD, replace(DONE, name="a2"))
    assert found.past == {("a", "look"): ("a1", "a2")}
    last = taken_in(of_a((*CHAIN, new)), HELD, replace(DONE, name="a2"))
    assert last.past == {("a", "look"): ("a2",)}


@pytest.mark.parametrize(
    ("steps", "host", "said"),
    [
        (CHAIN[1:], HELD, "combo a has no step precheck any more, and it is the last one done on host a1"),
        (
            (CHAIN[0], *CHAIN[2:]),
            HELD,
            "combo a has no step upgrade any more, and it is the one last tried on host a1",
        ),
        (
            (CHAIN[0], *CHAIN[2:]),
            HostState("a1", Status.RUNNING, "precheck", "upgrade", 2, open=True, slot=True),
            "it is in flight on host a1; keep the name",
        ),
        (
            (CHAIN[1], CHAIN[0], *CHAIN[2:]),
            HostState("a1", Status.RUNNING, "reboot", "verify", 4, slot=True),
            "",
        ),
        (
            (CHAIN[1], CHAIN[0], *CHAIN[2:]),
            HostState("a1", Status.RUNNING, "precheck", "upgrade", 1),
            "step upgrade would never be run, for it stands earlier in the chain, and is not done on host a1",
        ),
        (
            (CHAIN[1], CHAIN[2], CHAIN[0], CHAIN[3]),
            HostState("a1", Status.RUNNING, "upgrade", "upgrade", 2, slot=True),
            "step precheck would be run again, for it stands later in the chain, and is done on host a1",
        ),
    ],
)
def test_what_hosts_have_behind_them_keeps_its_name_and_place(
    steps: tuple[Step, ...], host: HostState, said: str
) -> None:
    found = taken_in(of_a(steps), host)
    assert any(said in one for one in found.refused) if said else not found.refused, found.refused


def test_what_left_something_open_keeps_its_undo() -> None:
    undo = Step("undo-drain", playbook="open.yml", of="drain")
    drain = Step("drain", playbook="close.yml", disruptive=True, undo=undo)
    plan = of_a((drain, *CHAIN))
    host = HostState("a1", Status.RUNNING, "drain", "drain", 1, slot=True, effects=["drain"])
    old = the_graph(plan)
    assert not taken_in(plan, host, old=old).refused
    (said,) = taken_in(of_a((replace(drain, undo=None), *CHAIN)), host, old=old).refused
    assert (
        said
        == "combo a: step drain has no undo any more, and left something open on host a1; give it its undo back"
    )


# --- credit ------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("files", "concerned"),
    [
        ({"upgrade.yml": "2"}, {"a": ("upgrade",), "b": ("upgrade",)}),
        ({"tasks/more.yml": "2"}, dict.fromkeys(("a", "b"), ("precheck", "upgrade", "reboot", "verify"))),
        ({"role guard": "2"}, dict.fromkeys(("a", "b"), ("precheck", "upgrade", "reboot", "verify"))),
        (
            {"ansible-core": "2.20"},
            dict.fromkeys(("a", "b"), ("precheck", "upgrade", "reboot", "verify")),
        ),
        ({"plan": "2", "plan.yml": "2", "risks": "2"}, {}),
        ({}, {}),
    ],
)
def test_whose_proof_a_changed_file_takes_away(
    files: dict[str, str], concerned: dict[str, tuple[str, ...]]
) -> None:
    found = taken_in(None, DONE, replace(DONE, name="b1"), files={**FILES, **files})
    assert found.credit == concerned


def test_calendars_and_compatibility_are_read_by_no_playbook() -> None:
    row = Compatibility({}, {}, "supported", "a list", place="here/../compat/list.yml:3:1")
    window = Window(False, (Weekly((0,), 0, 60.0),), UTC, "freeze", file="freeze.ics")
    plan = replace(the_plan(), file="here/plan.yml", compat=(row,), windows=(window,))
    fleet = replace(a_fleet(HOSTS), zones={UTC: Zone(UTC)})
    old = compile_graph(plan, fleet, FILES)
    files = {**FILES, "../compat/list.yml": "2", "freeze.ics": "2", "plan.yml": "2"}
    assert taken_in(plan, DONE, old=old, fleet=fleet, files=files).credit == {}
    assert set(taken_in(plan, DONE, old=old, fleet=fleet, files={**files, "hosts.yml": "2"}).credit) == {"a"}


def test_a_playbook_that_one_combo_names_concerns_that_one_and_its_folder_those_that_are_in_it() -> None:
    far = chain(upgrade=replace(CHAIN[1], playbook="hpe/upgrade.yml"))
    plan = of_a(far)
    old = the_graph(plan)
    hosts = DONE, replace(DONE, name="b1")
    own = taken_in(plan, *hosts, old=old, files={**FILES, "hpe/upgrade.yml": "2"})
    assert own.credit == {"a": ("upgrade",)}
    beside = replace(plan, combos=tuple(_in_folders(rule) for rule in plan.combos))
    old = the_graph(beside)
    assert taken_in(beside, *hosts, old=old, files={**FILES, "books/hpe/x.yml": "2"}).credit == {
        "a": ("upgrade",)
    }
    every = ("precheck", "upgrade", "reboot", "verify")
    assert taken_in(beside, *hosts, old=old, files={**FILES, "roles/x.yml": "2"}).credit == {
        "a": every,
        "b": every,
    }


def _in_folders(rule: ComboRule) -> ComboRule:
    def moved(step: Step) -> Step:
        folder = "books/hpe" if "hpe" in (step.playbook or "") else "books/all"
        return replace(step, playbook=f"{folder}/{(step.playbook or '').removeprefix('hpe/')}")

    return replace(rule, steps=tuple(moved(step) for step in rule.steps))


def test_how_often_and_how_long_a_step_is_tried_takes_no_proof_away() -> None:
    found = taken_in(of_a(chain(verify=replace(CHAIN[3], retries=9, timeout=9.0, expect=1.0))), DONE)
    assert found.credit == {}


def test_other_gates_take_all_proof_away_and_risks_none() -> None:
    gate = GateRule("more", "command", Moment("after", "verify"))
    found = taken_in(replace(the_plan(), gates=(gate,)), DONE)
    assert (found.credit, found.gates) == ({"a": ()}, ("more",))
    risk = Risk("apt", "lock", "retry")
    assert taken_in(replace(the_plan(), risks=(risk,)), DONE).credit == {}


def test_steps_in_another_order_are_another_chain() -> None:
    found = taken_in(of_a((CHAIN[0], CHAIN[2], CHAIN[1], CHAIN[3])), DONE)
    assert found.credit == {"a": ("precheck", "reboot", "upgrade", "verify")}


@pytest.mark.parametrize("what", ["after", "approval"])
def test_what_is_left_of_an_open_wave_waits_for_what_the_plan_asks_now(what: str) -> None:
    plan = replace(
        the_plan(), combos=(a_combo("a"), a_combo("b")), waves=(Amount(1), Amount(100, percent=True))
    )
    old = the_graph(plan)
    open_waves = [next(iter(old.waves["a/1"].hosts)), next(iter(old.waves["a/2"].hosts))]
    begun = [replace(DONE, name=name) for name in open_waves]
    asked = {
        "after": replace(plan, combos=(a_combo("a", after=[After("b")]), a_combo("b"))),
        "approval": replace(plan, approval=Approval(after=("1",))),
    }[what]
    graph = taken_in(asked, *begun, old=old).graph
    left = next(
        node.wave for name, node in graph.nodes.items() if node.combo == "a" and name not in open_waves
    )
    assert left not in old.waves
    assert any(need.combo == "b" or need.approved == "1" for need in graph.waves[left].needs)
    assert graph.waves["a/2"].hosts == (open_waves[1],)
