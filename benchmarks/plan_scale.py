"""`rollout plan` for 1,000 and 10,000 hosts, the inventory cached: processor time and peak memory of the whole process.

The inventory is a YAML tree as people write it: hosts in groups by rack, a factor in each group's variables. The first call pays for
Ansible's own reading, which is the peer: `ansible-inventory --list` over the same tree.
"""

import sys
import tempfile
from pathlib import Path

from benchmarks import best, conclude, cpu_of_process, quick

SIZES = (200, 1_000) if quick() else (1_000, 10_000)
RACK = 20
BIN = Path(sys.executable).parent
STEPS = ("precheck", "stage", "upgrade", "reboot", "verify")

PLAN = """\
rollout: scale
inventory: hosts.yml
hosts: compute
factors: {hardware: hw_model, os: os_release, rack: rack}
combos:
  - {name: amber, match: {hardware: amber, os: debian-12}, to: {os: debian-13}}
  - {name: birch, match: {hardware: birch, os: debian-12}, to: {os: debian-13}, after: {combo: amber, until: canaries}}
  - {name: cedar, match: {hardware: cedar, os: debian-12}, to: {os: debian-13}, after: {combo: birch, until: 50%}}
steps:
  - {name: precheck, playbook: precheck.yml}
  - {name: stage, playbook: stage.yml}
  - {name: upgrade, playbook: upgrade.yml, once: true}
  - {name: reboot, playbook: reboot.yml, disruptive: true}
  - {name: verify, playbook: verify.yml}
waves: [1, 5%, 25%, 100%]
limits: {at_once: 5%, per: {rack: 1}}
gates:
  - {name: fresh-ssh, kind: ssh, when: after verify}
"""


def main() -> int:
    """Measure and print."""
    figures: dict[str, float] = {}
    for size in SIZES:
        figures |= {f"{name}_{size}": value for name, value in _measured(size).items()}
    small, large = SIZES
    figures["growth_per_host"] = figures[f"cached_cpu_s_{large}"] / figures[f"cached_cpu_s_{small}"]
    figures["growth_per_host"] /= large / small
    goals = {f"cached_cpu_s_{large}": "<= 3", f"cached_mb_{large}": "<= 300", "growth_per_host": "<= 1"}
    return conclude("plan_scale", figures, goals)


def _measured(size: int) -> dict[str, float]:
    with tempfile.TemporaryDirectory() as folder:
        at = Path(folder)
        _write(at, size)
        plan = [sys.executable, "-m", "rollout", "plan", str(at / "plan.yml")]
        first = cpu_of_process(plan)
        cached = [cpu_of_process(plan) for _ in range(3)]
        peer = cpu_of_process([str(BIN / "ansible-inventory"), "-i", str(at / "hosts.yml"), "--list"])
    cpu = best(iter([used.cpu for used in cached]).__next__)
    return {
        "first_cpu_s": first.cpu,
        "cached_cpu_s": cpu,
        "cached_mb": max(used.peak_mb for used in cached),
        "ansible_inventory_cpu_s": peer.cpu,
        "of_peer": cpu / peer.cpu,
    }


def _write(at: Path, size: int) -> None:
    lines = ["compute:", "  children:"]
    for rack in range((size + RACK - 1) // RACK):
        lines += [f"    rack{rack}:", f"      vars: {{rack: r{rack}}}", "      hosts:"]
        for number in range(rack * RACK, min(size, (rack + 1) * RACK)):
            hardware = ("amber", "birch", "cedar")[number % 3]
            address = f"198.18.{number // 250}.{number % 250 + 1}"
            lines.append(
                f"        host-{number:05}: {{ansible_host: {address}, hw_model: {hardware}, os_release: debian-12}}"
            )
    (at / "hosts.yml").write_text("\n".join(lines) + "\n")
    (at / "plan.yml").write_text(PLAN)
    for step in STEPS:
        (at / f"{step}.yml").write_text(
            f"- name: {step}\n  hosts: all\n  tasks:\n    - name: Nothing\n      ansible.builtin.ping:\n"
        )


if __name__ == "__main__":
    sys.exit(main())
