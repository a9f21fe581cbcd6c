"""What stops a controller from outside: another controller, Ctrl-C, a full disk. The run always goes on afterwards."""

import re
import signal
import subprocess
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pytest

from rollout.lab import HostSpec
from tests.end_to_end.operating import Operator, ended, read_until
from tests.end_to_end.plans import interleaved, logged, plan

pytestmark = pytest.mark.lab


@pytest.fixture(scope="module")
def operator(operator_of: Callable[[Sequence[HostSpec]], Operator]) -> Operator:
    return operator_of([HostSpec(f"s{number}") for number in range(1, 7)])


def two_steps(operator: Operator, name: str, hosts: str, **more: object) -> str:
    work = logged(operator, "work", seconds=2)
    steps: list[dict[str, Any]] = [
        {"name": "work", "playbook": work, "once": True},
        {"name": "look", "playbook": work},
    ]
    return plan(operator, name, hosts, steps, **more)


@pytest.mark.full
def test_a_second_controller_is_told_who_holds_the_run_and_since_when(operator: Operator) -> None:
    file = two_steps(operator, "twice", "s1")
    first = operator.start("apply", file, "--yes", "--journal", ".rollout/twice.sqlite3")
    read_until(first, "work begins")

    second = operator.rollout("apply", file, "--yes", "--journal", ".rollout/twice.sqlite3")
    third = operator.rollout("resume", "--journal", ".rollout/twice.sqlite3")
    finished = ended(first, 60)

    for refused in (second, third):
        assert refused.code == 5, refused.said
        assert re.search(
            rf"held by root on \S+ \(pid {first.pid}\).* since \d\d\d\d-\d\d-\d\d", refused.said
        ), refused.said
    assert finished.code == 0, finished.said
    assert interleaved(operator.on("s1", "cat /var/log/steps")) == []


def test_ctrl_c_lets_what_has_begun_finish_and_begins_nothing(operator: Operator) -> None:
    file = two_steps(operator, "stop", "s2:s3", limits={"at_once": 1})
    apply = operator.start("apply", file, "--yes", "--journal", ".rollout/stop.sqlite3")
    said = read_until(apply, "work begins")

    apply.send_signal(signal.SIGINT)
    stopped = ended(apply, 60)

    assert stopped.code == 130, stopped.said
    assert len(re.findall("work is done", stopped.said)) == 1
    assert "begins" not in stopped.said
    assert not operator.living()
    resumed = operator.rollout("resume", "--journal", ".rollout/stop.sqlite3")
    assert resumed.code == 0, resumed.said
    assert len(re.findall("work begins", said + resumed.said)) == 2
    for host in ("s2", "s3"):
        assert interleaved(operator.on(host, "cat /var/log/steps")) == []


@contextmanager
def small_disk(operator: Operator) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Runs commands in the lab's network with a disk of one megabyte at `small`; only they see it."""
    (operator.folder / "small").mkdir()
    mount = "mount -t tmpfs -o size=1m none small && echo there && exec sleep infinity"
    holder = subprocess.Popen(
        operator.lab.inside(["unshare", "--mount", "--propagation", "private", "sh", "-c", mount]),
        cwd=operator.folder, text=True, stdout=subprocess.PIPE,
    )  # fmt: skip

    def run(*words: str) -> subprocess.Popen[str]:
        there = ["sh", "-c", 'cd "$0" && exec "$@"', str(operator.folder), *words]
        inside = ["nsenter", f"--target={holder.pid}", "--mount", "--net", "--", *there]
        return subprocess.Popen(
            inside, env=operator.environment(), text=True, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )  # fmt: skip

    with holder:
        assert holder.stdout
        assert holder.stdout.readline() == "there\n"
        try:
            yield run
        finally:
            holder.kill()


def test_a_full_disk_stops_the_run_with_a_clear_error_and_room_lets_it_go_on(operator: Operator) -> None:
    file = two_steps(operator, "full", "s4:s5")
    journal = ("--journal", "small/journal.sqlite3")
    with small_disk(operator) as run:
        apply = run("rollout", "apply", file, "--yes", *journal)
        read_until(apply, "work begins")
        ended(run("sh", "-c", "head -c 2M /dev/zero > small/filler"), 10)
        stopped = ended(apply, 60)

        assert stopped.code == 1, stopped.said
        last = stopped.said.strip().splitlines()[-1]
        assert "journal" in last and "full" in last, stopped.said  # noqa: PT018  one sentence
        assert "Traceback" not in stopped.said
        still_full = ended(run("rollout", "resume", *journal), 60)
        assert still_full.code == 1, still_full.said
        ended(run("rm", "small/filler"), 10)
        resumed = ended(run("rollout", "resume", *journal), 90)
        assert resumed.code == 0, resumed.said

    for host in ("s4", "s5"):
        log = operator.on(host, "cat /var/log/steps")
        assert interleaved(log) == []
        assert len(log.splitlines()) == 4
