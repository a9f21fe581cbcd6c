"""`compare:` of gates that measure: upgraded hosts beside hosts of their combo not yet upgraded, host by host.

The kind takes the subject that `among` gives, asks its server for what `over_window` says at each of the `instants`, and hands the
values of each host to `judge`.
"""

import math
import re
from dataclasses import replace
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema, model_validator

from rollout.gates import _compared, _counted
from rollout.gates._settings import Positive, Seconds, Share
from rollout.model import comparison, exposure
from rollout.model.cohort import Cohort
from rollout.model.comparison import Readings
from rollout.model.plan import DURING
from rollout.model.seams import Subject, Verdict

_LEAST = re.compile(r"(\d{1,12}(?:\.\d{1,9})?)\s?(%?)", re.ASCII)


def _amount(value: Any) -> str:
    """`10%`, or a number in the metric's unit."""
    if isinstance(value, bool) or _LEAST.fullmatch(str(value)) is None:
        raise ValueError("must be a share such as 10%, or a number in the unit of the query")
    return str(value)


Least = Annotated[
    str,
    BeforeValidator(_amount),
    WithJsonSchema({"type": ["string", "number"], "pattern": rf"^{_LEAST.pattern}$", "minimum": 0}),
]


class Comparing(BaseModel):
    """The settings of a kind that can compare; without `compare` it does not."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    compare: Literal["same combo not yet upgraded"] | None = Field(
        default=None,
        description="Compare each upgraded host's change with that of hosts of its combo that nobody has touched yet.",
        examples=["same combo not yet upgraded"],
    )
    window: Positive = Field(
        default=1800.0,
        description="How long a host is watched after its upgrade; what came before is read over as long.",
        examples=["30m"],
    )
    settle: Seconds = Field(
        default=300.0,
        description="How long a host is left to settle after it was found healthy, before it is watched.",
        examples=["5m"],
    )
    worse: Literal["higher", "lower"] = Field(
        default="higher",
        description="Whether more or less of the metric is worse.",
        examples=["higher", "lower"],
    )
    least: Least | None = Field(
        default=None,
        description="By how much worse the worst third of the upgraded hosts must be to stop: a share of what was before (10% if left out), "
        "or a number in the query's unit. With `counts`: from how many events in a window a host counts (1 if left out).",
        examples=["10%", "0.5"],
    )
    counts: bool = Field(
        default=False,
        description="The query is a counter of events (errors, failures, restarts): the hosts that show any are counted.",
        examples=[True],
    )
    false_stops: Share = Field(
        default=0.01,
        gt=0,
        le=0.2,
        description="The chance at most that a run in which nothing got worse is ever stopped by one question of this gate.",
        examples=["1%"],
    )

    @model_validator(mode="after")
    def _fits(self) -> Self:
        given = self.model_fields_set & {"window", "settle", "worse", "least", "counts", "false_stops"}
        if given and self.compare is None:
            raise ValueError(
                f"{', '.join(sorted(given))}: of use only with compare: same combo not yet upgraded"
            )
        if self.counts and self.worse == "lower":
            raise ValueError("of events, more is worse: leave out `worse`, or `counts`")
        if self.counts and self.least is not None and not self.least.isdecimal():
            raise ValueError("with `counts`, `least` is a whole number of events")
        if self.counts and self.least is not None and int(self.least) == 0:
            raise ValueError("with `counts`, `least` is 1 or more")
        return self

    def among(self, subject: Subject) -> Subject:
        """The same question, with all hosts that the answer depends on in its cohort.

        Of a wave's question those are the hosts of earlier waves, too: their evidence counts as well, so that many waves are no more
        looks than one. Of a question about some value of a factor, hosts of the combo elsewhere are controls and nothing more.
        """
        others = subject.beside.peers
        if subject.moment.startswith(DURING):
            others = tuple(replace(peer, healthy_at=0.0) for peer in others)
        return replace(subject, cohort=Cohort((*subject.cohort.peers, *others)), beside=Cohort())

    def over_window(self, query: str, step: float = 60.0) -> str:
        """The PromQL whose value at an instant is that of the window which ends then."""
        function = "increase" if self.counts else "avg_over_time"
        resolution = max(1, math.floor(min(step, self.window / 10)))
        return f"{function}(({query})[{math.ceil(self.window)}s:{resolution}s])"

    def instants(self, cohort: Cohort, now: float) -> tuple[float, ...]:
        """The moments (seconds since the epoch) at which `over_window` has to be read, oldest first; the newest is always one.

        What ended before `now` stays as it is: the answers may be kept.
        """
        full = comparison.trials(cohort, self.window, self.settle, now).full
        found = [end for trial in full if trial.own or not self.counts for end in trial.instants]
        if self.counts:
            found += exposure.ends(cohort, self.window, now)
        return tuple(sorted({*found, comparison.newest(self.window, now)}))

    def judge(self, subject: Subject, readings: Readings) -> Verdict:
        """The verdict, from what each host's metric was over the windows that end at the `instants`. NaN counts as no value.

        After a wave, every upgraded host must have been watched to the end.
        """
        rule = self._rule()
        if not any(map(comparison.is_upgraded, subject.cohort.peers)):
            return _compared.nothing_yet(rule, subject, readings)
        return (_counted.counts if self.counts else _compared.metrics)(rule, subject, readings)

    def _rule(self) -> _compared.Rule:
        amount, sign = "1" if self.counts else "10", "" if self.counts else "%"
        found = _LEAST.fullmatch(self.least) if self.least else None
        if found:
            amount, sign = found[1], found[2]
        least = float(amount) / 100 if sign else float(amount)
        return _compared.Rule(
            self.window, self.settle, self.worse == "higher", bool(sign), least, self.false_stops
        )
