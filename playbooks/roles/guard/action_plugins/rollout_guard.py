"""Carries out a task through the guard on the host (files/guard.sh): started once, followed through lost connections."""  # noqa: INP001  Ansible loads it by path

from __future__ import annotations

import hashlib
import shlex
import time
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from ansible.errors import AnsibleActionFail, AnsibleConnectionFailure
from ansible.plugins.action import ActionBase

SCRIPT = Path(__file__).parents[1] / "files" / "guard.sh"
DIRECTORY = "/var/lib/rollout/guard"
LOOK = 10
"""Seconds that one question waits on the host for the job's end: the controller sleeps meanwhile."""

PATIENCE = 30
"""Seconds that a host may be out of reach in the middle of a job."""

AGAIN = 1
"""Seconds before a host that did not answer is asked again."""

HEARTBEAT = 60
"""Seconds between two lines that say that the job lives."""

BEGIN = 90
"""Seconds in which a job whose starts get lost is started again."""

KEPT_OUTPUT = 400_000
"""Bytes of the job's output that come back, the last ones: ansible-runner empties results above 700,000 characters."""

OPTIONS = frozenset({"act", "cmd", "argv", "name", "mark", "fence", "try", "directory", "patience", "progress", "guarded"})  # fmt: skip


class Answer(NamedTuple):
    """What `guard poll` says: see the script."""

    state: str
    code: str
    next: int
    size: int
    last: str
    output: str


