"""Units against kill -9, signals and deadlines: real processes, killed for real."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from rollout.executors._processes import descendants, stat
from rollout.executors._unit import Unit
from rollout.model.seams import Ending, Order, Ran
from tests.executors.ansible_bench import Answers, Bench, gone, wait_for

WAITS = """
    - name: Wait for a word
      ansible.builtin.shell: touch {{ rollout_host }}.began; while ! [ -e go ]; do sleep 0.05; done
      args: {chdir: "{{ playbook_dir }}"}
    - name: Say that it ended
      ansible.builtin.shell: echo ended >> {{ rollout_host }}.ended
      args: {chdir: "{{ playbook_dir }}"}
"""


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    yield Bench(tmp_path, grace=2.0)
    (tmp_path / "go").touch()  # whatever a failed test left behind comes to its end


def began(bench: Bench, host: str) -> None:
    wait_for((bench.folder / f"{host}.began").exists)


def everything(unit: Unit) -> dict[int, int]:
    """The supervisor and all below it: pid -> start."""
    process = unit.process()
    assert process is not None
    below = {pid: found[2] for pid in descendants(process[0]) if (found := stat(pid))}
    assert below
    return {process[0]: process[1], **below}


def controller(bench: Bench, order: Order) -> "subprocess.Popen[str]":
    words = [str(bench.folder), order.host, order.step.name, "true" if order.step.once else "false"]
    return subprocess.Popen(
        [sys.executable, str(Path(__file__).with_name("controller.py")), *words],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
    )


def test_the_controller_dies_and_the_next_one_follows_the_living_unit(bench: Bench) -> None:
    order = bench.order("h1", WAITS, once=True)
    with controller(bench, order) as first:
        began(bench, "h1")
        first.kill()
    resumed = bench.order("h1", once=True, taken_up=True)
    executor = bench.executor()
    executor.run(resumed, bench.post)
    (bench.folder / "go").touch()
    assert bench.answer().ending is Ending.DONE
    executor.close()
    assert (bench.folder / "h1.ended").read_text() == "ended\n"


@pytest.mark.parametrize("forgotten", [True, False])
def test_a_controller_that_slept_between_intent_and_act_begins_nothing_once_it_was_taken_over(
    bench: Bench, forgotten: bool
) -> None:
    slept = bench.order("h1", WAITS, once=True, attempt=1)
    (bench.folder / "go").touch()
    done = bench.order("h1", once=True, attempt=2)
    assert bench.carry_out(done)["h1"].ending is Ending.DONE
    if forgotten:
        bench.executor().forget("run-1", "h1", "upgrade", 2)
    assert bench.unit(done).path.exists() is not forgotten

    woken = bench.carry_out(slept)["h1"]

    assert (woken.ending, woken.because) == (
        Ending.FAILED,
        "h1 has had a later order since: another controller took over",
    )
    assert (bench.folder / "h1.ended").read_text() == "ended\n"


def test_the_controller_dies_and_the_next_one_reads_what_finished_meanwhile(bench: Bench) -> None:
    order = bench.order("h1", WAITS)
    with controller(bench, order) as first:
        began(bench, "h1")
        living = everything(bench.unit(order))
        first.send_signal(signal.SIGINT)
        first.kill()
    (bench.folder / "go").touch()
    wait_for(lambda: gone(living))
    assert bench.carry_out(bench.order("h1", taken_up=True))["h1"].ending is Ending.DONE
    assert (bench.folder / "h1.ended").read_text() == "ended\n"


def test_a_hang_up_a_ctrl_c_and_the_journal_are_not_for_units(bench: Bench) -> None:
    bench.environ = {
        **os.environ,
        "ROLLOUT_JOURNAL": "postgresql://me@db/x",
        "PGPASSWORD": "planted-1",
        "KEPT": "yes",
    }
    order = bench.order("h1", WAITS)
    executor = bench.executor()
    executor.run(order, bench.post)
    began(bench, "h1")
    inherited = [Path(f"/proc/{pid}/environ").read_bytes() for pid in everything(bench.unit(order))]
    assert all(b"KEPT=yes" in text for text in inherited)
    assert not [text for text in inherited if b"planted-1" in text or b"ROLLOUT_JOURNAL" in text]
    process = bench.unit(order).process()
    assert process is not None
    assert os.getsid(process[0]) == process[0]
    for number in (signal.SIGINT, signal.SIGHUP):
        os.kill(process[0], number)
    (bench.folder / "go").touch()
    assert bench.answer().ending is Ending.DONE
    executor.close()


@pytest.mark.parametrize("once", [False, True])
def test_sigterm_leaves_no_process(bench: Bench, once: bool) -> None:
    order = bench.order("h1", WAITS, once=once)
    executor = bench.executor()
    executor.run(order, bench.post)
    began(bench, "h1")
    living = everything(bench.unit(order))
    os.kill(next(iter(living)), signal.SIGTERM)
    outcome = bench.answer()
    executor.close()
    assert gone(living)
    assert outcome.ending is (Ending.UNKNOWN if once else Ending.INTERRUPTED)
    assert "it was told to stop" in outcome.because
    assert "'Wait for a word', which did not end" in outcome.because
    assert "nothing of it runs on h1 any more" in outcome.because
    assert not bench.unit(order).private.exists()


def command_of(pid: int) -> bytes:
    """Empty for one that has ended by now: Ansible's modules come and go."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return b""


