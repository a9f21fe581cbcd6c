"""Factors that are put together, facts that requirements ask for, and what a probe has found: from whatever tells it first."""

from pathlib import Path
from typing import Any

import pytest

from rollout.errors import PlanInvalid
from rollout.model.plan import ComboRule, Plan, Risk
from rollout.model.verdict import Compatibility, Hop
from rollout.plan import factors, probes, read
from rollout.plan.fleet import fleet
from rollout.plan.inventory import Inventory, resolve
from rollout.plan.probes import Record

PROBED = Record(
    1000.0,
    "",
    {"distribution": ("debian",), "major": ("12",), "os": ("debian-12",), "pci": ("8086:1572", "15b3:1015")},
)


def _plan(sources: dict[str, str], **more: Any) -> Plan:
    return Plan("p", "p.yml", ("hosts",), "all", sources, more.pop("combos", ()), (), **more)


def _inventory(variables: dict[str, dict[str, Any]], probed: dict[str, Record] | None = None) -> Inventory:
    return Inventory(tuple(variables), tuple(variables), (), variables, {}, probed or {})


def _factors(plan: Plan, variables: dict[str, Any], record: Record | None = None) -> dict[str, str]:
    (host,) = fleet(plan, _inventory({"a": variables}, {"a": record} if record else {})).hosts
    return dict(host.factors)


@pytest.mark.parametrize(
    ("variables", "record", "value"),
    [
        ({"distribution": "debian", "major": 12}, None, "debian-12"),
        ({"ansible_facts": {"distribution": "Debian"}, "major": "12"}, None, "Debian-12"),
        ({"ansible_distribution": "Debian", "major": "12"}, None, "Debian-12"),
        ({"distribution": "ubuntu"}, PROBED, "ubuntu-12"),
        ({"distribution": "{{ what }}"}, PROBED, "debian-12"),
        ({}, PROBED, "debian-12"),
    ],
)
def test_names_in_braces_are_hostvars_then_facts_then_what_a_probe_found(
    variables: dict[str, Any], record: Record | None, value: str
) -> None:
    assert _factors(_plan({"os": "{distribution}-{major}"}), variables, record) == {"os": value}


def test_a_name_in_braces_is_another_factor_first_whatever_the_order() -> None:
    plan = _plan({"both": "{os}/{site}", "os": "{os}-{major}", "site": "dc"})
    variables = {"os": "debian", "major": "12", "site": "not this one", "dc": "fra", "both": "nor this"}
    assert _factors(plan, variables) == {"both": "debian-12/fra", "os": "debian-12", "site": "fra"}
    assert list(_factors(plan, variables)) == ["both", "os", "site"]


def test_a_plain_name_is_a_hostvar_whatever_factors_are_called() -> None:
    assert _factors(_plan({"os": "site", "site": "os"}), {"site": "x", "os": "y"}) == {"os": "x", "site": "y"}


def test_what_the_plan_says_a_probe_calls_it_is_asked_for_where_the_inventory_has_nothing() -> None:
    plan = _plan(
        {"release": "{distro}-{major}", "kernel": "kernel"}, probes={"release": "os", "kernel": "linux"}
    )
    record = Record(
        0.0, "", {"os": ("debian-12",), "kernel": ("not this one",), "linux": ("6.1",), "major": ("9",)}
    )
    assert _factors(plan, {}, record) == {"release": "debian-12", "kernel": "6.1"}
    assert _factors(plan, {"distro": "d", "major": 1, "kernel": "5"}, record) == {
        "release": "d-1",
        "kernel": "5",
    }


@pytest.mark.parametrize("name", ["password", "host", "become_password", "ssh_private_key_file", "user"])
def test_how_a_host_is_reached_is_no_fact(name: str) -> None:
    with pytest.raises(PlanInvalid, match="no hostvar, fact or probe result"):
        _factors(_plan({"f": f"x{{{name}}}"}), {f"ansible_{name}": "secret"})


def test_several_values_are_no_factor() -> None:
    with pytest.raises(PlanInvalid, match="no hostvar, fact or probe result"):
        _factors(_plan({"card": "pci"}), {}, PROBED)


