"""False stops and recall of `compare:`, on imagined fleets with daily load, noise that lasts, heavy tails, gaps and level shifts.

The gate is asked again and again while the hosts of a rollout are upgraded, and stops at the first fail. `false_stops`: the share of
healthy rollouts that a gate on a metric ever stops; `false_stops_counts`: one on a counter of events; `false_stops_run`: rollouts with
four such metrics and a counter. `recall_Q_EFFECT`: the share of rollouts stopped in which an upgrade harms the share Q of the hosts;
`upgraded_Q_EFFECT`: how many hosts the median rollout had upgraded by then. `precision`: of all stops, those of a harmful upgrade, where
one upgrade in ten is harmful; `unclear`: healthy asks that were answered neither pass nor fail.

`kayenta`: the share of the same healthy rollouts in which Kayenta's judge, asked once, three hours after the third canary of a combo,
finds the canaries higher than the untouched hosts; `kayenta_scaled`: the same, with each host's values divided by what they were before.
"""

import math
import random
import sys
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from benchmarks import conclude, kayenta, quick
from benchmarks.series import STEP, Fleet, World, a_fleet
from rollout.gates._comparison import Comparing
from rollout.model.seams import Answer, Subject, Verdict

WINDOW = 1800.0
METRICS, COUNTERS, PLANTED = (40, 20, 4) if quick() else (1000, 500, 40)
GATES = 4
"""Metrics of a run, which has one counter beside them."""

SHARES = (0.1, 0.3, 0.5, 1.0)
EFFECTS: Mapping[str, Mapping[str, Any]] = {
    "twice": {"times": 2.0},
    "sigma3": {"times": 1.24},
    "events": {"counter": True, "bursts": 2.0},
}
"""Twice as high; higher by three standard deviations of a host's noise; two bursts of events an hour."""

HARMFUL = 0.1


class Told(NamedTuple):
    """How a rollout came out: the last verdict, the hosts upgraded by then, and how many answers were neither pass nor fail."""

    verdict: Verdict
    upgraded: int
    asked: int
    unclear: int

    @property
    def stopped(self) -> bool:
        return self.verdict.value is Answer.FAIL


def rolled_out(world: World, every: float = 3 * WINDOW / 2) -> Told:
    """Ask every so many seconds until it fails, or until all is over."""
    fleet = a_fleet(world)
    gate = Comparing(compare="same combo not yet upgraded", counts=world.counter)
    now, asked, unclear = fleet.begin, 0, 0
    while True:
        cohort = fleet.cohort(now)
        subject = Subject("", "", {}, {}, connect=_nobody, now=now, cohort=cohort, moment="during")
        verdict = gate.judge(subject, fleet.readings(gate.instants(cohort, now), WINDOW))
        asked += 1
        unclear += verdict.value in {Answer.INCONCLUSIVE, Answer.ERROR}
        if verdict.value is Answer.FAIL or now >= fleet.end:
            return Told(verdict, len(cohort.at("upgraded")), asked, unclear)
        now += every


def _nobody() -> Any:
    raise NotImplementedError("no host is asked")


def judged_by_kayenta(fleet: Fleet, *, scaled: bool) -> bool:
    """Three hours of the first three canaries of a combo beside its hosts that are untouched until then."""
    combo = [peer for peer in fleet.peers if peer.combo == fleet.peers[0].combo]
    canaries = combo[:3]
    begin = math.ceil(max(peer.healthy_at for peer in canaries) / STEP) * STEP
    end = begin + 3 * 3600
    before = math.floor(canaries[0].disrupted_at / STEP) * STEP
    baseline = [peer for peer in combo if peer.disrupted_at > end]
    if not baseline:
        return False

    def points(hosts: list[str]) -> list[float]:
        series = []
        for host in hosts:
            scale = _mean(fleet.samples(host, before - 3600, before)) if scaled else 1.0
            series.append([value / scale for value in fleet.samples(host, begin, end)])
        return [_mean(list(values)) for values in zip(*series, strict=True)]

    return kayenta.fails(points([peer.host for peer in canaries]), points([peer.host for peer in baseline]))


def _mean(values: list[float]) -> float:
    known = [value for value in values if not math.isnan(value)]
    return math.fsum(known) / len(known) if known else math.nan


def a_world(seed: int, **more: Any) -> World:
    """One of many fleets: 60 to 120 hosts of one to three combos, 2 to 6 at once."""
    rng = random.Random(f"world/{seed}")
    traits = {
        "hosts": rng.choice((60, 90, 120)),
        "combos": rng.choice((1, 2, 3)),
        "at_once": rng.choice((2, 3, 4, 6)),
    }
    return World(seed, **{**traits, **more})


def healthy(
    count: int, first: int, progress: Callable[[str], None] = lambda _: None, **more: Any
) -> list[Told]:
    """So many rollouts in which nothing gets worse."""
    found = []
    for seed in range(first, first + count):
        found.append(rolled_out(a_world(seed, **more)))
        if found[-1].stopped:
            progress(f"{seed} {more}: {found[-1].verdict.because}")
    return found


def main() -> int:
    """Measure and print."""
    metrics = healthy(METRICS, 1, _say)
    counters = healthy(COUNTERS, 1, _say, counter=True)
    stops = [told.stopped for told in metrics]
    runs = [
        any(stops[GATES * number : GATES * (number + 1)]) or told.stopped
        for number, told in enumerate(counters[: METRICS // GATES])
    ]
    asked = sum(told.asked for told in metrics + counters)
    figures: dict[str, float] = {
        "rollouts": METRICS,
        "false_stops": _share(stops),
        "false_stops_counts": _share([told.stopped for told in counters]),
        "false_stops_run": _share(runs),
        "unclear": sum(told.unclear for told in metrics + counters) / asked,
    }
    fleets = [a_fleet(a_world(seed)) for seed in range(1, METRICS + 1)]
    figures["kayenta"] = _share([judged_by_kayenta(fleet, scaled=False) for fleet in fleets])
    figures["kayenta_scaled"] = _share([judged_by_kayenta(fleet, scaled=True) for fleet in fleets])
    goals = {"false_stops": "<= 0.01", "false_stops_counts": "<= 0.01", "false_stops_run": "<= 0.05"}
    caught: list[bool] = []
    for share in SHARES:
        for effect, what in EFFECTS.items():
            runs_of = [rolled_out(a_world(9000 + seed, share=share, **what)) for seed in range(PLANTED)]
            name = f"{share:g}_{effect}"
            figures[f"recall_{name}"] = _share([told.stopped for told in runs_of])
            figures[f"upgraded_{name}"] = _middle([told.upgraded for told in runs_of if told.stopped])
            if share >= 0.3:
                goals[f"recall_{name}"] = ">= 1.0"
                caught += [told.stopped for told in runs_of]
    right, wrong = HARMFUL * _share(caught), (1 - HARMFUL) * _share(stops)
    figures["precision"] = right / (right + wrong) if right + wrong else 0.0
    goals["precision"] = ">= 0.95"
    return conclude("comparison", figures, goals)


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _share(hits: list[bool]) -> float:
    return sum(hits) / len(hits) if hits else 0.0


def _middle(values: list[int]) -> float:
    return float(sorted(values)[len(values) // 2]) if values else 0.0


if __name__ == "__main__":
    sys.exit(main())
