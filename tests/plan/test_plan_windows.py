"""What a plan says of time, as it is meant; and each host's own zone."""

import json
from pathlib import Path
from typing import Any

import pytest

from rollout.errors import PlanInvalid
from rollout.graph import compile_graph
from rollout.model.graph import Graph
from rollout.model.plan import Plan
from rollout.model.windows import Dates, Weekly, When, Window
from rollout.model.zones import DAY, days
from rollout.plan import content, read
from rollout.plan.fleet import fleet
from rollout.plan.inventory import Inventory

PLAN = """\
rollout: p
inventory: hosts
hosts: all
factors: {os: os}
combos: [{name: c, match: {os: old}, to: {os: new}}]
steps: [{name: stage, playbook: stage.yml}]
"""
HOUR = 3600


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "hosts").touch()
    (tmp_path / "stage.yml").touch()
    return tmp_path


def a_plan(folder: Path, more: str) -> Plan:
    (folder / "plan.yml").write_text(PLAN + more)
    return read(folder / "plan.yml")


def when(folder: Path, text: str, word: str = "allow") -> When:
    (window,) = a_plan(folder, f'windows: [{{{word}: "{text}"}}]').windows
    (found,) = window.when
    assert window.text == text
    return found


def an_inventory(variables: dict[str, dict[str, Any]]) -> Inventory:
    every = {host: {"os": "old", **own} for host, own in variables.items()}
    return Inventory(tuple(every), tuple(every), (), every, {})


def mistake(plan: Plan, variables: dict[str, dict[str, Any]]) -> str:
    with pytest.raises(PlanInvalid) as caught:
        fleet(plan, an_inventory(variables))
    (problem,) = caught.value.problems
    return str(problem).removeprefix(str(Path(plan.file).parent) + "/")


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("Mon-Fri 01:00 + 4h", Weekly((0, 1, 2, 3, 4), HOUR, 4 * HOUR)),
        ("daily 1:30 + 30m", Weekly((0, 1, 2, 3, 4, 5, 6), 90 * 60, 1800)),
        ("Sat,Sun 22:00+1h30m", Weekly((5, 6), 22 * HOUR, 5400)),
        ("Fri-Mon 00:00 + 1d", Weekly((0, 4, 5, 6), 0, DAY)),
        ("Mon, Wed - Thu 00:00 + 7d", Weekly((0, 2, 3), 0, 7 * DAY)),
        ("Fri 23:59 + 60h", Weekly((4,), 24 * HOUR - 60, 60 * HOUR)),
    ],
)
def test_days_a_time_and_a_length(folder: Path, text: str, meant: Weekly) -> None:
    assert when(folder, text) == meant


@pytest.mark.parametrize(
    ("text", "begin", "end"),
    [
        ("2026-12-20 .. 2027-01-05", days(2026, 12, 20) * DAY, days(2027, 1, 6) * DAY),
        ("2028-02-29", days(2028, 2, 29) * DAY, days(2028, 3, 1) * DAY),
        (
            "2026-12-20 18:00 .. 2026-12-21 06:30",
            days(2026, 12, 20) * DAY + 18 * HOUR,
            days(2026, 12, 21) * DAY + 6.5 * HOUR,
        ),
        (
            "2026-12-20..2026-12-20T06:00",
            days(2026, 12, 20) * DAY,
            days(2026, 12, 20) * DAY + 6 * HOUR,
        ),
    ],
)
def test_dates_count_whole_days(folder: Path, text: str, begin: float, end: float) -> None:
    assert when(folder, text) == Dates(begin, end)
    assert when(folder, text, "deny") == Dates(begin, end, late=True)


def test_a_date_without_quotes_is_a_date(folder: Path) -> None:
    (window,) = a_plan(folder, "windows: [{deny: 2026-12-24, reason: holiday}]").windows
    assert str(window) == "holiday (2026-12-24)"
    assert not window.allow


def test_a_zone_is_named_or_read_from_each_host_or_utc(folder: Path) -> None:
    plan = a_plan(
        folder,
        """
windows:
  - {allow: daily 01:00 + 4h, zone: Europe/Berlin}
  - {allow: daily 01:00 + 4h, zone: "{{site_timezone}}"}
  - {deny: Sat 01:00 + 4h}
""",
    )
    assert [window.zone for window in plan.windows] == ["Europe/Berlin", "{{ site_timezone }}", "UTC"]
    assert [sentence for sentence in plan.defaults if "zone" in sentence] == [
        'windows: zone UTC for "Sat 01:00 + 4h"'
    ]


def test_without_windows_nothing_is_said_of_time(folder: Path) -> None:
    plan = a_plan(folder, "")
    assert plan.windows == ()
    assert plan.deadline is None
    assert not [sentence for sentence in plan.defaults if "zone" in sentence or "windows" in sentence]
    found = fleet(plan, an_inventory({"a": {}}))
    assert compile_graph(plan, found, {}).calendar is None


