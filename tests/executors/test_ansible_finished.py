"""What units leave behind once their outcome is in the journal."""

import json
import time
from pathlib import Path

import pytest

from rollout.executors._finished import finished
from rollout.executors._guard import Kept, note_resumable, try_of
from rollout.executors._unit import Result, Unit
from rollout.model.seams import Ending, Forgets, Order
from tests.executors.ansible_bench import Answers, Bench

BLOCK = 4096
"""Bytes that a file or folder takes at least on common file systems; an empty file takes none."""

HOSTS, STEPS, ALLOWED = 10_000, 7, 200_000_000

SIXTY = "".join(
    f"    - name: Task {number} of a long play, with a name as long as such names are\n      ansible.builtin.debug: {{msg: x}}\n"
    for number in range(60)
)


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def forget(bench: Bench, order: Order) -> None:
    executor = bench.executor()
    assert isinstance(executor, Forgets)
    executor.forget(order.run, order.host, order.step.name, order.attempt)
    executor.close()


def ended(bench: Bench, order: Order, ending: Ending = Ending.DONE) -> Unit:
    """As its supervisor leaves it."""
    unit = bench.unit(order)
    unit.make({"host": order.host, "mark": order.mark, "step": order.step.name, "once": order.step.once})
    unit.note_began(time.time())
    unit.conclude(Result(ending, "" if ending is Ending.DONE else "exit code 1"), "printed\n")
    return unit


def taken(folder: Path) -> int:
    sizes = [-(-path.stat().st_size // BLOCK) if path.is_file() else 1 for path in folder.rglob("*")]
    return sum(sizes) * BLOCK


def test_ten_thousand_hosts_leave_little(bench: Bench) -> None:
    real = bench.order("h1", SIXTY, step="step-1")
    assert bench.carry_out(real)["h1"].ending is Ending.DONE
    whole = taken(bench.unit(real).path) + BLOCK
    forget(bench, real)
    for number in range(2, STEPS + 1):
        order = bench.order("h1", step=f"step-{number}", attempt=number)
        ended(bench, order)
        forget(bench, order)
    left = taken(bench.folder / "units" / "run-1")
    assert whole * HOSTS * STEPS > ALLOWED
    assert left * HOSTS <= ALLOWED / 2, f"{left} bytes a host"
    assert [path.name for path in (bench.folder / "units" / "run-1" / "h1").iterdir()] == ["finished"]


def test_a_unit_that_did_not_end_well_stays_whole(bench: Bench) -> None:
    failed = ended(bench, bench.order("h1"), Ending.FAILED)
    done = bench.order("h1", attempt=2)
    ended(bench, done)
    forget(bench, bench.order("h1"))
    assert finished(failed) == {}
    forget(bench, done)
    assert finished(failed) == {2: Result(Ending.DONE, "")}
    assert (failed.path / "output.txt").read_text() == "printed\n"
    assert not bench.unit(done).path.exists()


def test_what_a_controller_died_too_early_to_remove_goes_with_the_next(bench: Bench) -> None:
    first, second = bench.order("h1", step="stage"), bench.order("h1", attempt=2)
    ended(bench, first)
    ended(bench, second)
    forget(bench, second)
    assert set(finished(bench.unit(first))) == {1, 2}
    assert not bench.unit(first).path.exists()


def test_a_finished_order_is_never_taken_for_one_that_never_began(bench: Bench) -> None:
    unit = ended(bench, bench.order("h1", once=True))
    unit.note_result(Result(Ending.DONE, "", found={"version": "13.1"}))
    forget(bench, bench.order("h1", once=True))
    nobody = Answers(AssertionError("nobody is to be asked"))
    bench.connect = lambda _host, _variables: nobody
    again = bench.carry_out(bench.order("h1", once=True, taken_up=True))["h1"]
    assert (again.ending, again.found) == (Ending.DONE, {"version": "13.1"})


def test_the_host_is_not_asked_before_the_next_step_of_one_that_ended_well(bench: Bench) -> None:
    ended(bench, bench.order("h1"), Ending.FAILED)
    ended(bench, bench.order("h1", attempt=2))
    forget(bench, bench.order("h1", attempt=2))
    nobody = Answers(AssertionError("nobody is to be asked"))
    bench.connect = lambda _host, _variables: nobody
    following = bench.order("h1", "    - ansible.builtin.debug: {msg: x}\n", step="verify", attempt=3)
    assert bench.carry_out(following)["h1"].ending is Ending.DONE


@pytest.mark.parametrize(("after", "goes_on"), [(1, False), (2, True)])
def test_what_is_begun_after_a_finished_step_is_another_try(bench: Bench, after: int, goes_on: bool) -> None:
    """`resolve --as done` runs verify again, say; what was interrupted later goes on."""
    note_resumable(
        ended(bench, bench.order("h1", attempt=after), Ending.INTERRUPTED), Kept(guarded=True, attempt=7)
    )
    finishing = bench.order("h1", attempt=3 - after)
    ended(bench, finishing)
    forget(bench, finishing)
    assert try_of(bench.unit(bench.order("h1", attempt=9))) == (7 if goes_on else 9)


def test_a_full_disk_keeps_the_unit(bench: Bench) -> None:
    order = bench.order("h1")
    unit = ended(bench, order)
    (unit.path.parent / "finished").mkdir()  # the note cannot be written
    forget(bench, order)
    assert json.loads((unit.path / "result.json").read_text())["ending"] == "done"
