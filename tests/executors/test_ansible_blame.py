"""What is not the host's fault: a path that vanished under a step, and what our own machine lacks."""

import errno
import json
from pathlib import Path

import pytest

from rollout.errors import HostUnreachable, of_this_machine
from rollout.executors._blame import lacking, never_reached
from rollout.executors._guard import try_of
from rollout.executors._unit import Result, Unit
from rollout.model.seams import Ending, Order, Outcome, Ran
from tests.executors.ansible_bench import NOTHING_RUNS, Answers, Bench

REFUSED = "Connection closed by UNKNOWN port 65535"
DROPPED = "Shared connection to 198.18.0.7 closed."
NOTHING_KEPT = Ran(0, "asked\n", "")
KEPT = Ran(
    0,
    "step guarded=yes try=1 run-1/h1/upgrade\njob finished try=1 run-1/h1/upgrade: apt ended with code 0\nasked\n",
    "",
)
CUT_SHORT = Ran(
    0, "step guarded=yes try=1 run-1/h1/upgrade\njob lost try=1 run-1/h1/upgrade: apt is gone\nasked\n", ""
)
UNGUARDED = Ran(0, "step guarded=no try=1 run-1/h1/upgrade\nasked\n", "")
APT = Ran(0, "busy apt-get (process 812)\nasked\n", "")

TASKS = """
    - ansible.builtin.copy: {content: "{{ rollout_try }}", dest: "{{ playbook_dir }}/tried"}
"""


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def vanished(bench: Bench, *events: str, said: str = REFUSED) -> Unit:
    """Attempt 1 of `upgrade` on h1, which was begun and lost its host."""
    unit = bench.unit(bench.order("h1"))
    unit.make({"host": "h1", "mark": bench.order("h1").mark, "once": True})
    unit.note_began(1.0)
    lines = [json.dumps({"event": event}) for event in ("playbook_on_task_start", *events)]
    (unit.path / "events.jsonl").write_text("".join(f"{line}\n" for line in lines))
    unit.note_result(Result(Ending.UNREACHABLE, said, "Claim"))
    unit.tidy()
    return unit


def again(bench: Bench, *answers: Ran | Exception, once: bool = True) -> Outcome:
    """Attempt 2, after the path came back; the host answers so."""
    order = bench.order("h1", TASKS, attempt=2, once=once, timeout=30)
    connection = Answers(*answers)
    bench.connect = lambda _host, _variables: connection
    lost = Order(order.run, order.host, order.step, order.attempt, order.fence, lost=True)
    return bench.carry_out(lost)["h1"]


def tried(bench: Bench) -> int:
    return int((bench.folder / "tried").read_text())


def test_a_once_step_that_its_guard_kept_goes_on_within_its_try(bench: Bench) -> None:
    vanished(bench, "runner_on_ok", "runner_on_unreachable")
    outcome = again(bench, NOTHING_RUNS, KEPT)
    assert outcome.ending is Ending.DONE, outcome
    assert tried(bench) == 1
    assert try_of(bench.unit(bench.order("h1", attempt=3))) == 3


def test_what_still_runs_on_the_host_is_awaited(bench: Bench) -> None:
    vanished(bench, "runner_on_ok", "runner_on_unreachable")
    assert again(bench, APT, HostUnreachable("h1: gone again"), APT, NOTHING_RUNS, KEPT).ending is Ending.DONE


def test_a_step_that_was_lost_before_its_first_connection_begins(bench: Bench) -> None:
    vanished(bench, "runner_on_unreachable")
    outcome = again(bench, NOTHING_RUNS, NOTHING_KEPT)
    assert outcome.ending is Ending.DONE, outcome
    assert tried(bench) == 2


@pytest.mark.parametrize(
    ("events", "said", "kept"),
    [
        (("runner_on_unreachable",), DROPPED, NOTHING_KEPT),
        (("runner_on_unreachable",), f"{DROPPED}; a connection of our own says: Connection refused", NOTHING_KEPT),
        (("runner_on_ok", "runner_on_unreachable"), REFUSED, NOTHING_KEPT),
        (("runner_on_unreachable",), REFUSED, UNGUARDED),
        (("runner_on_ok", "runner_on_unreachable"), REFUSED, CUT_SHORT),
    ],
)  # fmt: skip
def test_a_once_step_that_may_have_done_something_is_not_begun_again(
    bench: Bench, events: tuple[str, ...], said: str, kept: Ran
) -> None:
    vanished(bench, *events, said=said)
    outcome = again(bench, NOTHING_RUNS, kept)
    assert (outcome.ending, outcome.begun) == (Ending.UNKNOWN, False)
    assert "the path to the host vanished while it was under way; nothing of it runs on h1" in outcome.because
    assert not (bench.folder / "tried").exists()


def test_a_step_that_may_be_repeated_begins_again_once_the_host_is_quiet(bench: Bench) -> None:
    vanished(bench, "runner_on_ok", "runner_on_unreachable")
    assert again(bench, APT, NOTHING_RUNS, NOTHING_KEPT, once=False).ending is Ending.DONE
    assert tried(bench) == 2


