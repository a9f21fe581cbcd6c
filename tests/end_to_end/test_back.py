"""The way back, on real hosts: a rollback whose controller is killed, an abort in mid-run, a known error and its remedy, guests."""

import json
import signal
import subprocess
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from rollout import journal
from rollout.cli import _runs
from rollout.lab import HostSpec
from rollout.model.state import State
from tests.end_to_end.operating import Operator, ended, read_until
from tests.end_to_end.plans import interleaved, logged, plan

pytestmark = pytest.mark.lab

SERVICE = """cat > /etc/init.d/{name} <<'EOF'
#!/bin/sh
case $1 in start) touch /run/{name} ;; stop) rm -f /run/{name} ;; status) test -e /run/{name} || exit 3 ;; esac
EOF
chmod +x /etc/init.d/{name}; service {name} {act}"""
"""A service that does nothing but run, or not."""

CHANGES = """---
- hosts: all
  gather_facts: false
  tasks:
    - ansible.builtin.shell: {{cmd: "echo {what} > /etc/state{more}"}}
"""

LOOK = """---
- hosts: all
  gather_facts: false
  tasks: [{ansible.builtin.import_role: {name: rollout, tasks_from: found}}]
"""
"""The last task of the shipped precheck.yml, which takes as long as all others here together."""

LOCKS = """import fcntl, time
with open("/var/lib/dpkg/lock-frontend", "w") as lock:
    fcntl.lockf(lock, fcntl.LOCK_EX)
    print("locked", flush=True)
    time.sleep(600)
"""
"""apt's own kind of lock, held by somebody."""

VARIABLES = {"c1": {"slow": "drain"}, "c2": {"slow": "upgrade"}, "c3": {"breaks": "yes"}}
SLOW = "{{ '0; for turn in $(seq 300); do test -e /run/go && break; sleep 0.2; done' if slow | default('') == rollout_step else 0 }}"
"""Until it is told to go on; a minute at most."""


@pytest.fixture(scope="module")
def operator(operator_of: Callable[[Sequence[HostSpec]], Operator]) -> Operator:
    services = {"rollout_drain_services": ["web", "batch"]}
    names = ("b1", "c1", "c2", "c3", "d1", "d2", "e1")
    return operator_of([HostSpec(name, variables={**VARIABLES.get(name, {}), **services}) for name in names])


def at_work(operator: Operator, host: str) -> None:
    """A service runs, and another was stopped by somebody."""
    operator.on(host, SERVICE.format(name="web", act="start"))
    operator.on(host, SERVICE.format(name="batch", act="stop"))


def running(operator: Operator, host: str) -> str:
    return operator.on(host, "cd /run && ls -d web batch 2>/dev/null || :")


def changes(operator: Operator, name: str, *, breaks: bool = False) -> str:
    """A playbook that writes its name on the host, and fails where it should break; wrapped to tell when it began and ended."""
    more = "{{ '; false' if breaks | default('') else '' }}" if breaks else ""
    (operator.folder / "playbooks" / f"{name}.yml").write_text(CHANGES.format(what=name, more=more))
    return logged(operator, name, does=name, seconds=SLOW)


def drained_plan(operator: Operator, name: str, hosts: str, **more: Any) -> str:
    """The shipped drain and restore, and the look of the shipped precheck, around an upgrade that can be taken back."""
    (operator.folder / "playbooks" / "look.yml").write_text(LOOK)
    steps: list[dict[str, Any]] = [
        {"name": "look", "playbook": "playbooks/look.yml"},
        {"name": "drain", "drain": "playbook", "playbook": logged(operator, "drain", does="drain", seconds=SLOW)},
        {
            "name": "upgrade",
            "playbook": changes(operator, "newer", breaks=True),
            "undo": changes(operator, "older"),
            "once": True,
        },
        {"name": "restore", "reopen": "playbook", "playbook": logged(operator, "restore", does="restore", seconds=0)},
    ]  # fmt: skip
    return plan(operator, name, hosts, steps, **more)


def state_of(operator: Operator, name: str) -> State:
    with journal.open(str(operator.folder / name)) as book:
        return _runs.folded(book, book.run(None).id)


def events_of(operator: Operator, name: str) -> list[dict[str, Any]]:
    return [
        json.loads(line)
        for line in operator.typed("rollout", "events", "--json", "--journal", name).said.splitlines()
    ]


def steps_on(operator: Operator, host: str) -> list[str]:
    """What began and ended there, in order; nothing twice and nothing at once."""
    log = operator.on(host, "cat /var/log/steps")
    assert interleaved(log) == []
    return [line.rpartition("/")[2] for line in log.splitlines() if line.startswith("begin")]


def kill(process: subprocess.Popen[str]) -> None:
    process.kill()
    assert process.wait() == -signal.SIGKILL


