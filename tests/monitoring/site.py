"""The monitoring of one lab, whole."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from rollout.lab import HostSpec, Lab
from tests.end_to_end.operating import until
from tests.monitoring import exporter
from tests.monitoring.servers import Alertmanager, Prometheus

DOWN = {
    "alert": "HostDown",
    "expr": 'up{job="node"} == 0',
    "for": "2s",
    "labels": {"severity": "critical"},
    "annotations": {"summary": "{{ $labels.host }} is not seen"},
}
"""A host that cannot be asked for its metrics is down."""


class Monitoring:
    """Complete within `with`; nothing of it runs afterwards. Every series of a host has the labels host, instance, rack and site."""

    def __init__(
        self, lab: Lab, hosts: Sequence[HostSpec], folder: Path, rules: Sequence[Mapping[str, Any]] = (DOWN,)
    ) -> None:
        self.lab = lab
        self.hosts = tuple(hosts)
        self.prometheus = Prometheus(lab, folder / "prometheus")
        self.alertmanager = Alertmanager(lab, folder / "alertmanager")
        self._write(rules)

    def __enter__(self) -> Self:
        try:
            exporter.install(self.lab, [host.name for host in self.hosts])
            self.alertmanager.start()
            self.prometheus.start()
            until(self._sees_all)
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _sees_all(self) -> bool:
        """Prometheus finds its targets within five seconds, and asks them within one more."""
        return self.prometheus.values("up") == {host.name: 1.0 for host in self.hosts}

    def close(self) -> None:
        """End the servers; what is on the hosts goes with the lab."""
        self.prometheus.kill()
        self.alertmanager.kill()

    def _write(self, rules: Sequence[Mapping[str, Any]]) -> None:
        """Both servers read YAML, of which JSON is a part."""
        folder = self.prometheus.folder
        addresses = {host.name: host.address for host in self.lab.status().hosts}
        targets = [
            {
                "targets": [f"{addresses[host.name]}:{exporter.PORT}"],
                "labels": {"host": host.name, "rack": host.rack, "site": host.site},
            }
            for host in self.hosts
        ]
        (folder / "targets.json").write_text(json.dumps(targets))
        (folder / "rules.yml").write_text(json.dumps({"groups": [{"name": "lab", "rules": [*rules]}]}))
        settings = {
            "global": {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"},
            "rule_files": ["rules.yml"],
            "scrape_configs": [{"job_name": "node", "file_sd_configs": [{"files": ["targets.json"]}]}],
            "alerting": {
                "alertmanagers": [{"static_configs": [{"targets": [f"127.0.0.1:{Alertmanager.port}"]}]}]
            },
        }
        (folder / "prometheus.yml").write_text(json.dumps(settings))
        (self.alertmanager.folder / "alertmanager.yml").write_text(
            json.dumps({"route": {"receiver": "nobody"}, "receivers": [{"name": "nobody"}]})
        )
