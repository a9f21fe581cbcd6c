"""Hosts that need several hops: the way that is found, its steps and gates, and the combo of their own."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

import pytest

from rollout.engine.inbox import VirtualInbox
from rollout.engine.subjects import Subjects
from rollout.executors.rehearsal import World
from rollout.graph import compile_graph
from rollout.journal.memory import MemoryJournal
from rollout.model.chain import Step
from rollout.model.event import Event, Kind
from rollout.model.fleet import Fleet, Host
from rollout.model.graph import Graph
from rollout.model.plan import After, ComboRule, GateRule, Moment, Plan
from rollout.model.state import Status
from rollout.model.verdict import Compatibility, Given, Hop, Toolchain, Wanted
from rollout.ssh.testing import FakeConnection
from tests.fleet import a_plan, an_engine

CHAIN = (
    Step("precheck", playbook="precheck.yml"),
    Step("drain", drain="none"),
    Step("snapshot", playbook="s.yml", commit=Step("commit-snapshot", of="snapshot"), undo=Step("undo-snapshot", of="snapshot")),
    Step("upgrade", playbook="upgrade.yml", once=True, undo=Step("undo-upgrade", playbook="d.yml", of="upgrade", once=True)),
    Step("reboot", playbook="reboot.yml", disruptive=True),
    Step("verify", playbook="verify.yml"),
    Step("restore", reopen="none", closes=("drain",)),
)  # fmt: skip


def a_hop(begin: str, end: str = "", *, steps: Sequence[Step] = CHAIN, require: Wanted | None = None, reason: str = "") -> Hop:  # fmt: skip
    return Hop(
        match={"os": (begin,)},
        to={"os": end} if end else {},
        require=require or {},
        reason=reason,
        chains={"a": tuple(steps), "b": tuple(steps)},
    )


def world(*hops: Hop, old: dict[str, str], to: str = "debian-13", **facts: tuple[str, ...]) -> Graph:
    """`old`: host -> what it runs."""
    rule = ComboRule("a", match={"os": ("*",)}, to={"os": (to,)}, steps=CHAIN)
    plan = replace(a_plan(rule), factors={"os": "os", "rack": "rack"}, hops=hops, waves=None)
    hosts = tuple(Host(name, {"os": os, "rack": "r1"}, facts=facts) for name, os in old.items())
    return compile_graph(plan, Fleet(hosts, {"os": {}, "rack": {"r1": len(hosts)}}), {"plan": "p"})


def names(graph: Graph, combo: str) -> list[str]:
    return [step.name for step in graph.combos[combo].chain]


ELEVEN_TO_THIRTEEN = (a_hop("debian-11", "debian-12"), a_hop("debian-12", "debian-13"))


def test_two_hops_are_walked_one_after_the_other_and_what_is_opened_is_opened_once() -> None:
    graph = world(*ELEVEN_TO_THIRTEEN, old={"h": "debian-11"})
    assert names(graph, "a") == [
        *("precheck-to-debian-12", "drain", "snapshot"),
        *("upgrade-to-debian-12", "reboot-to-debian-12", "verify-to-debian-12"),
        *("precheck", "upgrade", "reboot", "verify", "restore"),
    ]
    assert graph.combos["a"].hops == ("debian-12", "debian-13")


def test_each_hop_knows_where_it_leads() -> None:
    combo = world(*ELEVEN_TO_THIRTEEN, old={"h": "debian-11"}).combos["a"]
    led = [combo.leads_to(step)["os"] for step in combo.chain if step.kind == "upgrade"]
    assert led == [("debian-12",), ("debian-13",)]


def test_an_undo_of_a_hop_belongs_to_the_step_of_that_hop() -> None:
    combo = world(*ELEVEN_TO_THIRTEEN, old={"h": "debian-11"}).combos["a"]
    undo = combo.step("undo-upgrade-to-debian-12")
    assert undo is not None
    assert undo.of == "upgrade-to-debian-12"
    assert len({step.name for step in combo.chain}) == len(combo.chain)


def test_hosts_of_a_combo_on_other_ways_are_combos_of_their_own() -> None:
    graph = world(*ELEVEN_TO_THIRTEEN, old={"old": "debian-11", "new": "debian-12"})
    assert {name: combo.hosts for name, combo in graph.combos.items()} == {"a": 1, "a@debian-11": 1}
    assert graph.combos["a@debian-11"].of_rule == "a"
    assert graph.nodes["old"].combo == "a@debian-11"
    assert names(graph, "a") == [step.name for step in CHAIN]


def test_the_shortest_way_is_taken_and_of_as_short_ones_the_first_in_the_plan() -> None:
    straight = (*CHAIN[:3], replace(CHAIN[3], playbook="straight.yml"), *CHAIN[4:])
    graph = world(
        *ELEVEN_TO_THIRTEEN, a_hop("debian-11", "debian-13", steps=straight), old={"h": "debian-11"}
    )
    assert graph.combos["a"].hops == ()
    assert [step.playbook for step in graph.combos["a"].chain if step.kind == "upgrade"] == ["straight.yml"]
    twice = world(a_hop("debian-11", "debian-13", steps=straight), a_hop("debian-1*", "debian-13"), old={"h": "debian-11"})  # fmt: skip
    assert twice.combos["a"].chain[3].playbook == "straight.yml"


@pytest.mark.parametrize(
    ("hops", "said"),
    [
        ([a_hop("debian-12", "debian-13")], "no declared hop leads from os debian-10 to os debian-13"),
        (
            [a_hop("debian-10", "debian-11"), a_hop("debian-11", reason="its kernel has no driver for the NIC")],
            "os debian-11 is a dead end: its kernel has no driver for the NIC",
        ),
        ([a_hop("debian-10", "debian-11"), a_hop("debian-11", "debian-10")], "no declared hop leads"),
    ],
)  # fmt: skip
def test_a_host_without_a_way_is_not_touched_and_it_is_said_why(hops: list[Hop], said: str) -> None:
    graph = world(*hops, old={"h": "debian-10"})
    assert not graph.nodes
    (untouched,) = graph.untouched
    assert (untouched.word, untouched.cause) == ("excluded", "path")
    assert said in untouched.because


def test_a_dead_end_is_not_left_by_other_hops_that_would_lead_on() -> None:
    graph = world(a_hop("debian-1[01]", reason="the NIC has no driver"), *ELEVEN_TO_THIRTEEN, old={"h": "debian-11", "i": "debian-12"})  # fmt: skip
    assert list(graph.nodes) == ["i"]
    assert "os debian-11 is a dead end: the NIC has no driver" in graph.untouched[0].because


def test_an_upgrade_that_closes_what_was_prepared_for_it_is_walked_on_each_leg() -> None:
    undo = Step("undo-pin", playbook="unpin.yml", of="pin")
    steps = (
        Step("pin", playbook="pin.yml", undo=undo),
        Step("upgrade", playbook="u.yml", once=True, closes=("pin",)),
    )
    hops = [a_hop(hop.match["os"][0], hop.to["os"], steps=steps) for hop in ELEVEN_TO_THIRTEEN]
    combo = world(*hops, old={"h": "debian-11"}).combos["a"]
    assert [(step.name, step.closes) for step in combo.chain] == [
        ("pin-to-debian-12", ()),
        ("upgrade-to-debian-12", ("pin-to-debian-12",)),
        ("pin", ()),
        ("upgrade", ("pin",)),
    ]


def test_an_upgrade_that_is_made_final_afterwards_is_walked_on_each_leg() -> None:
    undo, commit = Step("undo-upgrade", of="upgrade"), Step("commit-upgrade", of="upgrade")
    steps = (Step("upgrade", playbook="u.yml", once=True, undo=undo, commit=commit),)
    hops = [a_hop(hop.match["os"][0], hop.to["os"], steps=steps) for hop in ELEVEN_TO_THIRTEEN]
    combo = world(*hops, old={"h": "debian-11"}).combos["a"]
    assert [step.name for step in combo.chain] == ["upgrade-to-debian-12", "upgrade"]
    assert combo.step("commit-upgrade-to-debian-12") == combo.chain[0].commit
    assert combo.chain[0].commit is not None
    assert combo.chain[0].commit.of == "upgrade-to-debian-12"


def test_what_the_last_hop_changes_beside_the_target_is_looked_at() -> None:
    row = Compatibility({"rack": ("r1",)}, {"hypervisor": ("kvm-10*",)}, "blocked", "it crashes")
    rule = ComboRule("a", match={"os": ("*",)}, to={"os": ("debian-13",)}, steps=CHAIN)
    hop = replace(a_hop("debian-12"), to={"os": "debian-13", "hypervisor": "kvm-10"})
    factors = {name: name for name in ("os", "rack", "hypervisor")}
    plan = replace(a_plan(rule), factors=factors, hops=(hop,), compat=(row,))
    host = Host("h", {"os": "debian-12", "rack": "r1", "hypervisor": "kvm-7"})
    graph = compile_graph(plan, Fleet((host,), {"rack": {"r1": 1}}), {})
    assert [one.cause for one in graph.untouched] == ["compat"]


FLOORED = (a_hop("debian-11", "debian-13", require={"kernel": (">=6",)}), *ELEVEN_TO_THIRTEEN)


def test_the_way_is_in_the_digest_whatever_decides_it() -> None:
    """A fact that a probe has found is no variable of the host, and no wave changes with it."""
    new, old = (world(*FLOORED, old={"h": "debian-11"}, kernel=(kernel,)) for kernel in ("6.1", "5.10"))
    assert list(new.waves) == list(old.waves)
    assert len(new.combos["a"].chain) < len(old.combos["a"].chain)
    assert new.parts["waves"] != old.parts["waves"]


def probed(*hops: Hop, begin: str, **found: str) -> Graph:
    """A host whose combo does not match by what it runs."""
    rule = ComboRule(
        "a", {"rack": ("r1",)}, {"os": ("debian-13",)}, steps=CHAIN, require={"bios": (">=1.9",)}
    )
    plan = replace(a_plan(rule), factors={name: name for name in ("os", "rack", "bios")}, hops=hops)
    host = Host("h", {"os": begin, "rack": "r1", "bios": "2.0"}, probed=found)
    return compile_graph(plan, Fleet((host,), {"rack": {"r1": 1}}), {})


def test_a_host_from_which_hops_would_lead_another_way_than_the_inventory_says_has_drifted() -> None:
    assert probed(*ELEVEN_TO_THIRTEEN, begin="debian-12", os="debian-12").nodes
    (untouched,) = probed(*ELEVEN_TO_THIRTEEN, begin="debian-12", os="debian-11").untouched
    assert untouched.cause == "drift"
    assert "os is debian-11, and debian-12 in the inventory" in untouched.because


def test_a_factor_counts_as_the_probe_tells_it_too() -> None:
    assert probed(begin="debian-12", bios="1.10").nodes
    (untouched,) = probed(begin="debian-12", bios="1.1").untouched
    assert untouched.because == "by its probe: combo a requires bios >=1.9: it is 1.1"


def test_hosts_that_differ_in_their_python_alone_are_judged_apart() -> None:
    rule = ComboRule("a", match={"os": ("*",)}, to={"os": ("debian-13",)}, steps=CHAIN)
    plan = replace(a_plan(rule), factors={"os": "os", "rack": "rack", "python": "python"})
    hosts = tuple(Host(name, {"os": "debian-12", "rack": "r1", "python": python}) for name, python in (("h", "3.11"), ("i", "3.5")))  # fmt: skip
    given = Given("2026-11-23", Toolchain("2.19.4"))
    graph = compile_graph(plan, Fleet(hosts, {"rack": {"r1": 2}}), {}, given)
    assert [(one.host, one.cause) for one in graph.untouched] == [("i", "toolchain")]


def test_hops_of_factors_that_the_combo_does_not_lead_anywhere_do_not_concern_it() -> None:
    rule = ComboRule("a", match={"hardware": ("*",)}, to={"hypervisor": ("kvm-10",)}, steps=CHAIN)
    plan = replace(a_plan(rule), factors={"hardware": "h", "hypervisor": "v", "os": "os", "rack": "r"}, hops=ELEVEN_TO_THIRTEEN)  # fmt: skip
    host = Host("h", {"hardware": "x", "hypervisor": "kvm-7", "os": "debian-9", "rack": "r1"})
    graph = compile_graph(plan, Fleet((host,), {"rack": {"r1": 1}}), {})
    assert graph.combos["a"].chain == CHAIN


def gated(*hops: Hop, remembers: bool = False) -> Graph:
    gate = GateRule("fresh", "ssh", Moment("after", "verify"), remembers=remembers)
    rule = ComboRule("a", match={"os": ("*",)}, to={"os": ("debian-13",)}, steps=CHAIN)
    plan: Plan = replace(a_plan(rule, gates=[gate]), factors={"os": "os", "rack": "rack"}, hops=hops)
    return compile_graph(plan, Fleet((Host("h", {"os": "debian-11", "rack": "r"}),), {"rack": {"r": 1}}), {})


def test_a_gate_around_a_step_is_asked_on_every_hop() -> None:
    moments = [str(gate.when) for gate in gated(*ELEVEN_TO_THIRTEEN).gates]
    assert moments == ["after verify", "after verify-to-debian-12"]


def walked(graph: Graph) -> tuple[Status, list[Event]]:
    inbox = VirtualInbox(1_000_000.0)
    journal = MemoryJournal(inbox.now)
    journal.create("run", graph, plan_file="", created_by="")
    engine = an_engine(graph, journal, World(inbox.now), inbox)
    engine.run()
    return engine.state.hosts["h"].status, list(journal.events("run"))


def test_a_host_walks_both_hops_in_turn() -> None:
    graph = gated(*ELEVEN_TO_THIRTEEN)
    status, events = walked(graph)
    assert status is Status.VERIFIED
    begun = [event.step for event in events if event.kind is Kind.INTENDED]
    assert [*begun[:11]] == names(graph, "a")


def test_what_a_gate_remembers_is_of_the_hop_that_it_is_asked_about() -> None:
    """A boot id from before the first hop would be another after the second, whether or not the host had been restarted for it."""
    _, events = walked(gated(*ELEVEN_TO_THIRTEEN, remembers=True))
    told = [event.step if event.kind is Kind.INTENDED else "remember" for event in events if event.kind is Kind.INTENDED or event.data.get("moment") == "remember"]  # fmt: skip
    where = [after for one, after in pairwise(told) if one == "remember"]
    assert where == ["drain", "upgrade"]


def test_a_combo_that_waits_for_another_waits_for_all_its_parts() -> None:
    first = ComboRule("a", match={"os": ("debian-1*",)}, to={"os": ("debian-13",)}, steps=CHAIN)
    later = ComboRule("b", match={"os": ("ubuntu",)}, to={"os": ("debian-13",)}, steps=CHAIN, after=(After("a"),))  # fmt: skip
    hops = (*ELEVEN_TO_THIRTEEN, a_hop("ubuntu", "debian-13"))
    plan = replace(a_plan(first, later), factors={"os": "os", "rack": "rack"}, hops=hops)
    hosts = tuple(
        Host(f"h{number}", {"os": os, "rack": "r"})
        for number, os in enumerate(["debian-11", "debian-12", "ubuntu"])
    )
    graph = compile_graph(plan, Fleet(hosts, {"rack": {"r": 3}}), {})
    assert {need.combo for need in graph.waves["b/1"].needs} == {"a", "a@debian-11"}


def test_a_gate_is_told_where_its_own_hop_leads() -> None:
    graph = gated(*ELEVEN_TO_THIRTEEN)
    subjects = Subjects(graph, lambda _host: {}, lambda _host, _variables: FakeConnection({}))
    asked = {step: subjects.of("h", {}, 0.0, step=step).target["os"] for step in ("verify-to-debian-12", "verify", "wave", "")}  # fmt: skip
    assert asked == {"verify-to-debian-12": ("debian-12",), "verify": ("debian-13",), "wave": ("debian-13",), "": ("debian-13",)}  # fmt: skip


def test_what_no_hop_speaks_of_changes_along_the_way() -> None:
    """As in the design's own example: hops of the os, and a target that names the hypervisor, too."""
    rule = ComboRule(
        "a", match={"os": ("*",)}, to={"os": ("debian-13",), "hypervisor": ("kvm-10.*",)}, steps=CHAIN
    )
    plan = replace(
        a_plan(rule), factors={"os": "os", "hypervisor": "v", "rack": "r"}, hops=ELEVEN_TO_THIRTEEN
    )
    host = Host("h", {"os": "debian-11", "hypervisor": "kvm-7.2", "rack": "r1"})
    graph = compile_graph(plan, Fleet((host,), {"rack": {"r1": 1}}), {})
    assert graph.combos["a"].hops == ("debian-12", "debian-13")


@pytest.mark.parametrize(
    ("value", "label"), [("débian 12 ٣", "d-bian-12"), ("x" * 300, "x" * 40), ("...", "x")]
)
def test_names_of_steps_are_plain_and_short(value: str, label: str) -> None:
    assert a_hop("a", value).label == label
