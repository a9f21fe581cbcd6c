"""Lab hosts, and a folder from which rollout and plain `ansible-playbook` work on them with the same playbook."""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks import trees
from rollout.executors._processes import become_subreaper
from rollout.lab import HostSpec, Lab
from rollout.lab.needs import missing

PROGRAMS = Path(sys.executable).parent
SOURCES = Path(__file__).parents[1]

PLAYBOOK = """---
- hosts: all
  gather_facts: false
{keywords}  tasks:
    - name: Work
      ansible.builtin.shell: {{cmd: "touch /run/at-work && sleep {seconds}"}}
      changed_when: true
"""


class Used(NamedTuple):
    """Seconds from its start to its end, and of processor time with all that it started and waited for."""

    wall: float
    cpu: float


class Yard:
    """The folder; the lab is below it. Commands run inside the lab's network."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.lab = Lab(folder / "lab")
        (folder / "plain.cfg").touch()

    def playbook(self, name: str, seconds: str, **keywords: Any) -> str:
        """Write a playbook that works on the host for so long (a number, or a template); `keywords` are the play's."""
        said = "".join(f"  {key}: {json.dumps(value)}\n" for key, value in keywords.items())
        (self.folder / f"{name}.yml").write_text(PLAYBOOK.format(keywords=said, seconds=seconds))
        return f"{name}.yml"

    def plan(
        self, name: str, playbook: str, hosts: str, at_once: int, inventory: str = "lab/inventory"
    ) -> str:
        """Write a plan of one step: no canaries, no gates, no soak, so that nothing but the window holds hosts back."""
        step = {"name": "work", "playbook": playbook, "disruptive": True, "timeout": "2h"}
        plan = {
            "rollout": name,
            "inventory": inventory,
            "hosts": hosts,
            "factors": {"os": "os_release"},
            "combos": [{"name": "all", "match": {"os": "*"}, "to": {"os": "labos-2"}}],
            "steps": [step],
            "waves": {"sizes": ["100%"], "soak": "0s"},
            "limits": {"at_once": at_once, "controller": 1000},
        }
        (self.folder / f"{name}-plan.yml").write_text(json.dumps(plan))
        return f"{name}-plan.yml"

    def rollout(self, *words: str) -> list[str]:
        """`rollout WORDS`."""
        return [sys.executable, "-m", "rollout", *words]

    def apply(self, name: str) -> list[str]:
        """`rollout apply` of a plan of that name, with a journal of its own."""
        return self.rollout("apply", f"{name}-plan.yml", "--yes", "--journal", f"{name}/journal.sqlite3")

    def ansible(self, playbook: str, hosts: str, forks: int, inventory: str = "lab/inventory") -> list[str]:
        """Plain `ansible-playbook`."""
        words = ["-i", inventory, "-l", hosts, "-f", str(forks), playbook]
        return [str(PROGRAMS / "ansible-playbook"), *words]

    def start(self, name: str, command: Sequence[str], config: str = "plain.cfg") -> subprocess.Popen[bytes]:
        """A command, from the folder; what it says goes to NAME.out."""
        kept = {
            key: value for key, value in os.environ.items() if not key.startswith(("ANSIBLE_", "ROLLOUT_"))
        }
        environment = {
            **kept,
            "PYTHONPATH": str(SOURCES),
            "PATH": f"{PROGRAMS}{os.pathsep}{os.environ.get('PATH', os.defpath)}",
            "ANSIBLE_CONFIG": str(self.folder / config),
        }
        with (self.folder / f"{name}.out").open("wb") as output:
            return subprocess.Popen(
                self.lab.inside(command), cwd=self.folder, env=environment,
                stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT,
            )  # fmt: skip

    def run(self, name: str, command: Sequence[str], config: str = "plain.cfg") -> Used:
        """A command to its end."""
        begun = time.monotonic()
        return self.ended(name, self.start(name, command, config), begun)

    def ended(self, name: str, process: subprocess.Popen[bytes], begun: float) -> Used:
        """Wait for its end. SystemExit with what it said if it failed. `begun`: by the monotonic clock."""
        _, status, used = os.wait4(process.pid, 0)
        wall = time.monotonic() - begun
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            said = (self.folder / f"{name}.out").read_text(errors="replace")
            raise SystemExit(f"{name} ended with {process.returncode}:\n{said[-2000:]}")
        return Used(wall, used.ru_utime + used.ru_stime)

    def events(self, name: str) -> list[dict[str, Any]]:
        """Of the run of that plan."""
        words = self.rollout("events", "--journal", f"{name}/journal.sqlite3", "--json")
        self.run(f"{name}-events", words)
        return [json.loads(line) for line in (self.folder / f"{name}-events.out").read_text().splitlines()]

    def await_work(self, hosts: Sequence[str], patience: float = 600.0) -> None:
        """Until every one of these hosts is at work."""
        until = time.monotonic() + patience
        waiting = list(hosts)
        while waiting := [
            host for host in waiting if self.lab.run(host, ["test", "-e", "/run/at-work"]).returncode
        ]:
            if time.monotonic() > until:
                raise SystemExit(f"{len(waiting)} hosts are not at work after {patience:g} s: {waiting[:3]}")
            time.sleep(0.5)

    def end_work(self, hosts: Sequence[str]) -> None:
        """So that the next may be awaited."""
        for host in hosts:
            self.lab.run(host, ["rm", "-f", "/run/at-work"])


def kill(process: subprocess.Popen[bytes]) -> None:
    """A command and all that it started, at once."""
    found = trees.members(process.pid)
    for pid in (process.pid, *found):
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    process.wait()
    for pid in found:
        with suppress(ChildProcessError):  # what was orphaned has become ours
            os.waitpid(pid, 0)


@contextmanager
def yard(hosts: Sequence[HostSpec]) -> Iterator[Yard]:
    """With its lab up; nothing of it is left behind. SystemExit where no lab can be."""
    if lacking := missing():
        raise SystemExit(f"no lab here: it needs {lacking[0]}")
    become_subreaper()
    with tempfile.TemporaryDirectory() as folder:
        made = Yard(Path(folder))
        try:
            made.lab.up(hosts)
            yield made
        finally:
            made.lab.down()
