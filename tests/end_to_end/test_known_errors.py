"""Failures on real hosts: one that is known is remedied while nobody watches, one that nobody knew becomes known, and the same run goes on."""

import json
import subprocess
import time
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from rollout.lab import HostSpec
from tests.end_to_end.operating import Operator, ended, read_until
from tests.end_to_end.plans import plan

pytestmark = pytest.mark.lab

HOLDER = """import fcntl, os, time
with open("/var/lib/dpkg/lock-frontend", "w") as lock:
    fcntl.lockf(lock, fcntl.LOCK_EX)
    print("locked", flush=True)
    while not os.path.exists("/run/let-go"):
        time.sleep(0.2)
"""
"""apt's own kind of lock, held until somebody lets go."""

PLAYBOOK = """- hosts: all
  gather_facts: false
  tasks:
    - name: {name}
      ansible.builtin.shell: {command}
"""
APT = "echo packages >> /var/log/walked; apt-get --yes --option=DPkg::Lock::Timeout=0 --fix-broken install"
WIDGET = 'echo widget >> /var/log/walked; test ! -e /etc/stuck || { echo "widget $$ of $(hostname) is stuck" >&2; exit 3; }'
STUCK = ("e1", "e2")


@pytest.fixture(scope="module")
def operator(operator_of: Callable[[Sequence[HostSpec]], Operator]) -> Operator:
    return operator_of([HostSpec(name) for name in ("d1", *STUCK)])


def playbook(operator: Operator, name: str, command: str) -> str:
    text = PLAYBOOK.format(name=name.capitalize(), command=json.dumps(command))
    (operator.folder / "playbooks" / f"{name}.yml").write_text(text)
    return f"playbooks/{name}.yml"


def steps(operator: Operator, name: str, command: str) -> list[dict[str, Any]]:
    """The step in question between two that only say that they were walked."""
    first, last = (playbook(operator, word, f"echo {word} >> /var/log/walked") for word in ("first", "last"))
    return [
        {"name": "first", "playbook": first},
        {"name": name, "playbook": playbook(operator, name, command), "disruptive": True},
        {"name": "last", "playbook": last},
    ]


def walked(operator: Operator, host: str) -> list[str]:
    return operator.on(host, "cat /var/log/walked").split()


def begun(operator: Operator, host: str, *journal: str) -> list[str]:
    return [
        event["step"]
        for event in operator.events(*journal)
        if event["event"] == "step-intended" and event["host"] == host
    ]


def until(seen: Callable[[], bool], seconds: float = 120.0) -> None:
    end = time.monotonic() + seconds
    while not seen():
        assert time.monotonic() < end
        time.sleep(0.3)


@pytest.mark.full
def test_a_lock_is_waited_for_and_the_host_goes_on_from_the_failed_step(operator: Operator) -> None:
    risk = {
        "name": "apt-lock",
        "symptom": "Could not get lock /var/lib/(dpkg|apt)",
        "steps": ["packages"],
        "remedy": "playbooks/remedies/wait-for-apt.yml",
        "link": "OPS-7",
        "examples": {"matches": ["E: Could not get lock /var/lib/dpkg/lock-frontend"]},
    }
    (operator.folder / "known.yml").write_text(json.dumps(risk))
    tolerant = {"failures": {"canary": 1, "combo": 1, "run": 1}, "risks": "known.yml"}
    file = plan(operator, "locked", "d1", steps(operator, "packages", APT), **tolerant)
    book = ("--journal", "d.sqlite3")
    holder = subprocess.Popen(
        operator.lab.on("d1", ["python3", "-c", HOLDER]), stdout=subprocess.PIPE, text=True
    )
    with holder:
        read_until(holder, "locked")
        applying = operator.start("apply", file, "--yes", *book)
        until(
            lambda: (
                (operator.folder / "d.sqlite3").exists() and "remedy-apt-lock" in begun(operator, "d1", *book)
            )
        )
        operator.on("d1", "touch /run/let-go")
        applied = ended(applying, 120)

    assert applied.code == 0, applied.said
    assert begun(operator, "d1", *book) == ["first", "packages", "remedy-apt-lock", "packages", "last"]
    assert walked(operator, "d1") == ["first", "packages", "packages", "last"]
    (cause,) = map(json.loads, operator.typed("rollout", "failures", "--json", *book).said.splitlines())
    assert (cause["risks"], cause["hosts"], cause["open"]) == (["apt-lock"], ["d1"], [])
    tried = operator.typed("rollout", "risks", "test", "known.yml", *book)
    assert tried.code == 0, tried.said
    assert "apt-lock: fits 1 failure on 1 host (d1)" in tried.said
    assert "known error apt-lock (OPS-7)" in operator.typed("rollout", "events", "--host", "d1", *book).said


@pytest.mark.full
def test_what_nobody_knew_is_drafted_amended_and_the_same_run_finishes(operator: Operator) -> None:
    for host in STUCK:
        operator.on(host, "touch /etc/stuck")
    chain = steps(operator, "widget", WIDGET)[1:]
    tolerant: dict[str, Any] = {"failures": {"canary": 9, "combo": 9, "run": 9}}
    file = plan(operator, "unknown", "e1:e2", chain, **tolerant)
    applied = operator.rollout("apply", file, "--yes")
    assert applied.code == 4, applied.said
    run = operator.events()[0]

    (cause,) = map(json.loads, operator.typed("rollout", "failures", "--json").said.splitlines())
    assert (sorted(cause["open"]), cause["steps"], cause["tasks"]) == ([*STUCK], ["widget"], ["Widget"])
    assert cause["risks"] == []
    drafted = operator.typed("rollout", "failures", "--draft", cause["fingerprint"], "-o", "risks/stuck.yml")
    assert drafted.code == 0, drafted.said
    written = (operator.folder / "risks" / "stuck.yml").read_text()
    playbook(operator, "unstick", "rm /etc/stuck")
    answered = [
        "remedy: playbooks/unstick.yml" if line.startswith("hold:") else line for line in written.splitlines()
    ]
    (operator.folder / "risks" / "stuck.yml").write_text("\n".join(answered))
    plan(operator, "unknown", "e1:e2", chain, risks="risks", **tolerant)

    tried = operator.typed("rollout", "risks", "test", file)
    assert "fits 2 failures on 2 hosts" in tried.said
    amended = operator.rollout("amend", file, "--yes", "--reason", "the widget is known by now")
    assert amended.code == 0, amended.said
    for host in STUCK:
        retried = operator.typed("rollout", "retry", host, "--reason", "it has a remedy now")
        assert retried.code == 0, retried.said
    resumed = operator.rollout("resume")

    assert resumed.code == 0, resumed.said
    assert operator.events()[0] == run
    for host in STUCK:
        assert begun(operator, host)[-4:] == ["widget", written_remedy(written), "widget", "last"]
        assert walked(operator, host) == ["widget", "widget", "widget", "last"]
    (cause,) = map(json.loads, operator.typed("rollout", "failures", "--json").said.splitlines())
    assert (cause["risks"], cause["open"], cause["tries"]) == ([named(written)], [], 4)


def named(draft: str) -> str:
    """The name of the drafted risk."""
    return next(line.partition(" ")[2] for line in draft.splitlines() if line.startswith("name:"))


def written_remedy(draft: str) -> str:
    return f"remedy-{named(draft)}"
