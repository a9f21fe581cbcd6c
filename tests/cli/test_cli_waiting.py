"""--wait: a controller stands by while another one holds the run. Processes of their own, on both kinds of journal."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from rollout import journal
from rollout.cli import _controller
from rollout.errors import HALTED
from rollout.journal import Journal, Lease, Owner
from rollout.model.event import Event, Kind
from rollout.model.state import Status
from tests.cli.standing_by import imagined
from tests.cli.worlds import Typist, a_plan_folder
from tests.journal import postgres_server

ROOT = Path(__file__).parents[2]
ELSEWHERE = replace(Owner.current(), boot_id="another", machine="ctl2", user="bob")

HOLD = """
import sys, time
from rollout import journal
from rollout.journal import Owner
with journal.open(sys.argv[1]) as book:
    book.claim("first", Owner.current())
    print("holding", flush=True)
    time.sleep(600)
"""


@pytest.fixture(params=["sqlite", "postgresql"])
def where(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "postgresql":
        return postgres_server.shared().fresh()
    return str(tmp_path / "journal.sqlite3")


@pytest.fixture
def book(where: str, tmp_path: Path, rollout: Typist, monkeypatch: pytest.MonkeyPatch) -> Iterator[Journal]:
    """A run in which nothing has begun, and that nobody holds."""
    a_plan_folder(tmp_path / "here")
    monkeypatch.setenv("ROLLOUT_JOURNAL", where)
    monkeypatch.setattr(_controller, "real", imagined)

    def stopped(*_: object, **__: object) -> object:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(_controller, "control", stopped)
        assert rollout("apply", "here/plan.yml", "--yes", "--run", "first").code == 130
    with journal.open(where) as opened:
        yield opened


@pytest.fixture
def held(book: Journal) -> Lease:
    """By this process, which lives."""
    return book.claim("first", Owner.current())


@contextmanager
def started(*words: str) -> Iterator["subprocess.Popen[str]"]:
    path = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    with subprocess.Popen(
        [sys.executable, *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, "PYTHONPATH": path},
    ) as process:
        try:
            yield process
        finally:
            if process.poll() is None:
                process.kill()


def standing_by(*words: str) -> AbstractContextManager["subprocess.Popen[str]"]:
    return started("-m", "tests.cli.standing_by", *words)


def line(process: "subprocess.Popen[str]") -> str:
    assert process.stdout is not None
    return process.stdout.readline()


def ended(process: "subprocess.Popen[str]") -> tuple[int, str]:
    out, _ = process.communicate(timeout=120)
    return process.returncode, out


def test_who_waits_carries_on_when_the_run_is_given_back(book: Journal, held: Lease) -> None:
    with standing_by("resume", "--wait", "here/plan.yml") as waiting:
        assert line(waiting).startswith(f"waiting: run 'first' is held by {Owner.current()} since 20")
        book.release(held, HALTED, "stopped safely by SIGINT")
        code, out = ended(waiting)
    assert code == 0, out
    assert out.startswith(
        "run first: its controller let go of it (stopped safely by SIGINT); it is our turn\n"
    )
    assert out.count("waiting: ") == 0, "it is said once, and then each minute"
    assert {row.status for row in book.hosts("first")} == {Status.VERIFIED}


def test_who_waits_takes_over_from_a_controller_that_is_killed(book: Journal, where: str) -> None:
    with started("-c", HOLD, where) as holder:
        assert line(holder) == "holding\n"
        with standing_by("resume", "--wait=10m") as waiting:
            assert f"(pid {holder.pid})" in line(waiting)
            holder.kill()
            holder.wait()
            code, out = ended(waiting)
    assert code == 0, out
    assert f"(pid {holder.pid}), which held it, has died; it is our turn" in out
    assert book.run("first").fence == 2


def test_one_that_cannot_be_seen_is_waited_for_until_its_lease_lapses_or_a_person_unlocks(
    book: Journal, where: str, rollout: Typist
) -> None:
    book.claim("first", ELSEWHERE)
    with standing_by("apply", "here/plan.yml", "--wait") as waiting:
        assert "held by bob on ctl2" in line(waiting)
        if journal.is_url(where):
            postgres_server.shared().admin("UPDATE rollout.run SET renewed_at = renewed_at - 61")
            why = "which held it, has let its lease lapse"
        else:
            assert rollout("unlock", "--reason", "ctl2 has burnt down").code == 0
            why = "its controller let go of it (unlocked: ctl2 has burnt down"
        code, out = ended(waiting)
    assert code == 0, out
    assert why in out


@pytest.mark.parametrize("command", ["apply", "resume"])
def test_a_run_that_the_other_one_ends_is_over_for_both(book: Journal, held: Lease, command: str) -> None:
    with standing_by(command, "--wait", "here/plan.yml") as waiting:
        assert line(waiting).startswith("waiting: ")
        book.release(held, 4, "finished: 2 verified, 1 held, 0 not started")
        code, out = ended(waiting)
    assert code == 4
    assert out == "run first was ended meanwhile: finished: 2 verified, 1 held, 0 not started\n"
    assert book.run().id == "first", "no new run was begun"


def test_a_pause_that_comes_meanwhile_is_not_lifted(book: Journal, held: Lease) -> None:
    with standing_by("resume", "--wait") as waiting:
        assert line(waiting).startswith("waiting: ")
        book.request("first", Event(Kind.PAUSED, "the night is over"))
        book.release(held, 8, "paused: the night is over")
        code, out = ended(waiting)
    assert code == 8, out
    assert "run first is paused: the night is over; `rollout resume` lifts the pause" in out


def test_of_two_that_wait_one_carries_on_and_nothing_is_done_twice(book: Journal, held: Lease) -> None:
    with standing_by("resume", "--wait") as one, standing_by("resume", "--wait") as other:
        assert line(one).startswith("waiting: ")
        assert line(other).startswith("waiting: ")
        book.release(held, HALTED, "stopped")
        told = [ended(one), ended(other)]
    assert [code for code, _ in told] == [0, 0]
    carried = [out for _, out in told if "it is our turn" in out and "upgrade is done" in out]
    assert len(carried) == 1, told
    done = [(event.host, event.step) for event in book.events("first") if event.kind is Kind.DONE]
    assert len(done) == len(set(done)) == 6


def test_patience_ends_with_the_code_of_a_held_run(
    book: Journal, held: Lease, rollout: Typist, where: str
) -> None:
    said = rollout("resume", "--wait=1s")
    assert said.code == 5
    assert said.out.startswith("waiting: run 'first' is held by ")
    assert said.err.endswith("; it was waited for, for 1s\n")
    assert rollout("resume", "--json", "--wait=1s").out == "", "stdout is for JSON"
    assert rollout("resume", "--wait=soon").code == 64
    assert (book.run("first").owner, held.fence) == (Owner.current(), 1)


def test_an_interrupt_ends_the_waiting_at_once(book: Journal, held: Lease) -> None:
    with standing_by("resume", "--wait") as waiting:
        assert line(waiting).startswith("waiting: ")
        waiting.send_signal(signal.SIGINT)
        code, out = ended(waiting)
    assert (code, out) == (130, "\nstopped\n")
    assert book.run("first").owner == held.owner