def test_what_hosts_lack_is_one_mistake_of_each_factor() -> None:
    plan = _plan({"os": "{distribution}-{major}", "rack": "rack", "place": "{os}/{rack}"})
    hosts: dict[str, dict[str, Any]] = {
        "a": {"rack": "r1"},
        "b": {"rack": "r1", "major": "12"},
        "c": {"rack": "{{ x }}", "distribution": "d", "major": 1},
    }
    with pytest.raises(PlanInvalid) as caught:
        fleet(plan, _inventory(hosts))
    os_, rack = [problem.message for problem in caught.value.problems]
    assert os_.startswith(
        'factor os: 2 hosts (a, b) have no hostvar, fact or probe result "distribution"; host a has no hostvar, fact or probe result "major"; set it'
    )
    assert rack.startswith("factor rack: rack of host c still holds a template")


def test_what_a_probe_tells_is_kept_apart_from_what_the_inventory_says() -> None:
    plan = _plan(
        {"os": "{distribution}-{major}", "release": "os_release", "rack": "rack"}, probes={"release": "os"}
    )
    variables = {"distribution": "debian", "major": "11", "os_release": "debian-11", "rack": "r1"}
    (host,) = fleet(plan, _inventory({"a": variables}, {"a": PROBED})).hosts
    assert host.factors == {"os": "debian-11", "release": "debian-11", "rack": "r1"}
    assert host.probed == {"os": "debian-12", "release": "debian-12"}
    (host,) = fleet(plan, _inventory({"a": variables})).hosts
    assert host.probed == {}


def test_only_facts_that_somebody_asks_for_are_carried_and_equal_ones_are_shared() -> None:
    plan = _plan(
        {"os": "os"},
        combos=(ComboRule("c", {"os": ("*",)}, {"os": ("y",)}, require={"bios": (">=1",), "os": ("x",)}),),
        hops=(Hop({"os": ("x",)}, {"os": "y"}, require={"floor": ("1",)}),),
        risks=(Risk("r", "", "hold", applies={"nic": ("mlx*",)}),),
        compat=(Compatibility({"pci": ("8086:*",)}, {}, "blocked", "r"),),
    )
    assert factors.facts_wanted(plan) == ("bios", "floor", "nic", "pci", "python")
    variables = {"os": "x", "bios": 2, "floor": "{{ x }}", "nic": [["mlx4", "mlx5"], "mlx4"], "memory": 5}
    one, two = fleet(plan, _inventory({"a": variables, "b": variables}, {"a": PROBED, "b": PROBED})).hosts
    assert one.facts == {"bios": ("2",), "nic": ("mlx4", "mlx5"), "pci": ("8086:1572", "15b3:1015")}
    assert one.facts is two.facts


@pytest.mark.parametrize(
    ("variables", "record", "known"),
    [
        ({"ansible_python_version": "3.9.2"}, Record(0, "", {"python": ("3.11.2",)}), ("3.9.2",)),
        ({"ansible_facts": {"python_version": "3.9.2", "python": {"type": "cpython"}}}, None, ("3.9.2",)),
        ({"python": "of another tool"}, Record(0, "", {"python": ("3.11.2",)}), ("3.11.2",)),
        ({}, None, None),
    ],
)
def test_the_python_is_always_carried(
    variables: dict[str, Any], record: Record | None, known: tuple[str, ...] | None
) -> None:
    (host,) = fleet(
        _plan({"os": "os"}), _inventory({"a": {"os": "x", **variables}}, {"a": record} if record else {})
    ).hosts
    assert host.facts.get("python") == known


def test_what_a_probe_has_found_outlives_a_probe_that_could_not_ask(tmp_path: Path) -> None:
    probes.keep(tmp_path, {"a": Record(1.0, "198.18.0.1", {"os": ("x",)}), "b": PROBED})
    probes.keep(tmp_path, {"b": Record(2.0, "", {"os": ("y",), "pci": ("1", "2")})})
    assert probes.load(tmp_path) == {
        "a": Record(1.0, "198.18.0.1", {"os": ("x",)}),
        "b": Record(2.0, "", {"os": ("y",), "pci": ("1", "2")}),
    }
    assert probes.load(tmp_path, frozenset({"pci"}))["b"].facts == {"pci": ("1", "2")}
    assert [path.stat().st_mode & 0o777 for path in (tmp_path / "probe", tmp_path / "probe" / "hosts.jsonl")] == [0o700, 0o600]  # fmt: skip
    assert [path.name for path in (tmp_path / "probe").iterdir()] == ["hosts.jsonl"]


