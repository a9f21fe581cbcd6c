"""The safe ramp on real hosts: the ladder, credit, a breaker that names a factor, a kill in the middle, an approval."""

import json
import re
import signal
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from rollout.lab import HostSpec
from tests.end_to_end.operating import Ended, Operator, begun, done, flights, read_until, repeated, until
from tests.end_to_end.plans import interleaved, logged, plan

pytestmark = pytest.mark.lab

FACTORS = {"os": "os_release", "hardware": "hw_model", "nic": "nic", "rack": "rack"}
COMBOS = [
    {"name": "dell", "match": {"hardware": "Dell *"}, "to": {"os": "labos-2"}},
    {"name": "hpe", "match": {"hardware": "HPE *"}, "to": {"os": "labos-2"}},
]
WAVES = {"factors": ["hardware", "nic"], "soak": "1s", "pilots": "k1"}
RACKS = {"r1": ("i350", "bcm57"), "r2": ("bcm57", "i350"), "r3": ("mlx3", "mlx3")}
"""Two network cards for each rack; only rack r3 has a mlx3."""

DOOMED = frozenset({"n1", "n2", "n3", "n4"})
UPGRADE = """---
- hosts: all
  gather_facts: false
  tasks:
    - name: Load the driver of the network card
      ansible.builtin.shell: {cmd: 'nic=$(cat /etc/nic); grep -qx "$nic" /etc/drivers || { echo "no driver for $nic" >&2; exit 1; }; echo upgraded >> /var/log/upgraded'}
      changed_when: true
"""
"""The new kernel lacks a driver, and nobody knows of it: the hosts find out."""