@pytest.mark.full
def test_a_rollback_whose_controller_is_killed_undoes_each_step_once(operator: Operator) -> None:
    at_work(operator, "b1")
    book = ("--journal", "b.sqlite3")
    applied = operator.rollout("apply", drained_plan(operator, "taken-back", "b1"), "--yes", *book)
    assert applied.code == 0, applied.said
    assert (operator.on("b1", "cat /etc/state"), running(operator, "b1")) == ("newer", "web")
    assert state_of(operator, "b.sqlite3").hosts["b1"].effects == ["upgrade", "restore"]

    asked = operator.rollout("rollback", "--host", "b1", "--reason", "it is slow", *book)
    first = operator.start("resume", *book)
    read_until(first, "undo-upgrade begins")
    kill(first)
    done = operator.rollout("resume", *book)

    assert "b1: rollback asked: restore, upgrade, drain are undone" in asked.said
    assert done.code == 0, done.said
    assert "finished: 0 verified, 0 held, 0 not started, 1 rolled back" in done.said
    assert steps_on(operator, "b1") == [
        "drain",
        "upgrade",
        "restore",
        "undo-restore",
        "undo-upgrade",
        "undo-drain",
    ]
    assert (operator.on("b1", "cat /etc/state"), running(operator, "b1")) == ("older", "web")
    host = state_of(operator, "b.sqlite3").hosts["b1"]
    assert (host.status, host.effects, host.slot, host.back) == ("rolled-back", [], False, None)
    events = events_of(operator, "b.sqlite3")
    gates = [
        event.get("gate") or event["data"].get("gate")
        for event in events
        if event["event"] == "gate-answered"
    ]
    assert gates[-1] == "in-reach"


def test_an_abort_gives_back_what_was_not_changed_and_tells_what_stays_closed(operator: Operator) -> None:
    for host in ("c1", "c2", "c3"):
        at_work(operator, host)
    book = ("--journal", "c.sqlite3")
    file = drained_plan(operator, "aborted", "c1:c2:c3", failures={"canary": 5})
    apply = operator.start("apply", file, "--yes", *book)
    read_until(apply, "c1 +drain begins", "c2 +upgrade begins", "c3 +upgrade begins")

    operator.rollout("abort", "--reason", "wrong week", *book)
    read_until(apply, "abort asked")
    for host in ("c1", "c2"):
        operator.on(host, "touch /run/go")
    stopped = ended(apply, 100)

    assert stopped.code == 4, stopped.said
    assert steps_on(operator, "c1") == ["drain", "undo-drain"]
    assert (operator.on("c1", "cat /etc/state || :"), running(operator, "c1")) == ("", "web")
    assert steps_on(operator, "c2") == ["drain", "upgrade", "restore"]
    assert (operator.on("c2", "cat /etc/state"), running(operator, "c2")) == ("newer", "web")
    assert (operator.on("c3", "cat /etc/state"), running(operator, "c3")) == ("newer", "")
    hosts = state_of(operator, "c.sqlite3").hosts
    assert {name: host.status for name, host in hosts.items()} == {
        "c1": "rolled-back", "c2": "verified", "c3": "held"
    }  # fmt: skip
    assert "not verified, so they stay closed to guests: c3" in stopped.said
    assert "c3 (held): drain, upgrade" in stopped.said


def test_a_lock_that_somebody_holds_is_remedied_and_the_host_counts_as_failed(operator: Operator) -> None:
    (operator.folder / "playbooks" / "apt.yml").write_text(
        "- hosts: all\n  gather_facts: false\n  tasks:\n"
        "    - ansible.builtin.command: apt-get --yes --option=DPkg::Lock::Timeout=0 --fix-broken install\n"
    )
    (operator.folder / "playbooks" / "end-holder.yml").write_text(
        "- hosts: all\n  gather_facts: false\n  tasks:\n    - ansible.builtin.command: pkill -f [l]ock-frontend\n"
    )
    risk = {
        "name": "apt-lock",
        "symptom": "Could not get lock /var/lib/(dpkg|apt)",
        "remedy": "playbooks/end-holder.yml",
    }
    (operator.folder / "risks").mkdir()
    (operator.folder / "risks" / "apt.yml").write_text(json.dumps(risk))
    steps = [{"name": "packages", "playbook": "playbooks/apt.yml", "disruptive": True}]
    waves = {"sizes": [1, "100%"], "soak": "0s"}
    file = plan(operator, "locked", "d1:d2", steps, waves=waves, risks="risks")
    with subprocess.Popen(
        operator.lab.on("d1", ["python3", "-c", LOCKS]), stdout=subprocess.PIPE, text=True
    ) as holder:
        read_until(holder, "locked")
        applied = operator.rollout("apply", file, "--yes", "--journal", "d.sqlite3")
        holder.kill()

    assert applied.code == 3, applied.said
    events = [event for event in events_of(operator, "d.sqlite3") if event.get("host") == "d1"]
    begun = [event["step"] for event in events if event["event"] == "step-intended"]
    assert begun == ["packages", "remedy-apt-lock", "packages"]
    hosts = state_of(operator, "d.sqlite3").hosts
    assert (hosts["d1"].status, hosts["d1"].harmed, hosts["d2"].attempt) == ("verified", True, 0)
    assert "1 canary failed, 0 tolerated" in applied.said


def test_nothing_is_taken_back_under_guests(operator: Operator) -> None:
    steps = [
        {
            "name": "upgrade",
            "playbook": changes(operator, "newest"),
            "undo": changes(operator, "oldest"),
            "once": True,
        }
    ]
    book = ("--journal", "e.sqlite3")
    applied = operator.rollout("apply", plan(operator, "inhabited", "e1", steps), "--yes", *book)
    assert applied.code == 0, applied.said
    operator.on("e1", "echo vm-7 > /var/lib/lab/guests; ln -s /usr/lib/lab/virsh /usr/bin/virsh")

    operator.rollout("rollback", "--host", "e1", "--reason", "it is slow", *book)
    refused = operator.rollout("resume", *book)

    host = state_of(operator, "e.sqlite3").hosts["e1"]
    assert "it carries 1 guest: vm-7" in refused.said
    assert (host.effects, host.passed) == (["upgrade"], "upgrade")
    assert host.status != "rolled-back"
    assert steps_on(operator, "e1") == ["upgrade"]
    assert operator.on("e1", "cat /etc/state") == "newest"
