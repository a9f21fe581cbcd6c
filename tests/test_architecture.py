"""The rules of the house, kept by a test: small files, imports downwards, one kind in each file of a plural folder, no clock in deciding."""

import ast
import re
from pathlib import Path
from typing import Any

import pytest
from importlinter.application import use_cases
from importlinter.configuration import configure

from rollout import kinds

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "rollout"
FILES = sorted(SOURCE.rglob("*.py"))
STORE_ROOMS = {"utils", "helpers", "common", "manager", "base", "context", "util", "misc"}
PURE = ("model", "graph", "scheduler")
CLOCKS = {
    "time",
    "datetime",
    "random",
    "os",
    "pathlib",
    "socket",
    "subprocess",
    "sqlite3",
    "threading",
    "asyncio",
}
OPEN_SETS = ("gates", "drains")


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


def imported(path: Path) -> set[str]:
    """The top-level names of what a file imports."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level:
            found.add((node.module or "").split(".")[0])
    return found


def test_imports_go_downwards_only() -> None:
    configure()
    options = use_cases.read_user_options(config_filename=str(ROOT / "pyproject.toml"))
    use_cases._register_contract_types(options)  # what its own `lint_imports` does first
    report = use_cases.create_report(options)
    broken = [contract.name for contract, check in report.get_contracts_and_checks() if not check.kept]
    assert not report.could_not_run
    assert broken == []
    assert report.kept_count >= 2


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_files_are_small_and_named_for_what_they_are(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= 400
    assert path.stem.strip("_") not in STORE_ROOMS


@pytest.mark.parametrize("room", PURE)
def test_deciding_reads_no_clock_and_touches_nothing(room: str) -> None:
    for path in (SOURCE / room).glob("*.py"):
        assert not imported(path) & CLOCKS, name_of(path)


def test_networkx_lives_in_one_room_only() -> None:
    users = {path.relative_to(SOURCE).parts[0] for path in FILES if "networkx" in imported(path)}
    assert users == {"graph"}


@pytest.mark.parametrize("room", OPEN_SETS)
def test_every_file_of_an_open_set_holds_one_kind(room: str) -> None:
    names = [path.stem for path in (SOURCE / room).glob("*.py") if not path.stem.startswith("_")]
    assert names
    for name in names:
        kind = kinds.load(room, name.replace("_", "-"))
        assert isinstance(kind, type)
        assert kind.__name__ == "Kind"
        assert kind.__module__ == f"rollout.{room}.{name}"


def test_every_kind_of_gate_answers_and_says_whether_it_remembers() -> None:
    for path in (SOURCE / "gates").glob("[!_]*.py"):
        kind: Any = kinds.load("gates", path.stem.replace("_", "-"))
        assert isinstance(kind.remembers, bool)
        assert callable(kind.check)
        assert callable(kind.remember)


def test_every_kind_of_drain_looks_closes_empties_and_reopens() -> None:
    for path in (SOURCE / "drains").glob("[!_]*.py"):
        kind: Any = kinds.load("drains", path.stem)
        assert isinstance(kind.needs_playbook, bool)
        for act in (kind.look, kind.close, kind.empty, kind.reopen):
            assert callable(act)


def test_the_architecture_page_names_every_room() -> None:
    page = (ROOT / "docs" / "architecture.md").read_text()
    rooms = {path.name for path in SOURCE.iterdir() if path.is_dir() and any(path.glob("*.py"))}
    assert [room for room in sorted(rooms) if not re.search(rf"\b{room}\b", page)] == []
