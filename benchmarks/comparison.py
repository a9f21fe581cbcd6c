"""False stops and recall of `compare:`, on imagined fleets with daily load, noise that lasts, heavy tails, gaps and level shifts.

The gate is asked again and again while the hosts of a rollout are upgraded, and stops at the first fail. `false_stops`: the share of
healthy rollouts that a gate on a metric ever stops; `false_stops_counts`: one on a counter of events; `false_stops_run`: rollouts with
four such metrics and a counter. `recall_Q_EFFECT`: the share of rollouts stopped in which an upgrade harms the share Q of the hosts;
`upgraded_Q_EFFECT`: how many hosts the median rollout had upgraded by then; fleets have 180 hosts, and 60 in the figures that end with
`small`, in which there are not always enough hosts to tell. `precision`: of all stops, those of a harmful upgrade, where one upgrade in ten is
harmful; `unclear`: healthy rollouts whose last answer is neither pass nor fail.

`kayenta`: the share of the same healthy rollouts in which Kayenta's judge, asked once, six hours after the third canary of a combo,
finds the canaries higher than the untouched hosts; `kayenta_scaled`: the same, with each host's values divided by what they were before.
"""

import math
import os
import random
import sys
from collections.abc import Mapping
from concurrent.futures import ProcessPoolExecutor
from typing import Any, NamedTuple

from benchmarks import conclude, kayenta, quick
from benchmarks.series import STEP, Fleet, World, a_fleet
from rollout.gates._comparison import Comparing
from rollout.model import comparison as model
from rollout.model import exposure, ranks
from rollout.model.seams import Answer, Subject, Verdict

WINDOW = 1800.0
METRICS, COUNTERS, PLANTED, JUDGED = (40, 20, 4, 20) if quick() else (1000, 250, 20, 200)
LARGE, SMALL = 180, 60
"""Hosts of a fleet with a harmful upgrade."""

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
ENOUGH = 100.0
"""An e-value from which the gate might stop, and is asked."""


class Told(NamedTuple):
    """How a rollout came out: the verdict that stopped it, or the last one, and the hosts upgraded by then."""

    verdict: Verdict
    upgraded: int

    @property
    def stopped(self) -> bool:
        return self.verdict.value is Answer.FAIL


def rolled_out(world: World) -> Told:
    """As if asked each time that a window ends, until it fails.

    The past stays as it is, so one look at the end tells when there was enough evidence; only then is the gate itself asked, with
    what was known at the time. A test asks at every moment, and finds the same.
    """
    fleet = a_fleet(world)
    gate = a_gate(world)
    enough = (_when_counted if world.counter else _when_ranked)(fleet, gate)
    for now in enough:
        told = asked(fleet, gate, now)
        if told.stopped:
            return told
    return asked(fleet, gate, fleet.end)


def a_gate(world: World) -> Comparing:
    return Comparing(compare="same combo not yet upgraded", counts=world.counter)


def asked(fleet: Fleet, gate: Comparing, now: float) -> Told:
    """One question, of what is known then."""
    cohort = fleet.cohort(now)
    subject = Subject("", "", {}, {}, connect=_nobody, now=now, cohort=cohort, moment="during")
    verdict = gate.judge(subject, fleet.readings(gate.instants(cohort, now), WINDOW))
    return Told(verdict, len(cohort.at("upgraded")))


def _when_ranked(fleet: Fleet, gate: Comparing) -> list[float]:
    full = model.trials(fleet.cohort(fleet.end), WINDOW, gate.settle, fleet.end).full
    readings = fleet.readings(sorted({end for trial in full for end in trial.instants}), WINDOW)
    found: list[float] = []
    known: list[ranks.Rank] = []
    for number, trial in enumerate(full):
        one = model.compare([trial], readings, higher=True, relative=True)
        known += one.ranks
        own = 0.0
        if trial.own:
            all_own = [each for each in full[: number + 1] if each.own]
            own = ranks.e_value(model.compare(all_own, readings, higher=True, relative=True).own_ranks)
        last = number + 1 == len(full) or full[number + 1].after > trial.after
        if last and (ranks.e_value(known) >= ENOUGH or own >= ENOUGH):
            found.append(trial.after + model.LAG)
    return found


