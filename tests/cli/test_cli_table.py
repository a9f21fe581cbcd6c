"""The table of commands is true, and listing or reading costs no heavy import."""

import json
import subprocess
import sys
from dataclasses import replace
from importlib import import_module
from pathlib import Path

import click
import pytest

from rollout.cli import COMMANDS
from rollout.model.plan import GateRule, Moment
from tests.cli.worlds import Typist, a_run, failing
from tests.fleet import a_graph

HEAVY = {
    "pydantic",
    "networkx",
    "paramiko",
    "ansible",
    "ansible_runner",
    "structlog",
    "rich",
    "yaml",
    "rollout.engine",
}
LIGHT = [
    ["status"],
    ["why", "a1"],
    ["hosts"],
    ["events"],
    ["pause", "--reason", "x"],
    ["retry", "a1", "--reason", "x"],
    ["resolve", "a1", "--as", "done", "--reason", "x"],
    ["retire", "a1", "--reason", "x"],
    ["gate", "waive", "errors", "--reason", "x"],
    ["abort", "--reason", "x"],
]


@pytest.mark.parametrize("name", COMMANDS)
def test_the_table_tells_of_each_command_what_the_command_says_itself(name: str) -> None:
    found = import_module(f"rollout.cli.{name}").command
    assert isinstance(found, click.Command)
    assert (found.help or "").partition("\n\n")[0].replace("\n", " ") == COMMANDS[name]


def test_every_file_of_a_command_is_in_the_table() -> None:
    folder = Path(__file__).parents[2] / "rollout" / "cli"
    assert {path.stem for path in folder.glob("[!_]*.py")} == set(COMMANDS)


def test_help_lists_every_command(rollout: Typist) -> None:
    said = rollout("--help")
    assert said.code == 0
    listed = {tuple(line.split(maxsplit=1)) for line in said.out.splitlines()}
    assert set(COMMANDS.items()) <= listed


def imported(folder: Path, *words: str) -> set[str]:
    """The modules that a command line imports."""
    code = (
        "import sys, json\nfrom rollout.cli import main\n"
        f"code = main({list(words)!r})\n"
        "print(json.dumps([code, list(sys.modules)]), file=sys.stderr)\n"
    )
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=folder, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    code_given, modules = json.loads(done.stderr.splitlines()[-1])
    assert code_given == 0, done.stderr
    return set(modules)


def test_help_imports_no_command(tmp_path: Path) -> None:
    found = imported(tmp_path, "--help")
    assert not {f"rollout.cli.{name}" for name in COMMANDS} & found
    assert "dataclasses" not in found, "the errors cost more than the help"


@pytest.mark.parametrize("words", LIGHT, ids=lambda words: str(words[0]))
def test_commands_that_need_only_the_journal_import_only_that(tmp_path: Path, words: list[str]) -> None:
    gates = (GateRule("errors", "command", Moment("after", "upgrade")),)
    a_run(tmp_path, replace(a_graph({"a": 2, "b": 2}), gates=gates), failing("a1"))
    assert not HEAVY & imported(tmp_path, *words)
