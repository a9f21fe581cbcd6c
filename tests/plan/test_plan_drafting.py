"""What a first plan for an inventory says: factors by their usual names, combos that exist, targets that are known, blanks that are named."""

from collections.abc import Mapping
from typing import Any

import pytest
import yaml

from rollout.model.plan import Plan
from rollout.plan import drafted, drafting
from rollout.plan.drafting import Draft, Found
from rollout.plan.inventory import Inventory
from rollout.plan.probes import Record
from rollout.plan.releases import is_newest, next_release

EMPTY = Plan("p", "p.yml", ("hosts",), "all", {}, (), ())


def _draft(hosts: Mapping[str, dict[str, Any]], probed: Mapping[str, dict[str, str]] | None = None) -> Draft:
    records = {
        host: Record(0.0, "", {k: (v,) for k, v in facts.items()}) for host, facts in (probed or {}).items()
    }
    return drafting.draft(EMPTY, Inventory(tuple(hosts), tuple(hosts), (), hosts, {}, records))


def _written(draft: Draft, guests: Mapping[str, int] | None = None) -> str:
    return drafted.text("p", "hosts.yml", "all", draft, guests or {})


@pytest.mark.parametrize(
    ("release", "after"),
    [
        ("debian-12", "debian-13"), ("Debian 12", "Debian 13"), ("debian12", "debian13"), ("debian-12.7", "debian-13.*"),
        ("ubuntu-22.04", "ubuntu-24.04"), ("Rocky 8.10", "Rocky 9.*"), ("rhel-9", "rhel-10"), ("Oracle Linux 8", "Oracle Linux 9"),
        ("bookworm", "trixie"), ("Jammy", "Noble"), ("debian-13", None), ("centos-7", None), ("12", None), ("", None), ("debian", None),
    ],
)  # fmt: skip
def test_a_release_is_followed_by_the_next_in_the_same_spelling(release: str, after: str | None) -> None:
    assert next_release(release) == after


def test_the_newest_is_known() -> None:
    assert [is_newest(one) for one in ("debian-13", "Debian 13.1", "rhel-10", "debian-12", "trixie-x", "13")] == [True, True, True, False, False, False]  # fmt: skip


def test_combos_are_what_exists_the_largest_first() -> None:
    dell = {"hw_model": "Dell R650", "os_release": "debian-12", "rack": "r1"}
    draft = _draft({
        "b": {**dell, "hw_model": "HPE [x]*", "hypervisor": "kvm-7.2.1"},
        "a1": {**dell, "hypervisor": "kvm-7.2.15"},
        "a2": {**dell, "hypervisor": "kvm-7.2.13", "rack": "r2"},
        "c": {**dell, "hypervisor": "none"},
    })  # fmt: skip
    assert [(combo.name, combo.hosts) for combo in draft.combos] == [
        ("dell-r650-debian-12-kvm-7.2", ("a1", "a2")),
        ("dell-r650-debian-12-none", ("c",)),
        ("hpe-x-debian-12-kvm-7.2", ("b",)),
    ]
    assert draft.combos[0].match == {
        "hardware": ("Dell R650",),
        "os": ("debian-12",),
        "hypervisor": ("kvm-7.2.*",),
    }
    assert draft.combos[0].to == {"os": "debian-13", "hypervisor": "kvm-*"}
    assert draft.combos[0].domains == {"rack": 2}
    assert draft.combos[1].to == {"os": "debian-13"}
    assert draft.combos[2].match["hardware"] == ("HPE [[]x][*]",)


def test_names_that_come_out_alike_are_told_apart() -> None:
    draft = _draft(
        {
            "a": {"hw_model": "X 1", "os": "12"},
            "b": {"hw_model": "X-1", "os": "12"},
            "c": {"hw_model": "!!", "os": "12"},
        }
    )
    assert sorted(combo.name for combo in draft.combos) == ["12", "x-1-12", "x-1-12-2"]
    assert next(combo for combo in draft.combos if combo.hosts == ("c",)).match["hardware"] == ("?!",)


@pytest.mark.parametrize("value", ["<5", ">=5", "=5"])
def test_what_looks_like_a_range_is_matched_as_text(value: str) -> None:
    (combo,) = _draft({"a": {"hw_model": value, "os": "12"}}).combos
    assert combo.match["hardware"] == (f"[{value[0]}]{value[1:]}",)


def test_the_usual_names_come_first_and_those_that_all_hosts_have() -> None:
    hosts = {
        "a": {"hw_model": "X", "model": "x", "os": "linux", "ansible_facts": {"distribution": "Debian", "distribution_major_version": "12"}},
        "b": {"model": "y", "os": "linux", "ansible_facts": {"distribution": "Debian", "distribution_major_version": "12"}},
    }  # fmt: skip
    draft = _draft(hosts)
    assert draft.factors["hardware"] == Found("model")
    assert draft.factors["os"] == Found("{distribution}-{distribution_major_version}")
    assert [combo.to for combo in draft.combos] == [{"os": "Debian-13"}, {"os": "Debian-13"}]


def test_one_site_is_no_failure_domain() -> None:
    hosts = {
        host: {"os": "debian-12", "site": "fra", "rack": rack} for host, rack in (("a", "r1"), ("b", "r2"))
    }
    assert _draft(hosts).factors.keys() == {"os", "rack"}
    assert "per: {rack: 1}" in _written(_draft(hosts))
    assert "No rack or site was found" in _written(_draft({"a": {"os": "debian-12"}}))


