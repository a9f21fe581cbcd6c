"""Random plans over random fleets in which hosts fail, controllers die and people meddle: each event is counted again by `recount`.

`make simulations` does the same for ten thousand seeds, and `make test-full` for large fleets.
"""

import collections
import os
import subprocess
import sys

import pytest

from rollout.model.event import Kind
from tests.engine import simulations
from tests.engine.ramping import carried_out
from tests.engine.ramps import drawn
from tests.engine.simulations import Broken, checked

SEEDS = 240 if os.environ.get("ROLLOUT_FULL") else 80


@pytest.mark.parametrize("first", range(0, SEEDS, 40))
def test_no_seed_breaks_a_rule(first: int) -> None:
    for seed in range(first, first + 40):
        checked(seed)


@pytest.mark.full
@pytest.mark.parametrize("seed", range(40))
def test_no_seed_breaks_a_rule_in_a_large_fleet(seed: int) -> None:
    checked(seed, (1000, 1000))


def test_what_is_drawn_is_of_every_kind() -> None:
    """Otherwise the rules hold because nothing happens."""
    kinds: collections.Counter[Kind] = collections.Counter()
    codes: collections.Counter[int] = collections.Counter()
    for seed in range(1000, 1060):
        run = carried_out(drawn(seed))
        kinds.update(event.kind for event in run.events)
        codes.update([run.stop.exit_code])
    rare = {Kind.GONE, Kind.FOUND, Kind.STAYS, Kind.STRANDED, Kind.SUSPECTED, Kind.RESTORED, Kind.ROLLBACK}
    unwritten = {Kind.ASKED, Kind.YIELDED, Kind.STILL}
    elsewhere = {
        Kind.AMENDED,
        Kind.WAIVED,
    }  # plans that change, and gates about fleets, have tests of their own
    assert set(Kind) - set(kinds) <= rare | unwritten | elsewhere | {Kind.ROLLED_BACK}
    assert {0, 3} <= set(codes)


def test_a_seed_replays_exactly_in_another_process_too() -> None:
    """No order may depend on the hashes of texts, which differ from process to process."""
    told = [
        subprocess.run(
            [sys.executable, "-m", "tests.engine.simulations", "--seeds", "6", "--digest"],
            env={"PYTHONHASHSEED": seed, "PATH": "/usr/bin:/bin"},
            check=True,
            capture_output=True,
            timeout=250,
        ).stdout
        for seed in ("1", "2")
    ]
    assert told[0] == told[1] != b""


def test_a_broken_rule_names_its_seed_and_how_to_see_it_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rollout.scheduler.room.has_time", lambda *_: True)
    said = r"seed \d+: (closed at|beyond the end).*--first \d+ --seeds 1"
    with pytest.raises(Broken, match=said):
        collections.deque(map(checked, range(60)), 0)


def test_the_machine_for_many_seeds(capsys: pytest.CaptureFixture[str]) -> None:
    assert simulations.main(["--seeds", "4", "--first", "7"]) == 0
    assert capsys.readouterr().out.startswith("4 runs")
