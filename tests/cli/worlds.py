"""Journals and plan folders for tests of the command line."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from rollout import journal
from rollout.cli import main
from rollout.engine.inbox import VirtualInbox
from rollout.executors.rehearsal import Fault, World
from rollout.model.graph import Graph
from rollout.model.seams import Connection, Ending
from tests.fleet import an_engine

STEP = """- hosts: all
  gather_facts: false
  tasks: []
"""

PLAN = """rollout: imagined
inventory: inventory.yml
hosts: all
factors: {hardware: hw, os: os, rack: rack}
combos:
  - {name: a, match: {hardware: a, os: old}, to: {os: new}}
  - {name: b, match: {hardware: b, os: old}, to: {os: new}}
steps:
  - {name: precheck, playbook: playbooks/step.yml, expect: 1m}
  - {name: upgrade, playbook: playbooks/step.yml, once: true, expect: 10m}
waves: {sizes: [1, 100%], soak: 0s}
limits: {at_once: 2, per: {rack: 1}}
"""

INVENTORY = """all:
  vars: {ansible_connection: local}
  hosts:
    a1: {hw: a, os: old, rack: r1}
    a2: {hw: a, os: old, rack: r2}
    b1: {hw: b, os: old, rack: r1}
    b2: {hw: b, os: new, rack: r2}
"""

NO_FAULTS: Mapping[tuple[str, str], Fault] = {}


def a_plan_folder(folder: Path) -> Path:
    """Three hosts to upgrade and one that is there already; gives the plan file."""
    (folder / "playbooks").mkdir(parents=True)
    (folder / "playbooks" / "step.yml").write_text(STEP)
    (folder / "inventory.yml").write_text(INVENTORY)
    (folder / "plan.yml").write_text(PLAN)
    return folder / "plan.yml"


def failing(host: str, step: str = "upgrade") -> dict[tuple[str, str], Fault]:
    """That step of that host fails whenever it is begun."""
    return {(host, step): Fault(Ending.FAILED, 1000, "no space left on device")}


def a_run(
    folder: Path, graph: Graph, faults: Mapping[tuple[str, str], Fault] = NO_FAULTS, *, run: str = "run"
) -> Path:
    """A run of the graph, carried as far as it goes; gives its journal, which is the default one of the folder."""
    path = folder / ".rollout" / "journal.sqlite3"
    path.parent.mkdir(exist_ok=True)
    inbox = VirtualInbox(1_700_000_000)
    with journal.open(str(path), inbox.now) as book:
        book.create(run, graph, plan_file=str(folder / "plan.yml"), created_by="me@here")
        an_engine(graph, book, World(inbox.now, faults=faults), inbox, run=run).run()
    return path


def unreachable(host: str, _variables: object) -> Connection:
    raise AssertionError(f"nothing may connect to {host}")


@dataclass
class Said:
    """What a command line gave."""

    code: int
    out: str
    err: str


class Typist:
    """Types command lines in a folder."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys

    def __call__(self, *words: str) -> Said:
        """Run `rollout WORDS`."""
        code = main(words)
        return Said(code, *self._capsys.readouterr())
