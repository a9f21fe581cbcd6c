"""How hosts are reached over SSH: which of them share a path, and whether they let us in."""

from collections.abc import Callable, Mapping, Sequence
from itertools import islice
from typing import Any, Protocol

from rollout.errors import RolloutError, SshError
from rollout.model.graph import Graph
from rollout.scheduler.paths import SITE
from rollout.ssh import path as ssh_path

WITHIN = 20.0
"""Seconds in which a host or a bastion has to let us in."""

LOOKED_AT, LOOKED_THROUGH = 24, 2000
"""Hosts for which ssh_config is read, at most, to find others on the same path; and whose variables are."""


class Ways(Protocol):
    """What is known of the ways to hosts. All of it may take time, and comes from several threads at once."""

    def path(self, host: str) -> str | None:
        """Its name; None: it has none that others could share. Raises RolloutError when it cannot be known."""

    def fellows(self, host: str, others: Sequence[str], count: int) -> list[str]:
        """The first `count` of the others that are on the same path."""

    def knock(self, host: str) -> str:
        """Empty when the host lets us in over a fresh connection; else why it does not."""

    def knock_at_bastion(self, host: str) -> tuple[str, str] | None:
        """The last bastion before the host, and as `knock`; None when there is none that could be asked."""


class SshWays:
    """The real ones; `variables_of` gives a host's resolved variables."""

    def __init__(self, graph: Graph, variables_of: Callable[[str], Mapping[str, Any]]) -> None:
        self._graph, self._variables_of = graph, variables_of

    def path(self, host: str) -> str | None:
        way = self._way(host)
        return self._name(host, way) if way is not None else None

    def fellows(self, host: str, others: Sequence[str], count: int) -> list[str]:
        mine = self._way(host)
        if mine is None:
            return []
        alike = (name for name in islice(others, LOOKED_THROUGH) if self._may_share(name, mine))
        found: list[str] = []
        for _, name in zip(range(LOOKED_AT), alike, strict=False):
            if self._shares(name, self._name(host, mine)):
                found.append(name)
            if len(found) == count:
                break
        return found

    def knock(self, host: str) -> str:
        return self._knock(host, at_bastion=False)

    def knock_at_bastion(self, host: str) -> tuple[str, str] | None:
        way = self._way(host)
        if way is None or way.bastion is None:
            return None
        return way.bastion, self._knock(host, at_bastion=True)

    def _knock(self, host: str, *, at_bastion: bool) -> str:
        try:
            way = self._way(host)
            if way is not None:
                way.knock(WITHIN, at_bastion=at_bastion)
        except SshError as error:
            return str(error).removeprefix(f"{host}: ")
        return ""

    def _way(self, host: str) -> ssh_path.Way | None:
        return ssh_path.way(host, self._variables_of(host))

    def _name(self, host: str, way: ssh_path.Way) -> str:
        site = self._graph.nodes[host].factors.get(SITE)
        return f"{way.path}{f' at site {site}' if site else ''}"

    def _may_share(self, host: str, known: ssh_path.Way) -> bool:
        try:
            return ssh_path.may_share(host, self._variables_of(host), known.access)
        except RolloutError:  # it may have left the inventory
            return False

    def _shares(self, host: str, path: str) -> bool:
        try:
            return self.path(host) == path
        except RolloutError:
            return False
