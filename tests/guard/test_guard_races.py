"""Never twice: racing starts, and deaths at every point of a start."""

import random
import subprocess
from collections import Counter
from pathlib import Path

import pytest

from tests.guard.guarded import UNKNOWN, Guarded


def race(guard: Guarded, ids: int, starts: int, at_once: int) -> None:
    """Each id is asked for `starts` times, in any order, `at_once` callers at a time."""
    asked = [f"id{number}" for number in range(ids)] * starts
    random.shuffle(asked)
    codes: Counter[int] = Counter()
    while asked:
        batch, asked = asked[:at_once], asked[at_once:]
        callers = [
            subprocess.Popen(
                guard.words("run", "--name", name, "--try", "1", "--", *guard.effect(name)),
                stdout=subprocess.DEVNULL,
            )
            for name in batch
        ]
        codes.update(caller.wait(120) for caller in callers)

    assert codes == {0: ids * starts}
    assert [guard.effects(f"id{number}") for number in range(ids)] == [1] * ids


def test_racing_starts_have_one_effect_each(guard: Guarded) -> None:
    race(guard, ids=4, starts=15, at_once=30)


@pytest.mark.full
@pytest.mark.timeout(900)
def test_a_thousand_racing_starts_of_a_hundred_ids_have_a_hundred_effects(guard: Guarded) -> None:
    race(guard, ids=100, starts=10, at_once=50)


def die(folder: Path, who: str, at: int) -> tuple[int, int] | None:
    """Die there, and call again as the next controller does: the code that it gets, and the effects; None past the last point."""
    folder.mkdir()
    guard = Guarded(folder)
    if not guard.start_and_die(who, at):
        return None
    code = guard.call("run", "--try", "1", "--", *guard.effect()).code
    assert code in {0, UNKNOWN}, f"{who} died at {at}"
    effects = guard.effects()
    assert effects <= 1, f"{who} died at {at}"
    assert code == UNKNOWN or effects == 1, f"{who} died at {at}"
    return code, effects


@pytest.mark.parametrize(("who", "last", "step"), [("starter", 180, 45), ("runner", 54, 18)])
def test_a_start_that_dies_somewhere_is_lost_or_told_and_never_doubled(
    tmp_path: Path, who: str, last: int, step: int
) -> None:
    first = random.randrange(1, step)
    for at in range(first, last, step):
        die(tmp_path / f"{who}-{at}", who, at)


@pytest.mark.full
@pytest.mark.timeout(900)
@pytest.mark.parametrize("who", ["starter", "runner"])
def test_a_start_that_dies_anywhere_is_lost_or_told_and_never_doubled(tmp_path: Path, who: str) -> None:
    found: Counter[tuple[int, int]] = Counter()
    at = 1
    while (came := die(tmp_path / str(at), who, at)) is not None:
        found[came] += 1
        at += 1
    assert found.total() > 40, found
