"""A controller in a process of its own, over an imagined world in which no step takes time: `python -m tests.cli.standing_by WORDS`."""

import sys

from rollout.cli import _controller, main
from rollout.engine.asking import InlineAsker
from rollout.executors.rehearsal import Rehearsal, RehearsedGate, World
from rollout.model.graph import Graph
from rollout.model.seams import Connection


def unreachable(host: str, _variables: object) -> Connection:
    raise AssertionError(f"nothing may connect to {host}")


def imagined(graph: Graph, *_: object) -> _controller.Reach:
    world = World(lambda: 0.0, duration=lambda _host, _step: 0.0)
    gates = {gate.name: RehearsedGate(world) for gate in graph.gates}
    return _controller.Reach(Rehearsal(world), InlineAsker(gates), {}, lambda _host: {}, unreachable)


if __name__ == "__main__":
    setattr(_controller, "real", imagined)  # noqa: B010  it takes the place of a function of another shape
    sys.exit(main(sys.argv[1:]))
