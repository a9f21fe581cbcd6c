"""Damage to all that people and programs hand in beside a plan: one clear error with its place, or what was meant; never a traceback.

Longer with ROLLOUT_FULL=1.
"""

import json
import os
import shutil
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rollout.errors import PlanInvalid, Problem, RolloutError, UsageError
from rollout.graph import compile_graph
from rollout.model.graph import Graph
from rollout.model.plan import Plan
from rollout.model.verdict import Given, Toolchain
from rollout.plan import compat, leapp, probes, read
from rollout.plan.factors import asked_of_probes
from rollout.plan.fleet import fleet
from rollout.plan.inventory import Inventory
from rollout.report import plans
from rollout.report.saved import Compiled, amounts, from_text, to_text

WORLDS = Path(__file__).parents[1] / "golden" / "worlds"
NOON = 1_795_435_200.0
GIVEN = Given("2026-11-23", Toolchain("2.19.4"), allow_unknown=True)
WORDS = (
    *("{", "}", "[", "]", ": ", "- ", "#", "&a ", "*a", "!x ", "'", '"', "|", "%", "\n", "\t", "  ", "~"),
    *("true", "0", "-1", "1e999", "24.10", "9" * 30, "💥", "\x1b", "\u202e", "\\ud800", "[]", "{}", "a" * 300),
    *(">=1.2,<1", ">=", "<1", "=", "!=*", "*", "[a-", "{os}", "{{ x }}", "(a+)+$", "(", "2026-02-30", "9999-12-31", "9999-99-99"),
    *("os", "unknown", "blocked", "supported", "require", "applies", "match", "from", "to", "waives", "expires", "halt", "hosts.yml"),
)  # fmt: skip
FILES = sorted(
    path.relative_to(WORLDS)
    for path in WORLDS.rglob("*")
    if path.suffix in {".yml", ".ics"} and not {"inventory", "playbooks"} & set(path.parts)
    if path.name not in {"hosts.yml", "probe.yml"}
)
FACTORS = ("hw", "os", "hypervisor", "site", "rack", "bios", "nic", "kernel", "role", "vms", "zone", "canary")

quick = settings(
    max_examples=1200 if os.environ.get("ROLLOUT_FULL") else 50,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
    derandomize=not os.environ.get("ROLLOUT_FULL"),
)


def plans_with(path: Path) -> list[Path]:
    """The file itself, or the plans that it stands beside."""
    folder = WORLDS / path.relative_to(WORLDS).parts[0]
    found = [file for file in sorted(folder.glob("*.yml")) if "\nrollout: " in file.read_text()]
    return [path] if path in found else found


@pytest.fixture(scope="module")
def worlds(tmp_path_factory: pytest.TempPathFactory) -> Path:
    copy = tmp_path_factory.mktemp("fuzz")
    shutil.copytree(WORLDS, copy, dirs_exist_ok=True)
    (copy / "many" / "hosts.json").write_text("{}")
    return copy


def an_inventory(variables: Mapping[str, Mapping[str, Any]]) -> Inventory:
    """As Ansible would have answered, whatever the pattern."""
    names = tuple(variables)
    return Inventory(
        names, names, (), {name: dict(own) for name, own in variables.items()}, dict.fromkeys(names, ())
    )


ALIKE = an_inventory({f"h{number}": dict.fromkeys(FACTORS, "5") for number in range(3)})
"""Hosts that fit most globs and few names."""


def is_told(problems: Sequence[Problem], folder: Path) -> None:
    """Each mistake has its file, and a place in it."""
    for problem in problems:
        file = Path(problem.place.file)
        assert folder in file.parents
        text = file.read_text(encoding="utf-8", errors="replace")
        assert 1 <= problem.place.line <= sum(map(text.count, "\n\r\u2028\u2029\x85")) + 2
        assert problem.place.column >= 1
        assert problem.message.isprintable()


def taken_further(plan: Plan, inventory: Inventory, folder: Path) -> None:
    """What can be read can be compiled, or there is a mistake in it; what is compiled can be told, kept and taken up."""
    try:
        graph = compile_graph(plan, fleet(plan, inventory), {"plan": "p"}, GIVEN)
    except PlanInvalid as error:
        is_told(error.problems, folder)
        return
    compiled = Compiled(graph, plan.file, amounts(plan), "0.1")
    assert plans.text(compiled, NOON)
    assert list(plans.json_lines(compiled))
    assert Graph.from_json(json.loads(json.dumps(graph.to_json()))) == graph


