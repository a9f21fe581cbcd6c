"""Whether numbers in Prometheus are as they should be: a query, and the thresholds that its values are held against.

Thanos, Mimir and VictoriaMetrics answer in the same way.
"""

import statistics
import time
from collections.abc import Collection, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from rollout.gates import FleetGate, _placeholders, _promql, _readings, _server
from rollout.gates._comparison import Comparing
from rollout.gates._promql import Found, Series
from rollout.gates._server import Access, Url
from rollout.gates._settings import Positive
from rollout.gates._threshold import Held, Threshold, Thresholds
from rollout.gates._trouble import Trouble
from rollout.model.seams import Answer, Subject, Verdict
from rollout.ssh.printable import printable

if TYPE_CHECKING:
    from rollout.gates._http import Session

NAMED = 10
"""How many values a verdict keeps with their labels."""

MOST_POINTS = 1000
LONGEST_QUERY = 600
LONGEST_LINK = 4000
OF_LINK = ("from", "to", "query")
LOOKED_BACK = 3600.0
"""Seconds that the link of an instant query shows."""

Reduce = Literal["each", "max", "min", "avg", "last"]


class Kind(Access, Comparing, FleetGate):
    """A query is PromQL with placeholders between quotes.

    They are `{{ host }}`, `{{ address }}`, `{{ combo }}`, `{{ FACTOR }}`, and behind `=~` the hosts that are `{{ upgraded }}`,
    `{{ disrupted }}` or `{{ untouched }}`.
    Samples: `query` as it was sent, `from`, `to`, `value` (the worst), its `series`, `found` (how many series), `values` (the worst few
    by their labels) and `hosts` (the same by host).
    """

    url: Url = Field(
        description="Where Prometheus is.", examples=["http://prometheus:9090", "https://mimir/prometheus"]
    )
    query: str = Field(
        min_length=1,
        description="PromQL; placeholders such as {{ host }} or {{ site }} stand between quotes.",
        examples=['rate(node_network_receive_errs_total{instance=~"{{ address }}:.*"}[5m])'],
    )
    fail: Threshold | None = Field(
        default=None, description="Any value that is so fails.", examples=["> 0.01"]
    )
    pass_: Threshold | None = Field(
        default=None,
        alias="pass",
        description="Every value has to be so; with `fail`, what is between the two is inconclusive.",
        examples=["< 0.005"],
    )
    range_: Positive | None = Field(
        default=None,
        alias="range",
        description="Evaluate it over this time up to now, instead of now alone.",
        examples=["10m"],
    )
    step: Positive | None = Field(
        default=None, description="How far apart the points of `range` are; a sixtieth of it by default."
    )
    reduce: Reduce = Field(
        default="each",
        description="What of a series' points is held against the thresholds: each of them, or one number.",
    )
    empty: Literal["inconclusive", "fail", "pass"] = Field(
        default="inconclusive",
        description="What no series at all means. Pass only if the query selects what is wrong, as `up == 0` does.",
    )
    fresh: Positive = Field(
        default=300.0,
        description="How old the last point may be, and how far the server's clock from ours.",
        examples=["5m"],
    )
    label: str = Field(
        default="instance", min_length=1, description="The label that says which host a series is about."
    )
    match: Literal["host", "address"] = Field(
        default="host",
        description="Whether that label holds the host's name in the inventory or its address; a port behind it does not matter.",
    )
    link: str | None = Field(
        default=None,
        description="Where a person looks; {{ from }} and {{ to }} in milliseconds, {{ query }}, {{ host }} and the others.",
        examples=["https://grafana/d/hosts?var-host={{ host }}&from={{ from }}&to={{ to }}"],
    )

    @field_validator("query")
    @classmethod
    def _safe(cls, query: str) -> str:
        return _placeholders.checked_query(query)

    @field_validator("link")
    @classmethod
    def _no_script(cls, link: str | None) -> str | None:
        if link is not None and not link.startswith(("http://", "https://")):
            raise ValueError("must begin with http:// or https://")
        return None if link is None else _placeholders.checked_holes(link)

    @model_validator(mode="after")
    def _decides(self) -> Self:
        if not self._measures and self.compare is None:
            raise ValueError("needs `fail`, `pass` or both, what its values are held against, or `compare`")
        if not self._measures and (self.range_ is not None or "empty" in self.model_fields_set):
            raise ValueError("range and empty are of use only with `fail` or `pass`")
        if self.range_ is None and (self.step is not None or self.reduce != "each"):
            raise ValueError("step and reduce are of use only with range")
        if self.range_ is not None and self.range_ / self._step(self.range_) > MOST_POINTS:
            raise ValueError(f"range and step ask for more than {MOST_POINTS} points of each series")
        return self

    def asks_per_host(self) -> bool:
        """The query names the host."""
        return any(name in _placeholders.OF_HOST for name in _placeholders.names(self.query))

    def objections(self, when: str, per: str, factors: Collection[str]) -> Iterator[tuple[str, str]]:  # noqa: ARG002  any moment will do
        """Placeholders that have no value at this moment."""
        if self.compare is not None and self.asks_per_host():
            yield (
                "query",
                "`compare` needs a series for each host of the combo: leave {{ host }} and {{ address }} out",
            )
        for key, text in (("query", self.query), ("link", self.link or "")):
            for name in _placeholders.names(text):
                wrong = _placeholders.objection(name, per, factors)
                if wrong and not (key == "link" and name in OF_LINK):
                    yield key, wrong

    def check(self, subject: Subject) -> Verdict:
        """What is empty, partial, stale or no number is never a pass."""
        samples: dict[str, Any] = {}
        try:
            names = _placeholders.names(self.query)
            values = _placeholders.values_of(subject, names, self.match == "address")
            nothing = _placeholders.nobody(values, subject)
            if nothing is not None:
                return nothing
            query = _placeholders.query_of(self.query, values)
            samples = {"query": printable(query, LONGEST_QUERY)}
            with _server.session(self.url, self, subject.timeout) as session:
                return self._answered(session, query, subject, samples)
        except Trouble as trouble:
            return trouble.verdict(samples)

    @property
    def _measures(self) -> bool:
        return self.fail is not None or self.pass_ is not None

    def _answered(
        self, session: "Session", query: str, subject: Subject, samples: Mapping[str, Any]
    ) -> Verdict:
        """The thresholds first: what they do not pass needs no comparison."""
        verdict = self._measured(session, query, subject, samples) if self._measures else None
        if self.compare is None or (verdict is not None and verdict.value is not Answer.PASS):
            return verdict or Verdict(Answer.ERROR, "it has neither thresholds nor a comparison")
        return self._compared(session, query, subject, samples)

    def _measured(
        self, session: "Session", query: str, subject: Subject, samples: Mapping[str, Any]
    ) -> Verdict:
        now = subject.now or time.time()
        begin = now - (self.range_ or 0.0)
        link = self._link(query, begin, now, subject)
        if self.range_ is None:
            found = _promql.instant(session, query)
        else:
            found = _promql.window(session, query, begin, now, self._step(self.range_))
        return self._judged(found, subject, now, {**samples, "from": begin, "to": now}, link)

    def _compared(
        self, session: "Session", query: str, subject: Subject, samples: Mapping[str, Any]
    ) -> Verdict:
        now = subject.now or time.time()
        subject = self.among(subject)
        instants = self.instants(subject.cohort, now)
        asked = self.over_window(query)
        readings = _readings.read(session, asked, instants, self.label, hosts_of(subject, self.match))
        verdict = self.judge(subject, readings)
        end = verdict.samples.get("to", now)
        begin = verdict.samples.get("from", end - self.window)
        link = self._link(query, begin, end, subject)
        return Verdict(
            verdict.value,
            verdict.because,
            {**samples, "query": printable(asked, LONGEST_QUERY), **verdict.samples},
            link,
        )

    def _step(self, seconds: float) -> float:
        return self.step or max(1.0, seconds / 60)

    def _judged(
        self, found: Found, subject: Subject, now: float, samples: dict[str, Any], link: str
    ) -> Verdict:
        limits = Thresholds(self.fail or "", self.pass_ or "")
        held = limits.worst_first(
            [
                Held(value, limits.of(value), series)
                for series in found.series
                for value in self._reduced(series)
            ]
        )
        samples |= {"found": len(found.series), **self._kept(held, subject)}
        doubt = next(_promql.doubts(found, now, self.fresh), "") or self._silent(found, subject, now)
        if held and held[0].answer is Answer.FAIL:
            return Verdict(Answer.FAIL, _sentence(held, limits), samples, link)
        if doubt:
            return Verdict(Answer.INCONCLUSIVE, doubt, samples, link)
        if not held:
            because = "the query found no series" + (
                "" if self.empty == "inconclusive" else f", which means {self.empty}"
            )
            return Verdict(Answer(self.empty), because, samples, link)
        return Verdict(held[0].answer, _sentence(held, limits), samples, link)

    def _silent(self, found: Found, subject: Subject, now: float) -> str:
        """Upgraded hosts that the query is about and says nothing of, if it tells hosts apart and shows more than what is wrong."""
        if self.empty == "pass" or "upgraded" not in _placeholders.names(self.query):
            return ""
        known = hosts_of(subject, self.match)
        told = {_readings.host_in(series.labels.get(self.label, ""), known) for series in found.series} - {""}
        due = [peer.host for peer in subject.cohort.at("upgraded") if peer.healthy_at <= now - self.fresh]
        silent = [host for host in due if host not in told] if told else []
        if not silent:
            return ""
        more = f" and {len(silent) - 3} more" if len(silent) > 3 else ""
        named = ", ".join(printable(host, 80) for host in silent[:3])
        return f"no series is about {named}{more}, upgraded for longer than {self.fresh:g} s"

    def _reduced(self, series: Series) -> list[float]:
        numbers = [value for _, value in series.points]
        if not numbers or self.reduce == "each":
            return numbers
        if self.reduce == "last":
            return numbers[-1:]
        if self.reduce == "avg":
            return [statistics.fmean(numbers)]
        return [max(numbers) if self.reduce == "max" else min(numbers)]

    def _kept(self, held: list[Held], subject: Subject) -> dict[str, Any]:
        """The worst of it, as JSON has numbers."""
        if not held:
            return {}
        by_series: dict[int, Held] = {}
        for one in held:
            by_series.setdefault(id(one.series), one)
        worst = [(one.series, _promql.thinned([one.value])[0]) for one in by_series.values()][:NAMED]
        kept: dict[str, Any] = {"values": {series.called: value for series, value in worst}}
        kept["value"] = worst[0][1]
        known = hosts_of(subject, self.match)
        labels = [
            (_readings.host_in(series.labels.get(self.label, ""), known), value) for series, value in worst
        ]
        hosts: dict[str, Any] = {}
        for host, value in labels:
            if host:
                hosts.setdefault(host, value)
        points = held[0].series.points
        series = {"series": _promql.thinned([value for _, value in points])} if len(points) > 1 else {}
        return {**kept, **series, **({"hosts": hosts} if hosts else {})}

    def _link(self, query: str, begin: float, now: float, subject: Subject) -> str:
        if self.link is None:
            found = _promql.graph_link(self.url, query, now, now - begin or LOOKED_BACK)
        else:
            names = [name for name in _placeholders.names(self.link) if name not in OF_LINK]
            values = _placeholders.values_of(subject, names, self.match == "address")
            texts = {
                name: "|".join(value) if isinstance(value, tuple) else value for name, value in values.items()
            }
            begin = begin if begin < now else now - LOOKED_BACK
            times = {"from": f"{begin * 1000:.0f}", "to": f"{now * 1000:.0f}"}
            found = _placeholders.in_link(self.link, {**texts, **times, "query": query})
        return found if len(found) <= LONGEST_LINK else ""


def _sentence(held: list[Held], limits: Thresholds) -> str:
    worst = held[0]
    same = sum(one.answer is worst.answer for one in held)
    worst_is = f"{worst.value:.6g} of {worst.series.called}"
    if worst.answer is Answer.PASS:
        values = "1 value" if same == 1 else f"{same} values"
        all_are = f"all are {limits.passes}" if limits.passes else f"none is {limits.fails}"
        return f"{values}, the worst {worst_is}: {all_are}"
    among = f" ({same} of {len(held)} values)"
    if worst.answer is Answer.FAIL:
        return f"{worst_is} is {limits.fails or f'not {limits.passes}'}{among}"
    return f"{worst_is} is neither {limits.fails} nor {limits.passes}{among}"


def hosts_of(subject: Subject, match: Literal["host", "address"]) -> dict[str, str]:
    """What a label may hold for a host -> the host."""
    peers = subject.cohort.peers
    return {peer.host if match == "host" else _placeholders.address_of(peer): peer.host for peer in peers}