def test_lines_that_are_no_records_are_none(tmp_path: Path) -> None:
    (tmp_path / "probe").mkdir()
    (tmp_path / "probe" / "hosts.jsonl").write_text(
        'x\n{}\n["a"]\n["a",1,"",[]]\n["a","b","",{}]\n["ok",1,"",{"os":"x"}]\n'
    )
    assert probes.load(tmp_path) == {"ok": Record(1.0, "", {"os": ("x",)})}


@pytest.mark.parametrize(
    ("times", "words"),
    [
        ([], ()),
        ([9990.0], ("facts of 1 host: probed less than a minute ago",)),
        ([2800.0, 2700.0], ("facts of 2 hosts: probed 2 h ago",)),
        ([2800.0, -300_000.0], ("facts of 2 hosts: probed 2 h to 3 d ago",)),
    ],
)
def test_how_old_facts_are_is_said_in_words(times: list[float], words: tuple[str, ...]) -> None:
    assert probes.ages(times, 10_000.0) == words


def test_a_host_with_another_address_may_be_another_machine(tmp_path: Path) -> None:
    (tmp_path / "hosts.yml").write_text(
        "all: {hosts: {a: {ansible_host: 198.18.0.1}, b: {ansible_host: 198.18.0.2}}}"
    )
    (tmp_path / "x.yml").write_text("- hosts: all\n")
    (tmp_path / "p.yml").write_text(
        "rollout: p\ninventory: hosts.yml\nhosts: all\nfactors: {os: {from: os_release, probe: os}}\n"
        "combos: [{name: c, match: {os: x}, to: {os: y}}]\nsteps: [{name: upgrade, playbook: x.yml}]\n"
    )
    record = Record(1.0, "198.18.0.1", {"os": ("x",), "kernel": ("6.1",)})
    probes.keep(tmp_path, {"a": record, "b": record, "stranger": record})
    found = resolve(read(tmp_path / "p.yml"), tmp_path)
    assert found.probed == {"a": Record(1.0, "198.18.0.1", {"os": ("x",)})}
    assert found.notes[1] == "b: another address than when probed, so what the probe found does not count"


def test_a_fact_that_a_probe_contradicts_is_told(tmp_path: Path) -> None:
    (tmp_path / "hosts.yml").write_text(
        "all: {hosts: {a: {os: x, bios: 1.9.2}, b: {os: x, bios: 1.9.2}, c: {os: x}}}"
    )
    (tmp_path / "x.yml").write_text("- hosts: all\n")
    (tmp_path / "p.yml").write_text(
        "rollout: p\ninventory: hosts.yml\nhosts: all\nfactors: {os: os}\n"
        'combos: [{name: c, match: {os: x}, to: {os: y}, require: {bios: ">=1.9"}}]\nsteps: [{name: upgrade, playbook: x.yml}]\n'
    )
    probes.keep(
        tmp_path,
        {
            "a": Record(1.0, "", {"bios": ("1.8.0",)}),
            "b": Record(1.0, "", {"bios": ("1.9.2",)}),
            "c": Record(1.0, "", {"bios": ("1.7",)}),
        },
    )
    plan = read(tmp_path / "p.yml")
    found = resolve(plan, tmp_path)
    said = "bios: the inventory counts, and 1 host says otherwise (a, 1.8.0 by its probe and 1.9.2 in the inventory)"
    assert found.notes[-1] == said
    assert [host.facts["bios"] for host in fleet(plan, found).hosts] == [("1.9.2",), ("1.9.2",), ("1.7",)]


def test_what_is_no_longer_true_of_a_host_is_forgotten(tmp_path: Path) -> None:
    probes.forget(tmp_path, {"a"})  # nothing was ever probed
    probes.keep(tmp_path, {name: Record(1.0, "", {"os": ("debian-12",)}) for name in ("a", "b")})
    probes.forget(tmp_path, {"a", "stranger"})
    assert set(probes.load(tmp_path)) == {"b"}