edits = st.lists(
    st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 15), st.sampled_from(WORDS)),
    min_size=1,
    max_size=3,
)


def edited(text: str, changes: Sequence[tuple[float, int, str]]) -> str:
    for at, cut, word in changes:
        begin = int(at * len(text))
        text = text[:begin] + word + text[begin + cut :]
    return text


@quick
@given(st.sampled_from(FILES), edits)
def test_any_edit_of_a_file_of_a_world(
    worlds: Path, file: Path, changes: list[tuple[float, int, str]]
) -> None:
    path = worlds / file
    whole = (WORLDS / file).read_text()
    path.write_text(edited(whole, changes), encoding="utf-8", newline="")
    try:
        for plan_file in plans_with(WORLDS / file):
            at = worlds / plan_file.relative_to(WORLDS)
            try:
                plan = read(at)
            except PlanInvalid as error:
                is_told(error.problems, worlds)
            else:
                taken_further(plan, ALIKE, worlds)
    finally:
        path.write_text(whole)


values: st.SearchStrategy[Any] = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(-(10**20), 10**20),
        st.floats(allow_nan=True),
        st.text(max_size=5),
        st.sampled_from((*WORDS, "Dell R650", "debian-12", "kvm-7.2", "Europe/Berlin", "../../etc")),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(st.sampled_from(("__ansible_vault", "__ansible_unsafe", "x")), inner, max_size=2),
    ),
    max_leaves=5,
)
names = (
    *FACTORS,
    "ansible_host",
    "ansible_facts",
    "ansible_python_version",
    "ansible_python",
    "rollout_canary",
)
variables = st.dictionaries(
    st.sampled_from(("h1", "h2", "h3")), st.dictionaries(st.sampled_from(names), values)
)
PLANS = [path for path in FILES if path.suffix == ".yml" and "\nrollout: " in (WORLDS / path).read_text()]


@pytest.fixture(scope="module")
def meant(worlds: Path) -> dict[Path, Plan]:
    return {file: read(worlds / file) for file in PLANS}


@quick
@given(st.sampled_from(PLANS), variables)
def test_any_values_of_an_inventory(
    worlds: Path, meant: dict[Path, Plan], file: Path, found: dict[str, dict[str, Any]]
) -> None:
    taken_further(meant[file], an_inventory(found), worlds)


lines = st.one_of(
    st.binary(max_size=40),
    values.map(lambda value: json.dumps(value).encode()),
    st.tuples(
        st.sampled_from(("h1", "h2")), values, values, st.dictionaries(st.sampled_from(names), values)
    ).map(lambda row: json.dumps(row).encode()),
    st.tuples(
        st.sampled_from(("h1", "h2")),
        st.just(NOON),
        st.just(""),
        st.dictionaries(st.sampled_from(FACTORS), values),
    ).map(lambda row: json.dumps(row).encode()),
)


@quick
@given(st.sampled_from(PLANS), st.lists(lines, max_size=4))
def test_any_damage_of_what_probes_have_found(
    worlds: Path, meant: dict[Path, Plan], file: Path, stored: list[bytes]
) -> None:
    state = worlds / ".rollout"
    store = state / probes.FOLDER / probes.FILE
    store.parent.mkdir(parents=True, exist_ok=True)
    store.write_bytes(b"\n".join(stored))
    plan = meant[file]
    found = probes.load(state, asked_of_probes(plan))
    for record in found.values():
        assert all(isinstance(text, str) for known in record.facts.values() for text in known)
        assert probes.ages([record.at], NOON)
    known = an_inventory({"h1": dict.fromkeys(FACTORS, "5"), "h2": {}})
    taken_further(
        plan, Inventory(known.hosts, known.all_hosts, (), known._variables, known._groups, found), worlds
    )
    probes.keep(state, found)
    assert probes.load(state, asked_of_probes(plan)) == found


