"""`make demo`: an upgrade that goes wrong, on real SSH hosts on this machine. Whatever it claims, it has checked.

It needs root, and leaves nothing behind: its lab and files are under .rollout/demo of the checkout while it runs.
"""

import fcntl
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from rollout.errors import LabError
from tests.end_to_end.operating import REPOSITORY, Ended, Operator, flights, repeated

PLACE = REPOSITORY / ".rollout" / "demo"
DOOMED = ("dell-5", "dell-6", "hpe-5", "hpe-6")
OTHERS = tuple(f"{combo}-{number}" for combo in ("dell", "hpe") for number in (1, 2, 3, 4))
SIX_DOOMED = ("smc-1", "smc-2", "smc-3")
CANARIES = 4
"""One host, then one that has the other model and the other network card, then the two pairs of these that are left."""

NAMED = "2 of 2 begun hosts with nic=mlx3 failed, 0 of "
RELEASE = ". /etc/os-release; echo $VERSION_CODENAME"
LEFT_OUT = re.compile(
    r"gate \S+ .*: pass|Z  \S+ +((precheck|stage|verify|reboot) (begins|is done)|soaks:|upgrade is done)"
)
"""What the demo leaves out of a run's output, for shortness."""


RUN_LINE = re.compile(r"^\d\d:\d\d:\d\dZ ", re.MULTILINE)
UPGRADES = re.compile(r"(\S+) +upgrade begins")
Only = Callable[[str], object]


class ClaimFailed(Exception):
    """The demo claims something that is not so."""


def say(text: str = "") -> None:
    print(text, flush=True)  # noqa: T201  it talks to a person


def heading(text: str) -> None:
    say(f"\n=== {text} " + "=" * max(3, 100 - len(text)) + "\n")


def claim(true: bool, text: str) -> None:
    """Say what was found, and only if it was."""
    if not true:
        raise ClaimFailed(text)
    say(f"[checked] {text}")


def show(command: str, output: str, only: Only = lambda _line: True) -> None:
    say(f"$ {command}")
    for line in output.splitlines():
        if only(line):
            say(f"  {line}"[:180])
    if output:
        say()


