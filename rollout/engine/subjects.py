"""A host, or the fleet, as gates and drains are given it."""

from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Any

from rollout.errors import SshError
from rollout.model.breaker import COMBO, subset_of
from rollout.model.cohort import Cohort, Peer, Stage
from rollout.model.decision import Ask
from rollout.model.graph import Graph, Node
from rollout.model.plan import DURING
from rollout.model.seams import Connection, Outcome, Subject
from rollout.model.state import HostState, State, Status

Connect = Callable[[str, Mapping[str, Any]], Connection]
RunCheck = Callable[[str, str, float], Outcome]
"""Runs a playbook that changes nothing on a host: its path, the host, and how many seconds it may take."""


class Subjects:
    """Makes subjects. `variables_of` gives a host's resolved variables; `connect` opens a fresh connection with them.

    `folder_of`: where gates may keep files of their own about a host; `check`: runs their playbooks.
    """

    def __init__(
        self,
        graph: Graph,
        variables_of: Callable[[str], Mapping[str, Any]],
        connect: Connect,
        *,
        run: str = "",
        folder_of: Callable[[str], str] = lambda _host: "",
        check: RunCheck | None = None,
    ) -> None:
        self._graph = graph
        self._variables_of = variables_of
        self._connect = connect
        self._run = run
        self._folder_of = folder_of
        self._check = check
        self._fleet: dict[str, Peer] = {}
        self._known = (0, -1)

    def of(
        self,
        host: str,
        remembered: Mapping[str, Any],
        now: float,
        timeout: float = 60.0,
        found: Mapping[str, Any] = MappingProxyType({}),
        step: str = "",
        **more: Any,
    ) -> Subject:
        """The host, with what the asking gate remembers of it, and what its steps found; an answer may take `timeout` seconds.

        `step`: the one that it is asked around; of several hops, that step's own says where the host is to be by then.
        """
        node = self._graph.nodes[host]
        around = self._graph.chain_of(host).step(step)
        variables = self._variables_of(host)
        return Subject(
            host=host,
            combo=node.combo,
            factors=node.factors,
            target=self._graph.target_of(host, around),
            connect=lambda: self._connect(host, variables),
            variables=variables,
            remembered=remembered,
            now=now,
            timeout=timeout,
            found=found,
            run=self._run,
            folder=self._folder_of(host),
            run_playbook=self._run_playbook(host, timeout),
            **more,
        )

    def _run_playbook(self, host: str, timeout: float) -> Callable[[str], Outcome] | None:
        check = self._check
        return None if check is None else lambda playbook: check(playbook, host, timeout)

    def asked(self, ask: Ask, state: State, remembered: Mapping[str, Any], now: float) -> Subject:
        """What a gate is asked about, with what it remembers of the host."""
        rule = ask.gate
        told: dict[str, Any] = {"gate": rule.name, "moment": ask.moment, "run_began": state.run.began}
        if not ask.host:
            return self._of_fleet(ask, state, now, told)
        host = state.hosts[ask.host]
        if rule.fleet:
            combo = self._graph.nodes[ask.host].combo
            alike = (node for node in self._graph.nodes.values() if node.combo == combo)
            told["cohort"] = cohort(self._graph, state, alike)
        return self.of(
            ask.host,
            remembered,
            now,
            rule.timeout,
            host.all_found,
            ask.moment.partition(" ")[2],
            disrupted_at=host.disrupted_at,
            **told,
        )

    def _concerned(self, ask: Ask, state: State) -> tuple[Node, ...]:
        if ask.moment == DURING:
            asked = (nodes for question, nodes in state.during.items() if question.key == ask.subject)
            return next(asked, ())
        if ask.about:
            return tuple(self._graph.nodes[name] for name in self._graph.waves[ask.about].hosts)
        return tuple(self._graph.nodes.values())

    def _peers(self, state: State) -> Mapping[str, Peer]:
        """Of the whole fleet. Many questions are asked at once, and until something happens all hosts are where they were."""
        known = (id(state), state.run.seq)
        if self._known != known:
            nodes = self._graph.nodes.values()
            self._fleet = {node.name: _peer(self._graph, node, state.hosts[node.name]) for node in nodes}
            self._known = known
        return self._fleet

    def _of_fleet(self, ask: Ask, state: State, now: float, told: dict[str, Any]) -> Subject:
        nodes = self._concerned(ask, state)
        subset = dict(subset_of(ask.about)) if ask.moment == DURING else {}
        combos, names = {node.combo for node in nodes}, {node.name for node in nodes}
        peers = self._peers(state)
        others = (peer for peer in peers.values() if peer.combo in combos and peer.host not in names)
        (combo,) = combos if len(combos) == 1 else (subset.pop(COMBO, ""),)
        subset.pop(COMBO, None)
        return Subject(
            host="",
            combo=combo,
            factors=subset,
            target={},
            connect=_nowhere,
            now=now,
            timeout=ask.gate.timeout,
            run=self._run,
            about=ask.about,
            cohort=Cohort(tuple(peers[node.name] for node in nodes)),
            beside=Cohort(tuple(others)),
            **told,
        )


def cohort(graph: Graph, state: State, nodes: Iterable[Node]) -> Cohort:
    """How far each of the hosts has come."""
    return Cohort(tuple(_peer(graph, node, state.hosts[node.name]) for node in nodes))


def _peer(graph: Graph, node: Node, host: HostState) -> Peer:
    return Peer(
        node.name,
        node.combo,
        _stage(host),
        node.address,
        host.disrupted_at,
        host.healthy_at,
        graph.waves[node.wave].canary,
        node.factors,
    )


def _stage(host: HostState) -> Stage:
    if host.status is Status.SOAKING or host.status is Status.VERIFIED:
        return "upgraded" if host.back is None else "disrupted"
    if host.status is Status.HELD:
        return "failed"
    if host.status is Status.WAITING or host.status is Status.RUNNING:
        return "disrupted" if host.slot else "untouched"
    return "out"


def _nowhere() -> Connection:
    raise SshError("this gate is about many hosts: there is none to connect to")
