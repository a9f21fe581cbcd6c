"""An engine over hosts that are only imagined: for rehearsals, simulations, benchmarks and tests. It is the real one, with nothing real behind it."""

from collections.abc import Mapping
from typing import Any

from rollout.engine.asking import InlineAsker
from rollout.engine.inbox import VirtualInbox
from rollout.engine.loop import Engine, Listener
from rollout.engine.paths import PathAsker
from rollout.engine.steps import Steps
from rollout.engine.subjects import Subjects
from rollout.errors import SshError
from rollout.executors.rehearsal import Rehearsal, RehearsedGate, World
from rollout.journal import Journal, Lease, Owner
from rollout.model.graph import Graph
from rollout.model.seams import Connection, Gate


def rehearsed_engine(
    journal: Journal,
    lease: Lease,
    graph: Graph,
    world: World,
    inbox: VirtualInbox,
    *,
    gates: Mapping[str, Gate] | None = None,
    steps: Steps | None = None,
    listener: Listener = lambda _event, _state: None,
    poll: float | None = None,
    paths: PathAsker | None = None,
    until: float | None = None,
    unattended: bool = False,
) -> Engine:
    """A controller of a run that the journal has. `gates` and `steps`: instead of those of the world; `poll`, `paths`, `until` and `unattended` as of `Engine`."""
    return Engine(
        journal,
        lease,
        graph,
        steps or Steps(Rehearsal(world), {}),
        InlineAsker(
            gates if gates is not None else {rule.name: RehearsedGate(world) for rule in graph.gates}
        ),
        Subjects(graph, lambda _host: {}, _unreachable),
        inbox,
        listener=listener,
        poll=poll,
        paths=paths,
        until=until,
        unattended=unattended,
    )


def imagined_owner(number: int) -> Owner:
    """A controller that is no process. The next one knows that it is dead: its machine has been restarted since."""
    return Owner(f"boot {number}", pid=number, start_time=0, user="nobody", machine="imagined")


def _unreachable(host: str, _variables: Mapping[str, Any]) -> Connection:
    raise SshError(f"{host} is only imagined")
