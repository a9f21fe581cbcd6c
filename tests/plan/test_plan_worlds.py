"""Worlds: a plan and an inventory in, the text of the plan out, by the way that `rollout plan` goes, on a day that the test says.

A folder of tests/golden/worlds holds an inventory and the plans over it, each with a first line that says what it shows. ROLLOUT_GOLDEN=write
writes the texts anew: read each difference as an operator would before it is committed.
"""

import json
import os
import re
import shutil
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

import pytest
import yaml

from rollout.cli import _compiling
from rollout.errors import InventoryError, PlanInvalid
from rollout.graph import compile_graph
from rollout.model.verdict import Given, Toolchain
from rollout.plan import read
from rollout.plan.fleet import fleet
from rollout.plan.hostvars import address_of
from rollout.plan.inventory import Inventory
from rollout.plan.probes import Record, keep
from rollout.report import plans
from rollout.report.saved import Compiled, amounts, from_text, to_text

WORLDS = Path(__file__).parents[1] / "golden" / "worlds"
TODAY, LAST_DAY, DAY_AFTER = "2026-11-23", "2026-12-31", "2027-01-01"
THREE_DAYS = 3 * 86_400 + 1800.0


@dataclass(frozen=True)
class World:
    """A plan of a folder on a day; `said` is the file with what is to be said of it."""

    folder: str
    plan: str = "plan"
    today: str = TODAY
    allow_unknown: bool = False
    variant: str = ""

    @property
    def name(self) -> str:
        return f"{self.folder}/{self.plan}{self.variant}"

    @property
    def golden(self) -> Path:
        return WORLDS / f"{self.name}.txt"

    @property
    def noon(self) -> float:
        """Of its day, in UTC: from then on windows are looked at, and days are counted."""
        return datetime.fromisoformat(f"{self.today}T12:00+00:00").timestamp()


TABLE = (
    World("seven"),
    World("seven", "sizes"),
    World("seven", "fleet"),
    World("seven", "pilots"),
    World("seven", "windows"),
    World("seven", "apart"),
    World("seven", "failures"),
    World("verdicts"),
    World("verdicts", allow_unknown=True, variant="-allow-unknown"),
    World("verdicts", "waived", LAST_DAY, variant="-last-day"),
    World("verdicts", "waived", DAY_AFTER, variant="-day-after"),
    World("hops"),
    World("hops", "floor"),
    World("risks"),
    World("risks", "accepted"),
    World("vault"),
    World("vault", "sealed"),
    World("script"),
    World("constructed"),
    World("derived"),
    World("derived", "lacking"),
    World("derived", "numbers"),
    World("probed"),
    World("groups"),
    World("listed"),
    World("simple", "done"),
    World("simple", "nowhere"),
    World("simple", "circle"),
    World("simple", "ignored"),
    World("many"),
)


class Known(dict[World, Compiled | PlanInvalid | InventoryError]):
    """Each world is compiled once."""

    def __missing__(self, world: World) -> Compiled | PlanInvalid | InventoryError:
        try:
            self[world] = compiled(world)
        except (PlanInvalid, InventoryError) as error:
            self[world] = error
        return self[world]


@pytest.fixture(scope="module")
def known(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Known]:
    """In a copy to write in; plans of one folder share what Ansible has answered."""
    copy = tmp_path_factory.mktemp("worlds")
    shutil.copytree(WORLDS, copy, dirs_exist_ok=True, ignore=shutil.ignore_patterns(".rollout"))
    (copy / "many" / "hosts.json").write_text(json.dumps(ten_thousand()))
    before = Path.cwd()
    os.chdir(copy)
    yield Known()
    os.chdir(before)


