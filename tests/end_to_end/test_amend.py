"""A playbook is mended in the middle of a run, and the run goes on: two commands, on real hosts."""

import signal
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from rollout.lab import HostSpec
from tests.end_to_end.operating import Operator, read_until
from tests.end_to_end.plans import interleaved, logged, plan

pytestmark = pytest.mark.lab


@pytest.fixture(scope="module")
def operator(operator_of: Callable[[Sequence[HostSpec]], Operator]) -> Operator:
    return operator_of([HostSpec(f"m{number}") for number in range(1, 5)])


def steps_on(operator: Operator, host: str, run: str = "") -> list[str]:
    """The steps that have come to their end there, in order."""
    log = operator.on(host, "cat /var/log/steps 2>/dev/null || :")
    marks = [line.split(" ", 1)[1] for line in log.splitlines() if line.startswith("end ")]
    return [mark.rsplit("/", 1)[1] for mark in marks if mark.startswith(run)]


def with_a_typo(operator: Operator, path: str) -> tuple[Path, str]:
    """Break the playbook; gives its file, and what it says when it is mended."""
    file = operator.folder / path
    right = file.read_text()
    file.write_text(
        "- hosts: all\n  gather_facts: false\n  tasks: [{ansible.builtin.command: /usr/bin/flase, changed_when: true}]\n"
        + right
    )
    return file, right


@pytest.mark.full
def test_a_mended_playbook_lets_the_same_run_go_on(operator: Operator) -> None:
    """The canary goes on with the failed step, hosts that are done are not touched again, and a host that came later is named."""
    at = ("--journal", ".rollout/mended.sqlite3")
    prepare, work = logged(operator, "prepare", seconds=0), logged(operator, "work", seconds=0)
    steps: list[dict[str, Any]] = [
        {"name": "prepare", "playbook": prepare},
        {"name": "work", "playbook": work, "disruptive": True},
    ]
    file = plan(operator, "mended", "m1:m2", steps, waves={"sizes": [1, "100%"], "soak": "0s"})
    book, right = with_a_typo(operator, work)
    halted = operator.rollout("apply", file, "--yes", *at)
    assert halted.code == 3, halted.said
    (held,) = (name for name, host in operator.hosts(*at).items() if host["status"] == "held")
    assert steps_on(operator, held) == ["prepare"]

    book.write_text(right)
    plan(operator, "mended", "m1:m2:m3", steps, waves={"sizes": [1, "100%"], "soak": "0s"})
    refused = operator.rollout("resume", file, *at)
    assert refused.code == 6, refused.said
    assert f"rollout amend {file}" in refused.said
    assert operator.rollout("amend", file, *at).code == 7
    amended = operator.rollout("amend", file, "--yes", "--reason", "a typo", *at)
    assert amended.code == 0, amended.said
    assert f"{work} has changed" in amended.said
    assert "not touched by this run, for it did not have them: m3" in amended.said

    assert operator.rollout("retry", held, "--reason", "the typo is mended", *at).code == 0
    finished = operator.rollout("resume", file, *at)
    assert finished.code == 0, finished.said
    assert "came after it was planned: m3" in finished.said
    for host in ("m1", "m2"):
        assert steps_on(operator, host) == ["prepare", "work"], (
            "nothing is done twice, and nothing is left out"
        )
        assert interleaved(operator.on(host, "cat /var/log/steps")) == []
    assert steps_on(operator, "m3") == []


def test_a_step_in_flight_is_taken_up_by_the_amended_run(operator: Operator) -> None:
    """Its controller is killed, a later step is mended, a step is added: what runs is followed, and not begun again."""
    at = ("--journal", ".rollout/flight.sqlite3")
    first, look = logged(operator, "first", seconds=6), logged(operator, "look", seconds=0)
    steps: list[dict[str, Any]] = [
        {"name": "first", "playbook": first, "once": True},
        {"name": "look", "playbook": look},
    ]
    file = plan(operator, "flight", "m4", steps)
    controller = operator.start("apply", file, "--yes", *at)
    read_until(controller, "first begins")
    held = operator.rollout("amend", file, "--yes", *at)
    assert held.code == 5, held.said
    assert "stop it first" in held.said
    controller.kill()
    assert controller.wait() == -signal.SIGKILL

    (operator.folder / look).write_text((operator.folder / look).read_text() + "# mended\n")
    early: dict[str, Any] = {"name": "early", "playbook": look}
    late = {"name": "late", "playbook": look}
    plan(operator, "flight", "m4", [early, *steps, late])
    amended = operator.rollout("amend", file, "--yes", "--reason", "more to look at", *at)
    assert amended.code == 0, amended.said
    assert "step early of combo all is new, and not run on m4: past it already" in amended.said
    gone = plan(operator, "flight", "m4", [{"name": "other", "playbook": look}, *steps[1:]])
    refused = operator.rollout("amend", gone, "--yes", *at)
    assert refused.code == 65, refused.said
    assert "combo all has no step first any more, and it is in flight on host m4" in refused.said

    plan(operator, "flight", "m4", [early, *steps, late])
    finished = operator.rollout("resume", file, *at)
    assert finished.code == 0, finished.said
    assert steps_on(operator, "m4") == ["first", "look", "late"]