@pytest.mark.parametrize("once", [False, True])
def test_a_killed_supervisor_takes_ansible_with_it_and_the_host_is_asked(bench: Bench, once: bool) -> None:
    order = bench.order("h1", WAITS, once=once)
    busy = Ran(0, "marked sh (process 77)\naudit The following packages are in a mess:\nasked\n", "")
    quiet = Ran(0, "audit The following packages are in a mess:\nasked\n", "")
    asked = Answers(busy, busy, quiet)
    bench.connect = lambda _host, _variables: asked
    executor = bench.executor()
    executor.run(order, bench.post)
    began(bench, "h1")
    living = everything(bench.unit(order))
    ansible = {pid: start for pid, start in living.items() if b"_playbook.py" in command_of(pid)}
    os.kill(next(iter(living)), signal.SIGKILL)
    outcome = bench.answer()
    executor.close()
    assert len(ansible) > 1
    wait_for(lambda: gone(ansible))
    assert len(asked.ran) == 4  # three times what runs there, then its guard
    assert outcome.ending is (Ending.UNKNOWN if once else Ending.INTERRUPTED)
    assert "'Wait for a word', which did not end" in outcome.because
    assert outcome.because.endswith("dpkg --audit says: The following packages are in a mess:")
    assert not bench.unit(order).private.exists()


@pytest.mark.full
def test_past_the_deadline_a_unit_is_ended_cleanly_and_a_once_step_left_alone(bench: Bench) -> None:
    safe = bench.order("h1", WAITS, timeout=30.0)
    executor = bench.executor()
    executor.run(safe, bench.post)
    executor.run(bench.order("h2", timeout=30.0, once=True), bench.post)
    began(bench, "h1")
    began(bench, "h2")
    living = everything(bench.unit(safe))
    late = {outcome.host: outcome for outcome in (bench.answer(), bench.answer())}
    executor.close()
    assert {outcome.ending for outcome in late.values()} == {Ending.LATE}
    assert late["h1"].because.startswith(
        "it took longer than 30 s; the last task begun was 'Wait for a word'"
    )
    assert gone(living)
    assert late["h2"].because == (
        "upgrade has run for more than 30 s and is left to itself; "
        "the last task begun was 'Wait for a word', which did not end"
    )
    again = bench.executor()
    again.run(bench.order("h2", timeout=30.0, once=True, taken_up=True), bench.post)
    assert bench.answer().ending is Ending.LATE
    (bench.folder / "go").touch()
    wait_for((bench.folder / "h2.ended").exists)
    again.close()
    assert bench.inbox.empty()


def test_two_units_never_run_on_one_host(bench: Bench) -> None:
    executor = bench.executor()
    executor.run(bench.order("h1", WAITS), bench.post)
    began(bench, "h1")
    executor.run(bench.order("h1", WAITS, step="verify"), bench.post)
    second = bench.answer()
    (bench.folder / "go").touch()
    assert (second.step, second.ending) == ("verify", Ending.FAILED)
    assert second.because == "another unit is running on h1, and two at once would harm it"
    assert bench.answer().ending is Ending.DONE
    executor.close()


@pytest.mark.full
def test_a_retry_ends_the_living_unit_of_the_earlier_try_first(bench: Bench) -> None:
    order = bench.order("h1", WAITS)
    first = bench.executor()
    first.run(order, bench.post)
    began(bench, "h1")
    living = everything(bench.unit(order))
    first.close()
    (bench.folder / "h1.began").unlink()
    second = bench.executor()
    second.run(bench.order("h1", attempt=2), bench.post)
    began(bench, "h1")
    assert gone(living)
    (bench.folder / "go").touch()
    outcome = bench.answer()
    second.close()
    assert (outcome.attempt, outcome.ending) == (2, Ending.DONE)
    assert (bench.folder / "h1.ended").read_text() == "ended\n"


def test_a_run_that_nobody_will_take_up_is_ended(bench: Bench) -> None:
    orders = [bench.order(host, WAITS) for host in ("h1", "h2")]
    executor = bench.executor()
    for order in orders:
        executor.run(order, bench.post)
        began(bench, order.host)
    living = {pid: start for order in orders for pid, start in everything(bench.unit(order)).items()}
    executor.end("run-1")
    executor.close()
    assert gone(living)
    assert not list((bench.folder / "units").rglob("private"))


def test_a_unit_of_a_run_that_was_given_up_still_keeps_its_host(bench: Bench) -> None:
    first = bench.executor()
    first.run(bench.order("h1", WAITS, once=True), bench.post)
    began(bench, "h1")
    second = bench.executor()
    second.run(replace(bench.order("h1", timeout=0.3), run="run-2"), bench.post)
    refused = bench.answer()
    assert (refused.ending, refused.because) == (
        Ending.FAILED,
        "another unit is running on h1, and two at once would harm it",
    )
    assert not (bench.folder / "h1.ended").exists()
    second.run(replace(bench.order("h1"), run="run-3"), bench.post)
    (bench.folder / "go").touch()
    assert [bench.answer().ending, bench.answer().ending] == [Ending.DONE, Ending.DONE]
    first.close()
    second.close()
    assert (bench.folder / "h1.ended").read_text() == "ended\nended\n"


def test_a_supervisor_that_cannot_start_says_why(bench: Bench) -> None:
    bench.environ = {"PATH": os.environ["PATH"], "PYTHONPATH": str(bench.folder)}
    (bench.folder / "ansible_runner.py").write_text("raise ImportError('no runner here')")
    outcome = bench.carry_out(bench.order("h1", WAITS))["h1"]
    assert (outcome.ending, outcome.begun) == (Ending.CONTROLLER, False)
    assert "no runner here" in outcome.because