def ten_thousand() -> Mapping[str, object]:
    """Ten sites of twenty racks of fifty hosts, of six kinds; every hundredth is there already, every thousandth is of no known kind."""
    hosts = {}
    for number in range(10_000):
        kind = "unheard-of" if number % 1000 == 999 else f"kind-{number * 7 % 6}"
        hosts[f"host-{number:05}"] = {
            "hw": kind,
            "os": "debian-13" if number % 100 == 0 else "debian-12",
            "rack": f"rack-{number // 50:03}",
            "site": f"site-{number // 1000}",
        }
    return {"all": {"hosts": hosts}}


def probed(folder: Path, inventory: Inventory, state: Path) -> None:
    """As if a probe had asked these hosts three days ago."""
    file = folder / "probe.yml"
    if not file.is_file():
        return
    found = {}
    for host, facts in yaml.safe_load(file.read_text()).items():
        address = facts.pop("address", address_of(inventory.variables(host)))
        values = {name: tuple(one) if isinstance(one, list) else (one,) for name, one in facts.items()}
        found[host] = Record(time.time() - THREE_DAYS, address, values)
    keep(state, found)


def compiled(world: World) -> Compiled:
    """What `rollout plan` compiles, but for the day and the version of Ansible, which are the test's."""
    file = Path(world.folder, f"{world.plan}.yml")
    plan = read(file)
    state = _compiling.state_directory(file)
    found = _compiling.resolve(plan)
    probed(file.parent, found, state)
    found = _compiling.resolve(plan)
    given = Given(world.today, Toolchain("2.19.4"), world.allow_unknown)
    graph = compile_graph(plan, fleet(plan, found), _compiling.parts(plan), given)
    graph = replace(graph, notes=(*graph.notes, *found.notes))
    return Compiled(graph, str(file), amounts(plan), "0.1")


def said(found: Compiled | Exception, now: float) -> str:
    """The text of the plan, or why there is none."""
    if isinstance(found, Compiled):
        return re.sub(r"digest [0-9a-f]{12}", "digest DIGEST", plans.text(found, now))
    return f"{found}\n"


def is_golden(text: str, golden: Path) -> None:
    if os.environ.get("ROLLOUT_GOLDEN") == "write":
        golden.write_text(text)
    assert text == golden.read_text()


@pytest.mark.parametrize("world", TABLE, ids=lambda world: world.name)
def test_each_world_is_told_as_it_was(world: World, known: Known) -> None:
    is_golden(said(known[world], world.noon), world.golden)


def test_every_plan_is_in_the_table_and_says_what_it_shows() -> None:
    files = {path for path in WORLDS.glob("*/*.yml") if "\nrollout: " in path.read_text()}
    assert files == {WORLDS / world.folder / f"{world.plan}.yml" for world in TABLE}
    assert all(path.read_text().startswith("# ") for path in files)
    assert set(WORLDS.glob("*/*.txt")) == {world.golden for world in TABLE}
    assert len(TABLE) >= 25


@pytest.mark.parametrize("world", [World("seven"), World("hops"), World("risks", "accepted")], ids=lambda world: world.name)  # fmt: skip
def test_the_lines_of_a_world_for_programs(world: World, known: Known) -> None:
    found = known[world]
    assert isinstance(found, Compiled)
    lines = "\n".join(plans.json_lines(found)) + "\n"
    is_golden(
        re.sub(r'"digest": "[0-9a-f]{64}"', '"digest": "DIGEST"', lines), world.golden.with_suffix(".json")
    )


def test_a_world_that_was_saved_is_the_same_world(known: Known) -> None:
    found = [known[world] for world in TABLE if world.folder != "many"]
    plans_made = [one for one in found if isinstance(one, Compiled)]
    assert len(plans_made) > len(found) / 2
    for now in plans_made:
        again = from_text(to_text(now), "saved.json")
        assert again is not None
        assert again == now
        assert plans.text(again, 0.0) == plans.text(now, 0.0)


def test_the_text_of_ten_thousand_hosts_is_short(known: Known) -> None:
    text = said(known[World("many")], World("many").noon)
    assert len(text.splitlines()) < 100
    assert max(map(len, text.splitlines())) < 500
