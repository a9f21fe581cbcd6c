"""Alertmanager as far as its API goes, with a clock of its own: what it does with silences was seen at the real one (0.25)."""

import json
import re
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Any

from tests.gates.any_cohort import NOW
from tests.gates.any_server import Asked, reply


def stamp(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def seconds(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


@dataclass(slots=True)
class FakeAlertmanager:
    now: float = NOW
    alerts: list[dict[str, Any]] = field(default_factory=list)
    silences: dict[str, dict[str, Any]] = field(default_factory=dict)
    refuses: bool = False

    def fire(
        self, name: str, instance: str = "", since: float = NOW - 600, inhibited: bool = False, **more: str
    ) -> None:
        labels = {"alertname": name, **({"instance": instance} if instance else {}), **more}
        self.alerts.append({"labels": labels, "startsAt": stamp(since), "inhibited": inhibited})

    def active(self) -> list[dict[str, Any]]:
        return [one for one in self.silences.values() if self._state(one) != "expired"]

    def silence(self, value: str, comment: str = "a person", author: str = "me") -> str:
        matcher = {"name": "instance", "value": value, "isRegex": True, "isEqual": True}
        times = {"startsAt": stamp(self.now), "endsAt": stamp(self.now + 600)}
        return self._set({"matchers": [matcher], **times, "createdBy": author, "comment": comment})

    def __call__(self, asked: Asked) -> bytes:
        date = "Date: " + format_datetime(datetime.fromtimestamp(self.now, UTC), usegmt=True)
        if asked.path == "/api/v2/alerts":
            wanted = [value for name, value in asked.query if name == "filter"]
            return reply(
                [self._shown(one) for one in self.alerts if fits(one["labels"], wanted)], "200 OK", date
            )
        if asked.method == "POST":
            if self.refuses:
                return reply("silence invalid", "400 Bad Request", date)
            return reply({"silenceID": self._set(json.loads(asked.body))}, "200 OK", date)
        if asked.method == "DELETE":
            self.silences[asked.path.rsplit("/", 1)[1]]["endsAt"] = stamp(self.now)
            return reply(b"", "200 OK", date)
        rows = [{**one, "status": {"state": self._state(one)}} for one in self.silences.values()]
        return reply(rows, "200 OK", date)

    def _set(self, wanted: dict[str, Any]) -> str:
        """One that began exactly so is changed; another one of that id ends, and a new one begins."""
        before = self.silences.get(wanted.get("id", ""))
        if before is not None and before["exact"] == wanted["startsAt"]:
            before["endsAt"] = wanted["endsAt"]
            return str(before["id"])
        if before is not None:
            before["endsAt"] = stamp(self.now)
        new = f"silence-{len(self.silences)}"
        begins = max(seconds(wanted["startsAt"]), self.now)
        exact = wanted["startsAt"] if begins > self.now else ""
        self.silences[new] = {**wanted, "id": new, "startsAt": stamp(begins), "exact": exact}
        return new

    def _state(self, silence: dict[str, Any]) -> str:
        if seconds(silence["endsAt"]) <= self.now:
            return "expired"
        return "pending" if seconds(silence["startsAt"]) > self.now else "active"

    def _shown(self, alert: dict[str, Any]) -> dict[str, Any]:
        by = [
            one["id"]
            for one in self.silences.values()
            if self._state(one) == "active"
            and all(
                re.fullmatch(matcher["value"], alert["labels"].get(matcher["name"], ""))
                for matcher in one["matchers"]
            )
        ]
        state = "suppressed" if by or alert["inhibited"] else "active"
        status = {"state": state, "silencedBy": by, "inhibitedBy": ["x"] if alert["inhibited"] else []}
        return {"labels": alert["labels"], "startsAt": alert["startsAt"], "status": status}


def fits(labels: dict[str, str], wanted: list[str]) -> bool:
    for text in wanted:
        name, operator, value = re.fullmatch(r'(\w+)(=~|!~|!=|=)"(.*)"', text).groups()  # type: ignore[union-attr]
        meant = re.sub(r"\\(.)", r"\1", value)
        have = labels.get(name, "")
        same = bool(re.fullmatch(meant, have)) if "~" in operator else have == meant
        if same == operator.startswith("!"):
            return False
    return True
