"""The guard's script on this machine: its own directory, commands whose effects can be counted, a death at any line of its own."""

import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.executors.ansible_bench import wait_for

SCRIPT = Path(__file__).parents[2] / "playbooks" / "roles" / "guard" / "files" / "guard.sh"
MARK = "run-1/h1/upgrade"
OLD_FENCE, HELD, UNKNOWN, NEVER_BEGAN = 120, 121, 122, 123

DYING_SHELL = """#!/bin/sh
exec bash -o functrace "$@"
"""
MORTAL = """
case "$0:$DIE_AS:${1-}" in
  *guard.sh:runner:_job | *guard.sh:starter:poll)
    lines=0
    trap 'lines=$((lines + 1)); [ "$lines" -lt "$DIE_AT" ] || { : >"$DIED"; kill -9 $$; }' DEBUG ;;
esac
"""
"""Bash runs the trap before every simple command, in functions and subshells too: the script itself is left as it is."""


@dataclass(frozen=True, slots=True)
class Ended:
    code: int
    out: str
    err: str


@dataclass(frozen=True, slots=True)
class Guarded:
    """`scratch`: the guard's base is in it, and a file of effects for each id."""

    scratch: Path

    @property
    def base(self) -> Path:
        return self.scratch / "guard"

    def words(self, act: str, *words: str, mark: str = MARK) -> list[str]:
        return ["sh", str(SCRIPT), act, "--base", str(self.base), "--mark", mark, *words]

    def call(self, act: str, *words: str, mark: str = MARK, env: Mapping[str, str] | None = None) -> Ended:
        done = subprocess.run(
            self.words(act, *words, mark=mark),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            env={**os.environ, **(env or {})},
            timeout=60,
            check=False,
        )
        return Ended(done.returncode, done.stdout, done.stderr)

    def effect(self, name: str = "effect") -> list[str]:
        """A command that can be counted."""
        return ["sh", "-c", f"echo x >>{self.scratch}/{name}; echo {name} happened"]

    def effects(self, name: str = "effect") -> int:
        try:
            return len((self.scratch / name).read_text().splitlines())
        except FileNotFoundError:
            return 0

    def status(self, mark: str = MARK) -> list[str]:
        return self.call("status", mark=mark).out.splitlines()

    def start_and_die(self, who: str, at: int) -> bool:
        """Start the effect; the starter, or the job's runner, dies before its `at`-th command. False: it has fewer."""
        shells = self.scratch / "shells"
        shells.mkdir()
        (shells / "mortal").write_text(MORTAL)
        (shells / "sh").write_text(DYING_SHELL)
        (shells / "sh").chmod(0o755)
        died = self.scratch / "died"
        env = {
            "PATH": f"{shells}:{os.environ['PATH']}",
            "BASH_ENV": str(shells / "mortal"),
            "DIE_AS": who,
            "DIE_AT": str(at),
            "DIED": str(died),
        }
        self.call("poll", "--try", "1", "--wait", "3", "--", *self.effect(), env=env)
        codes = self.base.glob("jobs/*/code")
        wait_for(lambda: died.exists() or (who == "runner" and list(codes)) or who == "starter")
        return died.exists()
