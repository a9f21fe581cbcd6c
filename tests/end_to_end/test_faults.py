"""Nine hosts, each with a trouble of its own, in one run: every trouble is held with its cause, and harms nobody else."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import pytest

from rollout.lab import HostSpec
from tests.end_to_end.operating import Ended, Operator
from tests.end_to_end.plans import plan

pytestmark = pytest.mark.lab

SLOW = 20
ODD_PLAYBOOK = r"""---
- hosts: all
  gather_facts: false
  tasks:
    - name: "An odd task \e[7m[reverse]"
      ansible.builtin.shell: |
        printf 'all is \033[31mred\033[0m, [bold]bold[/bold]\007 and \033]0;owned\007 <b>html</b>\r\nlast $(touch /tmp/owned) words\n' >&2; exit 3
"""
DURING_DPKG = {"hang": "hang", "cut": "link-cut", "sshd": "sshd-dies", "power": "power-cut"}


@dataclass(frozen=True, slots=True)
class Afterwards:
    """The operator, how the run ended, and its hosts and events."""

    operator: Operator
    apply: Ended
    hosts: dict[str, dict[str, Any]]
    events: list[dict[str, Any]]

    def begun(self, host: str) -> list[str]:
        return [
            event["step"]
            for event in self.events
            if event["event"] == "step-intended" and event["host"] == host
        ]

    def held(self, host: str) -> str:
        """Why it is held."""
        assert self.hosts[host]["status"] == "held", self.hosts[host]
        return str(self.hosts[host]["because"])


CASES = ("fine", "hang", "cut", "sshd", "power", "fails", "wrong", "key", "odd")


@pytest.fixture(scope="module")
def afterwards(operator_of: Callable[[Sequence[HostSpec]], Operator]) -> Afterwards:
    to_birch = {"rollout_to_suite": "birch"}
    hosts = [HostSpec(case, variables={"case": case, **to_birch}) for case in CASES]
    operator = operator_of(
        [*hosts, HostSpec("guests", guests=("vm-1",), variables={"case": "guests", **to_birch})]
    )
    for host, fault in DURING_DPKG.items():
        operator.lab.fault(host, fault, during="dpkg")
    operator.lab.fault("fails", "upgrade-fails")
    operator.lab.fault("wrong", "wrong-os")
    change_host_key(operator, "key")

    apply = operator.rollout("apply", troubled_plan(operator), "--yes")
    # Where the machine is slow, hosts fail before others have begun, and share nothing: a person sees that each has its own trouble, and goes on.
    last = apply
    for _ in range(5):
        if "something common is suspected" in last.said:
            last = operator.rollout("resume")
            apply = Ended(last.code, apply.said + last.said)
    assert apply.code in {3, 4}, apply.said
    return Afterwards(operator, apply, operator.hosts(), operator.events())


def change_host_key(operator: Operator, host: str) -> None:
    script = "rm /etc/ssh/ssh_host_* && ssh-keygen -q -t ed25519 -N '' -f /etc/ssh/ssh_host_ed25519_key && pkill -HUP -o -x sshd"
    assert operator.lab.run(host, ["sh", "-c", script]).returncode == 0
    operator.lab.run(host, ["true"])


def wait_for(operator: Operator, host: str, state: str) -> None:
    until = time.monotonic() + 60
    while operator.lab.host(host).state != state:
        assert time.monotonic() < until, operator.lab.host(host)
        time.sleep(0.1)


def troubled_plan(operator: Operator) -> str:
    (operator.folder / "playbooks" / "odd.yml").write_text(ODD_PLAYBOOK)
    short = {"upgrade": {"timeout": f"{SLOW}s", "expect": "1s"}}
    odd = {"precheck": {"playbook": "playbooks/odd.yml"}}
    own: dict[str, dict[str, Any]] = {"odd": odd, "hang": short, "cut": short, "power": short}
    # Each is a combo of its own: hosts of one that fail before their like have begun are evidence against it, and here they fail of different things.
    combos = [
        {"name": case, "match": {"case": case}, "to": {"os": "labos-2"}, "steps": own.get(case, {})}
        for case in (*CASES, "guests")
    ]
    steps: list[dict[str, Any]] = [
        {"name": "precheck", "playbook": "playbooks/precheck.yml", "retries": 1, "backoff": "1s"},
        {"name": "upgrade", "playbook": "playbooks/upgrade.yml", "once": True},
        {"name": "reboot", "playbook": "playbooks/reboot.yml"},
        {"name": "verify", "playbook": "playbooks/verify.yml"},
    ]
    gates = [
        {"name": "booted", "kind": "boot", "when": "after reboot"},
        {"name": "fresh", "kind": "ssh", "when": "after verify"},
    ]
    return plan(
        operator, "troubled", "all", steps,
        factors={"os": "os_release", "case": "case"},
        combos=combos, gates=gates, failures={"canary": 20, "combo": 20},
    )  # fmt: skip


def test_the_run_finishes_with_what_is_held_and_the_healthy_host_is_done(afterwards: Afterwards) -> None:
    assert afterwards.apply.code == 4, afterwards.apply.said
    assert afterwards.hosts["fine"]["status"] == "verified"
    assert {host["status"] for host in afterwards.hosts.values()} == {"verified", "held"}


@pytest.mark.parametrize("host", ["hang", "cut", "power"])
def test_a_once_step_past_its_time_is_late_and_held_as_uncertain(afterwards: Afterwards, host: str) -> None:
    assert afterwards.held(host).startswith(
        f"what upgrade did cannot be known: upgrade has run for more than {SLOW} s"
    )
    assert afterwards.begun(host) == ["precheck", "upgrade"]


def test_a_host_that_loses_its_sshd_is_held_as_lost(afterwards: Afterwards) -> None:
    assert afterwards.held("sshd").startswith("upgrade lost the host: ")


def test_a_package_that_fails_is_shown_in_its_own_words(afterwards: Afterwards) -> None:
    assert "labos-base" in afterwards.held("fails")
    assert afterwards.begun("fails") == ["precheck", "upgrade"]


def test_a_host_that_boots_into_the_old_release_is_caught_by_the_boot_gate(afterwards: Afterwards) -> None:
    assert afterwards.held("wrong").startswith("gate booted after reboot failed: ")
    assert "labos-1" in afterwards.held("wrong")


def test_a_changed_host_key_is_refused_and_never_tried_again(afterwards: Afterwards) -> None:
    assert afterwards.held("key").startswith("precheck was refused: the host key was refused: ")
    assert afterwards.begun("key") == ["precheck"]


def test_a_host_that_carries_guests_is_refused_before_anything_happens_to_it(afterwards: Afterwards) -> None:
    assert "vm-1" in afterwards.held("guests")
    assert afterwards.begun("guests") == ["precheck"]
    operator = afterwards.operator
    assert operator.upgrades("guests") == 0
    assert operator.lab.host("guests").boots == 1
    assert " amber " in operator.on("guests", "cat /etc/apt/sources.list.d/labos.list")


def test_odd_outputs_do_no_harm(afterwards: Afterwards) -> None:
    assert afterwards.begun("odd") == ["precheck", "precheck"]
    assert "last $(touch /tmp/owned) words" in afterwards.held("odd")
    operator = afterwards.operator
    views = [
        ("status",),
        ("why", "odd"),
        ("events",),
        ("events", "--host", "odd"),
        ("hosts",),
        ("hosts", "--json"),
        ("status", "--json"),
    ]
    shown = [afterwards.apply.said, *(operator.typed("rollout", *view).said for view in views)]
    for text in shown:
        assert [char for char in text if not char.isprintable() and char != "\n"] == []
    assert all("[bold]" in text for text in shown)
    assert all(path.stat().st_mode & 0o077 == 0 for path in operator.state.glob("units/*/*/*"))


@pytest.mark.full
def test_a_power_cut_in_the_middle_of_dpkg_is_repaired_by_a_retry(afterwards: Afterwards) -> None:
    operator = afterwards.operator
    wait_for(operator, "power", "off")
    operator.lab.clear("power", "power-cut")
    wait_for(operator, "power", "up")
    # On a busy machine the retry may take longer than the time-out, too: the next one reads what came of it.
    for _ in range(5):
        asked = operator.rollout("retry", "power", "--reason", "it has power again")
        assert asked.code == 0, asked.said
        resumed = operator.rollout("resume")
        assert resumed.code in {3, 4}, resumed.said
        if operator.hosts()["power"]["status"] == "verified":
            break

    assert resumed.code == 4, resumed.said
    assert operator.hosts()["power"]["status"] == "verified", resumed.said
    assert operator.on("power", "dpkg --audit") == ""
    assert operator.on("power", ". /etc/os-release; echo $VERSION_CODENAME") == "birch"