def fleet() -> list[HostSpec]:
    """k1 to k4 in rack r1, m1 to m4 in r2, n1 to n4 in r3, the odd ones Dell; and n5 in r3, without a mlx3."""
    models = ("Dell R650", "HPE DL360")
    hosts = [
        HostSpec(f"{letter}{number + 1}", models[number % 2], rack=rack, variables={"nic": nics[number // 2]})
        for letter, (rack, nics) in zip("kmn", RACKS.items(), strict=True)
        for number in range(4)
    ]
    return [*hosts, HostSpec("n5", rack="r3", variables={"nic": "i350"})]


@pytest.fixture(scope="module")
def operator(operator_of: Callable[[Sequence[HostSpec]], Operator]) -> Operator:
    return operator_of(fleet())


def ladder(operator: Operator, name: str, hosts: str, steps: Sequence[dict[str, Any]], **more: Any) -> str:
    """A plan whose canaries rollout chooses, and whose ramp has credit for three harmed hosts and no other limit."""
    common: dict[str, Any] = {"factors": FACTORS, "combos": COMBOS, "waves": WAVES}
    return plan(operator, name, hosts, steps, **{**common, **more})


def waves_of(events: Sequence[dict[str, Any]]) -> list[str]:
    return [event["data"]["wave"] for event in events if event["event"] == "wave-opened"]


# --- a defect of one rack's hardware ----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Stopped:
    """What was simulated, and how the run ended; its hosts and events."""

    operator: Operator
    file: str
    simulated: dict[str, Any]
    apply: Ended
    hosts: dict[str, dict[str, Any]]
    events: list[dict[str, Any]]


@pytest.fixture(scope="module")
def stopped(operator: Operator) -> Stopped:
    for host in fleet():
        nic = host.variables["nic"]
        operator.on(host.name, f"echo {nic} > /etc/nic; printf 'i350\nbcm57\n' > /etc/drivers")
    (operator.folder / "playbooks" / "upgrade-nic.yml").write_text(UPGRADE)
    steps = [{"name": "upgrade", "playbook": "playbooks/upgrade-nic.yml", "disruptive": True, "expect": "2s"}]
    file = ladder(operator, "rack", "all", steps, failures={"canary": 1, "combo": "evidence"})
    simulated = operator.typed("rollout", "simulate", file, "--defect", "nic=mlx3", "--json")
    assert simulated.code == 0, simulated.said
    apply = operator.rollout("apply", file, "--yes")
    return Stopped(operator, file, json.loads(simulated.said), apply, operator.hosts(), operator.events())


def trips(events: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    return [event["data"] for event in events if event["event"] == "breaker-tripped"]


def test_a_defect_of_one_racks_hardware_stops_only_what_shares_it(stopped: Stopped) -> None:
    assert stopped.apply.code == 3, stopped.apply.said
    status = {name: host["status"] for name, host in stopped.hosts.items()}
    harmed = {name for name in status if status[name] == "held"}
    assert 1 <= len(harmed) <= 2
    assert harmed <= DOOMED
    assert {status[name] for name in status.keys() - DOOMED} == {"verified"}
    assert {status[name] for name in DOOMED - harmed} == {"waiting"}
    upgraded = {
        name for name in status if stopped.operator.on(name, "cat /var/log/upgraded 2>/dev/null || :")
    }
    assert upgraded == status.keys() - DOOMED
    assert not DOOMED - harmed & set(begun(stopped.events, "upgrade"))


def test_the_breaker_names_what_they_share_with_counts_on_both_sides(stopped: Stopped) -> None:
    (trip,) = trips(stopped.events)
    assert trip["factors"] == {"nic": "mlx3"}
    assert (trip["failed"], trip["healthy"], trip["failed_outside"]) == (2, 0, 0)
    words = f"2 of 2 begun hosts with nic=mlx3 failed, 0 of {trip['healthy_outside']} others did"
    waits = next(name for name in sorted(DOOMED) if stopped.hosts[name]["status"] == "waiting")
    typed = stopped.operator.typed
    for said in (stopped.apply.said, typed("rollout", "status").said, typed("rollout", "why", waits).said):
        assert words in said


def test_no_more_hosts_were_in_flight_than_were_verified(stopped: Stopped) -> None:
    """`harm: 3` allows 3 x verified / 3, and one while nothing is proven."""
    most = 0
    for in_flight, verified in flights(stopped.events):
        assert len(in_flight) <= max(1, len(verified))
        for numbers in ("135", "24"):  # the two combos
            own, proven = ([name for name in names if name[1] in numbers] for names in (in_flight, verified))
            assert len(own) <= max(1, len(proven))
        most = max(most, len(in_flight))
    assert most >= 3  # the ramp does grow


def test_the_simulation_said_so_before(stopped: Stopped) -> None:
    simulated = stopped.simulated
    held = {name for name, host in stopped.hosts.items() if host["status"] == "held"}
    assert simulated["exit_code"] == stopped.apply.code
    assert set(simulated["harmed"]) == held
    passed = {event["data"]["wave"] for event in stopped.events if event["event"] == "wave-passed"}
    assert set(simulated["waves"]) == passed
    named = re.compile(r"begun hosts with (\S+) failed")
    (stop,) = simulated["stopped"]
    assert named.findall(stop["because"]) == ["nic=mlx3"] == named.findall(stopped.apply.said)[:1]


def test_once_the_defect_is_mended_and_answered_for_the_run_finishes(stopped: Stopped) -> None:
    operator = stopped.operator
    for name in sorted(DOOMED):
        operator.on(name, "echo mlx3 >> /etc/drivers")
    for name in sorted(name for name, host in stopped.hosts.items() if host["status"] == "held"):
        asked = operator.typed("rollout", "retry", name, "--reason", "the driver is there now")
        assert asked.code == 0, asked.said

    resumed = operator.rollout("resume")

    assert resumed.code == 0, resumed.said
    hosts = operator.hosts()
    assert {host["status"] for host in hosts.values()} == {"verified"}
    assert {name: operator.on(name, "cat /var/log/upgraded") for name in hosts} == dict.fromkeys(
        hosts, "upgraded"
    )
    assert {name: host["wave"] for name, host in hosts.items()} == {
        name: host["wave"] for name, host in stopped.hosts.items()
    }
    assert repeated(operator.events()) == []


# --- a kill, and an approval ------------------------------------------------------------------------------------------------


def as_another_person(operator: Operator, *words: str) -> tuple[int, str]:
    """Type a command where the machine calls the same user by another name."""
    passwd = operator.folder / "passwd"
    passwd.write_text(re.sub(r"^root:", "second:", Path("/etc/passwd").read_text(), flags=re.MULTILINE))
    script = f'mount --bind {passwd} /etc/passwd && exec "$@"'
    done = operator.typed("unshare", "--mount", "--propagation", "private", "sh", "-c", script, "sh", *words)
    return done.code, done.said


@pytest.mark.full
def test_a_killed_ladder_goes_on_where_it_was_and_waits_for_another_person(operator: Operator) -> None:
    work = logged(operator, "work", seconds=1)
    steps = [{"name": "work", "playbook": work, "disruptive": True}]
    waves = {**WAVES, "approve": {"after": "combos", "four_eyes": True}}
    file = ladder(operator, "people", "k*:m*", steps, waves=waves)
    journal = ("--journal", ".rollout/people.sqlite3")
    apply = operator.start("apply", file, "--yes", *journal)
    read_until(apply, "wave has passed")
    read_until(apply, "work begins")
    until(lambda: bool(operator.living()))
    apply.kill()
    apply.communicate()
    assert apply.returncode == -signal.SIGKILL
    before = operator.events(*journal)
    line_of = {name: host["wave"] for name, host in operator.hosts(*journal).items()}

    waits = operator.rollout("resume", *journal)

    assert waits.code == 7, waits.said
    assert "approve --through combos" in waits.said
    events = operator.events(*journal)
    canaries = [event["host"] for event in events if event["event"] == "step-done"]
    # Racks r1 and r2 have four pairs of model and network card.
    assert len(set(canaries)) == len(canaries) == 4, canaries
    assert waves_of(events)[: len(waves_of(before))] == waves_of(before)
    approve = ("rollout", "approve", "--through", "combos", "--reason", "the canaries look well", *journal)
    refused = operator.typed(*approve)
    assert refused.code == 64
    assert "four eyes" in refused.said
    code, said = as_another_person(operator, *approve)
    assert code == 0, said
    resumed = operator.rollout("resume", *journal)
    assert resumed.code == 0, resumed.said
    events = operator.events(*journal)
    assert repeated(events) == []
    assert all(done(events, host) == ["work"] for host in line_of)
    assert all(interleaved(operator.on(host, "cat /var/log/steps")) == [] for host in line_of)
    assert len(set(waves_of(events))) == len(waves_of(events))
    assert {name: host["wave"] for name, host in operator.hosts(*journal).items()} == line_of
    approval = next(event for event in events if event["event"] == "approved")
    assert "second@" in approval["data"]["by"]
