"""A host as gates and drains are given it."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from rollout.model.graph import Graph
from rollout.model.seams import Connection, Subject

Connect = Callable[[str, Mapping[str, Any]], Connection]


class Subjects:
    """Makes subjects. `variables_of` gives a host's resolved variables; `connect` opens a fresh connection with them."""

    def __init__(
        self, graph: Graph, variables_of: Callable[[str], Mapping[str, Any]], connect: Connect
    ) -> None:
        self._graph = graph
        self._variables_of = variables_of
        self._connect = connect

    def of(
        self,
        host: str,
        remembered: Mapping[str, Any],
        now: float,
        timeout: float = 60.0,
        found: Mapping[str, Any] = MappingProxyType({}),
        step: str = "",
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
        )