class Demo:
    """The two parts, each in a lab of its own."""

    def __init__(self, operator: Operator) -> None:
        self.began = time.monotonic()
        self.operator = operator
        self.lost_hosts: list[str] = []

    def run(self) -> None:
        """Both parts, one after the other."""
        shutil.copytree(REPOSITORY / "playbooks", PLACE / "playbooks", dirs_exist_ok=True)
        for file in (REPOSITORY / "inventories" / "lab").glob("*.yml"):
            shutil.copy(file, self.operator.folder)
        self.lab_and_plan()
        self.apply_and_kill()
        self.resume()
        self.release()
        self.operator.close()
        ansible = self.six_hosts_with_ansible()
        rollout = self.six_hosts_with_rollout()
        heading("The end")
        say(f"One defect, six hosts: ansible-playbook lost {ansible} of them, rollout {rollout}.")
        say(
            f"All of this took {time.monotonic() - self.began:.0f} s. The lab is gone; nothing is left behind."
        )

    # --- part one -------------------------------------------------------------------------------------------------------------

    def lab_and_plan(self) -> None:
        """Twelve hosts, four of them doomed, and what is about to happen to them."""
        say("Every command below may be typed by hand, in the folder inventories/lab of a checkout.")
        heading("1. A data centre of twelve hosts, and a defect that nobody knows of yet")
        self.typed("rollout lab up --spec demo.yml")
        say(
            "Real sshd, apt, dpkg and reboots. No host with a mlx3 network card will come back from its next reboot:"
        )
        for host in DOOMED:
            self.typed(f"rollout lab fault {host} never-back")
        heading("2. What would happen: the plan, compiled")
        say(
            "Look at: the canaries, chosen so that they cover every model and card, and every pair of them; the credit; the limits.\n"
        )
        planned = self.typed("rollout plan plan.yml")
        claim(
            planned.code == 0 and "12 hosts in 2 combos" in planned.said, "12 hosts in 2 combos are planned"
        )
        heading("3. What if: the plan simulated, with such a defect in it")
        simulated = self.typed("rollout simulate plan.yml --defect nic=mlx3,step=reboot,ends=unreachable")
        claim(
            NAMED in simulated.said and "hosts harmed by defects: 2 " in simulated.said,
            "it would cost two hosts, and stop the hosts with that card",
        )

    def apply_and_kill(self) -> None:
        """The controller dies while hosts are being upgraded."""
        heading("4. The upgrade, until its controller is killed")
        say(
            "Look at: a few canaries, one or two at a time. Two do not come back; what they share is named and stopped, and the rest goes on.\n"
            "(Passed gates and small steps are left out.)\n"
        )
        say("$ rollout lab exec -- rollout apply plan.yml --yes")
        apply = self.operator.start("apply", "plan.yml", "--yes")
        self.follow(apply, until=lambda said: len(set(UPGRADES.findall(said))) == CANARIES + 2)
        time.sleep(2)
        apply.kill()
        apply.communicate()
        claim(
            apply.returncode == -signal.SIGKILL,
            f"kill -9 {apply.pid}: the controller is dead, in the middle of upgrades",
        )
        living = [f"{unit.order()['step']} of {unit.order()['host']}" for unit in self.operator.living()]
        claim(bool(living), f"what has begun goes on without it: {', '.join(sorted(living))}")
        say()
        self.typed("rollout status")

    def resume(self) -> None:
        """The run goes on where things stand."""
        heading("5. rollout resume: the same run, exactly where things stand")
        say(
            "Look at: it takes the run over from the dead controller, reads how the running steps came out, and goes on.\n"
        )
        say("$ rollout lab exec -- rollout resume")
        resume = self.operator.start("resume")
        said = self.follow(resume)
        claim(resume.returncode == 3, "exit code 3: halted, a person is needed")
        events = self.operator.events()
        stops = [event for event in events if event["event"] == "breaker-tripped"]
        claim(
            [stop["data"].get("factors") for stop in stops] == [{"nic": "mlx3"}]
            and stops[0]["because"].startswith(NAMED),
            "one breaker has tripped, and names what the lost hosts share: nic=mlx3, not their model and not their rack",
        )
        claim(
            all(len(in_flight) <= max(1, 2 * len(verified)) for in_flight, verified in flights(events)),
            "never were more hosts in flight than twice those verified (harm: 6 allows 6 x verified / 3)",
        )
        claim(not repeated(events), "no finished step was repeated")
        for host in OTHERS:
            self.must_be_on(host, "birch")
        claim(True, "all 8 hosts with the other card run birch, and answer on a fresh SSH connection")
        upgrades = {host: self.operator.upgrades(host) for host in OTHERS}
        claim(set(upgrades.values()) == {1}, "each was upgraded once, by dpkg's own log on the host")
        self.lost_hosts = [name for name, host in self.operator.hosts().items() if host["status"] == "held"]
        first, second = sorted(self.lost_hosts)
        claim(
            {first[:-1], second[:-1]} == {"dell-", "hpe-"} and {first, second} <= {*DOOMED},
            f"{first} and {second} are held",
        )
        claim(not any(map(self.operator.reaches, self.lost_hosts)), "both are lost")
        spared = [host for host in DOOMED if host not in self.lost_hosts]
        for host in spared:
            self.must_be_on(host, "amber")
        claim(True, f"{' and '.join(spared)} are as they were: the defect cost two hosts, as was simulated")
        claim(
            all(f"release: rollout retry {host} --reason WHY" in said for host in self.lost_hosts),
            "the end of the run names the commands that release them",
        )
        say()
        self.typed(f"rollout why {spared[0]}")

    def release(self) -> None:
        """A person has mended the cause and lets the host try again."""
        heading("6. The cause is found and mended; the run finishes")
        for host in DOOMED:
            self.typed(f"rollout lab fault {host} never-back --clear")
        for host in self.lost_hosts:
            self.typed(f"rollout retry {host} --reason 'new firmware; the host boots again'")
        say("$ rollout lab exec -- rollout resume")
        resume = self.operator.start("resume")
        self.follow(resume)
        claim(resume.returncode == 0, "exit code 0: finished")
        for host in OTHERS + DOOMED:
            self.must_be_on(host, "birch")
        claim(True, "all 12 hosts run birch")
        upgrades = {host: self.operator.upgrades(host) for host in OTHERS + DOOMED}
        claim(
            set(upgrades.values()) == {1},
            "each was upgraded once; the lost hosts were not upgraded again, only rebooted and verified",
        )

    # --- part two -------------------------------------------------------------------------------------------------------------

    def six_hosts_with_ansible(self) -> int:
        """Ansible's own brake does not count hosts that are unreachable."""
        heading(
            "7. Six hosts of two models, one of which loses its sshd in the upgrade: plain ansible-playbook"
        )
        say(
            "In six-serial.yml:  serial: 2, max_fail_percentage: 0  (two at a time, and stop at the first failure)\n"
        )
        self.six_hosts()
        command = "ansible-playbook -i .rollout/lab/inventory six-serial.yml"
        with tempfile.TemporaryDirectory(prefix="rollout-demo-") as sockets:
            # Labs may share addresses, and must not share connections.
            ansible = {"ANSIBLE_ROLES_PATH": "../../playbooks/roles", "ANSIBLE_SSH_CONTROL_PATH_DIR": sockets}
            said = self.operator.inside(*command.split(), timeout=300, **ansible).said
        show(f"rollout lab exec -- {command}", said, re.compile(r"PLAY |fatal|\S+ +: ok=").match)
        lost, reached = self.lost(), {line.split()[0] for line in said.splitlines() if ": ok=" in line}
        claim(
            reached == {"smc-1", "dell-1", "smc-2", "dell-2", "smc-3", "dell-3"},
            "it went on through all six hosts",
        )
        claim(
            lost == ["smc-1", "smc-2", "smc-3"],
            f"lost: {', '.join(lost)}. An unreachable host is none that counts as failed",
        )
        self.operator.close()
        return len(lost)

    def six_hosts_with_rollout(self) -> int:
        """The same hosts, roles, number at once, and defect."""
        heading("8. The same six hosts, roles and defect: rollout")
        self.six_hosts()
        say("$ rollout lab exec -- rollout apply six-plan.yml --yes")
        apply = self.operator.start("apply", "six-plan.yml", "--yes")
        self.follow(apply)
        lost = self.lost()
        claim(apply.returncode == 3, "exit code 3: halted, a person is needed")
        claim(lost == ["smc-1"], "lost: smc-1, the canary of its combo")
        for host in ("dell-1", "dell-2", "dell-3"):
            self.must_be_on(host, "birch")
        claim(True, "dell-1, dell-2 and dell-3 run birch")
        return len(lost)

    # --- typing and looking ---------------------------------------------------------------------------------------------------

    def typed(self, command: str) -> Ended:
        """Type a command, show what it says, and go no further if that is an error."""
        done = self.operator.typed(*shlex.split(command))
        show(command, done.said)
        if done.code:
            raise ClaimFailed(f"`{command}` succeeds; it ended with {done.code}")
        return done

    def follow(
        self, process: subprocess.Popen[str], *, until: Callable[[str], bool] = lambda _said: False
    ) -> str:
        """Show a run's lines as they come, to its end or until something is seen."""
        said = ""
        for line in process.stdout or ():
            said += line
            shown = line.rstrip()
            if not LEFT_OUT.search(shown) and RUN_LINE.search(said):
                say(f"  {shown}"[:170])
            if until(said):
                return said
        process.wait()
        return said

    def must_be_on(self, host: str, release: str) -> None:
        """Asked over a fresh connection and on the host itself."""
        found = self.operator.on(host, RELEASE)
        if found != release or not self.operator.reaches(host):
            raise ClaimFailed(f"{host} runs {release} and answers; it runs {found!r}")

    def six_hosts(self) -> None:
        """On half of them the new release kills sshd."""
        self.typed("rollout lab up --spec six.yml")
        for host in SIX_DOOMED:
            self.typed(f"rollout lab fault {host} sshd-dies --during dpkg")

    def lost(self) -> list[str]:
        """Hosts that no longer answer SSH."""
        return [
            host.name for host in self.operator.lab.status().hosts if not self.operator.reaches(host.name)
        ]


@contextmanager
def place() -> Iterator[Operator]:
    """A folder for one demo at a time; what an earlier one left, however it died, goes first."""
    PLACE.mkdir(parents=True, exist_ok=True)
    with (PLACE / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ClaimFailed("no other demo runs here") from None
        operator = Operator(PLACE / "inventories" / "lab")
        operator.close()
        try:
            yield operator
        finally:
            for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
                signal.signal(number, signal.SIG_IGN)
            say("\n(cleaning up)")
            operator.close()
            shutil.rmtree(PLACE)


def main() -> int:
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda number, _frame: sys.exit(128 + number))
    try:
        with place() as operator:
            Demo(operator).run()
    except ClaimFailed as error:
        say(f"\nThe demo FAILED. This is not so: {error}")
        return 1
    except LabError as error:
        say(f"\nThe demo needs its lab: {error}")
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
