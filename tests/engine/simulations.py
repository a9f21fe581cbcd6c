"""Many seeds of `tests.engine.ramps`: `python -m tests.engine.simulations --seeds 10000 --jobs 2`. A seed that breaks a rule is named."""

import argparse
import hashlib
import json
import multiprocessing
import sys
import time
import traceback
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor

from rollout.model.event import Event
from tests.engine.ramping import Ramped, carried_out
from tests.engine.ramps import Drawn, drawn

SMALL = (20, 50)
TWICE = 20
"""One seed in so many is carried out twice, and must come out the same."""


class Broken(AssertionError):
    """A rule that a seed broke, and how to see it again."""


def checked(seed: int, sizes: tuple[int, int] = SMALL) -> Ramped:
    """One run in which no rule may be broken. Raises Broken."""
    try:
        fate = drawn(seed, sizes)
        partition(fate)
        before = membership(fate)
        run = carried_out(fate)
        assert membership(fate) == before, "the waves were cut anew"
        assert not run.world.overlaps, f"two steps at once: {run.world.overlaps}"
        if seed % TWICE == 0:
            assert told(carried_out(drawn(seed, sizes)).events) == told(run.events), "it does not replay"
    except Exception as error:
        where = traceback.extract_tb(error.__traceback__)[-1]
        again = f"python -m tests.engine.simulations --first {seed} --seeds 1 --hosts {sizes[0]} {sizes[1]}"
        text = f"seed {seed}: {str(error) or type(error).__name__} ({where.name}, line {where.lineno}); `{again}`"
        raise Broken(text) from error
    return run


def partition(fate: Drawn) -> None:
    """Every host of the fleet is in one wave, of the one combo that it matches, or is not touched at all."""
    graph = fate.graph
    listed = [(name, wave.combo) for wave in graph.waves.values() for name in wave.hosts]
    places = Counter(name for name, _ in listed)
    assert max(places.values(), default=1) == 1, "a host is in two waves"
    assert set(places) == set(graph.nodes), "a host is in no wave"
    untouched = [one.host for one in graph.untouched]
    everyone = Counter([*places, *untouched])
    assert everyone == Counter(host.name for host in fate.fleet.hosts), "a host was lost, or is there twice"
    factors = {host.name: host.factors for host in fate.fleet.hosts}
    for name, combo in listed:
        assert factors[name]["hardware"] == combo == graph.nodes[name].combo, (
            f"{name} is in a wave of {combo}"
        )
        assert factors[name]["os"] == "old", f"{name} is upgraded already"


def membership(fate: Drawn) -> list[tuple[str, str, str, tuple[str, ...]]]:
    """Of each host its combo, its wave and its slots."""
    return [(node.name, node.combo, node.wave, node.slots) for node in fate.graph.nodes.values()]


def told(events: Sequence[Event]) -> list[tuple[object, ...]]:
    return [(e.kind, e.host, e.step, e.attempt, e.at, e.because, dict(e.data)) for e in events]


def _tried(given: tuple[int, tuple[int, int]]) -> tuple[int, str, str]:
    """How many events a seed wrote and their digest; or what it broke."""
    try:
        events = checked(*given).events
    except Broken as broken:
        return 0, str(broken), ""
    return len(events), "", hashlib.sha256(json.dumps(told(events), default=str).encode()).hexdigest()


def main(arguments: Sequence[str] | None = None) -> int:
    """1 if any seed broke a rule."""
    parser = argparse.ArgumentParser(prog="python -m tests.engine.simulations", description=__doc__)
    parser.add_argument("--seeds", type=int, default=1000, help="how many")
    parser.add_argument("--first", type=int, default=0, help="the first of them")
    parser.add_argument("--hosts", type=int, nargs=2, default=SMALL, help="the fewest and the most")
    parser.add_argument("--jobs", type=int, default=1, help="processes")
    parser.add_argument("--digest", action="store_true", help="print a digest of each run's events")
    asked = parser.parse_args(arguments)
    began = time.monotonic()
    given = [(seed, tuple(asked.hosts)) for seed in range(asked.first, asked.first + asked.seeds)]
    if asked.jobs > 1:
        fresh = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(asked.jobs, fresh) as pool:
            results = list(pool.map(_tried, given, chunksize=25))
    else:
        results = [_tried(one) for one in given]
    broken = [why for _, why, _ in results if why]
    if asked.digest:
        print("\n".join(digest for *_, digest in results))  # noqa: T201  asked for
    else:
        took, events = time.monotonic() - began, sum(number for number, *_ in results)
        print(f"{len(given)} runs, {events} events in {took:.0f} s, {len(broken)} broke a rule")  # noqa: T201  the result
    for why in broken[:20]:
        print(why)  # noqa: T201  and what is wrong
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