class ActionModule(ActionBase):
    """docs/guides/guard.md has the options."""

    TRANSFERS_FILES = False
    _supports_async = False
    _supports_check_mode = True

    def run(self, tmp: Any = None, task_vars: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Ansible's entry."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        variables, args = task_vars or {}, self._task.args
        if unknown := set(args) - OPTIONS:
            raise AnsibleActionFail(f"rollout_guard has no option {', '.join(sorted(unknown))}")
        self._directory = str(args.get("directory") or variables.get("rollout_guard_directory") or DIRECTORY)
        self._patience = float(args.get("patience") or variables.get("rollout_guard_patience") or PATIENCE)
        host = str(variables.get("inventory_hostname"))
        self._heard = time.monotonic()
        self._answered = False
        act = str(args.get("act") or "run")
        # By hand each call is a new decision to run; it attaches all the same to what still runs.
        who = ["--mark", str(args.get("mark") or variables.get("rollout_mark") or f"by-hand/{host}/by-hand")]
        who += ["--try", str(args.get("try") or variables.get("rollout_try") or uuid.uuid4())]
        who += ["--fence", str(args.get("fence") or variables.get("rollout_fence") or 0)]
        if self._task.check_mode:
            return result | {"skipped": True, "rc": 0, "stdout": "", "stdout_lines": []}
        if act == "run":
            return result | self._run_job(who, args)
        if act not in {"claim", "release"}:
            raise AnsibleActionFail(f"rollout_guard can run, claim and release, and not {act}")
        self._told(self._ask([act, *who, *(["--guarded"] if act == "claim" and args.get("guarded") else [])]))
        return result | {"changed": False}

    def _run_job(self, who: list[str], args: Mapping[str, Any]) -> dict[str, Any]:
        name = str(args.get("name") or "main")
        words = ["--", *map(str, args.get("argv") or ("sh", "-c", args.get("cmd") or ""))]
        if not args.get("argv") and not args.get("cmd"):
            raise AnsibleActionFail("rollout_guard needs cmd or argv")
        how = ["--name", name, "--progress", str(args.get("progress") or "")]
        began = beat = time.monotonic()
        output, at, wait = (
            "",
            0,
            1,
        )  # the first answer comes soon: from then on a lost connection is a connection, not a host
        while True:
            asked = self._ask(["poll", *who, *how, "--wait", str(wait), "--from", str(at), *words])
            answer = self._read(asked)
            if answer is None:
                continue
            output, at, wait = (output + answer.output)[-KEPT_OUTPUT:], answer.next, LOOK
            now = time.monotonic()
            if answer.state in {"running", "orphaned"}:
                words = []  # attached: when it ends it is not to be begun anew
                if now - beat >= HEARTBEAT:
                    beat = now
                    self._display.display(f"guard: {name} has run for {now - began:.0f} s: {answer.last}")
            elif answer.state in {"absent", "never-began"} and now - began < BEGIN:
                continue
            elif at >= answer.size:
                return _result(name, answer, output)

    def _ask(self, words: list[str]) -> dict[str, Any]:
        """A job is followed through lost connections, as long as the host is heard of within `patience` seconds."""
        path = f"{self._directory}/bin/guard-{hashlib.sha256(SCRIPT.read_bytes()).hexdigest()[:12]}"
        act, *options = words
        line = shlex.join(["sh", path, act, "--base", self._directory, *options])
        environment = self._compute_environment_string()
        command = f"if [ -r {shlex.quote(path)} ]; then {environment} {line}; else echo guard is missing; fi"
        while True:
            try:
                ran: dict[str, Any] = self._low_level_execute_command(command, sudoable=True)
            except AnsibleConnectionFailure:
                if act in {"claim", "release"} or time.monotonic() - self._heard > self._patience:
                    raise
                self._lose()
                continue
            if "guard is missing" in ran["stdout"].splitlines():
                self._install(path)
                continue
            return ran

    def _lose(self) -> None:
        """The connection may be a socket whose master is gone, or that waits for a host that will not answer."""
        try:
            self._connection.reset()
        except Exception as error:  # noqa: BLE001  a connection that cannot be reset is lost all the same
            self._display.vvv(f"guard: {error}")
        time.sleep(AGAIN)

    def _install(self, path: str) -> None:
        """The version is in the name: a job that runs under an older one goes on."""
        folder, at = shlex.quote(self._directory), shlex.quote(path)
        done = self._low_level_execute_command(
            f"umask 077 && mkdir -p {folder}/bin && printf %s {shlex.quote(SCRIPT.read_text(encoding='utf-8'))} >{at}.$$ && "
            f"chmod 755 {at}.$$ && mv {at}.$$ {at} && ln -sfn {shlex.quote('bin/' + Path(path).name)} {folder}/guard",
            sudoable=True,
        )
        if done["rc"]:
            raise AnsibleActionFail(
                f"the guard cannot be put into {self._directory}: {_last(done['stderr'] or done['stdout'])}"
            )

    def _read(self, ran: Mapping[str, Any]) -> Answer | None:
        """None: no answer that makes sense, as when a shell cannot be started just now."""
        _noise, found, rest = ("\n" + ran["stdout"]).partition("\nguard ")
        head, _, rest = rest.partition("\n")
        last, _, output = rest.partition("\n")
        fields = head.split()
        if found and len(fields) == 4 and not ran["rc"]:
            self._heard, self._answered = time.monotonic(), True
            return Answer(
                fields[0], fields[1], int(fields[2]), int(fields[3]), last.removeprefix("last "), output
            )
        self._told(ran)
        if time.monotonic() - self._heard > self._patience or not self._answered:
            raise AnsibleActionFail(
                f"the guard gives no answer: {_last(ran['stderr'] or ran['stdout']) or ran['rc']}"
            )
        time.sleep(AGAIN)
        return None

    def _told(self, ran: Mapping[str, Any]) -> None:
        """What the guard refuses is final."""
        words = [line for line in str(ran["stderr"]).splitlines() if line.startswith("guard: ")]
        words = words or [line for line in str(ran["stdout"]).splitlines() if line.startswith("guard: ")]
        if ran["rc"] and words:
            raise AnsibleActionFail(words[-1].removeprefix("guard: "))
        if ran["rc"] and not self._answered:
            raise AnsibleActionFail(
                _last(ran["stderr"] or ran["stdout"]) or f"the guard ended with {ran['rc']}"
            )


WHY = {
    "rebooted": "the host rebooted while {0} ran: its job is gone, and what it did is not known",
    "lost": "{0} was killed together with its guard: what it did is not known",
}


def _result(name: str, answer: Answer, output: str) -> dict[str, Any]:
    text = output.encode(errors="surrogateescape").decode(errors="replace").rstrip("\n")
    shared = {"changed": True, "stdout": text, "stdout_lines": text.splitlines(), "state": answer.state}
    if answer.state != "finished":
        why = WHY.get(answer.state, "{0} could not be begun").format(name)
        return shared | {"failed": True, "rc": -1, "msg": why}
    code = int(answer.code)
    if not code:
        return shared | {"rc": 0}
    return shared | {
        "failed": True,
        "rc": code,
        "msg": f"{name} ended with code {code}: {_last(text) or 'it said nothing'}",
    }


def _last(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return " / ".join(lines[-3:])