@pytest.fixture(scope="module")
def saved(worlds: Path) -> str:
    """A saved plan with hops, windows, waves, waivers and what else there is."""
    plan = read(worlds / "seven" / "plan.yml")
    hosts = {
        f"h{number}": {
            "hw": hardware, "os": os, "hypervisor": hypervisor, "rack": f"r{number}", "site": "s", "vms": number, "zone": "Asia/Tokyo",
        }
        for number, (hardware, os, hypervisor) in enumerate(
            [("Dell 1", "debian-12", "kvm-7.2"), ("Dell 1", "debian-11", "kvm-5.2"), ("Supermicro 1029U", "debian-11", "xen-4.14")] * 2
        )
    }  # fmt: skip
    graph = compile_graph(plan, fleet(plan, an_inventory(hosts)), {"plan": "p"}, GIVEN)
    assert len(graph.nodes) == 4
    return to_text(Compiled(graph, "plan.yml", amounts(plan), "0.1"))


def shown(text: str) -> None:
    """As `rollout show` does."""
    with suppress(RolloutError):
        found = from_text(text, "saved.json")
        if found is not None:
            assert plans.text(found, NOON)
            assert list(plans.json_lines(found))


@quick
@given(changes=edits)
def test_any_edit_of_a_saved_plan(saved: str, changes: list[tuple[float, int, str]]) -> None:
    shown(edited(saved, changes))


@quick
@given(st.data())
def test_any_value_in_a_saved_plan(saved: str, data: st.DataObject) -> None:
    tree = json.loads(saved)
    place: Any = {"": tree}
    key: Any = ""
    for _ in range(data.draw(st.integers(1, 7))):
        below = place[key]
        if not isinstance(below, dict | list) or not below:
            break
        place, key = (
            below,
            data.draw(st.sampled_from(sorted(below) if isinstance(below, dict) else range(len(below)))),
        )
    if data.draw(st.booleans()):
        place[key] = data.draw(values)
    else:
        del place[key]
    shown(json.dumps(tree))


LEAPP: dict[str, Any] = {
    "provided_data_streams": ["4.0"],
    "data": [
        {"device_type": "pci", "device_id": "0x1000:0x0060", "driver_name": "megaraid_sas", "device_name": "x", "available_in_rhel": [7, 8], "maintained_in_rhel": [7]},
        {"device_type": "pci", "device_id": "0x14e4:0x1639:0x103c", "driver_name": "bnx2", "device_name": "x", "available_in_rhel": [7, 8, 9], "maintained_in_rhel": [8]},
        {"device_type": "pci", "device_id": "", "driver_name": "3w_9xxx", "device_name": "x", "available_in_rhel": [7], "maintained_in_rhel": []},
        {"device_type": "cpu", "device_id": "x86_64:intel:6:{[2-16],49}", "driver_name": "", "device_name": "x", "available_in_rhel": [8], "maintained_in_rhel": []},
        {"device_type": "cpu", "device_id": "ppc64le:power7", "driver_name": "", "device_name": "x", "available_in_rhel": [], "maintained_in_rhel": []},
    ],
}  # fmt: skip


def converted(folder: Path, text: str) -> None:
    """What is written out of it is a compatibility file without a mistake."""
    file, rows = folder / "leapp.json", folder / "leapp.yml"
    file.write_text(text, encoding="utf-8", errors="surrogatepass", newline="")
    try:
        done = leapp.convert(file, ["rhel-9", "rocky-8"])
    except (PlanInvalid, UsageError) as error:
        said = error.problems if isinstance(error, PlanInvalid) else ()
        is_told(said, folder)
        return
    rows.write_text(done.text, encoding="utf-8")
    found, wrong = compat.read_file(rows)
    assert not wrong
    assert len(found) == done.rows


@quick
@given(changes=edits)
def test_any_edit_of_what_leapp_lists(worlds: Path, changes: list[tuple[float, int, str]]) -> None:
    converted(worlds, edited(json.dumps(LEAPP), changes))


@quick
@given(
    st.lists(
        st.fixed_dictionaries(
            {
                "device_type": st.sampled_from(("pci", "cpu", "gpu")),
                "device_id": st.one_of(
                    st.text(max_size=8), st.sampled_from([one["device_id"] for one in LEAPP["data"]])
                ),
                "driver_name": st.one_of(st.text(max_size=8), st.sampled_from(WORDS)),
                "available_in_rhel": st.lists(st.integers(6, 10), max_size=3),
                "maintained_in_rhel": st.lists(st.integers(6, 10), max_size=3),
            }
        ),
        max_size=6,
    )
)
def test_any_list_of_leapp(worlds: Path, entries: list[dict[str, Any]]) -> None:
    converted(worlds, json.dumps({"data": entries}))
