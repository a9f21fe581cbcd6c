"""What is late is late by the time that this process was awake, not by the clock on the wall."""

import threading
from collections.abc import Iterator

import pytest

from rollout.engine.inbox import FROZEN, Inbox, Message
from rollout.model.seams import Ending, Outcome

LATE = Outcome("a1", "drain", 1, Ending.LATE)
DONE = Outcome("a1", "drain", 1, Ending.DONE)


class Clocks:
    """A wall clock that may be set, and one that never is."""

    def __init__(self) -> None:
        self.wall, self.steady = 1_000_000.0, 50.0
        self.inbox = Inbox(lambda: self.wall, lambda: self.steady)

    def stand_still(self, seconds: float) -> None:
        self.wall += seconds
        self.steady += seconds

    def look(self) -> Message | None:
        """What is due by now."""
        return self.inbox.get(self.wall)

    def live(self, seconds: int) -> Iterator[Message | None]:
        """Second by second."""
        for _ in range(seconds):
            self.stand_still(1.0)
            yield self.look()


@pytest.fixture
def clocks() -> Clocks:
    return Clocks()


def test_a_delayed_message_comes_when_it_is_due(clocks: Clocks) -> None:
    clocks.inbox.post(LATE, 5.0)
    assert list(clocks.live(6)) == [None, None, None, None, LATE, None]


def test_after_a_freeze_what_was_in_flight_has_its_time_and_is_heard_first(clocks: Clocks) -> None:
    clocks.inbox.post(LATE, 5.0)
    clocks.stand_still(3600.0)
    assert list(clocks.live(4)) == [None] * 4
    clocks.inbox.post(DONE)
    assert clocks.look() == DONE
    assert LATE in list(clocks.live(3 + int(FROZEN)))


def test_an_engine_that_is_slow_at_every_turn_still_hears_what_is_late(clocks: Clocks) -> None:
    clocks.inbox.post(LATE, 50.0)
    heard = []
    for _ in range(6):
        clocks.stand_still(10.0)
        heard.append(clocks.look())
    assert heard == [None, None, None, None, LATE, None]


def test_what_was_said_before_the_freeze_is_heard_at_once(clocks: Clocks) -> None:
    clocks.inbox.post(LATE, 5.0)
    clocks.inbox.post(DONE)
    clocks.stand_still(3600.0)
    assert clocks.look() == DONE


@pytest.mark.parametrize("jump", [3600.0, -3600.0])
def test_a_clock_that_is_set_makes_nobody_late_or_early(clocks: Clocks, jump: float) -> None:
    clocks.inbox.post(LATE, 5.0)
    clocks.wall += jump
    assert list(clocks.live(5)) == [None, None, None, None, LATE]
    clocks.inbox.post(DONE)
    clocks.wall -= jump
    assert clocks.look() == DONE


def test_who_wakes_late_from_its_own_sleep_was_frozen_too() -> None:
    """The machine stands still for an hour while the engine sleeps; the outcome is posted a second after."""
    away = 0.0

    class Steady:
        looks = 0

        def __call__(self) -> float:
            self.looks += 1
            return float(self.looks) * 0.001 + away

    steady = Steady()
    inbox = Inbox(steady=steady)
    inbox.post(LATE, 0.3)

    def wake() -> None:
        nonlocal away
        away = 3600.0

    def report() -> None:
        inbox.post(DONE)

    threads = [threading.Timer(0.1, wake), threading.Timer(1.0, report)]
    for thread in threads:
        thread.start()
    assert inbox.get(None) == DONE
    for thread in threads:
        thread.join()
