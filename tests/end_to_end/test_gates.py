"""Gates on real hosts: what an upgrade breaks without a word, each caught by the question that is made for it."""

import json
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pytest

from rollout.lab import HostSpec
from rollout.lab.needs import missing
from tests.end_to_end import networkd
from tests.end_to_end.operating import Ended, Operator, begun, ended, read_until
from tests.end_to_end.plans import logged, plan

pytestmark = pytest.mark.lab

CASES = ("fine", "lost", "pinned", "half", "old", "audit", "key")
OTHERS = ("d1", "d2", "e1", "e2", "mux", "vip", "w1")

HARM = r"""---
- import_playbook: upgrade.yml
- hosts: all
  gather_facts: false
  become: true
  tasks:
    - ansible.builtin.shell: |
        case {{ case }} in
        lost) systemctl disable --now metrics.service ;;
        pinned) apt-mark hold lab-hypervisor ;;
        half) dpkg --unpack /srv/labos/pool/birch/lab-hypervisor_*.deb ;;
        old) ln -sfn vmlinuz-6.1.0-1-lab /boot/vmlinuz ;;
        audit) echo 'PermitRootLogin yes' >/etc/leftover ;;
        key)
            rm /etc/ssh/ssh_host_*
            ssh-keygen -q -t ed25519 -N '' -f /etc/ssh/ssh_host_ed25519_key
            systemctl reload ssh
            ;;
        esac
      changed_when: true
"""
AUDIT = """---
- hosts: all
  gather_facts: false
  tasks:
    - name: Nothing is left of the old release
      ansible.builtin.command: {cmd: "test ! -e /etc/leftover"}
      changed_when: false
"""
FORGETS = f"""---
- hosts: all
  gather_facts: false
  become: true
  tasks:
    - ansible.builtin.shell: |
        sed -i 's/ amber / birch /' /etc/apt/sources.list.d/labos.list
        apt-get -q update && apt-get -qy dist-upgrade && rm {networkd.FOREIGN}
      changed_when: true
"""
"""An upgrade that leaves its own networkd.conf, and does not restart networkd."""

INSTALLS = f"""---
- hosts: all
  gather_facts: false
  become: true
  tasks:
    - ansible.builtin.shell: |
        touch {networkd.INSTALLER}
        mkdir -p /etc/systemd/system/agent.service.d
        cat >/etc/systemd/system/agent.service.d/installer.conf <<END
        [Unit]
        ConditionPathExists={networkd.INSTALLER}
        [Service]
        ExecStartPost=rm {networkd.INSTALLER}
        END
      changed_when: true
"""
"""An upgrade whose installer leaves something behind that the first boot uses up."""

UNIT = "[Service]\nExecStart=sleep infinity\n[Install]\nWantedBy=multi-user.target\n"
REBOOT: dict[str, Any] = {"name": "reboot", "playbook": "playbooks/reboot.yml", "timeout": "3m"}
BOOTED: dict[str, Any] = {
    "name": "booted",
    "kind": "boot",
    "when": "after reboot",
    "retries": 5,
    "interval": "2s",
}

WHOLE: dict[str, Any] = {
    "name": "whole",
    "kind": "fingerprint",
    "when": "after reboot",
    "retries": 5,
    "interval": "2s",
}


@pytest.fixture(scope="module")
def operator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Operator]:
    names = (*CASES, *OTHERS)
    if lacking := missing("systemd", len(names)):
        pytest.skip(f"no lab here: it needs {lacking[0]}")
    operator = Operator(tmp_path_factory.mktemp("gates"))
    try:
        operator.copy_playbooks()
        specs = [HostSpec(name, variables={"case": name, "rollout_to_suite": "birch"}) for name in names]
        operator.lab.up(specs, engine="systemd")
        yield operator
    finally:
        operator.close()


def write(operator: Operator, name: str, text: str) -> str:
    """A playbook beside the shipped ones; gives its path in a plan."""
    (operator.folder / "playbooks" / f"{name}.yml").write_text(text)
    return f"playbooks/{name}.yml"


def upgrade(operator: Operator, name: str, text: str) -> dict[str, Any]:
    return {"name": "upgrade", "playbook": write(operator, name, text), "once": True, "timeout": "5m"}


def answers(operator: Operator, gate: str, host: str, *options: str) -> list[dict[str, Any]]:
    """What the gate answered when it was not to remember, oldest first."""
    found = (event for event in operator.events(*options) if event["event"] == "gate-answered")
    return [
        event
        for event in found
        if event["data"]["gate"] == gate and event["host"] == host and event["data"]["moment"] != "remember"
    ]


def vanished(answer: Mapping[str, Any]) -> int:
    """How many of the agent's routes and rules the answer names as gone."""
    told = [line for line in answer["data"]["samples"]["failed"] if line.endswith(" is gone")]
    added = (*(route.partition(" ")[0] for route in networkd.ROUTES), networkd.RULE)
    return sum(any(word in line for line in told) for word in added)


