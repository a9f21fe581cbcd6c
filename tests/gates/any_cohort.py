"""A run of four hosts at one moment, as a gate about the fleet is told of it."""

from typing import Any

from rollout.model.cohort import Cohort, Peer, Stage
from rollout.model.seams import Subject
from rollout.ssh.testing import FakeConnection

NOW = 1_800_000_000.0
DATE = "Date: Fri, 15 Jan 2027 08:00:00 GMT"
"""NOW, as a server's clock."""


def peer(host: str, stage: Stage, address: str = "", **more: Any) -> Peer:
    return Peer(host, "r650", stage, address, factors={"site": "tokyo"}, **more)


PEERS = (
    peer("web1", "upgraded", "10.0.0.1"),
    peer("web2", "upgraded", "10.0.0.2"),
    peer("web3", "untouched", "10.0.0.3"),
    peer("web4", "untouched", "fd00::4"),
)


def fleet_subject(host: str = "", peers: tuple[Peer, ...] = PEERS, **more: Any) -> Subject:
    fields: dict[str, Any] = {"now": NOW, "timeout": 60.0, "run": "run-1", "gate": "errors", **more}
    factors = fields.pop("factors", {"site": "tokyo"})
    return Subject(host, "r650", factors, {}, lambda: FakeConnection({}), cohort=Cohort(peers), **fields)
