"""Taken up: what the unit's directory and the host say decides; no Ansible runs here."""

import json
import os
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from rollout import ssh
from rollout.errors import HostKeyRefused, HostUnreachable, SshUnsupported
from rollout.executors._asking import NoAnswer, ask
from rollout.executors._unit import Result, Unit, file_name, try_lock
from rollout.executors.ansible import as_root
from rollout.model.seams import Ending, Order, Outcome, Ran
from tests.executors.ansible_bench import LOCAL, NOTHING_RUNS, Answers, Bench, wait_for

APT = Ran(0, "busy apt-get (process 812)\nasked\n", "")
LOST = HostUnreachable("h1: no route to host")


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def dead(bench: Bench, order: Order, *events: dict[str, Any], began: bool = True, age: float = 0.0) -> Unit:
    """A unit whose supervisor was killed: no result, and these event files of Ansible's."""
    unit = bench.unit(order)
    unit.make({"host": order.host, "once": order.step.once})
    if began:
        unit.note_began(time.time() - age)
    folder = unit.artifacts / "unit" / "job_events"
    folder.mkdir(parents=True)
    for number, event in enumerate(events):
        (folder / f"{number}-partial.json").write_text(
            json.dumps({"created": f"2026-01-01T00:00:{number:02}", **event})
        )
    (folder / "99-partial.json").write_text('{"created": "2026-01-')
    return unit


def stats(**counts: dict[str, int]) -> dict[str, Any]:
    return {"event": "playbook_on_stats", "event_data": counts}


def taken_up(bench: Bench, *, once: bool = False, timeout: float = 60.0) -> Order:
    return bench.order("h1", once=once, timeout=timeout, taken_up=True)


def settle(bench: Bench, order: Order, *answers: Ran | Exception) -> tuple[Ending, str]:
    asked = Answers(*answers or (AssertionError("nobody is to be asked"),))
    bench.connect = lambda _host, _variables: asked
    outcome = bench.carry_out(order)["h1"]
    return outcome.ending, outcome.because


def test_a_unit_that_was_never_made_never_began(bench: Bench) -> None:
    dead(bench, bench.order("h2"))
    assert settle(bench, taken_up(bench))[0] is Ending.NEVER_BEGAN


class Frozen(Answers):
    """A host that is asked while our process sleeps."""

    def __init__(self) -> None:
        super().__init__(NOTHING_RUNS)
        self.asked, self.wakes = threading.Event(), threading.Event()

    def run(self, command: str, timeout: float = 30.0) -> Ran:
        self.asked.set()
        self.wakes.wait()
        return super().run(command, timeout)


def test_a_controller_that_was_frozen_begins_nothing_after_it_was_taken_over(bench: Bench) -> None:
    first = bench.order("h1", "    - ansible.builtin.debug: {msg: x}\n", once=True)
    dead(bench, first).note_result(Result(Ending.FAILED, "exit code 1"))
    order, host = replace(first, attempt=2), Frozen()
    other = Bench(bench.folder, connect=lambda _host, _variables: host)
    sleeper, heir = other.executor(), bench.executor()
    sleeper.run(order, other.post)
    assert host.asked.wait(60)
    heir.run(replace(order, taken_up=True, fence=2), bench.post)
    assert bench.answer().ending is Ending.NEVER_BEGAN
    heir.run(replace(order, attempt=3, fence=2), bench.post)
    locked = bench.answer()
    assert (locked.ending, locked.begun) == (Ending.CONTROLLER, False)
    assert "another controller on this machine has locked h1" in locked.because
    host.wakes.set()
    late = other.answer()
    assert (late.ending, late.begun) == (Ending.CONTROLLER, False)
    assert late.because.endswith("is there already: another controller took over")
    assert bench.unit(order).began() is None
    heir.run(replace(order, attempt=4, fence=2), bench.post)
    assert bench.answer().ending is Ending.DONE
    sleeper.close()
    heir.close()


