"""One read-only step on many hosts at once, in real `ansible-playbook` processes on this machine."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from rollout.executors._chunk import judge_each
from rollout.executors._processes import descendants, stat
from rollout.executors._unit import Unit
from rollout.executors.sweep import Sweep
from rollout.model.seams import Order, Outcome
from tests.executors.ansible_bench import LOCAL, Bench, gone, wait_for

Sweeper = Callable[..., Sweep]

SLOW = """
    - {ansible.builtin.raw: "echo $$ >> pids; exec sleep 300"}
"""


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


@pytest.fixture
def sweeper(bench: Bench) -> Iterator[Sweeper]:
    """Makes sweeps of the bench, which are closed when the test is over."""
    made: list[Sweep] = []

    def make(**how: Any) -> Sweep:
        variables = how.pop("variables_of", lambda host: bench.variables.get(host, LOCAL))
        made.append(Sweep(bench.folder / "units", variables, lambda _host: ("compute",), bench.folder, **how))
        return made[-1]

    yield make
    for sweep in made:
        sweep.close()


def outcomes(bench: Bench, sweep: Sweep, orders: Iterable[Order]) -> dict[str, Outcome]:
    orders = list(orders)
    sweep.run(orders, bench.post)
    found = [bench.answer(90) for _ in orders]
    return {outcome.host: outcome for outcome in found}


def endings(found: Mapping[str, Outcome]) -> dict[str, str]:
    return {host: str(outcome.ending) for host, outcome in found.items()}


def chunks(bench: Bench) -> list[Unit]:
    return [
        unit for unit in Unit.all_of(bench.folder / "units", "run-1") if unit.path.parent.name == ".sweep"
    ]


OTHERS: set[int] = set()
"""What ran below this process before the test: hosts and servers that other files of tests share."""


@pytest.fixture(autouse=True)
def _others() -> None:
    OTHERS.clear()
    OTHERS.update(descendants(os.getpid()))


def living() -> dict[int, int]:
    """All that the test has begun and that still runs: pid -> start."""
    theirs = OTHERS.union(*(descendants(pid) for pid in OTHERS))
    return {pid: found[2] for pid in descendants(os.getpid()) - theirs if (found := stat(pid))}


def test_each_host_of_a_sweep_gets_an_answer_of_its_own(bench: Bench, sweeper: Sweeper) -> None:
    tasks = """
    - ansible.builtin.assert: {that: "rollout_host == inventory_hostname and rollout_mark == 'run-1/' ~ rollout_host ~ '/precheck'"}
    - {ansible.builtin.assert: {that: "groups['compute'] | length == 5 and rollout_target.os[0] | length == 9"}, run_once: true}
    - {ansible.builtin.fail: {msg: "no room on {{ inventory_hostname }}, {{ bmc_password }}"}, when: inventory_hostname == 'full'}
    - block: [{ansible.builtin.command: {cmd: "false"}}]
      rescue: [{ansible.builtin.debug: {msg: rescued}}]
"""
    bench.variables = dict.fromkeys(("h1", "h2", "{{ h3 }}"), LOCAL)
    bench.variables["full"] = {**LOCAL, "bmc_password": "hunter2-hunter2"}
    bench.variables["off"] = {"ansible_host": "127.0.0.1", "ansible_port": 9}
    target = {"rollout_target": {"os": ["{{ new }}"]}}

    found = outcomes(
        bench,
        sweeper(),
        [bench.order(host, tasks, step="precheck", variables=target) for host in bench.variables],
    )

    assert endings(found) == {
        "h1": "done", "h2": "done", "{{ h3 }}": "done", "full": "failed", "off": "unreachable",
    }  # fmt: skip
    assert found["full"].because == "no room on full, ********"
    assert "Connection refused" in found["off"].because
    (chunk,) = chunks(bench)
    assert not chunk.private.exists()
    assert "hunter2" not in "".join(path.read_text() for path in chunk.path.iterdir())
    wait_for(lambda: not living())


def test_a_host_on_which_no_task_ran_has_failed_and_a_strangers_failure_is_everyones(
    bench: Bench, sweeper: Sweeper
) -> None:
    book = """
- hosts: h1, h2
  gather_facts: false
  tasks: [{ansible.builtin.debug: {msg: hello}}]
- hosts: localhost
  gather_facts: false
  tasks: [{ansible.builtin.fail: {msg: no mirror}, when: "'h2' in groups['all']"}]
"""
    sweep = sweeper(largest=2)
    found = outcomes(
        bench, sweep, [bench.order(host, book, step="precheck") for host in ("h2", "h1", "h3", "h4")]
    )
    assert {host: (str(o.ending), o.because) for host, o in found.items()} == {
        "h1": ("failed", "on localhost: no mirror"),
        "h2": ("failed", "on localhost: no mirror"),
        "h3": ("failed", "no task ran on h3"),
        "h4": ("failed", "no task ran on h4"),
    }


def test_each_host_of_a_sweep_hands_on_what_it_found_itself(bench: Bench, sweeper: Sweeper) -> None:
    tasks = """
    - {ansible.builtin.set_stats: {data: {rollout_found: {name: "{{ inventory_hostname }}", of: "{{ bmc_password | default('') }}"}}}}
    - ansible.builtin.set_stats: {data: {rollout_found: {again: true}, other: x}, per_host: true}
      when: inventory_hostname == 'h2'
    - {ansible.builtin.set_stats: {data: {rollout_found: "{{ 'x' * 20000 }}"}}, when: inventory_hostname == 'h3'}
