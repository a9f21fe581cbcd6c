"""Other processes at the same journal: `python journal_child.py WHAT PATH ...`, killed or left to finish by a test."""

import resource
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace

from rollout import journal
from rollout.errors import JournalFull, LeaseLost, Locked
from rollout.model.event import Event, Kind
from rollout.model.state import HostState, Status
from tests.journal.journal_world import ME, RUN, Clock, Controller


def write_for_ever(path: str) -> None:
    """Several events and hosts in each transaction, so that half of one would show."""
    opened = journal.open(path, Clock())
    lease = opened.claim(RUN, ME)
    state, _, _ = opened.load(RUN, opened.graph(RUN))
    controller = Controller(opened, lease, state.seq)
    say("writing")
    while True:
        seen, attempt = controller.run.seq, controller.run.seq // 3 + 1
        with opened.writing(lease, seen) as writing:
            for name in ("h1", "h2", "h3"):
                controller.run.seq = writing.append(Event(Kind.DONE, "", name, "stage", attempt)).seq
            held = attempt % 2 == 1
            hosts = [
                HostState(name, Status.RUNNING, attempt=attempt, slot=held) for name in ("h1", "h2", "h3")
            ]
            writing.keep(controller.run, hosts)


def stop_inside(path: str) -> None:
    """Everything is said, and nothing is committed."""
    opened = journal.open(path, Clock())
    lease = opened.claim(RUN, ME)
    with opened.writing(lease, 0) as writing:
        writing.append(Event(Kind.INTENDED, "", "h1", "upgrade", 1), [("fleet", 2)])
        writing.keep(Controller(opened, lease).run, [HostState("h1", slot=True)])
        say("inside")
        time.sleep(600)


def ask(path: str, who: str, count: str) -> None:
    """Requests, as fast as they go."""
    with journal.open(path) as opened:
        for i in range(int(count)):
            opened.request(RUN, Event(Kind.PAUSED, f"{who} {i}"))


def fill(path: str, limit: str) -> None:
    """Write until no file may grow any more; then again with room."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    with journal.open(path) as opened:
        controller = Controller(opened, opened.claim(RUN, ME))
        resource.setrlimit(resource.RLIMIT_FSIZE, (int(limit), hard))
        try:
            while True:
                controller.write(
                    Event(Kind.DONE, "x" * 1_000, "h1", "stage", 1), HostState("h1", because="x" * 500)
                )
        except JournalFull as full:
            say(f"{controller.run.seq} {full}")
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        controller.write(Event(Kind.DONE, "room again", "h1", "stage", 1))
        say(f"{opened.run().seq}")


def race(path: str, count: str) -> None:
    """Claim one run after the other against whoever else does; tell which were won."""
    won = []
    with journal.open(path) as opened:
        say("ready")
        sys.stdin.readline()
        for i in range(int(count)):
            with suppress(Locked):
                won.append(opened.claim(f"run-{i}", ME).run)
        say(" ".join(won))
        sys.stdin.readline()


def hold(path: str) -> None:
    """A controller of another machine, as far as anybody can see. It writes, and writes again when told to."""
    with journal.open(path) as opened:
        controller = Controller(opened, opened.claim(RUN, replace(ME, boot_id="another machine's")))
        done = Event(Kind.DONE, "", "h1", "stage", 1)
        controller.write(done)
        say("written")
        sys.stdin.readline()
        try:
            controller.write(done)
        except LeaseLost as lost:
            say(f"LeaseLost: {lost}")
        else:
            say("written again")


def say(line: str) -> None:
    """For the test that waits."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


WHAT: dict[str, Callable[..., None]] = {
    "write": write_for_ever,
    "stop": stop_inside,
    "ask": ask,
    "fill": fill,
    "race": race,
    "hold": hold,
}

if __name__ == "__main__":
    WHAT[sys.argv[1]](*sys.argv[2:])