def test_a_probe_tells_what_the_inventory_does_not() -> None:
    hosts: dict[str, dict[str, Any]] = {
        "a": {"os_release": "debian-12"},
        "b": {"os_release": "debian-12"},
        "c": {},
    }
    probed = {
        host: {"os": "debian-12", "hardware": "Dell R650", "hypervisor": "kvm-7.2.15"} for host in "abc"
    }
    probed["b"]["os"] = "debian-11"
    draft = _draft(hosts, probed)
    assert draft.factors == {"hardware": Found("", probe=True), "os": Found("os_release", probe=True), "hypervisor": Found("", probe=True)}  # fmt: skip
    assert draft.contradicted == {"b": "os is debian-11, and debian-12 in the inventory"}
    (combo,) = draft.combos
    assert combo.hosts == ("a", "b", "c")
    written = _written(draft, {"a": 3, "b": 0})
    assert "  os: {from: os_release, probe: os}\n" in written
    assert "  hardware: {probe: hardware}\n" in written
    assert "#   b: os is debian-11, and debian-12 in the inventory" in written
    assert "# 3 hosts (a, b, c); 1 host carries 3 guests" in written


def test_a_probe_that_speaks_otherwise_is_not_compared() -> None:
    draft = _draft(
        {"a": {"hw_model": "Dell R650", "os": "12"}},
        {"a": {"hardware": "Dell Inc. PowerEdge R650", "os": "debian-12"}},
    )
    assert draft.factors == {"hardware": Found("hw_model"), "os": Found("os")}
    assert draft.contradicted == {}


@pytest.mark.parametrize(
    ("own", "said", "match"),
    [
        ("kvm-7.2", "kvm-7.2.0", '[kvm-7.2, "kvm-7.2.*"]'),
        ("kvm-7.2.1", "kvm-7.2", '[kvm-7.2, "kvm-7.2.*"]'),
        ("kvm-7.2.13", "kvm-7.2.15", '"kvm-7.2.*"'),
        ("qemu", "kvm-7.2.15", '[qemu, "kvm-7.2.*"]'),
    ],
)
def test_a_match_fits_the_inventory_and_the_probe(own: str, said: str, match: str) -> None:
    draft = _draft(
        {"a": {"os": "debian-12", "hypervisor": own}, "b": {"os": "debian-12", "hypervisor": own}},
        {host: {"os": "debian-12", "hypervisor": said} for host in "ab"},
    )
    assert draft.contradicted == {}
    assert f"match: {{os: debian-12, hypervisor: {match}}}" in _written(draft)
    assert ("called otherwise" in _written(draft)) == (own == "qemu")


def test_values_of_one_precision_and_another_are_one_combo() -> None:
    """Else a host would fit two of them."""
    own = {"a": "kvm-7.2", "b": "kvm-7.2.5", "c": "kvm-7.20"}
    (first, second) = _draft(
        {host: {"os": "debian-12", "hypervisor": text} for host, text in own.items()},
        {"a": {"os": "debian-12", "hypervisor": "kvm-7.2.0"}},
    ).combos
    assert (first.hosts, first.match["hypervisor"]) == (("a", "b"), ("kvm-7.2", "kvm-7.2.*"))
    assert (second.hosts, second.match["hypervisor"]) == (("c",), ("kvm-7.20",))


def test_another_version_of_the_same_system_is_said_and_not_matched() -> None:
    draft = _draft({"a": {"os": "debian-12"}}, {"a": {"os": "debian-11"}})
    assert draft.contradicted == {"a": "os is debian-11, and debian-12 in the inventory"}
    assert draft.combos[0].match == {"os": ("debian-12",)}


def test_hosts_that_lack_a_factor_are_named_and_in_no_combo() -> None:
    hosts = {host: {"os": "debian-12", **({} if host == "d" else {"hw_model": "X"})} for host in "abcd"}
    draft = _draft(hosts)
    assert draft.factors["hardware"] == Found("hw_model", lacking=("d",))
    assert [combo.hosts for combo in draft.combos] == [("a", "b", "c")]
    assert "  # 1 host (d) without it: set it in the inventory" in _written(draft)


def test_what_most_hosts_lack_is_no_factor_and_without_a_system_there_is_no_plan() -> None:
    draft = _draft({host: {"hw_model": "X"} if host == "a" else {} for host in "abc"})
    assert draft.factors == {}


def test_every_value_is_written_as_the_text_that_it_is() -> None:
    odd = {
        "a": {"hw_model": 'a"b: #c', "os": "12"},
        "b": {"hw_model": "no", "os": "1e3"},
        "c": {"hw_model": "ä \u2028", "os": "~1"},
    }
    read = yaml.safe_load(_written(_draft(odd)).replace("os:            # <- FILL IN", "os: x # <- FILL IN"))
    assert {combo["match"]["hardware"] for combo in read["combos"]} == {'a"b: #c', "no", "ä"}
    assert {combo["match"]["os"] for combo in read["combos"]} == {"12", "1e3", "~1"}


def test_blanks_are_marked_and_what_is_newest_is_left_alone() -> None:
    draft = _draft({"a": {"os": "centos-7"}, "b": {"os": "debian-13"}})
    written = _written(draft)
    assert drafted.blanks(draft) == 1
    assert written.count("<- FILL IN") == 1
    assert "    verdict: blocked\n    reason: it is at the newest release that rollout knows\n" in written