@dataclass(frozen=True, slots=True)
class Afterwards:
    """How the run of the seven harms came out."""

    operator: Operator
    apply: Ended
    hosts: dict[str, dict[str, Any]]

    def held(self, host: str) -> str:
        assert self.hosts[host]["status"] == "held", self.hosts[host]
        return str(self.hosts[host]["because"])


@pytest.fixture(scope="module")
def afterwards(operator: Operator) -> Afterwards:
    """One run over seven hosts, six of which their upgrade harms, each in its own way."""
    plant(operator)
    gates = [
        {"name": "fresh", "kind": "ssh", "when": "after upgrade", "retries": 3, "interval": "1s"},
        {**BOOTED, "kernel": "6.12.*"},
        WHOLE,
        {"name": "packages", "kind": "packages", "when": "after reboot", "expect": {"labos": "2.*"}},
        {"name": "audit", "kind": "playbook", "when": "after reboot", "playbook": write(operator, "audit", AUDIT)},
    ]  # fmt: skip
    combos = [{"name": case, "match": {"case": case}, "to": {"os": "labos-2"}} for case in CASES]
    file = plan(
        operator, "harms", ":".join(CASES), [upgrade(operator, "harm", HARM), REBOOT],
        factors={"os": "os_release", "case": "case"}, combos=combos, gates=gates, failures={"canary": 20, "combo": 20},
    )  # fmt: skip
    apply = operator.rollout("apply", file, "--yes")
    for _ in range(3):
        if "something common is suspected" not in apply.said:
            break
        last = operator.rollout("resume")
        apply = Ended(last.code, last.said)
    return Afterwards(operator, apply, operator.hosts())


def plant(operator: Operator) -> None:
    """Give `lost` what will not outlive the upgrade: a mount and an address that no file knows, and a service that is disabled."""
    operator.on(
        "lost",
        f"printf '{UNIT}' >/etc/systemd/system/metrics.service; systemctl enable --quiet --now metrics",
    )
    operator.on("lost", "ip address add 192.0.2.7/32 dev eth0; mkdir -p /srv/guests")
    inside = f"--mount=/proc/{operator.lab.host('lost').pid}/ns/mnt"
    mounted = operator.typed("nsenter", inside, "mount", "-t", "tmpfs", "guests", "/srv/guests")
    assert mounted.code == 0, mounted.said


@pytest.mark.full
def test_a_healthy_upgrade_passes_every_gate(afterwards: Afterwards) -> None:
    assert afterwards.apply.code == 4, afterwards.apply.said
    assert afterwards.hosts["fine"]["status"] == "verified", afterwards.hosts["fine"]
    assert {host["status"] for host in afterwards.hosts.values()} == {"verified", "held"}


@pytest.mark.full
def test_a_fingerprint_names_what_the_upgrade_lost(afterwards: Afterwards) -> None:
    afterwards.held("lost")
    answer = answers(afterwards.operator, "whole", "lost")[-1]
    told = json.dumps(answer["data"]["samples"])
    for gone in ("192.0.2.7", "/srv/guests", "metrics.service"):
        assert gone in told, answer
    assert answer["data"]["value"] == "fail"


@pytest.mark.full
def test_a_package_that_is_held_is_caught(afterwards: Afterwards) -> None:
    assert "lab-hypervisor is held" in afterwards.held("pinned")


@pytest.mark.full
def test_a_package_that_is_not_configured_is_caught(afterwards: Afterwards) -> None:
    assert "lab-hypervisor is unpacked and not configured" in afterwards.held("half")


@pytest.mark.full
def test_the_right_release_on_the_old_kernel_is_caught(afterwards: Afterwards) -> None:
    assert afterwards.operator.on("old", ". /etc/os-release; echo $ID-$VERSION_ID") == "labos-2"
    assert afterwards.held("old").startswith(
        "gate booted after reboot failed: its kernel is 6.1.0-1-lab, and 6.12.*"
    )


@pytest.mark.full
def test_a_playbook_that_fails_is_shown_with_its_task(afterwards: Afterwards) -> None:
    assert "Nothing is left of the old release" in afterwards.held("audit")


@pytest.mark.full
def test_a_host_that_was_installed_anew_is_a_security_stop_and_asked_once(afterwards: Afterwards) -> None:
    assert afterwards.held("key").startswith("gate fresh after upgrade failed: security stop: ")
    assert len(answers(afterwards.operator, "fresh", "key")) == 1
    assert begun(afterwards.operator.events(), "reboot").count("key") == 0


