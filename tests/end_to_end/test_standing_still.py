"""What lets a run stand still for a while: a pause, a window that closes. Every host is left whole, or as it was."""

import re
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import pytest

from rollout.lab import HostSpec
from tests.end_to_end.operating import Operator, begun, done, ended, read_until, repeated, until
from tests.end_to_end.plans import interleaved, logged, plan

pytestmark = pytest.mark.lab

EXPECT = 20
"""Seconds that a host is expected to take, so that it begins only while its window is open for longer."""

HELD_BACK = """---
- hosts: all
  gather_facts: false
  tasks: [{ansible.builtin.shell: {cmd: "while [ ! -e /run/go ]; do sleep 0.2; done"}, changed_when: true}]
"""


@pytest.fixture(scope="module")
def operator(operator_of: Callable[[Sequence[HostSpec]], Operator]) -> Operator:
    return operator_of([HostSpec(f"{letter}{number}") for letter in "km" for number in (1, 2, 3)])


def test_a_pause_in_mid_run_leaves_every_host_untouched_or_whole(operator: Operator) -> None:
    work = logged(operator, "work", seconds=1)
    chain = ["precheck", "upgrade"]
    steps: list[dict[str, Any]] = [
        {"name": chain[0], "playbook": work},
        {"name": chain[1], "playbook": work, "disruptive": True},
    ]
    journal = ("--journal", ".rollout/pause.sqlite3")
    file = plan(operator, "pause", "k*", steps, limits={"at_once": 1})
    apply = operator.start("apply", file, "--yes", *journal)
    read_until(apply, "upgrade begins")
    asked = operator.typed("rollout", "pause", "--reason", "the night shift leaves", *journal)
    paused = ended(apply, 90)

    assert asked.code == 0, asked.said
    assert paused.code == 8, paused.said
    assert not operator.living()
    events = operator.events(*journal)
    at = [event["event"] for event in events].index("paused")
    in_work = set(begun(events[:at], "upgrade"))
    after = {event["host"] for event in events[at:] if event["event"] == "step-intended"}
    assert after <= in_work
    finished = {host: done(events, host) for host in operator.hosts(*journal)}
    assert all(finished[host] == chain for host in in_work), finished
    others = [found for host, found in finished.items() if host not in in_work]
    assert others
    assert all(found in ([], chain[:1]) for found in others), finished
    assert "the night shift leaves" in operator.typed("rollout", "status", *journal).said

    resumed = operator.rollout("resume", *journal)

    assert resumed.code == 0, resumed.said
    assert repeated(operator.events(*journal)) == []
    assert all(interleaved(operator.on(host, "cat /var/log/steps")) == [] for host in finished)


# --- a window that closes ---------------------------------------------------------------------------------------------------


def window(begin: float, end: float) -> dict[str, str]:
    """Open each week from the minute that holds `begin` to the second that holds `end`."""
    start = begin - begin % 60
    return {"allow": f"{datetime.fromtimestamp(start, UTC):%a %H:%M} + {int(end - start)}s", "zone": "UTC"}


def held_back_plan(operator: Operator, windows: Sequence[dict[str, str]]) -> str:
    """Three hosts, one at once, with a step that goes on until it is let go."""
    (operator.folder / "playbooks" / "held-back.yml").write_text(HELD_BACK)
    steps = [
        {"name": "work", "playbook": "playbooks/held-back.yml", "disruptive": True, "expect": f"{EXPECT}s"}
    ]
    for host in ("m1", "m2", "m3"):
        operator.on(host, "rm -f /run/go")
    waves = {"sizes": ["100%"], "soak": "1s"}
    return plan(operator, "window", "m1:m2:m3", steps, limits={"at_once": 1}, waves=waves, windows=windows)


def let_go(operator: Operator) -> None:
    for host in ("m1", "m2", "m3"):
        operator.on(host, "touch /run/go")


def until_verified(operator: Operator, journal: Sequence[str]) -> list[dict[str, Any]]:
    """The events up to the first host that is verified."""

    def found() -> bool:
        events[:] = operator.events(*journal)
        return any(event["event"] == "host-verified" for event in events)

    events: list[dict[str, Any]] = []
    until(found)
    return events


def apply_until_it_closes(
    operator: Operator, more: Callable[[float], Sequence[dict[str, str]]]
) -> tuple[subprocess.Popen[str], str, float]:
    """A run of which one host has begun, and for the next there is no time: the controller, its journal, and when the window closes.

    On a busy machine the first host may come too late: then with more time.
    """
    for gap in (12, 30, 90):
        journal = f".rollout/window-{gap}.sqlite3"
        latest = time.time() + gap
        windows = [window(time.time(), latest + EXPECT), *more(latest + EXPECT)]
        apply = operator.start("apply", held_back_plan(operator, windows), "--yes", "--journal", journal)
        time.sleep(gap + 1)
        with suppress(RuntimeError):  # there is no run yet
            if begun(operator.events("--journal", journal), "work"):
                return apply, journal, latest + EXPECT
        apply.kill()
    pytest.fail("no host began in a minute and a half")


@pytest.mark.full
def test_nothing_begins_that_would_not_end_before_its_window_closes(operator: Operator) -> None:
    apply, name, _ = apply_until_it_closes(operator, lambda _: [])
    journal = ("--journal", name)
    let_go(operator)
    events = until_verified(operator, journal)
    why = operator.typed("rollout", "why", "m2", *journal)
    apply.send_signal(signal.SIGTERM)
    stopped = ended(apply, 60)

    assert stopped.code == 143, stopped.said
    # Its slot was free from the beginning of its soak on, a second before it was verified.
    (first,) = begun(events, "work")
    assert "the next opens" in why.said
    assert not operator.living()

    resumed = operator.rollout("resume", "--max-duration", "1h", *journal)

    assert resumed.code == 8, resumed.said
    assert re.search(r"not now: .*the next opens [\w -]+ \d\d:\d\d", resumed.said), resumed.said
    assert begun(operator.events(*journal), "work") == [first]
    hosts = operator.hosts(*journal)
    assert sorted(host["status"] for host in hosts.values()) == ["verified", "waiting", "waiting"]


@pytest.mark.full
def test_the_run_goes_on_by_itself_when_the_next_window_opens(operator: Operator) -> None:
    openings: list[float] = []

    def next_minute(closes: float) -> list[dict[str, str]]:
        openings[:] = [closes - closes % 60 + 60]
        return [window(openings[0] + 1, openings[0] + 3600)]

    apply, name, closes = apply_until_it_closes(operator, next_minute)
    journal = ("--journal", name)
    let_go(operator)
    finished = ended(apply, 300)

    assert finished.code == 0, finished.said
    times = sorted(event["at"] for event in operator.events(*journal) if event["event"] == "step-intended")
    assert len(times) == 3
    assert times[0] + EXPECT <= closes + 1
    assert times[1] >= openings[0], (times, openings)
