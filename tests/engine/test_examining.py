"""Asking about paths: once for all hosts that vanish together, never later than it must be, and never for nothing."""

import queue
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from rollout.engine.findings import Finding, Questioned
from rollout.engine.paths import RECENT, Examiner, ThreadedPaths
from rollout.errors import SshError

PATH = "as root with a key"


class Ways:
    """Hosts on one path. Knocking waits for `gate`, if it is closed; `down` hosts do not answer."""

    def __init__(self, *down: str) -> None:
        self.down = set(down)
        self.knocked: list[str] = []
        self.gate = threading.Event()
        self.gate.set()
        self.error: Exception | None = None

    def path(self, host: str) -> str | None:
        return None if host == "local" else PATH

    def fellows(self, host: str, others: Sequence[str], count: int) -> list[str]:
        del host
        return list(others[:count])

    def knock(self, host: str) -> str:
        self.knocked.append(host)
        assert self.gate.wait(30)
        if self.error:
            raise self.error
        return "no answer" if host in self.down else ""

    def knock_at_bastion(self, host: str) -> tuple[str, str] | None:
        del host
        return None


class Clock:
    """Counts seconds when it is told to, and how often it was looked at."""

    def __init__(self) -> None:
        self.now = 0.0
        self.looks = 0

    def __call__(self) -> float:
        self.looks += 1
        return self.now


def together(*asks: Callable[[], Finding]) -> list[Finding]:
    """What the asks find, each in a thread of its own, all at the same time."""
    found: list[Finding] = []
    threads = [threading.Thread(target=lambda ask=ask: found.append(ask())) for ask in asks]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    return found


def test_a_dead_path_is_asked_once_for_all_that_vanish_with_it() -> None:
    ways, clock = Ways("w1", "w2", "w3"), Clock()
    examiner = Examiner(ways, clock)
    found = together(
        *(lambda host=host: examiner.doubt(host, ["w1", "w2", "w3", "w4"]) for host in ("g1", "g2", "g3"))
    )
    assert sorted(ways.knocked) == ["w1", "w2", "w3"]
    assert [finding.suspected for finding in found] == [True] * 3
    clock.now += RECENT - 1
    assert examiner.doubt("g4", ["w1"]).suspected
    assert len(ways.knocked) == 3
    clock.now += 2
    assert not examiner.doubt("g5", ["w4"]).suspected
    assert ways.knocked[3:] == ["w4"]


def test_that_a_path_works_is_known_only_of_what_vanished_before_it_was_asked() -> None:
    ways, clock = Ways(), Clock()
    examiner = Examiner(ways, clock)
    assert not examiner.doubt("g1", ["w1"]).suspected
    ways.down.add("w1")
    clock.now += 1
    assert examiner.doubt("g2", ["w1"]).suspected


def test_who_waits_while_a_path_is_asked_shares_the_next_answer() -> None:
    ways, clock = Ways(), Clock()
    examiner = Examiner(ways, clock)
    ways.gate.clear()
    first = threading.Thread(target=examiner.doubt, args=("g1", ["w1"]))
    first.start()
    while not ways.knocked:
        time.sleep(0.01)
    clock.now, clock.looks = 1.0, 0
    late: queue.SimpleQueue[Finding] = queue.SimpleQueue()
    others = [threading.Thread(target=lambda: late.put(examiner.doubt("g2", ["w1"]))) for _ in range(4)]
    for thread in others:
        thread.start()
    while clock.looks < len(others):
        time.sleep(0.01)
    ways.gate.set()
    assert [late.get(timeout=30).suspected for _ in others] == [False] * 4
    assert len(ways.knocked) == 2
    for thread in (first, *others):
        thread.join(30)


def test_a_look_asks_the_lost_hosts_too_and_is_never_an_old_answer() -> None:
    ways = Ways("w1", "w2")
    examiner = Examiner(ways, Clock())
    assert examiner.doubt("g1", ["w1", "w2"]).suspected
    finding = examiner.look_again(["g1"], ["w1", "w2"])
    assert (finding.suspected, finding.works) == (False, "g1 answers")
    assert examiner.look_again([], ["w1"]).works == "nobody is left who could be asked"