def test_a_network_service_that_forgets_foreign_routes_is_caught_on_the_canary(operator: Operator) -> None:
    """Every host boots whole. What the upgrade has changed shows at the next restart of networkd, on all hosts at once."""
    at = ("--journal", ".rollout/forgets.sqlite3")
    for host in ("d1", "d2"):
        networkd.hand_over(operator, host)
    restart = {"name": "restart", "kind": "network-restart", "when": "after reboot", "settle": "1s"}
    steps = [upgrade(operator, "forgets", FORGETS), REBOOT]
    file = plan(
        operator,
        "forgets",
        "d1:d2",
        steps,
        gates=[BOOTED, restart],
        waves={"sizes": [1, "100%"], "soak": "0s"},
    )

    stopped = operator.rollout("apply", file, "--yes", *at)

    assert stopped.code == 3, stopped.said
    (canary,) = begun(operator.events(*at), "upgrade")
    because = operator.hosts(*at)[canary]["because"]
    assert because.startswith("gate restart after reboot failed: after systemctl restart systemd-networkd"), (
        because
    )
    (answer,) = answers(operator, "restart", canary, *at)
    assert vanished(answer) == 3, answer
    assert answers(operator, "booted", canary, *at)[-1]["data"]["value"] == "pass"
    other = "d2" if canary == "d1" else "d1"
    assert operator.lab.host(other).boots == 1
    # The same question passes where networkd spares what is not its own: on the host that was not begun.
    asked = operator.rollout("gate", "test", file, "restart", "--host", other, "--yes")
    assert asked.code == 0, asked.said


@pytest.mark.full
def test_routes_that_only_the_first_boot_makes_are_caught_by_a_second(operator: Operator) -> None:
    at = ("--journal", ".rollout/installs.sqlite3")
    for host in ("e1", "e2"):
        networkd.hand_over(operator, host)
    second = {"name": "second", "kind": "second-boot", "when": "after reboot", "settle": "3s"}
    steps = [upgrade(operator, "installs", INSTALLS), REBOOT]
    file = plan(
        operator,
        "installs",
        "e1:e2",
        steps,
        gates=[{**BOOTED, "os": "*"}, second],
        waves={"sizes": [1, "100%"], "soak": "0s"},
    )

    stopped = operator.rollout("apply", file, "--yes", *at)

    assert stopped.code == 3, stopped.said
    (canary,) = begun(operator.events(*at), "upgrade")
    (answer,) = answers(operator, "second", canary, *at)
    assert vanished(answer) == 3, answer
    assert answers(operator, "booted", canary, *at)[-1]["data"]["value"] == "pass"
    assert operator.lab.host(canary).boots == 3
    assert operator.lab.host("e2" if canary == "e1" else "e1").boots == 1


@pytest.mark.full
def test_ansible_is_answered_by_an_old_connection_where_no_new_one_gets_in(operator: Operator) -> None:
    inventory = str(operator.lab.places.inventory)

    def pong() -> bool:
        """Whether Ansible, with connections that persist as it has them by itself, calls the host reachable."""
        said = operator.inside(
            *("ansible", "-i", inventory, "-m", "ansible.builtin.ping", "mux"),
            ANSIBLE_SSH_ARGS="-o ControlMaster=auto -o ControlPersist=60s",
            ANSIBLE_SSH_CONTROL_PATH=operator.folder / "mux",
        )
        return said.code == 0 and "pong" in said.said

    gate = {"name": "fresh", "kind": "ssh", "when": "after reboot"}
    file = plan(operator, "mux", "mux", [REBOOT], gates=[gate])
    assert pong()
    assert operator.reaches("mux")

    operator.on("mux", "systemctl stop ssh")

    assert pong()
    asked = operator.rollout("gate", "test", file, "fresh", "--host", "mux")
    assert asked.code == 1, asked.said
    assert "refused" in asked.said
    operator.inside("ssh", "-O", "exit", "-o", f"ControlPath={operator.folder / 'mux'}", "mux")


def watched(operator: Operator, name: str, cut: bool) -> tuple[dict[str, Any], float]:
    """What `ping` said of another host's address while w1 had its slot, and for how long that one had no link."""
    at = ("--journal", f".rollout/{name}.sqlite3")
    vip = operator.lab.host("vip").address
    gate = {"name": "eye", "kind": "ping", "when": "after work", "address": vip, "gap": "2s", "loss": "100%"}
    steps = [{"name": "work", "playbook": logged(operator, "work", seconds=6), "once": True}]
    apply = operator.start("apply", plan(operator, name, "w1", steps, gates=[gate]), "--yes", *at)
    read_until(apply, "work begins")
    lasted = 0.0
    if cut:
        time.sleep(1)
        began = time.monotonic()
        operator.lab.fault("vip", "link-cut")
        time.sleep(3)
        operator.lab.clear("vip", "link-cut")
        lasted = time.monotonic() - began
    ended(apply, 120)
    return answers(operator, "eye", "w1", *at)[-1]["data"], lasted


@pytest.mark.full
def test_a_gap_of_three_seconds_is_measured_within_a_quarter(operator: Operator) -> None:
    for attempt in range(2):
        told, lasted = watched(operator, f"gap{attempt}", cut=True)
        if abs(told["samples"]["gap"] - lasted) <= lasted / 4:
            break
    assert abs(told["samples"]["gap"] - lasted) <= lasted / 4, (told, lasted)
    assert told["value"] == "fail", told


@pytest.mark.full
def test_a_slot_without_a_gap_passes(operator: Operator) -> None:
    told, _ = watched(operator, "calm", cut=False)
    assert told["value"] == "pass", told
