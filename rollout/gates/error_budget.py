"""Whether a service burns its error budget too fast, over two windows at a time, and how much of it the run may use.

The pairs of windows and their burn rates are those of the SRE Workbook (chapter 5): 14.4 times over 1h and 5m, 6 times over 6h and 30m,
once over 3d and 6h. A rate counts as too high only when both windows of a pair are over it.
"""

import math
import time
from collections.abc import Collection, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Self

from pydantic import Field, field_validator, model_validator

from rollout.gates import FleetGate, _placeholders, _promql, _readings, _server
from rollout.gates._promql import Found
from rollout.gates._server import Access, Url
from rollout.gates._settings import Positive, Share
from rollout.gates._trouble import Trouble
from rollout.model.seams import Answer, Subject, Verdict
from rollout.ssh.printable import printable

if TYPE_CHECKING:
    from rollout.gates._http import Session

PAIRS = ((14.4, "1h", "5m"), (6.0, "6h", "30m"), (1.0, "3d", "6h"))
"""The burn rate that is too high, and the windows that must both be over it."""

WINDOW = "window"
SHORTEST = 300.0
"""Seconds of the shortest window that is asked for: a rate over less is mostly chance."""

DAY = 86400.0


class Kind(Access, FleetGate):
    """`ratio`, or `errors` over `total`, is the share of events that went wrong in `{{ window }}`: one number, not a series for each host.

    Samples: `burn` by window (1 uses the budget up in just the period), `value` (the highest of the shortest windows), and with `slice`
    what `remained` of the budget when the run began, what the run has `used` and what it is `allowed`, all as shares of the period's budget.
    """

    url: Url = Field(description="Where Prometheus is.", examples=["http://prometheus:9090"])
    objective: Share = Field(
        gt=0, lt=1, description="The share of events that are to go well.", examples=["99.9%"]
    )
    errors: str | None = Field(
        default=None,
        description="PromQL for how many events went wrong in {{ window }}.",
        examples=['sum(rate(http_requests_total{code=~"5..", site="{{ site }}"}[{{ window }}]))'],
    )
    total: str | None = Field(
        default=None,
        description="PromQL for how many events there were.",
        examples=['sum(rate(http_requests_total{site="{{ site }}"}[{{ window }}]))'],
    )
    ratio: str | None = Field(
        default=None,
        description="PromQL for the share that went wrong, instead of `errors` and `total`.",
        examples=["1 - avg_over_time(probe:success:ratio[{{ window }}])"],
    )
    period: Positive = Field(
        default=30 * DAY, description="How long the budget is for.", examples=["30d", "28d"]
    )
    slice: Share | None = Field(
        default=None,
        gt=0,
        description="The share of what remained of the period's budget when the run began that may be used while it runs.",
        examples=["10%"],
    )
    fresh: Positive = Field(
        default=300.0, description="How far the server's clock may be from ours.", examples=["5m"]
    )

    @field_validator("errors", "total", "ratio")
    @classmethod
    def _safe(cls, query: str | None) -> str | None:
        if query is not None and WINDOW not in _placeholders.names(query):
            raise ValueError(f"needs {{{{ {WINDOW} }}}}, as in rate(x[{{{{ {WINDOW} }}}}])")
        return None if query is None else _placeholders.checked_query(query, (WINDOW,))

    @model_validator(mode="after")
    def _has_one(self) -> Self:
        both = self.errors is not None and self.total is not None
        if both == (self.ratio is not None) or (self.errors is None) != (self.total is None):
            raise ValueError("needs `errors` and `total`, or `ratio`")
        return self

    @property
    def _query(self) -> str:
        return self.ratio or f"({self.errors}) / ({self.total})"

    def asks_per_host(self) -> bool:
        """The query names the host."""
        return any(name in _placeholders.OF_HOST for name in _placeholders.names(self._query))

    def objections(self, when: str, per: str, factors: Collection[str]) -> Iterator[tuple[str, str]]:  # noqa: ARG002  any moment will do
        """Placeholders that have no value at this moment."""
        for key in ("errors", "total", "ratio"):
            for name in _placeholders.names(getattr(self, key) or ""):
                wrong = "" if name == WINDOW else _placeholders.objection(name, per, factors)
                if wrong:
                    yield key, wrong

    def check(self, subject: Subject) -> Verdict:
        """A window without a number is never a pass."""
        samples: dict[str, Any] = {}
        try:
            names = [name for name in _placeholders.names(self._query) if name != WINDOW]
            values = _placeholders.values_of(subject, names)
            nothing = _placeholders.nobody(values, subject)
            if nothing is not None:
                return nothing
            now = subject.now or time.time()
            shortest = self._over(PAIRS[0][2], values)
            samples = {"query": printable(shortest, 600), "from": now - 3 * DAY, "to": now}
            link = _promql.graph_link(self.url, self._over(PAIRS[0][1], values), now, 3 * DAY)
            with _server.session(self.url, self, subject.timeout) as session:
                asked = {window: None for _, *pair in PAIRS for window in pair}
                burn = {window: self._burn(session, values, window, now) for window in asked}
                samples |= {
                    "burn": {window: _rounded(rate) for window, rate in burn.items()},
                    "value": _rounded(burn[PAIRS[0][2]]),
                }
                fast = _too_fast(burn)
                if fast:
                    return Verdict(Answer.FAIL, fast, samples, link)
                return self._of_the_run(session, values, subject, now, samples, link)
        except Trouble as trouble:
            return trouble.verdict(samples)

    def _of_the_run(
        self,
        session: "Session",
        values: Mapping[str, Any],
        subject: Subject,
        now: float,
        samples: dict[str, Any],
        link: str,
    ) -> Verdict:
        """What the run may use of what remained when it began."""
        rates = ", ".join(f"{rate:.3g} over {window}" for window, rate in samples["burn"].items())
        calm = f"the budget of {self._called} burns at {rates}"
        if self.slice is None:
            return Verdict(Answer.PASS, calm, samples, link)
        if not subject.run_began:
            because = "when the run began is not known, and so not what it may use of the budget"
            return Verdict(Answer.INCONCLUSIVE, because, samples, link)
        remained = 1 - self._consumed(session, values, subject.run_began)
        since = max(0.0, now - subject.run_began)
        rate = self._burn(session, values, f"{math.ceil(max(since, SHORTEST))}s", now)
        used, allowed = rate * since / self.period, self.slice * max(0.0, remained)
        samples |= {"remained": _rounded(remained), "used": _rounded(used), "allowed": _rounded(allowed)}
        if remained <= 0:
            because = (
                f"the budget of {self._called} was used up before the run began: {1 - remained:.0%} of it"
            )
            return Verdict(Answer.FAIL, because, samples, link)
        told = f"the run has used {used:.2%} of the budget of {self._called}, and may use {allowed:.2%}: {self.slice:.3g} of what remained"
        if used > allowed:
            return Verdict(Answer.FAIL, told, samples, link)
        return Verdict(Answer.PASS, f"{calm}; {told}", samples, link)

    @property
    def _called(self) -> str:
        return f"{self.period / DAY:.3g} days at {self.objective * 100:.6g}%"

    def _over(self, window: str, values: Mapping[str, Any]) -> str:
        return _placeholders.query_of(self._query, {**values, WINDOW: window})

    def _burn(self, session: "Session", values: Mapping[str, Any], window: str, now: float) -> float:
        """How many times too fast: 1 uses the budget up in just the period."""
        found = _promql.instant(session, self._over(window, values))
        doubt = next(_promql.doubts(found, now, self.fresh), "")
        if doubt:
            raise Trouble(Answer.INCONCLUSIVE, f"over {window}: {doubt}")
        return _share(found, window) / (1 - self.objective)

    def _consumed(self, session: "Session", values: Mapping[str, Any], at: float) -> float:
        """The share of the period's budget that was used at that time."""
        window = f"{math.ceil(self.period)}s"
        query = self._over(window, values)

        def read() -> dict[str, float]:
            found = _promql.instant(session, query, at)
            if found.warnings:
                raise Trouble(Answer.INCONCLUSIVE, f"over the period: {found.warnings[0]}")
            return {"": _share(found, "the period")}

        return _readings.once(session, query, at, read)[""] / (1 - self.objective)


def _share(found: Found, window: str) -> float:
    """The one number of an answer. Raises Trouble."""
    if not found.series:
        raise Trouble(Answer.INCONCLUSIVE, f"over {window}: the query found no series")
    if len(found.series) > 1 or len(found.series[0].points) != 1:
        raise Trouble(
            Answer.ERROR,
            f"over {window}: the query gives {len(found.series)} series: let it sum up to one number",
        )
    value = found.series[0].points[0][1]
    if not math.isfinite(value) or not -1e-9 <= value <= 1 + 1e-9:
        raise Trouble(Answer.INCONCLUSIVE, f"over {window}: {value:.6g} is no share of events")
    return max(0.0, value)


def _too_fast(burn: Mapping[str, float]) -> str:
    for most, long, short in PAIRS:
        if burn[long] > most and burn[short] > most:
            return f"the budget burns {burn[long]:.3g} times too fast over {long} and {burn[short]:.3g} times over {short}; {most:g} is the most"
    return ""


def _rounded(value: float) -> float:
    return float(f"{value:.4g}")