def test_a_unit_that_was_given_up_between_its_folder_and_its_lock_does_not_begin(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    order, enter = bench.order("h1", "    - ansible.builtin.debug: {msg: x}\n", once=True), Unit.enter
    heir, given_up = Bench(bench.folder), dict[str, Outcome]()

    def slow(unit: Unit) -> bool:
        """Another controller takes it up, and ends, in this very moment."""
        made = enter(unit)
        given_up.update(heir.carry_out(replace(order, taken_up=True, fence=2)))
        return made

    monkeypatch.setattr(Unit, "enter", slow)
    late = bench.carry_out(order)["h1"]
    assert given_up["h1"].ending is Ending.NEVER_BEGAN
    assert (late.ending, late.begun) == (Ending.CONTROLLER, False)
    assert late.because.endswith("was given up: another controller took over")
    assert bench.unit(order).began() is None


def test_a_unit_that_was_given_up_before_it_was_made_never_begins_for_a_third_controller(
    bench: Bench,
) -> None:
    dead(bench, bench.order("h2"))
    order = taken_up(bench, once=True)
    assert settle(bench, order)[0] is Ending.NEVER_BEGAN
    assert settle(bench, order)[0] is Ending.NEVER_BEGAN
    assert settle(bench, replace(order, taken_up=False))[0] is Ending.FAILED
    following = bench.order("h1", attempt=2, timeout=0.3)
    assert settle(bench, following, LOST)[0] is Ending.UNREACHABLE, "an empty folder is no trace of a unit"


def test_a_unit_without_its_mark_never_began(bench: Bench) -> None:
    order = taken_up(bench, once=True)
    dead(bench, order, began=False)
    assert settle(bench, order)[0] is Ending.NEVER_BEGAN


@pytest.mark.parametrize(("once", "ending"), [(False, Ending.INTERRUPTED), (True, Ending.UNKNOWN)])
def test_a_run_that_was_begun_elsewhere_may_have_begun_anything(
    bench: Bench, once: bool, ending: Ending
) -> None:
    for name in ("h2", "h3"):  # the second controller finds a folder of the run, and is not misled by it
        found, because = settle(bench, taken_up(bench, once=once), APT, NOTHING_RUNS)
        assert found is ending
        assert because.startswith("its unit is not on this machine; nothing of it runs on h1 any more")
        dead(bench, bench.order(name))


def test_a_finished_unit_is_read_and_nobody_asked(bench: Bench) -> None:
    order = taken_up(bench, once=True)
    dead(bench, order).note_result(Result(Ending.FAILED, "exit code 1: no space", "Upgrade"))
    assert settle(bench, order) == (Ending.FAILED, "exit code 1: no space")


def test_a_play_that_had_ended_is_recovered_from_ansibles_own_events(bench: Bench) -> None:
    order = taken_up(bench, once=True)
    unit = dead(bench, order, stats(ok={"h1": 3}, failures={}, dark={}))
    assert settle(bench, order)[0] is Ending.DONE
    assert unit.result() == Result(Ending.DONE, "")
    assert not unit.private.exists()


@pytest.mark.parametrize(("once", "ending"), [(False, Ending.INTERRUPTED), (True, Ending.UNKNOWN)])
def test_a_dead_unit_is_asked_about_until_its_host_is_quiet(bench: Bench, once: bool, ending: Ending) -> None:
    order = taken_up(bench, once=once)
    dead(bench, order, {"event": "playbook_on_task_start", "event_data": {"name": "Upgrade"}}, age=1e6)
    found, because = settle(bench, order, APT, LOST, APT, NOTHING_RUNS)
    assert found is ending
    assert because == (
        "its supervisor died; the last task begun was 'Upgrade', which did not end; "
        "nothing of it runs on h1 any more, no half-installed package"
    )


def test_a_job_that_does_not_end_is_late(bench: Bench) -> None:
    order = taken_up(bench, once=True)
    dead(bench, order, age=1e6)
    ending, because = settle(bench, order, APT)
    assert (ending, because.endswith("apt-get (process 812) still runs on h1")) == (Ending.LATE, True)


@pytest.mark.parametrize(
    ("error", "once", "ending"),
    [
        (LOST, False, Ending.UNREACHABLE),
        (LOST, True, Ending.LOST),
        (Ran(1, "", "sudo: a terminal is required"), True, Ending.UNKNOWN),
        (Ran(0, "busy apt (pro", ""), False, Ending.UNREACHABLE),
        (SshUnsupported("ControlPath"), True, Ending.UNKNOWN),
        (HostKeyRefused("h1: its key has changed"), False, Ending.REFUSED),
        (HostKeyRefused("h1: its key has changed"), True, Ending.UNKNOWN),
    ],
)
def test_a_host_that_cannot_be_asked_is_never_taken_for_quiet(
    bench: Bench, error: Ran | Exception, once: bool, ending: Ending
) -> None:
    order = taken_up(bench, once=once)
    dead(bench, order)
    assert settle(bench, order, error)[0] is ending


@pytest.mark.parametrize(
    ("answers", "ending", "because"),
    [
        ((APT,), Ending.FAILED, "not started: of an earlier try apt-get (process 812) still runs on h1"),
        ((LOST,), Ending.UNREACHABLE, "h1 could not be asked what runs there: h1: no route to host"),
        ((HostKeyRefused("h1: changed"),), Ending.REFUSED, "h1: changed"),
    ],
)
def test_a_retry_is_not_begun_beside_the_old_job(
    bench: Bench, answers: tuple[Ran | Exception, ...], ending: Ending, because: str
) -> None:
    dead(bench, bench.order("h1")).note_result(Result(Ending.UNREACHABLE, "lost"))
    order = bench.order("h1", attempt=2, timeout=0.3)
    assert settle(bench, order, *answers) == (ending, because)
    assert bench.unit(order).began() is None


def test_an_order_whose_forerunner_was_another_controllers_asks_too(bench: Bench) -> None:
    assert settle(bench, bench.order("h1", attempt=2, timeout=0.3), LOST)[0] is Ending.UNREACHABLE


def test_what_a_given_up_run_began_is_asked_about_under_its_own_mark(bench: Bench) -> None:
    old = replace(bench.order("h1", once=True), run="run-0")
    unit = dead(bench, old)
    unit.make({"mark": old.mark})
    asked = Answers(APT)
    bench.connect = lambda _host, _variables: asked
    outcome = bench.carry_out(bench.order("h1", step="precheck", timeout=0.3))["h1"]
    assert (outcome.ending, "apt-get (process 812) still runs" in outcome.because) == (Ending.FAILED, True)
    assert "MARK=run-0/h1/upgrade" in asked.ran[0]
    assert "MARK=run-1/h1/precheck" in asked.ran[0]


def test_a_once_step_that_came_to_its_end_after_all_is_not_done_again(bench: Bench) -> None:
    first = bench.order("h1", once=True)
    unit = dead(bench, first)
    unit.make({"mark": first.mark, "once": True})
    unit.note_result(Result(Ending.DONE, ""))
    assert settle(bench, bench.order("h1", once=True, attempt=2))[0] is Ending.DONE
    assert bench.unit(bench.order("h1", attempt=2)).began() is None


def test_an_attempt_is_not_used_twice(bench: Bench) -> None:
    order = bench.order("h1")
    dead(bench, order)
    ending, because = settle(bench, order)
    assert (ending, because.endswith("holds a unit of this very attempt already")) == (Ending.FAILED, True)


def test_a_step_without_a_playbook_fails(bench: Bench) -> None:
    order = bench.order("h1")
    bare = Order("run-1", "h1", type(order.step)("wait"), 1, 1)
    assert settle(bench, bare) == (Ending.FAILED, "step wait has no playbook")


def test_no_exception_is_lost(bench: Bench) -> None:
    (bench.folder / "units").write_text("a file where a folder should be")
    ending, because = settle(bench, bench.order("h1"))
    assert ending is Ending.CONTROLLER
    assert "Not a directory" in because


def test_a_unit_that_cannot_be_started_leaves_no_inventory(bench: Bench) -> None:
    order = bench.order("h1")
    bench.variables = {"h1": {"ansible_password": "xyzzy-1"}}
    executor = bench.executor()
    executor._launcher = replace(executor._launcher, python="/no/such/python")
    executor.run(order, bench.post)
    outcome = bench.answer()
    executor.close()
    assert (outcome.ending, "No such file" in outcome.because) == (Ending.CONTROLLER, True)
    assert not outcome.begun
    assert not bench.unit(order).private.exists()


def test_closing_ends_the_asking_without_an_answer(bench: Bench) -> None:
    order = taken_up(bench, once=True)
    dead(bench, order)
    asked = Answers(APT)
    bench.connect = lambda _host, _variables: asked
    executor = bench.executor()
    executor.run(order, bench.post)
    wait_for(lambda: asked.ran)
    executor.close()
    executor.close()
    assert bench.inbox.empty()


def test_prune_removes_what_a_killed_supervisor_left(bench: Bench) -> None:
    ended, lost, living = (dead(bench, bench.order(host)) for host in ("h1", "h2", "h3"))
    ended.note_result(Result(Ending.DONE, ""))
    held = living.lock()
    assert held is not None
    executor = bench.executor()
    executor.prune("run-1")
    executor.close()
    os.close(held)
    assert [unit.private.exists() for unit in (ended, lost, living)] == [False, False, True]


def test_a_lock_is_held_once(tmp_path: Path) -> None:
    first = try_lock(tmp_path / "lock")
    assert first is not None
    assert try_lock(tmp_path / "lock") is None
    os.close(first)


@pytest.mark.parametrize(
    "word", ["..", ".", "", "a/b", "x" * 300, "new\nline", "\x1b[2J", "é", "\udcff", "-rf"]
)
def test_no_name_leaves_its_folder(word: str) -> None:
    name = file_name(word)
    assert name.isascii()
    assert name.isprintable()
    assert not {"/", " "} & set(name)
    assert 16 < len(name) < 80
    assert file_name(word + "x") != name


def test_a_marked_process_is_found_on_a_real_machine() -> None:
    mark = 'run 9/it\'s "h1"/upgrade'
    assert not [name for name in looked(mark) if "sleep" in name]
    with subprocess.Popen(["sleep", "300"], env={**os.environ, "ROLLOUT_MARK": mark}) as job:
        try:
            assert f"sleep (process {job.pid})" in looked(mark)
            assert f"sleep (process {job.pid})" not in looked(mark + "2")
            assert f"sleep (process {job.pid})" in looked("another/mark/here", mark)
        finally:
            job.kill()


def test_a_command_line_that_sets_the_mark_is_found_too() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", "import time; time.sleep(300)", "ROLLOUT_MARK=run-7/h1/upgrade"]
    ) as job:
        try:
            assert [name for name in looked("run-7/h1/upgrade") if str(job.pid) in name]
        finally:
            job.kill()


def looked(*marks: str) -> tuple[str, ...]:
    return ask(lambda: ssh.connect("here", LOCAL), *marks).running


def test_an_answer_without_its_end_is_no_answer() -> None:
    with pytest.raises(NoAnswer, match="Killed"):
        ask(lambda: Answers(Ran(137, "", "Killed")), "run/h/s")


@pytest.mark.parametrize(
    ("variables", "becomes"),
    [
        ({"ansible_become_password": "x"}, True),
        ({"ansible_become_pass": "x", "ansible_become_user": "root"}, True),
        ({"ansible_become_password": {"__ansible_vault": "$"}}, True),
        ({"ansible_become_password": "x", "ansible_become_user": "nova"}, False),
        ({"ansible_become_password": "x", "ansible_become": False}, False),
        ({}, False),
    ],
)
def test_a_host_whose_playbooks_become_root_by_a_password_is_asked_as_root(
    variables: dict[str, Any], becomes: bool
) -> None:
    assert (as_root(variables) != variables) is becomes
    assert as_root(variables).get("ansible_become", False) is becomes
