"""Silences of our own in Alertmanager, as a lease: they end by themselves when nobody extends them.

No state is kept here: a silence carries run, gate and host in its comment, and is found again by it. Alertmanager's clock counts.
"""

import json
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from rollout.gates import _matchers, _placeholders
from rollout.gates._trouble import Trouble
from rollout.model.cohort import Peer, Stage
from rollout.model.seams import Answer, Subject
from rollout.ssh.printable import printable

if TYPE_CHECKING:
    from rollout.gates._http import Session

AUTHOR = "rollout"
OURS: tuple[Stage, ...] = ("disrupted", "failed")
"""Hosts that are silenced, once they have been disrupted: those that are being changed, and those that failed and wait for a person."""

AHEAD = 2.0
"""Seconds until a silence begins that can be extended in place: Alertmanager changes only one that began exactly as we say, and
rounds what begins at once."""

FIRST, LASTING = "", " extended"


@dataclass(frozen=True, slots=True)
class Silence:
    """One that is active or about to be."""

    id: str
    mark: str
    lasting: bool
    begins: str
    ends: float


@dataclass(frozen=True, slots=True)
class Lease:
    """`texts`: the matchers of one host's silence, with placeholders. Lengths are in seconds."""

    texts: tuple[str, ...]
    lasts: float
    longest: float

    def keep(self, session: "Session", subject: Subject) -> Mapping[str, str]:
        """Create, extend and end what the cohort's hosts need. Raises Trouble.

        Returns the run's silences, each with the host that it is for; the host is empty where it need not be silenced (any more).
        """
        found, now = _read(session, subject.now or time.time())
        by_mark: dict[str, list[Silence]] = {}
        kept: dict[str, str] = {}
        for silence in found:
            by_mark.setdefault(silence.mark, []).append(silence)
            if silence.mark.startswith(f"[rollout:{subject.run}/"):
                kept[silence.id] = ""
        for peer in subject.cohort.peers:
            own = by_mark.get(mark(subject, peer.host), [])
            if peer.stage in OURS and peer.disrupted_at:
                own = self._extended(session, subject, peer, own, now)
                kept |= {silence.id: peer.host for silence in own}
            else:
                for silence in own:
                    session.delete(f"/api/v2/silence/{quote(silence.id, safe='')}")
        return kept

    def _extended(
        self, session: "Session", subject: Subject, peer: Peer, own: list[Silence], now: float
    ) -> list[Silence]:
        """At the end of the longest time nothing is done: the silence runs out, and people are paged."""
        ends = min(now + self.lasts, peer.disrupted_at + self.longest)
        if not own:
            made = self._post(session, subject, peer, (now - 60, ends), FIRST) if ends > now + 1 else None
            return [made] if made else []
        last = max(silence.ends for silence in own)
        if last - now > self.lasts / 2 or ends <= last + 1:
            return own
        lasting = next((silence for silence in own if silence.lasting), None)
        begins = _written(now + AHEAD) if lasting is None else lasting.begins
        made = self._post(session, subject, peer, (begins, ends), LASTING, lasting)
        return [silence for silence in own if silence is not lasting] + [made]

    def _post(
        self,
        session: "Session",
        subject: Subject,
        peer: Peer,
        times: tuple[float | str, float],
        kind: str,
        before: Silence | None = None,
    ) -> Silence:
        begins = times[0] if isinstance(times[0], str) else _written(times[0])
        values = _placeholders.of_peer(peer, _matchers.names(self.texts))
        matchers = _matchers.matchers(self.texts, values)
        body: dict[str, Any] = {
            "matchers": [
                {"name": one.name, "value": one.value, "isRegex": one.is_expression, "isEqual": one.is_equal}
                for one in matchers
            ],
            "startsAt": begins,
            "endsAt": _written(times[1]),
            "createdBy": AUTHOR,
            "comment": f"{printable(peer.host, 120)} is being upgraded, run {subject.run}{kind} {mark(subject, peer.host)}",
        }
        if before is not None:
            body["id"] = before.id
        reply = session.post_json("/api/v2/silences", json.dumps(body).encode())
        made = reply.data.get("silenceID") if isinstance(reply.data, dict) else None
        if not isinstance(made, str) or not made:
            raise Trouble(Answer.INCONCLUSIVE, f"{session.who} did not say that it made the silence")
        return Silence(made, mark(subject, peer.host), kind == LASTING, begins, times[1])


def mark(subject: Subject, host: str) -> str:
    """What the comment of a host's silence ends with."""
    return f"[rollout:{subject.run}/{subject.gate}/{host}]"


def _read(session: "Session", ours: float) -> tuple[list[Silence], float]:
    """Our own silences of any run that have not ended, and the time by Alertmanager's clock."""
    reply = session.get("/api/v2/silences")
    try:
        found = list(_own(reply.data))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise Trouble(Answer.INCONCLUSIVE, f"{session.who}: its silences cannot be read") from error
    return found, ours if reply.date is None else reply.date


def _own(rows: Any) -> Iterable[Silence]:
    if not isinstance(rows, list):
        raise TypeError
    for row in rows:
        comment = row["comment"]
        if row["createdBy"] != AUTHOR or row["status"]["state"] == "expired" or "[rollout:" not in comment:
            continue
        words, _, rest = comment.partition("[rollout:")
        yield Silence(
            str(row["id"]),
            f"[rollout:{rest}",
            words.rstrip().endswith(LASTING),
            str(row["startsAt"]),
            datetime.fromisoformat(row["endsAt"]).timestamp(),
        )


def _written(at: float) -> str:
    """A time as Alertmanager writes it: to the millisecond."""
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
