from pathlib import Path

import pytest

from rollout.cli import _controller
from rollout.engine.asking import InlineAsker
from rollout.executors.rehearsal import Rehearsal, RehearsedGate, World
from rollout.model.graph import Graph
from tests.cli.worlds import Typist, unreachable
from tests.inventories import asked_once


@pytest.fixture(autouse=True)
def _inventories(monkeypatch: pytest.MonkeyPatch) -> None:
    asked_once(monkeypatch)


@pytest.fixture
def rollout(capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Typist:
    """`rollout("status", ...)` in an empty folder."""
    monkeypatch.chdir(tmp_path)
    for name in ("ROLLOUT_JOURNAL", "ROLLOUT_TRACEBACK"):
        monkeypatch.delenv(name, raising=False)
    return Typist(capsys)


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    """What `apply` reaches: steps take no time. Its `faults` may be changed between two commands."""
    found = World(lambda: 0.0, duration=lambda _host, _step: 0.0)

    def imagined(graph: Graph, *_: object) -> _controller.Reach:
        gates = {gate.name: RehearsedGate(found) for gate in graph.gates}
        return _controller.Reach(Rehearsal(found), InlineAsker(gates), {}, lambda _host: {}, unreachable)

    monkeypatch.setattr(_controller, "real", imagined)
    return found
