"""Whether alerts fire in Alertmanager; during the run it can also silence those of hosts that are being upgraded."""

import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal, Self
from urllib.parse import quote

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from rollout.gates import FleetGate, _matchers, _placeholders, _readings, _server, _silences
from rollout.gates._matchers import Matcher, MatcherText, MatcherTexts
from rollout.gates._server import Access, Url
from rollout.gates._settings import Positive
from rollout.gates._trouble import Trouble
from rollout.model.plan import DURING, PER_HOST
from rollout.model.seams import Answer, Subject, Verdict
from rollout.ssh.printable import printable

if TYPE_CHECKING:
    from rollout.gates._http import Session

NAMED = 5
"""How many alerts a verdict keeps."""

LABELS = 8
"""How many labels of each."""

SHORTEST = 120.0


@dataclass(frozen=True, slots=True)
class _Alert:
    labels: Mapping[str, str]
    since: float
    silenced: frozenset[str]
    inhibited: bool

    @property
    def name(self) -> str:
        return printable(self.labels.get("alertname", "an alert"), 80)


class Silencing(BaseModel):
    """Silences of our own for hosts that have their slot."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    match: MatcherTexts = Field(
        description="Matchers of one host's silence; they name {{ host }} or {{ address }}.",
        examples=[['instance=~"{{ address }}(:.*)?"']],
    )
    longest: Positive = Field(
        default=7200.0,
        description="After so long since its first disruptive step a host's silence is extended no more, so that people are paged.",
        examples=["2h"],
    )
    lease: Positive = Field(
        default=300.0,
        ge=SHORTEST,
        description="How long a silence lasts when nobody extends it, as when the controller is dead: several times `interval`.",
        examples=["5m"],
    )

    @field_validator("match")
    @classmethod
    def _of_one_host(cls, match: list[str]) -> list[str]:
        if not any(name in _placeholders.OF_HOST for name in _matchers.names(match)):
            raise ValueError("needs {{ host }} or {{ address }}: it would silence every host")
        if any(name in _placeholders.STAGES for name in _matchers.names(match)):
            raise ValueError("is about one host: use {{ host }} or {{ address }}")
        return match


class Kind(Access, FleetGate):
    """It passes when no alert fires that all of `match` fit and none of `ignore`; silenced and inhibited ones do not fire.

    A silence of our own counts only for alerts of hosts that are being upgraded, or have failed. Samples: `alerts` (how many fit),
    `value` (how many of them fire), `silenced`, `inhibited`, `ignored`, `silences` (hosts that we silence), and the `firing` ones.
    """

    url: Url = Field(description="Where Alertmanager is.", examples=["http://alertmanager:9093"])
    match: MatcherTexts = Field(
        description='Matchers, all of which an alert fits: severity="page"; with placeholders such as {{ host }} or {{ site }}.',
        examples=[['severity="page"', 'instance=~"{{ address }}(:.*)?"']],
    )
    ignore: list[MatcherText] = Field(
        default_factory=list,
        description="Matchers, any of which an alert fits that is passed over.",
        examples=[['alertname="Watchdog"']],
    )
    since: Literal["ever", "run"] = Field(
        default="ever", description="`run`: alerts that fired before the run began are passed over."
    )
    alive: MatcherText | None = Field(
        default=None,
        description="An alert that always fires, to prove that alerts arrive; without it nothing passes.",
        examples=['alertname="Watchdog"'],
    )
    label: str = Field(
        default="instance", min_length=1, description="The label that says which host an alert is about."
    )
    by: Literal["host", "address"] = Field(
        default="host",
        description="Whether that label holds the host's name in the inventory or its address; a port behind it does not matter.",
    )
    silence: Silencing | None = Field(
        default=None,
        description="Only with `when: during`: silences for hosts that have their slot, extended while they do, ended when they leave it.",
    )

    @model_validator(mode="after")
    def _has_no_stages_in_ignore(self) -> Self:
        if self.alive is not None and _placeholders.names(self.alive):
            raise ValueError("alive is one alert of the whole fleet: it has no placeholders")
        return self

    def asks_per_host(self) -> bool:
        """The matchers name the host."""
        return any(name in _placeholders.OF_HOST for name in _matchers.names([*self.match, *self.ignore]))

    def objections(self, when: str, per: str, factors: Collection[str]) -> Iterator[tuple[str, str]]:
        """Placeholders without a value, and silences at another moment than during the run."""
        for key, texts in (("match", self.match), ("ignore", self.ignore)):
            for name in _matchers.names(texts):
                wrong = _placeholders.objection(name, per, factors)
                if wrong:
                    yield key, wrong
        if self.silence is None:
            return
        if when != DURING:
            yield "silence", f"silences are extended all the time: they need `when: {DURING}`"
        for name in _matchers.names(self.silence.match):
            wrong = _placeholders.objection(name, PER_HOST, factors)
            if wrong:
                yield "silence", wrong

    def check(self, subject: Subject) -> Verdict:
        """Alerts that cannot be read, or silences that cannot be kept, never pass."""
        try:
            names = _matchers.names([*self.match, *self.ignore])
            values = _placeholders.values_of(subject, names, self.by == "address")
            wanted = _matchers.matchers(self.match, values)
            ignored = _matchers.matchers(self.ignore, values)
            with _server.session(self.url, self, subject.timeout) as session:
                own = self._silences(session, subject)
                nothing = _placeholders.nobody(values, subject)
                if nothing is not None:
                    return nothing
                alerts = _alerts(session, wanted)
                alive = self.alive is None or _alerts(session, _matchers.matchers([self.alive], {}))
            return self._judged(alerts, ignored, own, subject, wanted, bool(alive))
        except Trouble as trouble:
            return trouble.verdict()

    def _silences(self, session: "Session", subject: Subject) -> Mapping[str, str]:
        if self.silence is None or subject.moment != DURING:
            return {}
        lease = _silences.Lease(tuple(self.silence.match), self.silence.lease, self.silence.longest)
        return lease.keep(session, subject)

    def _judged(
        self,
        alerts: Sequence[_Alert],
        ignored: Sequence[Matcher],
        own: Mapping[str, str],
        subject: Subject,
        wanted: Sequence[Matcher],
        alive: bool,
    ) -> Verdict:
        if self.since == "run" and not subject.run_began:
            return Verdict(
                Answer.INCONCLUSIVE, "when the run began is not known: `since: run` says nothing here"
            )
        begun = subject.run_began if self.since == "run" else 0.0
        asked = [
            alert
            for alert in alerts
            if alert.since >= begun and not any(matcher.fits(alert.labels) for matcher in ignored)
        ]
        firing = [
            alert for alert in asked if not alert.inhibited and not self._is_silenced(alert, own, subject)
        ]
        samples: dict[str, Any] = {
            "query": printable(_filter(wanted), 600),
            "alerts": len(alerts),
            "ignored": len(alerts) - len(asked),
            "silenced": sum(bool(alert.silenced) for alert in asked),
            "inhibited": sum(alert.inhibited for alert in asked),
            "silences": len({host for host in own.values() if host}),
            "value": len(firing),
            "firing": [_shown(alert) for alert in sorted(firing, key=lambda one: one.since)[:NAMED]],
        }
        link = f"{self.url}/#/alerts?silenced=false&inhibited=false&active=true&filter={quote(_filter(wanted), safe='')}"
        if firing:
            return Verdict(
                Answer.FAIL, _sentence(firing, self.label, subject.now or time.time()), samples, link
            )
        if not alive:
            because = f"{printable(self.alive or '', 80)} should always fire and does not: do alerts arrive here at all?"
            return Verdict(Answer.INCONCLUSIVE, because, samples, link)
        because = f"no alert fires of {samples['alerts']} that fit {printable(_filter(wanted), 120)}"
        quiet = [f"{samples[word]} {word}" for word in ("silenced", "inhibited", "ignored") if samples[word]]
        if self.alive is None and not samples["alerts"]:
            quiet.append("and without `alive` nothing says that alerts arrive here at all")
        return Verdict(Answer.PASS, ", ".join([because, *quiet]), samples, link)

    def _is_silenced(self, alert: _Alert, own: Mapping[str, str], subject: Subject) -> bool:
        """By people, or by us for a host that is being upgraded: never by us for another one."""
        if not alert.silenced:
            return False
        if alert.silenced - own.keys():
            return True
        known = {
            peer.host if self.by == "host" else _placeholders.address_of(peer): peer.host
            for peer in (*subject.cohort.peers, *subject.beside.peers)
        }
        host = _readings.host_in(alert.labels.get(self.label, ""), known)
        hosts = {own[silence] for silence in alert.silenced} - {""}
        return bool(hosts) and (not host or host in hosts)


def _alerts(session: "Session", wanted: Sequence[Matcher]) -> list[_Alert]:
    states = [(state, "true") for state in ("active", "silenced", "inhibited", "unprocessed")]
    reply = session.get("/api/v2/alerts", [*states, *(("filter", str(matcher)) for matcher in wanted)])
    try:
        if not isinstance(reply.data, list):
            raise TypeError  # noqa: TRY301  one sentence for every wrong shape
        return [_alert(row) for row in reply.data]
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise Trouble(
            Answer.INCONCLUSIVE, f"{session.who}: it does not answer as Alertmanager does"
        ) from error


def _alert(row: Any) -> _Alert:
    labels = {str(name): str(value) for name, value in row["labels"].items()}
    status = row["status"]
    silenced = frozenset(str(one) for one in status["silencedBy"])
    return _Alert(
        labels, datetime.fromisoformat(row["startsAt"]).timestamp(), silenced, bool(status["inhibitedBy"])
    )


def _filter(wanted: Sequence[Matcher]) -> str:
    return "{" + ", ".join(map(str, wanted)) + "}"


def _shown(alert: _Alert) -> dict[str, Any]:
    labels = {printable(name, 80): printable(value, 120) for name, value in [*alert.labels.items()][:LABELS]}
    return {"name": alert.name, "since": alert.since, "labels": labels}


def _sentence(firing: Sequence[_Alert], label: str, now: float) -> str:
    words = []
    for alert in sorted(firing, key=lambda one: one.since)[:3]:
        about = printable(alert.labels.get(label, ""), 80)
        minutes = max(0.0, now - alert.since) / 60
        words.append(f"{alert.name}{f' of {about}' if about else ''} for {minutes:.0f} min")
    more = f" and {len(firing) - 3} more" if len(firing) > 3 else ""
    return f"{len(firing)} {'alert fires' if len(firing) == 1 else 'alerts fire'}: {', '.join(words)}{more}"