"""
    bench.variables = {
        "h1": {**LOCAL, "bmc_password": "hunter2-hunter2"},
        "h2": LOCAL,
        "h3": LOCAL,
    }
    found = outcomes(
        bench, sweeper(), [bench.order(host, tasks, step="precheck") for host in bench.variables]
    )
    assert found["h1"].found == {"name": "h1", "of": "********"}
    assert found["h2"].found == {"again": True}
    assert (str(found["h3"].ending), dict(found["h3"].found)) == ("failed", {})
    assert (
        found["h3"].because == "rollout_found (set_stats) is text, and must be a mapping of names to values"
    )


def test_a_hanging_host_fails_by_itself(bench: Bench, sweeper: Sweeper) -> None:
    tasks = """
    - {ansible.builtin.raw: "sleep {{ 300 if inventory_hostname == 'hangs' else 0 }}"}
    - {ansible.builtin.debug: {msg: "over"}}
"""
    orders = [bench.order(host, tasks, step="precheck", timeout=8.0) for host in ("h1", "hangs", "h2")]
    found = outcomes(bench, sweeper(), orders)
    assert endings(found) == {"h1": "done", "h2": "done", "hangs": "failed"}
    assert "Timed out after 8 second" in found["hangs"].because
    wait_for(lambda: not living())


def test_no_host_ends_the_play_of_another(bench: Bench, sweeper: Sweeper) -> None:
    """Whatever the playbook insists on: each goes its own way to its own end."""
    book = """
- hosts: all
  gather_facts: false
  strategy: linear
  any_errors_fatal: true
  max_fail_percentage: 0
  serial: 1
  tasks:
    - {ansible.builtin.meta: end_play, when: inventory_hostname == 'h2'}
    - {ansible.builtin.include_tasks: more.yml}
    - {ansible.builtin.fail: {msg: broken}, when: "inventory_hostname in ['h1', 'h4']"}
    - {ansible.builtin.fail: {msg: broken too}, when: inventory_hostname == 'h5'}
- hosts: all
  gather_facts: false
  tasks: [{ansible.builtin.shell: {cmd: "echo {{ inventory_hostname }} >> second"}}]
"""
    more = "- {ansible.builtin.meta: end_play, when: inventory_hostname == 'h3'}\n"
    (bench.folder / "more.yml").write_text(more)
    hosts = [f"h{number}" for number in range(1, 7)]
    found = outcomes(bench, sweeper(), [bench.order(host, book, step="precheck") for host in hosts])
    assert {host: outcome.because for host, outcome in found.items() if outcome.ending != "done"} == {
        "h1": "broken", "h4": "broken", "h5": "broken too",
    }  # fmt: skip
    assert sorted((bench.folder / "second").read_text().split()) == ["h2", "h3", "h6"]


def test_chunks_are_even_and_few_enough_at_once(bench: Bench, sweeper: Sweeper) -> None:
    tasks = """
    - {ansible.builtin.shell: "echo + >> at-work; sleep 0.5; echo - >> at-work"}
"""
    orders = [bench.order(host, tasks, step="precheck") for host in ("h1", "h2", "h3")]
    found = outcomes(bench, sweeper(largest=2, processes=1, forks=5), orders)
    assert set(endings(found).values()) == {"done"}
    assert sorted(len(unit.order()["hosts"]) for unit in chunks(bench)) == [1, 2]
    assert (bench.folder / "at-work").read_text().split() == ["+", "-"] * 3


@pytest.mark.parametrize("who", ["supervisor", "ansible"])
def test_of_a_chunk_that_is_killed_nobody_is_healthy(bench: Bench, sweeper: Sweeper, who: str) -> None:
    tasks = """
    - {ansible.builtin.fail: {msg: broken}, when: inventory_hostname == 'h1'}
    - {ansible.builtin.raw: "true", name: look}
    - {ansible.builtin.raw: "echo $$ >> pids; sleep 300", when: inventory_hostname == 'h2'}