def test_a_host_that_is_still_lost_has_not_begun(bench: Bench) -> None:
    vanished(bench, "runner_on_ok", "runner_on_unreachable")
    outcome = again(bench, HostUnreachable("h1: no route to host"))
    assert (outcome.ending, outcome.begun) == (Ending.UNREACHABLE, False)


def test_a_key_that_was_refused_lets_nothing_through(bench: Bench) -> None:
    unit = vanished(bench, "runner_on_unreachable")
    unit.note_result(
        Result(Ending.REFUSED, "the host key was refused: Host key verification failed.", "Claim")
    )
    assert never_reached(unit)


@pytest.mark.parametrize(
    ("said", "never"),
    [
        ("ssh: connect to host 198.18.0.7 port 22: Connection refused", True),
        ("ssh: connect to host fd00::7 port 22: No route to host", True),
        ("ssh: Could not resolve hostname h1: Temporary failure in name resolution", True),
        ("root@198.18.0.7: Permission denied (publickey).", True),
        ("kex_exchange_identification: read: Connection reset by peer Connection reset by 198.18.0.7 port 22", True),
        ("Read from remote host 198.18.0.7: Connection timed out client_loop: send disconnect: Broken pipe", False),
        ("Connection to 198.18.0.7 port 22 timed out: Connection timed out", False),
        ("packet_write_wait: Connection to 198.18.0.7 port 22: Host is down", False),
        ("client_loop: send disconnect: No route to host ssh: connect to host jump port 22: Connection refused", False),
        ("ssh: connect to host h1 port 22: Connection refused Shared connection to h1 closed.", False),
        ("curl: (7) Connection refused", False),
    ],
)  # fmt: skip
def test_a_connection_that_was_open_may_have_carried_something(bench: Bench, said: str, never: bool) -> None:
    assert never_reached(vanished(bench, "runner_on_unreachable", said=said)) is never


def test_a_unit_without_a_log_may_have_done_anything(bench: Bench) -> None:
    unit = vanished(bench, "runner_on_unreachable")
    assert never_reached(unit)
    (unit.path / "events.jsonl").write_text('{"event": "runner_on_unreach')
    assert not never_reached(unit)
    (unit.path / "events.jsonl").unlink()
    assert not never_reached(unit)


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (OSError(errno.ENOSPC, "No space left on device", "/u/x"), "No space left on device (/u/x)"),
        (OSError(errno.EMFILE, "Too many open files"), "Too many open files"),
        (BlockingIOError(errno.EAGAIN, "Resource temporarily unavailable"), "Resource temporarily unavailable"),
        (RuntimeError("can't start new thread"), "no more threads can be started"),
        (MemoryError(), "no memory left"),
        (ConnectionRefusedError(errno.ECONNREFUSED, "Connection refused"), None),
        (TimeoutError(), None),
        (RuntimeError("a bug"), None),
        (HostUnreachable("h1: no route"), None),
    ],
)  # fmt: skip
def test_what_this_machine_lacks_is_told_from_the_rest(error: BaseException, said: str | None) -> None:
    assert of_this_machine(error) == said


NO_SPACE = "OSError: [Errno 28] No space left on device"


@pytest.mark.parametrize(
    ("ending", "because", "task", "said"),
    [
        (Ending.INTERRUPTED, f"{NO_SPACE}; no task had begun", "", "[Errno 28] No space left on device; no task had begun"),
        (Ending.INTERRUPTED, "it was told to stop; the last task begun was '[Errno 28]', which ended", "", None),
        (Ending.MISFIT, f"no space is left on the host: {NO_SPACE}", "", "[Errno 28] No space left on device"),
        (Ending.MISFIT, f"no space is left on the host: {NO_SPACE}", "Copy", None),
        (Ending.FAILED, f"{NO_SPACE}: 'UNIT/private/tmp/x'", "Copy", "[Errno 28] No space left on device: 'UNIT/private/tmp/x'"),
        (Ending.FAILED, "the playbook could not be found", "", None),
        (Ending.DONE, NO_SPACE, "", None),
    ],
)  # fmt: skip
def test_a_unit_that_our_machine_failed_is_told_from_one_that_failed_on_the_host(
    bench: Bench, ending: Ending, because: str, task: str, said: str | None
) -> None:
    unit = bench.unit(bench.order("h1"))
    path = str(unit.path)
    found = lacking(unit, Result(ending, because.replace("UNIT", path), task))
    assert (found or "").replace(path, "UNIT") == (said or "")
    assert (found is None) == (said is None)


def test_a_connection_for_which_there_is_no_descriptor_left_blames_nobody(bench: Bench) -> None:
    vanished(bench, "runner_on_ok", "runner_on_unreachable")
    outcome = again(bench, OSError(errno.EMFILE, "Too many open files"))
    assert (outcome.ending, outcome.because, outcome.begun) == (
        Ending.CONTROLLER,
        "Too many open files",
        False,
    )
