"""What `waves` means, which hosts are pilots, last or full, and sets of hosts: said in the plan, or by the hosts themselves."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from rollout.errors import Place, PlanInvalid
from rollout.model.plan import RUNGS, Amount, Approval, Ladder, Limits, Plan, Soak, Together
from rollout.plan import read, schema
from rollout.plan.fleet import fleet
from rollout.plan.inventory import Inventory

PLAN = """\
rollout: tokyo
inventory: "h1,h2"
hosts: all
factors: {os: os_release, rack: rack}
combos:
  - {name: old, match: {os: old}, to: {os: new}}
steps:
  - {name: upgrade, playbook: a.yml, once: true}
"""


def _read(folder: Path, more: str) -> Plan:
    (folder / "a.yml").touch()
    (folder / "plan.yml").write_text(PLAN + more)
    return read(folder / "plan.yml")


def test_every_word_of_the_ladder(tmp_path: Path) -> None:
    plan = _read(
        tmp_path,
        "waves: {ladder: [one, combos], factors: [os], harm: 1.5, soak: 1h, pilots: h1, last: [h2, 'db*'], guests: vms,\n"
        "        approve: {after: [one, ramp], four_eyes: true}}\n"
        "limits: {together: {db: {hosts: [h1, h2], at_most: 2}}, never_together: [[h1, h2], 'h*']}\n",
    )
    assert plan.waves is None
    assert plan.ladder == Ladder(("one", "combos"), ("os",), ("h1",), ("h2", "db*"), "vms")
    assert (plan.harm, plan.soak) == (1.5, Soak(3600, 3600))
    assert plan.approval == Approval(("one", "ramp"), four_eyes=True)
    assert plan.limits.together == (
        Together("db", ("h1", "h2"), 2),
        Together("never-together-1", ("h1", "h2"), 1),
        Together("never-together-2", ("h*",), 1),
    )
    assert not [sentence for sentence in plan.defaults if sentence.startswith("waves")]


@pytest.mark.parametrize(
    ("waves", "sizes", "harm"),
    [
        ("", None, 3.0),
        ("waves: {soak: 0}", None, 3.0),
        ("waves: [1, 100%]", (Amount(1), Amount(100, percent=True)), None),
        ("waves: {sizes: [2], harm: 2}", (Amount(2),), 2.0),
    ],
)
def test_what_is_no_list_of_sizes_is_the_ladder(
    tmp_path: Path, waves: str, sizes: tuple[Amount, ...] | None, harm: float | None
) -> None:
    plan = _read(tmp_path, f"{waves}\n")
    assert (plan.waves, plan.harm, plan.ladder) == (sizes, harm, Ladder(RUNGS))


def test_sizes_of_the_fleet_and_of_one_combo(tmp_path: Path) -> None:
    assert _read(tmp_path, "waves: {sizes: [1, 50%], scope: fleet}\n").scope == "fleet"
    own = PLAN.replace("{os: new}}", "{os: new}, waves: [3, 100%]}")
    (tmp_path / "plan.yml").write_text(own)
    assert read(tmp_path / "plan.yml").combos[0].waves == (Amount(3), Amount(100, percent=True))


def test_numbers_of_waves_are_names_of_rungs(tmp_path: Path) -> None:
    plan = _read(tmp_path, "waves: {sizes: [1, 50%, 100%], approve: {after: 2}}\n")
    assert plan.approval == Approval(("2",))


def test_the_schema_knows_the_words() -> None:
    found = schema.PlanFile.model_json_schema()
    waves = found["$defs"]["Waves"]["properties"]
    rungs = waves["ladder"]["anyOf"][0]["items"]
    assert rungs["enum"] == list(RUNGS)
    assert waves["scope"]["enum"] == ["combo", "fleet"]
    assert found["$defs"]["Together"]["required"] == ["hosts", "at_most"]


# --- hosts -------------------------------------------------------------------------------------------------------------------

PLACES: dict[tuple[str | int, ...], Place] = {
    ("hosts",): Place("p.yml", 3),
    ("waves", "guests"): Place("p.yml", 9),
    ("waves", "pilots"): Place("p.yml", 10),
    ("limits", "together", "db", "hosts"): Place("p.yml", 11),
    ("limits", "never_together", 0): Place("p.yml", 12),
}


def _plan(ladder: Ladder = Ladder(), *sets: Together) -> Plan:  # noqa: B008  frozen
    plan = Plan("p", "p.yml", ("hosts",), "compute", {"os": "os"}, (), (), places=PLACES)
    return replace(plan, ladder=ladder, limits=Limits(together=sets))


def _inventory(variables: dict[str, dict[str, Any]], *others: str) -> Inventory:
    hosts = tuple(variables)
    variables = {name: {"os": "old", **own} for name, own in variables.items()}
    return Inventory(hosts, (*hosts, *others), (), variables, {})


def _said(plan: Plan, inventory: Inventory) -> list[str]:
    with pytest.raises(PlanInvalid) as caught:
        fleet(plan, inventory)
    return [str(problem) for problem in caught.value.problems]


def test_pilots_and_last_by_glob() -> None:
    plan = _plan(Ladder(pilots=("web*", "x"), last=("ctl?",)))
    hosts = fleet(plan, _inventory({"web1": {}, "WEB2": {}, "ctl1": {}, "ctl10": {}}, "x")).hosts
    assert [host.name for host in hosts if host.pilot] == ["web1"]
    assert [host.name for host in hosts if host.last] == ["ctl1"]


@pytest.mark.parametrize(
    ("variables", "pilot"),
    [
        ({"canary": True}, True),
        ({"canary": False}, False),
        ({"rollout_canary": True}, True),
        ({"rollout_canary": False, "canary": True}, False),
        ({"canary": "10%"}, False),
        ({"canary": {"weight": 5}}, False),
    ],
)
def test_a_host_may_say_that_it_is_a_pilot(variables: dict[str, Any], pilot: bool) -> None:
    assert fleet(_plan(), _inventory({"h": variables})).hosts[0].pilot is pilot


@pytest.mark.parametrize(
    ("name", "value"), [("canary", "true"), ("canary", "Yes"), ("canary", 1), ("rollout_canary", "10%")]
)
def test_what_looks_like_a_yes_and_is_none_is_a_mistake(name: str, value: object) -> None:
    assert _said(_plan(), _inventory({"h1": {name: value}, "h2": {name: value}})) == [
        f"p.yml:3:1: {name} of h1, h2 is not true or false; write `{name}: true` in YAML (True in an INI inventory)"
    ]


def test_guests_are_counted_by_a_host_variable() -> None:
    hosts = fleet(
        _plan(Ladder(guests="vms")), _inventory({"a": {"vms": 0}, "b": {"vms": "12"}, "c": {}})
    ).hosts
    assert [host.guests for host in hosts] == [0, 12, None]
    assert fleet(_plan(), _inventory({"a": {"vms": 7}})).hosts[0].guests is None


@pytest.mark.parametrize("value", ["many", -1, 1.5, True, "٣"])
def test_what_is_no_number_of_guests(value: object) -> None:
    assert _said(_plan(Ladder(guests="vms")), _inventory({"a": {"vms": value}, "b": {"vms": 1}})) == [
        "p.yml:9:1: guests: vms of a is no number of guests such as 0 or 12"
    ]


def test_a_variable_for_guests_that_no_host_has_is_mistyped() -> None:
    assert _said(_plan(Ladder(guests="vmss")), _inventory({"a": {"vms": 1}})) == [
        'p.yml:9:1: guests: no selected host has the host variable "vmss"'
    ]


def test_a_set_that_names_nobody_protects_nobody() -> None:
    plan = _plan(
        Ladder(pilots=("wbe1",)), Together("db", ("db*",), 1), Together("never-together-1", ("h1", "h3"), 1)
    )
    assert _said(plan, _inventory({"web1": {}, "h1": {}}, "h2")) == [
        'p.yml:10:1: no host of the inventory is called "wbe1"; did you mean "web1"?',
        'p.yml:11:1: no host of the inventory is called "db*"',
        'p.yml:12:1: no host of the inventory is called "h3"',
    ]


def test_a_host_of_a_set_that_is_not_selected_is_no_mistake() -> None:
    plan = _plan(Ladder(), Together("db", ("h1", "h2"), 1))
    assert len(fleet(plan, _inventory({"h1": {}}, "h2")).hosts) == 1
