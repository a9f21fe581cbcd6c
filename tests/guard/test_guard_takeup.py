"""What take-up makes of the guard's words, with the real guard on this machine; no Ansible runs here."""

import shlex
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from rollout import ssh
from rollout.executors._guard import try_of
from rollout.model.seams import Connection, Ending, Order, Ran
from tests.executors.ansible_bench import LOCAL, Answers, Bench
from tests.guard.guarded import OLD_FENCE, SCRIPT, Guarded


@pytest.fixture
def bench(tmp_path: Path, guard: Guarded) -> Bench:
    """A host whose guard is in a directory of the test's own."""
    guard.base.mkdir()
    (guard.base / "guard").symlink_to(SCRIPT)
    bench = Bench(tmp_path, {"h1": {**LOCAL, "rollout_guard_directory": str(guard.base)}}, connect=here)
    bench.folder.joinpath("upgrade.yml").touch()
    return bench


def here(host: str, variables: Mapping[str, Any]) -> Connection:
    """This very machine; whatever package manager runs on it is none of the test's."""
    return Only(ssh.connect(host, variables))


class Only(Answers):
    """The question about processes is answered by a fake: nothing runs. The guard's goes to the machine."""

    def __init__(self, real: Connection) -> None:
        super().__init__(Ran(0, "asked\n", ""))
        self._real = real

    def run(self, command: str, timeout: float = 30.0) -> Ran:
        if "status --base" not in command:
            return super().run(command, timeout)
        with self._real as connection:
            return connection.run(command, timeout)


def dead(bench: Bench, order: Order) -> None:
    """Its unit had begun, and no supervisor of it lives."""
    unit = bench.unit(order)
    unit.make({"host": order.host, "once": order.step.once, "mark": order.mark})
    unit.note_began(time.time())


def taken_up(bench: Bench, *, once: bool = True, attempt: int = 1) -> Order:
    order = bench.order("h1", once=once, attempt=attempt, taken_up=True, timeout=30.0)
    dead(bench, order)
    return order


def settled(bench: Bench, order: Order) -> tuple[Ending, str]:
    outcome = bench.carry_out(order)["h1"]
    return outcome.ending, outcome.because


def next_try(bench: Bench, attempt: int) -> int:
    return try_of(bench.unit(bench.order("h1", attempt=attempt)))


def finished(guard: Guarded, code: int = 0, attempt: int = 1) -> None:
    guard.call("claim", "--fence", "1", "--guarded", "--try", str(attempt))
    guard.call(
        "run",
        "--fence",
        "1",
        "--name",
        "dist-upgrade",
        "--try",
        str(attempt),
        "--",
        "sh",
        "-c",
        f"exit {code}",
    )


def lose(guard: Guarded, name: str = "dist-upgrade") -> None:
    """It had begun, and neither it nor its guard is there any more."""
    guard.call("run", "--fence", "1", "--name", name, "--try", "1", "--", "true")
    for job in guard.base.glob("jobs/*"):
        if (job / "name").read_text() == name:
            (job / "code").unlink()


def test_a_guarded_once_step_goes_on_with_the_same_try(bench: Bench, guard: Guarded) -> None:
    finished(guard)

    ending, because = settled(bench, taken_up(bench))

    assert ending is Ending.RESUMABLE
    assert because.endswith("; its guard says: dist-upgrade ended with code 0")
    assert next_try(bench, 2) == 1
    dead(bench, bench.order("h1", attempt=2))
    assert next_try(bench, 3) == 3  # it began, and nobody has said that it may be gone on with


def test_an_order_that_never_began_does_not_end_the_try_and_a_second_death_goes_on_with_the_first(
    bench: Bench, guard: Guarded
) -> None:
    finished(guard)
    settled(bench, taken_up(bench))
    assert settled(bench, bench.order("h1", once=True, attempt=2, taken_up=True))[0] is Ending.NEVER_BEGAN
    assert next_try(bench, 3) == 1

    assert settled(bench, taken_up(bench, attempt=3))[0] is Ending.RESUMABLE

    assert next_try(bench, 4) == 1


def test_a_failure_that_nobody_has_read_is_kept_for_the_order_that_goes_on(
    bench: Bench, guard: Guarded
) -> None:
    finished(guard, code=100)
    assert settled(bench, taken_up(bench))[0] is Ending.RESUMABLE
    assert (
        guard.call("run", "--fence", "1", "--name", "dist-upgrade", "--try", "1", "--", *guard.effect()).code
        == 100
    )