def test_who_is_known_to_answer_is_asked_first() -> None:
    ways = Ways("g1", "w1", "w2", "w3")
    clock = Clock()
    examiner = Examiner(ways, clock)
    assert examiner.doubt("g1", ["w1", "w2", "w3", "w4"]).suspected
    assert examiner.look_again(["g1"], ["w4", "w1", "w2", "w3"]).works == "w4 answers"
    clock.now += RECENT
    assert not examiner.doubt("g1", ["w1", "w2", "w3", "w4"]).suspected
    ways.down.add("w4")
    clock.now += 1
    assert examiner.doubt("g1", ["w1", "w2", "w3", "w4"]).suspected


def test_a_host_without_a_path_has_only_itself_to_blame() -> None:
    assert Examiner(Ways("w1")).doubt("local", ["w1"]) == Finding()


@pytest.mark.parametrize(
    ("error", "trouble"),
    [
        (SshError("ssh is missing"), ""),
        (OSError(24, "Too many open files"), "Too many open files"),
        (RuntimeError("can't start new thread"), "no more threads can be started"),
    ],
)
def test_an_error_is_no_answer(error: Exception, trouble: str) -> None:
    ways = Ways()
    ways.error = error
    finding = Examiner(ways).doubt("g1", ["w1"])
    assert (finding.suspected, finding.trouble) == (False, trouble)


@pytest.mark.parametrize(
    ("what", "suspected"),
    [
        ({}, False),
        ({"others": {"w1": "no"}}, True),
        ({"others": {"w1": "no", "w2": ""}}, False),
        ({"others": {"w1": "no"}, "bastion": "b1"}, True),
        ({"others": {"w1": ""}, "bastion": "b1", "refusal": "no"}, False),
        ({"bastion": "b1", "refusal": "no"}, True),
        ({"bastion": "b1"}, False),
        ({"others": {"w1": "no"}, "lost": {"g1": ""}}, False),
        ({"lost": {"g1": "no"}}, False),
        ({"lost": {"g1": "no"}, "bastion": "b1", "refusal": "no"}, True),
    ],
)
def test_hosts_decide_and_where_none_can_be_asked_the_bastion(what: dict[str, Any], suspected: bool) -> None:
    assert Finding(PATH, **what).suspected is suspected


@pytest.mark.parametrize(
    ("what", "said"),
    [
        ({"others": {"w1": "it timed out"}}, "w1 does not answer (w1: it timed out)"),
        ({"bastion": "b1", "refusal": "refused"}, "the bastion b1 does not let us in (refused)"),
        (
            {"bastion": "b1", "others": {"w1": "no", "w2": "never"}},
            "the bastion b1 lets us in, but none of w1, w2 answers through it (w1: no)",
        ),
    ],
)
def test_the_sentence_says_who_was_asked(what: dict[str, Any], said: str) -> None:
    assert Finding(PATH, **what).because == f"the path {PATH} is suspected: {said}"


def test_every_question_is_answered_in_a_thread_of_its_own() -> None:
    ways = Ways("w1")
    posted: queue.SimpleQueue[Any] = queue.SimpleQueue()
    paths = ThreadedPaths(Examiner(ways))
    ways.gate.clear()
    paths.doubt("g1", ["w1"], 1, lambda message, _after: posted.put(message))
    paths.look_again(["local"], [], 2, lambda message, _after: posted.put(message))
    quick = posted.get(timeout=30)
    assert quick == Questioned(2, Finding())
    ways.gate.set()
    slow = posted.get(timeout=30)
    assert (slow.question, slow.finding.suspected) == (1, True)


ENDING = """
import threading
from rollout.engine.paths import Examiner, ThreadedPaths
from tests.engine.test_examining import Ways

class Deaf(Ways):
    def knock(self, host):
        begun.set()
        threading.Event().wait()

begun = threading.Event()
ThreadedPaths(Examiner(Deaf())).doubt("g1", ["w1"], 1, lambda message, after: None)
assert begun.wait(60)
print("over")
"""


def test_a_controller_that_ends_does_not_wait_for_who_does_not_answer() -> None:
    ended = subprocess.run(
        [sys.executable, "-c", ENDING],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "over\n", "")
