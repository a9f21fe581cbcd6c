"""Factors come from the inventory as text; a host without one is a mistake of the plan, with the way out."""

from typing import Any

import pytest

from rollout.errors import Place, PlanInvalid
from rollout.model.fleet import Host
from rollout.model.plan import Plan
from rollout.plan.fleet import fleet
from rollout.plan.inventory import Inventory

PLACES: dict[tuple[str | int, ...], Place] = {
    ("hosts",): Place("p.yml", 3),
    ("factors",): Place("p.yml", 4),
    ("factors", "os"): Place("p.yml", 5),
}


def _plan(**factors: str) -> Plan:
    return Plan("p", "p.yml", ("hosts",), "compute", factors or {"os": "os_release"}, (), (), places=PLACES)


def _inventory(variables: dict[str, dict[str, Any]], selected: list[str] | None = None) -> Inventory:
    hosts = tuple(variables)
    return Inventory(hosts if selected is None else tuple(selected), hosts, (), variables, {})


def _problem(plan: Plan, inventory: Inventory) -> str:
    with pytest.raises(PlanInvalid) as caught:
        fleet(plan, inventory)
    (problem,) = caught.value.problems
    assert problem.message.isprintable()
    return str(problem)


def test_hosts_keep_the_order_and_bring_their_factors() -> None:
    inventory = _inventory(
        {"b": {"os_release": "13", "ansible_host": "198.18.0.2"}, "a": {"os_release": 12}}, ["b", "a"]
    )
    assert fleet(_plan(), inventory).hosts == (
        Host("b", {"os": "13"}, "198.18.0.2", inventory.digest("b")),
        Host("a", {"os": "12"}, "", inventory.digest("a")),
    )


def test_a_domain_counts_all_hosts_of_the_inventory() -> None:
    variables = {"a": {"rack": "r1"}, "b": {"rack": "r1"}, "c": {"rack": "r2"}, "d": {}}
    assert fleet(_plan(rack="rack"), _inventory(variables, ["a"])).domain_sizes == {
        "rack": {"r1": 2, "r2": 1}
    }


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (True, "true"),
        (0, "0"),
        (24.1, "24.1"),
        (" x ", "x"),
        ({"__ansible_unsafe": "x"}, "x"),
        ("Dell R650", "Dell R650"),
    ],
)
def test_a_value_becomes_text(value: object, text: str) -> None:
    (host,) = fleet(_plan(), _inventory({"a": {"os_release": value}})).hosts
    assert host.factors == {"os": text}


def test_a_fact_will_do_where_the_inventory_carries_facts() -> None:
    variables = {"a": {"ansible_facts": {"distribution": "Debian"}}}
    (host,) = fleet(_plan(os="ansible_distribution"), _inventory(variables)).hosts
    assert host.factors == {"os": "Debian"}


@pytest.mark.parametrize("value", [None, "", "  "])
def test_a_host_that_lacks_a_factor_is_named(value: object) -> None:
    assert _problem(_plan(), _inventory({"a": {"os_release": value}})) == (
        'p.yml:5:1: factor os: host a has no hostvar, fact or probe result "os_release"; set it in the inventory (host_vars, '
        "group_vars), ask the hosts (`rollout plan --probe`), let the inventory carry Ansible's cached facts, or narrow `hosts`"
    )


def test_many_hosts_are_counted() -> None:
    said = _problem(_plan(), _inventory({f"h{n}": {} for n in range(9)}))
    assert "9 hosts (h0, h1, h2, h3, h4 and 4 more) have no hostvar, fact or probe result" in said


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("{{ release }}", "still holds a template, which rollout does not run"),
        ("{% if x %}", "still holds a template"),
        ({"__ansible_vault": "$ANSIBLE_VAULT;1.1"}, "is encrypted"),
        (["a"], "is a list or mapping"),
        ({"a": 1}, "is a list or mapping"),
        ("a\nb", "holds a line break or control character"),
        ("a\x1b[31m", "holds a line break or control character"),
    ],
)
def test_a_value_that_is_no_factor(value: object, words: str) -> None:
    assert f"factor os: os_release of host a {words}" in _problem(
        _plan(), _inventory({"a": {"os_release": value}})
    )


def test_hosts_that_are_not_selected_may_lack_factors() -> None:
    assert len(fleet(_plan(), _inventory({"a": {"os_release": "13"}, "b": {}}, ["a"])).hosts) == 1


def test_an_empty_pattern_is_a_mistake() -> None:
    said = _problem(_plan(), _inventory({"a": {"os_release": "13"}}, []))
    assert said == 'p.yml:3:1: the pattern "compute" selects no host of hosts'


@pytest.mark.parametrize(
    "name", ["a b", "-a", "a/b", "../a", "a;b", 'a"b', "a..b", "ä", "a" * 254, "a[1]", "$a"]
)
def test_an_odd_name_is_refused(name: str) -> None:
    assert "a name is unusable as a host name" in _problem(_plan(), _inventory({name: {"os_release": "13"}}))


@pytest.mark.parametrize(
    "name", ["a", "node-1.example.net", "198.18.0.1", "2001:db8::1", "_gateway", "n0_1", "A"]
)
def test_an_ordinary_name_is_not(name: str) -> None:
    assert fleet(_plan(), _inventory({name: {"os_release": "13"}})).hosts[0].name == name


@pytest.mark.parametrize("address", ["{{ bmc }}", "a\nb", 5])
def test_an_address_that_only_ansible_could_read_is_left_out(address: object) -> None:
    variables = {"a": {"os_release": "13", "ansible_host": address}}
    assert fleet(_plan(), _inventory(variables)).hosts[0].address == ""