def test_a_running_job_is_awaited_whatever_the_processes_say(bench: Bench, guard: Guarded) -> None:
    guard.call("claim", "--fence", "1", "--guarded", "--try", "1")
    job = ["sh", "-c", f"until [ -e {guard.scratch}/go ]; do sleep 0.05; done"]
    guard.call("poll", "--fence", "1", "--name", "dist-upgrade", "--try", "1", "--wait", "0", "--", *job)
    executor = bench.executor()
    executor.run(taken_up(bench), bench.post)
    time.sleep(1)
    assert bench.inbox.empty()

    (guard.scratch / "go").touch()
    outcome = bench.answer()
    executor.close()

    assert outcome.ending is Ending.RESUMABLE, outcome


def test_without_the_declaration_or_with_a_lost_job_nobody_guesses(bench: Bench, guard: Guarded) -> None:
    assert settled(bench, taken_up(bench))[0] is Ending.UNKNOWN
    guard.call("claim", "--fence", "1", "--try", "1")
    guard.call("run", "--fence", "1", "--name", "dist-upgrade", "--try", "1", "--", "true")
    assert settled(bench, taken_up(bench))[0] is Ending.UNKNOWN
    guard.call("claim", "--fence", "1", "--guarded", "--try", "1")
    assert settled(bench, taken_up(bench))[0] is Ending.RESUMABLE

    lose(guard)

    ending, because = settled(bench, taken_up(bench))
    assert ending is Ending.UNKNOWN
    assert "dist-upgrade was killed together with its guard: what it did is not known" in because
    assert next_try(bench, 2) == 2


def test_a_reboot_in_the_middle_is_told_and_a_step_that_may_be_repeated_begins_a_new_try(
    bench: Bench, guard: Guarded
) -> None:
    guard.call("claim", "--fence", "1", "--guarded", "--try", "1")
    lose(guard)
    next(guard.base.glob("jobs/*/begun")).write_text("another-boot")

    ending, because = settled(bench, taken_up(bench, once=False))

    assert ending is Ending.INTERRUPTED
    assert "the host rebooted while dist-upgrade ran: its job is gone" in because
    assert next_try(bench, 2) == 2


def test_what_an_earlier_try_has_lost_is_settled_by_the_later_decision(bench: Bench, guard: Guarded) -> None:
    lose(guard, "update")
    finished(guard, attempt=2)
    assert settled(bench, taken_up(bench, attempt=2))[0] is Ending.RESUMABLE
    assert next_try(bench, 3) == 2


def test_a_controller_that_was_overtaken_gets_no_say(bench: Bench, guard: Guarded) -> None:
    finished(guard)
    guard.call("fence", "--fence", "7")
    ending, because = settled(bench, taken_up(bench))
    assert ending is Ending.UNKNOWN
    assert "a newer controller of run-1 has been here (its fence is 7, this one's 1)" in because


def test_take_up_leaves_its_fence_on_the_host(bench: Bench, guard: Guarded) -> None:
    finished(guard)
    settled(bench, taken_up(bench))
    assert guard.call("run", "--fence", "0", "--", "true").code == OLD_FENCE


@pytest.mark.parametrize(
    "answer", [Ran(0, "held by nobody\nstep guarded=yes try=1 x\n", ""), Ran(2, "", "sh: no such file")]
)
def test_half_an_answer_is_none(bench: Bench, guard: Guarded, answer: Ran) -> None:
    bench.connect = lambda _host, _variables: Answers(Ran(0, "asked\n", ""), answer)
    assert settled(bench, taken_up(bench))[0] is Ending.UNKNOWN


def test_the_playbook_is_told_fence_and_try(bench: Bench, guard: Guarded) -> None:
    finished(guard)
    settled(bench, taken_up(bench))
    out = guard.scratch / "told"
    tasks = f"    - ansible.builtin.shell: echo {{{{ rollout_fence }}}} {{{{ rollout_try }}}} $ROLLOUT_MARK > {shlex.quote(str(out))}\n"

    outcome = bench.carry_out(bench.order("h1", tasks, once=True, attempt=2))["h1"]

    assert outcome.ending is Ending.DONE, outcome
    assert out.read_text() == "1 1 run-1/h1/upgrade\n"
