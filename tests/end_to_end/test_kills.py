"""kill -9 of the controller at random moments of a real upgrade."""

import random
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from rollout.lab import HostSpec
from tests.end_to_end.operating import Operator, repeated
from tests.end_to_end.plans import interleaved, logged, plan

pytestmark = pytest.mark.lab


def run_until_killed(operator: Operator, words: Sequence[str], chance: random.Random) -> int | None:
    """Start the controller and kill it after a few events, or even before its first; None, or how it ended before that."""
    controller = operator.start(*words)
    with controller:
        assert controller.stdout
        lines = chance.choice((0, 1, 2, 3, 5, 8, 8))
        for _ in range(lines):
            if not controller.stdout.readline():
                break
        try:
            return controller.wait(chance.uniform(0.0, 0.8 if lines else 1.5))
        except subprocess.TimeoutExpired:
            controller.kill()
            assert controller.wait() == -signal.SIGKILL
            return None


def upgrade_under_fire(operator: Operator, names: Sequence[str], kills: int, at_once: int) -> None:
    seed = random.randrange(10**6)
    sys.stdout.write(f"seed {seed}\n")
    chance = random.Random(seed)
    steps: list[dict[str, Any]] = [
        {"name": "upgrade", "playbook": logged(operator, "upgrade", does="upgrade"), "once": True},
        {"name": "reboot", "playbook": logged(operator, "reboot", does="reboot")},
    ]
    gates = [
        {"name": "booted", "kind": "boot", "when": "after reboot"},
        {"name": "fresh", "kind": "ssh", "when": "after reboot"},
    ]
    waves = {"sizes": [1, "100%"], "soak": "1s"}
    file = plan(operator, "fire", "all", steps, gates=gates, waves=waves, limits={"at_once": at_once})

    killed = 0
    words: Sequence[str] = ("apply", file, "--yes")
    while killed < kills:
        code = run_until_killed(operator, words, chance)
        assert code is None, f"it ended with {code} after {killed} kills"
        killed += 1
        begun = operator.typed("rollout", "hosts").code == 0
        words = ("resume",) if begun else words

    finished = operator.rollout(*words, timeout=600)

    assert finished.code == 0, finished.said
    events = operator.events()
    assert repeated(events) == []
    assert {name: operator.upgrades(name) for name in names} == dict.fromkeys(names, 1)
    assert {name: operator.lab.host(name).boots for name in names} == dict.fromkeys(names, 2)
    logs = {name: operator.on(name, "cat /var/log/steps") for name in names}
    assert {name: interleaved(log) for name, log in logs.items()} == {name: [] for name in names}
    assert [len(log.splitlines()) for log in logs.values()] == [4] * len(names)


@pytest.mark.full  # every day the kill suite does as much, with other faults between
def test_five_kills_on_four_hosts(operator_of: Callable[[Sequence[HostSpec]], Operator]) -> None:
    hosts = [HostSpec(f"k{number}", variables={"rollout_to_suite": "birch"}) for number in range(1, 5)]

    upgrade_under_fire(operator_of(hosts), [host.name for host in hosts], kills=5, at_once=4)


@pytest.mark.full
@pytest.mark.timeout(900)
def test_twenty_kills_on_twelve_hosts(operator_of: Callable[[Sequence[HostSpec]], Operator]) -> None:
    hosts = [HostSpec(f"k{number:02}", variables={"rollout_to_suite": "birch"}) for number in range(1, 13)]

    upgrade_under_fire(operator_of(hosts), [host.name for host in hosts], kills=20, at_once=5)
