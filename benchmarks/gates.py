"""What an answer of a gate costs the controller, on a real SSH host: beside OpenSSH's `ssh HOST true` and Ansible's `ping`, in the same run.

Processor time with all children; what runs on the host is not counted. The questions are asked one after the other over connections of
their own, as gates ask. It needs root, for the lab.
"""

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks import conclude, quick
from rollout import ssh
from rollout.gates import boot, command, fingerprint, packages
from rollout.gates import ssh as fresh
from rollout.lab import HostSpec, Lab
from rollout.lab.needs import missing
from rollout.model.seams import Answer, Gate, Subject

HOST = "g1"
TIMES = 5 if quick() else 30
COMPARED = {"boot", "fingerprint"}
"""They look at the host before: that question is the same but for the comparison, and needs no boot."""


def main() -> int:
    """Measure and print."""
    if "--measure" in sys.argv:
        print(json.dumps(measured(Path(sys.argv[sys.argv.index("--measure") + 1]))))
        return 0
    if lacking := missing("systemd", 1):
        raise SystemExit(f"no lab here: it needs {lacking[0]}")
    with tempfile.TemporaryDirectory() as name:
        lab = Lab(Path(name) / "lab")
        try:
            lab.up([HostSpec(HOST)], engine="systemd")
            flags = ["--quick"] if quick() else []
            inside = lab.inside([sys.executable, "-m", "benchmarks.gates", "--measure", str(lab.places.directory), *flags])  # fmt: skip
            done = subprocess.run(inside, stdout=subprocess.PIPE, text=True, check=True)
        finally:
            lab.down()
    figures = json.loads(done.stdout.splitlines()[-1])
    return conclude("gates", figures, {"ssh_of_openssh": "<= 3", "ssh_of_ansible": "<= 0.1"})


def measured(lab: Path) -> dict[str, float]:
    """Milliseconds of processor time of one answer of each, and the ratios to the two programs."""
    bin_, inventory = Path(sys.executable).parent, str(lab / "inventory")
    said = subprocess.run(
        [bin_ / "ansible-inventory", "-i", inventory, "--host", HOST], capture_output=True, check=True
    )
    variables = json.loads(said.stdout)
    openssh = ["ssh", "-F", str(lab / "ssh_config"), "-o", "ControlPath=none", HOST, "true"]
    ansible = [str(bin_ / "ansible"), "-i", inventory, "-m", "ansible.builtin.ping", HOST]
    kinds: dict[str, Gate] = {
        "ssh": fresh.Kind(),
        "command": command.Kind(run="true"),
        "boot": boot.Kind(),
        "packages": packages.Kind(),
        "fingerprint": fingerprint.Kind(),
    }
    costs = {name: used(partial(ask, gate, variables, name)) for name, gate in kinds.items()}
    costs["openssh"] = used(lambda: ran(openssh))
    costs["ansible"] = used(lambda: ran(ansible), max(2, TIMES // 5))
    figures = {f"{name}_ms": cost * 1000 for name, cost in costs.items()}
    for program in ("openssh", "ansible"):
        figures |= {f"{name}_of_{program}": costs[name] / costs[program] for name in kinds}
    return figures


def ask(gate: Gate, variables: dict[str, Any], name: str) -> None:
    """One answer, which must be a pass."""
    subject = Subject(HOST, "all", {}, {}, lambda: ssh.connect(HOST, variables), variables, now=time.time())
    verdict = gate.remember(subject) if name in COMPARED else gate.check(subject)
    if verdict.value is not Answer.PASS:
        raise SystemExit(f"{name}: {verdict.because}")


def ran(words: list[str]) -> None:
    """One command to its end."""
    subprocess.run(words, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, check=True, env={**os.environ})


def used(once: Callable[[], None], times: int = TIMES) -> float:
    """Seconds of processor time of one, after a first that loads what is loaded once."""
    once()
    begun = _spent()
    for _ in range(times):
        once()
    return (_spent() - begun) / times


def _spent() -> float:
    whose = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    return sum(used.ru_utime + used.ru_stime for used in map(resource.getrusage, whose))


if __name__ == "__main__":
    sys.exit(main())
