"""Which combo each host falls in: exactly one, or a sentence about why not."""

from collections.abc import Mapping
from dataclasses import replace

import pytest

from rollout.errors import Place, PlanInvalid
from rollout.graph import compile_graph
from rollout.graph.match import fits, is_current, listed
from rollout.model.fleet import Fleet, Host
from rollout.model.graph import Graph
from rollout.model.plan import ComboRule, Plan
from tests.fleet import CHAIN, a_plan


def a_rule(
    name: str, match: Mapping[str, tuple[str, ...]], to: str = "debian-13", *, blocked: str = ""
) -> ComboRule:
    return ComboRule(
        name,
        match,
        {"os": (to,)},
        steps=CHAIN,
        verdict="blocked" if blocked else "supported",
        reason=blocked,
    )


DELL = a_rule("dell", {"hardware": ("Dell R650*",), "os": ("debian-12",)})
HPE = a_rule("hpe", {"hardware": ("HPE DL360*", "HPE DL380*"), "os": ("debian-12",)})
XEN = a_rule("xen", {"hypervisor": ("xen-*",)}, blocked="no target kernel for this NIC")


def a_host(
    name: str, hardware: str = "Dell R650", os: str = "debian-12", hypervisor: str = "kvm-7.2"
) -> Host:
    return Host(name, {"hardware": hardware, "os": os, "hypervisor": hypervisor}, digest=name)


def plan_of(*rules: ComboRule, **changes: object) -> Plan:
    factors = {"hardware": "hw", "os": "os", "hypervisor": "hv"}
    places = {
        ("hosts",): Place("plan.yml", 3, 1),
        ("combos", 1): Place("plan.yml", 9, 3),
        ("combos", 1, "match"): Place("plan.yml", 10, 5),
    }
    return replace(a_plan(*rules), factors=factors, places=places, **changes)  # type: ignore[arg-type]


def compiled(plan: Plan, *hosts: Host) -> Graph:
    return compile_graph(plan, Fleet(hosts), {"plan": "p"})


def where(graph: Graph) -> dict[str, str]:
    """host -> its combo, or the word for why none."""
    found = {name: node.combo for name, node in graph.nodes.items()}
    return found | {untouched.host: untouched.word for untouched in graph.untouched}


@pytest.mark.parametrize(
    ("host", "word"),
    [
        (a_host("h", "Dell R650"), "dell"),
        (a_host("h", "Dell R650xs"), "dell"),
        (a_host("h", "HPE DL380 Gen10"), "hpe"),
        (a_host("h", "Dell R650", "debian-13"), "current"),
        (a_host("h", "HPE DL360", "debian-13"), "current"),
        (a_host("h", "Sun Fire", hypervisor="xen-4.1"), "excluded"),
    ],
)
def test_one_combo_for_each_host(host: Host, word: str) -> None:
    assert where(compiled(plan_of(DELL, HPE, XEN), host)) == {"h": word}


def test_a_combo_that_matches_the_target_too_sees_who_is_there() -> None:
    anything = a_rule("any", {"os": ("debian-*",)})
    graph = compiled(plan_of(anything), a_host("old"), a_host("new", os="debian-13"))
    assert where(graph) == {"old": "any", "new": "current"}
    assert (graph.combos["any"].hosts, graph.combos["any"].current) == (1, 1)


def test_a_host_on_its_way_between_two_combos_is_in_the_second() -> None:
    first = a_rule("to-13", {"os": ("debian-12",)})
    second = a_rule("to-14", {"os": ("debian-13",)}, "debian-14")
    graph = compiled(plan_of(first, second), a_host("a"), a_host("b", os="debian-13"))
    assert where(graph) == {"a": "to-13", "b": "to-14"}


def test_a_blocked_host_says_why_it_is_left_alone() -> None:
    graph = compiled(plan_of(XEN, DELL), a_host("x", "Sun", hypervisor="xen-4"), a_host("d"))
    assert [untouched.because for untouched in graph.untouched] == [
        "combo xen is blocked: no target kernel for this NIC"
    ]
    assert "xen" not in graph.combos


def test_several_combos_are_a_mistake_at_the_second_match() -> None:
    everything = a_rule("all-12", {"os": ("debian-12",)})
    with pytest.raises(PlanInvalid) as raised:
        compiled(plan_of(DELL, everything), a_host("h1"), a_host("h2"))
    (problem,) = raised.value.problems
    assert str(problem) == (
        "plan.yml:10:5: 2 hosts (h1, h2): in several combos (dell, all-12); a host belongs to exactly one"
    )


def test_no_combo_is_a_mistake_of_the_pattern_and_all_mistakes_come_at_once() -> None:
    everything = a_rule("all-12", {"os": ("debian-12",)})
    with pytest.raises(PlanInvalid) as raised:
        compiled(plan_of(DELL, everything), a_host("h1"), a_host("odd", "Sun", "solaris"))
    none, several = sorted(raised.value.problems)
    assert str(none) == (
        "plan.yml:3:1: host odd: no combo matches (hardware=Sun, os=solaris, hypervisor=kvm-7.2); "
        "add a combo, narrow the pattern, or write `otherwise: exclude`"
    )
    assert "in several combos" in several.message


def test_otherwise_exclude() -> None:
    graph = compiled(plan_of(DELL, otherwise="exclude"), a_host("h1"), a_host("odd", "Sun", "solaris"))
    assert where(graph) == {"h1": "dell", "odd": "excluded"}
    assert graph.untouched[0].because == "no combo matches it"


def test_untouched_hosts_come_in_inventory_order() -> None:
    hosts = [a_host("z", os="debian-13"), a_host("m", "Sun", "solaris"), a_host("a", os="debian-13")]
    graph = compiled(plan_of(DELL, otherwise="exclude"), *hosts)
    assert [untouched.host for untouched in graph.untouched] == ["z", "m", "a"]


@pytest.mark.parametrize(
    ("value", "globs", "fit"),
    [
        ("Dell R650", ("Dell R650",), True),
        ("dell R650", ("Dell R650",), False),
        ("kvm-7.2", ("xen-*", "kvm-7.*"), True),
        ("kvm-10.0", ("kvm-7.*",), False),
        ("r1", ("r[12]",), True),
        ("", ("*",), True),
    ],
)
def test_globs(value: str, globs: tuple[str, ...], fit: bool) -> None:
    assert fits(plan_of(DELL), {"f": value}, {"f": globs}) is fit


def test_a_factor_that_a_host_lacks_fits_only_what_takes_nothing() -> None:
    assert not fits(plan_of(DELL), {}, {"os": ("debian-*",)})
    assert fits(plan_of(DELL), {}, {"os": ("*",)})


def test_without_a_target_nothing_is_current() -> None:
    assert not is_current(
        plan_of(DELL), {"os": "debian-12"}, replace(DELL, match={"os": ("debian-12",)}, to={})
    )


def test_many_hosts_are_counted_not_listed() -> None:
    assert listed([a_host(f"h{number}") for number in range(7)]) == "7 hosts (h0, h1, h2, h3, h4, and 2 more)"