"""
    orders = [bench.order(host, tasks, step="precheck") for host in ("h1", "h2", "h3")]
    sweeper().run(orders, bench.post)
    wait_for((bench.folder / "pids").is_file, 60)
    below = living()
    (chunk,) = chunks(bench)
    known = chunk.process()
    pid = chunk.playbook() if who == "ansible" else known and known[0]
    assert pid
    os.kill(pid, signal.SIGKILL)
    found = {outcome.host: outcome for outcome in (bench.answer() for _ in orders)}
    assert endings(found) == {"h1": "failed", "h2": "unknown", "h3": "unknown"}
    assert found["h1"].because == "broken"
    assert "could not find out: " in found["h3"].because
    if who == "ansible":  # else the kernel ends Ansible and its workers, and the shell on the host goes on
        wait_for(lambda: gone(below))
    assert not chunk.private.exists()


def test_closing_ends_all_of_it_and_says_nothing(bench: Bench, sweeper: Sweeper) -> None:
    sweep = sweeper(largest=2, forks=1, processes=2)
    sweep.run([bench.order(f"h{number}", SLOW, step="precheck") for number in range(6)], bench.post)
    wait_for((bench.folder / "pids").is_file, 60)
    below = living()
    sweep.close()
    wait_for(lambda: gone(below))
    wait_for(lambda: not living())
    assert bench.inbox.empty()
    assert not [unit for unit in chunks(bench) if unit.private.exists()]


def test_a_chunk_ends_with_the_controller_that_asked(bench: Bench) -> None:
    bench.order("h1", SLOW, step="precheck")
    script = f"""
import queue, sys
from pathlib import Path
from rollout.executors.sweep import Sweep
from rollout.model.plan import Step
from rollout.model.seams import Order
folder = Path({str(bench.folder)!r})
sweep = Sweep(folder / "units", lambda host: {LOCAL!r}, lambda host: (), folder)
sweep.run([Order("run-1", "h1", Step("precheck", playbook="precheck.yml"), 1, 1)], print)
queue.Queue().get()
"""
    with subprocess.Popen([sys.executable, "-c", script]) as controller:
        wait_for((bench.folder / "pids").is_file, 60)
        below = {pid: found[2] for pid in descendants(controller.pid) if (found := stat(pid))}
        controller.kill()
    wait_for(lambda: gone(below))
    (chunk,) = chunks(bench)
    wait_for(lambda: not chunk.private.exists())


def test_a_host_of_unknown_variables_is_its_own_failure(bench: Bench, sweeper: Sweeper) -> None:
    def variables_of(host: str) -> dict[str, Any]:
        if host == "left":
            raise RuntimeError("it has left the inventory")
        return LOCAL

    tasks = """
    - {ansible.builtin.debug: {msg: hello}}
"""
    orders = [bench.order(host, tasks, step="precheck") for host in ("h1", "left")]
    found = outcomes(bench, sweeper(variables_of=variables_of), orders)
    assert endings(found) == {"h1": "done", "left": "failed"}
    assert found["left"].because == "it has left the inventory"


def event(kind: str, host: str = "", **data: Any) -> dict[str, Any]:
    return {"event": kind, "event_data": {"host": host, "task": "look", **data}}


STATS = event("playbook_on_stats", ok={"h1": 2, "h2": 1}, failures={"h2": 1}, dark={})


def test_an_exit_code_that_no_failed_host_explains_is_everyones() -> None:
    failed = event("runner_on_failed", "h2", res={"msg": "broken"})
    found = judge_each(("h1", "h2"), [failed, STATS], 2, "")
    assert [found[host].ending for host in ("h1", "h2")] == ["done", "failed"]
    found = judge_each(("h1", "h2"), [failed, STATS], 250, "[ERROR]: Unexpected Exception")
    assert [(found[h].ending, found[h].because) for h in ("h1", "h2")] == [
        ("failed", "Unexpected Exception"),
        ("failed", "broken"),
    ]


def test_a_failure_that_was_ignored_before_the_end_was_lost_is_no_end() -> None:
    events = [
        event("runner_on_failed", "h1", res={"msg": "broken"}, ignore_errors=True),
        event("runner_on_unreachable", "h2", res={"msg": "no route to host"}),
        event("runner_on_failed", "h3", res={"msg": "broken"}),
        event("runner_on_start", "h3"),
    ]
    found = judge_each(("h1", "h2", "h3", "h4"), events, None, "", "it was told to stop")
    assert {host: result.ending for host, result in found.items()} == {
        "h1": "unknown", "h2": "unreachable", "h3": "unknown", "h4": "unknown",
    }  # fmt: skip
    assert found["h3"].because == "could not find out: it was told to stop; its last task was 'look'"
    assert found["h4"].because == "could not find out: it was told to stop; no task had begun on it"


def test_without_proof_that_hosts_went_apart_none_is_healthy() -> None:
    failed = event("runner_on_failed", "h2", res={"msg": "broken"})
    found = judge_each(("h1", "h2"), [failed, STATS], 2, "", apart=False)
    assert {host: result.ending for host, result in found.items()} == {"h1": "unknown", "h2": "failed"}


def test_a_playbook_that_cannot_be_read_fails_on_every_host() -> None:
    found = judge_each(("h1", "h2"), [], 4, "[ERROR]: We could not parse it")
    assert {result.because for result in found.values()} == {"We could not parse it"}
    assert {result.ending for result in found.values()} == {"failed"}
