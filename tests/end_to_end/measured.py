"""What the tests of gates on real monitoring share: a release that may make errors, plans with one gate, and a fleet that is well."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from tests.end_to_end.operating import Operator, until
from tests.end_to_end.plans import plan
from tests.monitoring import Monitoring
from tests.monitoring.exporter import ERRORS

RATE = "rate(kernel_errors_total[5s])"
RELEASE = f"""---
- hosts: all
  gather_facts: false
  tasks: [{{ansible.builtin.shell: {{cmd: "sleep %s; echo %s >{ERRORS}"}}, changed_when: true}}]
"""


def release(operator: Operator, errors: float, seconds: float = 0) -> str:
    """Write the playbook of an upgrade after which the host makes so many errors a second; gives its path in a plan."""
    (operator.folder / "playbooks" / "release.yml").write_text(RELEASE % (seconds, errors))
    return "playbooks/release.yml"


def prometheus_gate(**settings: Any) -> dict[str, Any]:
    """`errors`, asked once a second about all hosts."""
    common = {"name": "errors", "kind": "prometheus", "when": "during", "url": "http://127.0.0.1:9090"}
    return {**common, "query": RATE, "label": "host", "interval": "1s", "timeout": "3s", **settings}


def written(
    operator: Operator, name: str, hosts: str, gate: Mapping[str, Any], *,
    errors: float = 0, seconds: float = 0, soak: str = "2s", ramp: str = "0s", sizes: Sequence[int | str] = (1, "100%"),
) -> str:  # fmt: skip
    """A plan of one disruptive step, the release: the first hosts soak for so long, then all others begin at once."""
    steps = [{"name": "upgrade", "playbook": release(operator, errors, seconds), "once": True}]
    waves = {"sizes": [*sizes], "soak": {"canary": soak, "ramp": ramp}}
    return plan(operator, name, hosts, steps, gates=[gate], waves=waves)


def healthy(operator: Operator, monitoring: Monitoring, seconds: int = 5) -> None:
    """Until every host has been seen for so long, and made no more errors than any host all that time."""
    for host in monitoring.hosts:
        operator.on(host.name, f"rm -f {ERRORS}")
    names = {host.name for host in monitoring.hosts}
    seen = monitoring.prometheus.values
    until(lambda: seen(f"kernel_errors_total offset {seconds}s").keys() == names)
    until(
        lambda: (
            (rates := seen(f"rate(kernel_errors_total[{seconds}s])")).keys() == names
            and max(rates.values()) < 1
        )
    )


def of_gate(events: Iterable[dict[str, Any]], kind: str, gate: str = "errors") -> list[dict[str, Any]]:
    """The events of that kind that are about the gate."""
    return [event for event in events if event["event"] == kind and event["data"].get("gate") == gate]
