"""Prometheus and Alertmanager as processes in the lab's control network, which die with the test's own."""

import os
import shutil
import signal
import subprocess
import time
from abc import ABC, abstractmethod
from datetime import datetime
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import urlencode

from rollout.lab import Lab
from tests.monitoring import network

_PATIENCE = 60.0


class Server(ABC):
    """Not started when made; `folder` keeps its data, so that one that is started again goes on with them."""

    port: ClassVar[int]
    program: ClassVar[str]
    ready: ClassVar[str] = "/-/ready"

    def __init__(self, lab: Lab, folder: Path) -> None:
        self.lab = lab
        self.folder = folder
        self._process: subprocess.Popen[bytes] | None = None
        folder.mkdir(parents=True, exist_ok=True)

    @property
    def url(self) -> str:
        """For what runs in the lab's control network."""
        return f"http://127.0.0.1:{self.port}"

    @abstractmethod
    def options(self) -> list[str]:
        """Of its command line."""

    def start(self) -> None:
        """Until it answers that it is ready."""
        program = shutil.which(self.program)
        if program is None:
            raise FileNotFoundError(f"{self.program} is not installed: .ci/setup installs it")
        words = ["setpriv", "--pdeathsig", "KILL", *self.lab.inside([program, *self.options()])]
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                words, cwd=self.folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                env={**os.environ, "GOMAXPROCS": "1"},
            )  # fmt: skip
        latest = time.monotonic() + _PATIENCE
        while not self.answers():
            if self._process.poll() is not None or time.monotonic() > latest:
                self.kill()
                raise RuntimeError(
                    f"{self.program} does not start: {(self.folder / 'log').read_text()[-2000:]}"
                )
            time.sleep(0.05)

    def answers(self) -> bool:
        """Whether it says that it is ready."""
        try:
            network.get(self.lab, self.port, self.ready)
        except network.NotAnswered:
            return False
        return True

    def freeze(self) -> None:
        """Connections are accepted and nothing is answered."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """It goes on."""
        self._signal(signal.SIGCONT)

    def mend(self) -> None:
        """It runs and answers, whatever was done to it."""
        if self._process is None:
            self.start()
        else:
            self.thaw()

    def kill(self) -> None:
        """As kill -9 does; nothing if it does not run."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def _signal(self, number: signal.Signals) -> None:
        if self._process is None:
            raise RuntimeError(f"{self.program} does not run")
        self._process.send_signal(number)


class Prometheus(Server):
    """Asks each target and evaluates each rule once a second."""

    port = 9090
    program = "prometheus"

    def options(self) -> list[str]:
        data = self.folder / "data"
        return [
            f"--config.file={self.folder / 'prometheus.yml'}",
            f"--storage.tsdb.path={data}",
            f"--web.listen-address=127.0.0.1:{self.port}",
            "--rules.alert.resend-delay=1s",
            "--log.level=warn",
        ]

    def values(self, query: str, label: str = "host") -> dict[str, float]:
        """What an instant query gives now, by a label of the series."""
        answer = network.get(self.lab, self.port, f"/api/v1/query?{urlencode({'query': query})}")
        return {row["metric"].get(label, ""): float(row["value"][1]) for row in answer["data"]["result"]}


class Alertmanager(Server):
    """Tells nobody; alone, not a member of a cluster."""

    port = 9093
    program = "prometheus-alertmanager"

    def options(self) -> list[str]:
        return [
            f"--config.file={self.folder / 'alertmanager.yml'}",
            f"--storage.path={self.folder / 'data'}",
            f"--web.listen-address=127.0.0.1:{self.port}",
            "--cluster.listen-address=",
            "--log.level=warn",
        ]

    def alerts(self, state: str = "active") -> list[dict[str, Any]]:
        """The labels of those that fire: `active`, or `suppressed` by a silence."""
        found = network.get(self.lab, self.port, "/api/v2/alerts")
        return [alert["labels"] for alert in found if alert["status"]["state"] == state]

    def silences(self, *states: str) -> list[dict[str, Any]]:
        """In those states (`active`, `pending`, `expired`); without one, the active ones."""
        found = network.get(self.lab, self.port, "/api/v2/silences")
        return [silence for silence in found if silence["status"]["state"] in (states or ("active",))]

    def ours(self) -> dict[str, float]:
        """Host -> when rollout's silence of it ends, in seconds since the epoch; those that are active or about to be."""
        found: dict[str, float] = {}
        for silence in self.silences("active", "pending"):
            ends = datetime.fromisoformat(silence["endsAt"]).timestamp()
            for host in (row["value"] for row in silence["matchers"] if row["name"] == "host"):
                if silence["createdBy"] == "rollout":
                    found[host] = max(found.get(host, 0.0), ends)
        return found

    def silence(self, seconds: float, author: str, **labels: str) -> str:
        """A silence as a person makes it, for alerts with exactly those labels; gives its id."""
        now = time.time()
        matchers = [{"name": name, "value": value, "isRegex": False} for name, value in labels.items()]
        times = {"startsAt": _written(now), "endsAt": _written(now + seconds)}
        made = network.post(
            self.lab, self.port, "/api/v2/silences", {"matchers": matchers, "createdBy": author, "comment": "test", **times}
        )  # fmt: skip
        return str(made["silenceID"])


def _written(seconds: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))
