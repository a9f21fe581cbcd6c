"""An operator who runs the reference playbooks by hand against hosts of the lab."""

import json
import os
import re
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from rollout.lab import Lab

PLAYBOOKS = Path(__file__).parents[2] / "playbooks"
ANSIBLE_PLAYBOOK = str(Path(sys.executable).parent / "ansible-playbook")


@dataclass(frozen=True, slots=True)
class Ended:
    """How ansible-playbook came out; `changed` is the number of tasks that it says changed the host."""

    code: int
    output: str

    @property
    def changed(self) -> int:
        found = re.search(r"changed=(\d+)", self.output)
        assert found, self.output
        return int(found.group(1))


@dataclass(frozen=True, slots=True)
class Hand:
    lab: Lab
    scratch: Path

    def play(self, host: str, *names: str, **variables: object) -> Ended:
        """Run playbooks in one go. Control sockets are named by address, so they need a directory of their own."""
        settings = self.scratch / "ansible.cfg"
        settings.write_text(
            f"[defaults]\nnocolor = true\nlocal_tmp = {self.scratch}/tmp\n"
            f"[ssh_connection]\npipelining = true\ncontrol_path_dir = {self.scratch}/cp\n"
            "ssh_args = -o ControlMaster=auto -o ControlPersist=10s\n"
        )
        done = subprocess.run(
            self.lab.inside(
                [
                    *(ANSIBLE_PLAYBOOK, "-i", str(self.lab.inventory), "-l", host),
                    *("-e", json.dumps(variables)),
                    *(str(PLAYBOOKS / f"{name}.yml") for name in names),
                ]
            ),
            env={**os.environ, "ANSIBLE_CONFIG": str(settings)},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        return Ended(done.returncode, done.stdout + done.stderr)

    def read(self, host: str, command: str) -> str:
        """What a shell command on the host's console prints."""
        return self.lab.run(host, ["sh", "-c", command]).stdout.strip()

    def codename(self, host: str) -> str:
        return self.read(host, ". /etc/os-release; echo $VERSION_CODENAME")

    def sources(self, host: str) -> str:
        return self.read(host, "cat /etc/apt/sources.list.d/*")

    def cut_power_during_dpkg(self, host: str, suite: str) -> None:
        """Upgrade with apt alone, pull the plug while a package is being configured, and give power back."""
        boots = self.lab.host(host).boots
        self.lab.fault(host, "power-cut", during="dpkg")
        upgrade = f"sed -i 's/amber/{suite}/' /etc/apt/sources.list.d/labos.list; apt-get -qq update; apt-get -qqy dist-upgrade"
        self.lab.run(host, ["sh", "-c", upgrade])
        self.lab.clear(host, "power-cut")
        while self.lab.host(host).boots == boots or self.lab.host(host).state != "up":
            time.sleep(0.05)