def _when_counted(fleet: Fleet, gate: Comparing) -> list[float]:
    """And the moments at which hosts that are compared with themselves are known."""
    cohort = fleet.cohort(fleet.end)
    ends = exposure.ends(cohort, WINDOW, fleet.end)
    readings = fleet.readings(ends, WINDOW)
    found: list[float] = []
    for end in ends:
        counted = exposure.count(cohort, readings, WINDOW, gate.settle, end + model.LAG, 1.0)
        if counted.fired and counted.e_value >= ENOUGH:
            found.append(end + model.LAG)
    trials = model.trials(cohort, WINDOW, gate.settle, fleet.end).full
    return sorted({*found, *(trial.after + model.LAG for trial in trials if trial.own)})


def _nobody() -> Any:
    raise NotImplementedError("no host is asked")


def judged_by_kayenta(fleet: Fleet, *, scaled: bool) -> bool:
    """Six hours of the first three canaries of a combo beside its hosts that are untouched until then."""
    combo = [peer for peer in fleet.peers if peer.combo == fleet.peers[0].combo]
    canaries = combo[:3]
    begin = math.ceil(max(peer.healthy_at for peer in canaries) / STEP) * STEP
    end = begin + 6 * 3600
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


def main() -> int:
    """Measure and print."""
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        metrics = list(pool.map(rolled_out, [a_world(seed) for seed in range(1, METRICS + 1)], chunksize=4))
        counted = [a_world(seed, counter=True) for seed in range(1, COUNTERS + 1)]
        counters = list(pool.map(rolled_out, counted, chunksize=4))
        kayentas = list(pool.map(_kayenta, range(1, JUDGED + 1), chunksize=4))
        planted = {
            (share, effect, size): list(
                pool.map(rolled_out, [_harmful(seed, size, share, what) for seed in range(PLANTED)])
            )
            for size in (LARGE, SMALL)
            for share in SHARES
            for effect, what in EFFECTS.items()
        }
    for seed, told in enumerate(metrics + counters):
        if told.stopped:
            print(seed + 1, told.verdict.because, file=sys.stderr)
    stops = [told.stopped for told in metrics]
    runs = [
        any(stops[GATES * number : GATES * (number + 1)]) or told.stopped
        for number, told in enumerate(counters[: METRICS // GATES])
    ]
    figures: dict[str, float] = {
        "rollouts": METRICS,
        "false_stops": _share(stops),
        "false_stops_counts": _share([told.stopped for told in counters]),
        "false_stops_run": _share(runs),
        "unclear": _share(
            [told.verdict.value not in {Answer.PASS, Answer.FAIL} for told in metrics + counters]
        ),
        "kayenta": _share([raw for raw, _ in kayentas]),
        "kayenta_scaled": _share([scaled for _, scaled in kayentas]),
    }
    goals = {"false_stops": "<= 0.01", "false_stops_counts": "<= 0.01", "false_stops_run": "<= 0.05"}
    caught: list[bool] = []
    for (share, effect, size), rollouts in planted.items():
        name = f"{share:g}_{effect}" + ("_small" if size == SMALL else "")
        figures[f"recall_{name}"] = _share([told.stopped for told in rollouts])
        figures[f"upgraded_{name}"] = _middle([told.upgraded for told in rollouts if told.stopped])
        if share >= 0.3 and size == LARGE:
            goals[f"recall_{name}"] = ">= 1.0"
            caught += [told.stopped for told in rollouts]
    right, wrong = HARMFUL * _share(caught), (1 - HARMFUL) * _share(stops)
    figures["precision"] = right / (right + wrong) if right + wrong else 0.0
    goals["precision"] = ">= 0.95"
    return conclude("comparison", figures, goals)


def _harmful(seed: int, size: int, share: float, what: Mapping[str, Any]) -> World:
    return a_world(9000 + seed, hosts=size, share=share, **what)


def _kayenta(seed: int) -> tuple[bool, bool]:
    fleet = a_fleet(a_world(seed))
    return judged_by_kayenta(fleet, scaled=False), judged_by_kayenta(fleet, scaled=True)


def _share(hits: list[bool]) -> float:
    return sum(hits) / len(hits) if hits else 0.0


def _middle(values: list[int]) -> float:
    return float(sorted(values)[len(values) // 2]) if values else 0.0


if __name__ == "__main__":
    sys.exit(main())