@pytest.mark.parametrize(
    ("written", "meant", "says"),
    [
        ("2026-12-31 06:00", days(2026, 12, 31) * DAY + 6 * HOUR, True),
        ("{at: 2026-12-31 06:00, zone: Europe/Berlin}", days(2026, 12, 31) * DAY + 5 * HOUR, False),
        ("{at: 2026-10-25 02:30, zone: Europe/Berlin}", days(2026, 10, 25) * DAY + HOUR / 2, False),  # twice
        ("{at: 2027-03-28 02:30, zone: Europe/Berlin}", days(2027, 3, 28) * DAY + HOUR, False),  # never
    ],
)
def test_a_deadline_is_an_instant(folder: Path, written: str, meant: float, says: bool) -> None:
    plan = a_plan(folder, f"deadline: {written}")
    assert plan.deadline == meant
    assert ("deadline: zone UTC" in plan.defaults) is says


# --- hosts -------------------------------------------------------------------------------------------------------------------

TWO = """
windows:
  - {allow: daily 01:00 + 4h, zone: "{{ site_timezone }}"}
  - {deny: Sat 01:00 + 4h, zone: Pacific/Chatham}
  - {deny: Sun 01:00 + 4h, zone: "{{ owner_timezone }}"}
"""


def test_each_host_brings_its_own_zones(folder: Path) -> None:
    plan = a_plan(folder, TWO)
    found = fleet(
        plan,
        an_inventory(
            {
                "a": {"site_timezone": "Europe/Berlin", "owner_timezone": "UTC"},
                "b": {"site_timezone": "America/Santiago", "owner_timezone": "Europe/Berlin"},
                "c": {"ansible_facts": {"site_timezone": "UTC"}, "owner_timezone": "UTC"},
            }
        ),
    )
    assert [host.zones for host in found.hosts] == [
        ("Europe/Berlin", "UTC"),
        ("America/Santiago", "Europe/Berlin"),
        ("UTC", "UTC"),
    ]
    assert set(found.zones) == {"America/Santiago", "Europe/Berlin", "Pacific/Chatham", "UTC"}


def test_a_host_without_a_zone_or_with_an_unknown_one_is_a_mistake_at_the_plans_key(folder: Path) -> None:
    plan = a_plan(folder, TWO)
    good = {"site_timezone": "Europe/Berlin", "owner_timezone": "UTC"}
    assert mistake(plan, {"a": good, "b": {**good, "site_timezone": "Europe/Berln"}, "c": good}) == (
        'plan.yml:9:31: zone: host b: site_timezone: unknown time zone "Europe/Berln"; did you mean "Europe/Berlin"?'
    )
    assert mistake(plan, {"a": {"owner_timezone": "UTC"}, "b": {"owner_timezone": "UTC"}}) == (
        'plan.yml:9:31: zone: 2 hosts (a, b): no hostvar "site_timezone"; set it in the inventory (host_vars, group_vars)'
    )
    assert mistake(plan, {"a": {**good, "owner_timezone": "{{ site_timezone }}"}}) == (
        "plan.yml:11:28: zone: host a: owner_timezone still holds a template, which rollout does not run: "
        "give it as a plain hostvar, or by a script"
    )
    assert "holds a line break or control character" in mistake(
        plan, {"a": {**good, "owner_timezone": "\u202eUTC"}}
    )


def test_the_graph_holds_all_that_is_to_be_known_of_time(folder: Path) -> None:
    plan = a_plan(folder, TWO + "deadline: 2026-12-31 06:00")
    found = fleet(plan, an_inventory({"a": {"site_timezone": "Europe/Berlin", "owner_timezone": "UTC"}}))
    graph = compile_graph(plan, found, {})
    assert graph.calendar is not None
    assert graph.nodes["a"].zones == ("Europe/Berlin", "UTC")
    assert graph.deadline == days(2026, 12, 31) * DAY + 6 * HOUR
    night = days(2026, 11, 24) * DAY + 0.5 * HOUR
    assert graph.calendar.open_until(graph.nodes["a"].zones, night) == night + 3.5 * HOUR
    assert Graph.from_json(json.loads(json.dumps(graph.to_json()))) == graph


# --- calendar files ----------------------------------------------------------------------------------------------------------


def test_a_calendar_file_belongs_to_the_digest(folder: Path) -> None:
    freeze = Window(allow=False, when=(), text="freezes.ics", file="freezes.ics")
    plan = Plan("p", str(folder / "plan.yml"), (), "all", {}, (), (), windows=(freeze,))
    (folder / "plan.yml").touch()
    (folder / "freezes.ics").write_text("one")
    before = content.parts(plan)
    (folder / "freezes.ics").write_text("another")
    after = content.parts(plan)
    assert [name for name in after if before.get(name) != after[name]] == ["freezes.ics"]
    (folder / "freezes.ics").unlink()
    with pytest.raises(PlanInvalid, match=r'calendar "freezes.ics" cannot be read: No such file'):
        content.parts(plan)
