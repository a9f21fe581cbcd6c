"""What runs on a host, asked on a fresh connection when our own process can no longer tell."""

import re
import shlex
from collections.abc import Callable
from dataclasses import dataclass

from rollout.executors._text import sentence
from rollout.model.seams import Connection

SCRIPT = r"""
export LC_ALL=C
exclude() {  # of containers, of zombies, of the daemon that waits for a shutdown
  read -r _ _ state _ < "/proc/$1/stat" 2>/dev/null || return 0
  [ "$state" = Z ] && return 0
  mine=$(readlink /proc/self/ns/pid) its=$(readlink "/proc/$1/ns/pid" 2>/dev/null)
  [ -n "$its" ] && [ "$its" != "$mine" ] && return 0
  tr '\0' ' ' < "/proc/$1/cmdline" 2>/dev/null | grep -q unattended-upgrade-shutdown
}
read -r _ 2>/dev/null < /proc/1/comm || { echo 'its processes are hidden from our user' >&2; exit 1; }
for file in /proc/[0-9]*/comm; do
  read -r name < "$file" 2>/dev/null || continue
  case "$name" in
    apt|apt-get|aptitude|dpkg|dnf|dnf-3|dnf5|yum|rpm|unattended-upgr*|do-release-upgr*)
      pid=${file#/proc/} pid=${pid%/comm}
      exclude "$pid" || echo "busy $name (process $pid)" ;;
  esac
done
marked() {
  while read -r file; do
    pid=${file#/proc/} pid=${pid%/*}
    read -r name < "/proc/$pid/comm" 2>/dev/null && ! exclude "$pid" && echo "marked $name (process $pid)"
  done
}
printf '%s%s\n' @MARKS@ | grep -lzxF -f - /proc/[0-9]*/environ 2>/dev/null | marked
printf '%s%s\n' @MARKS@ | grep -lzF -f - /proc/[0-9]*/cmdline 2>/dev/null | marked
if command -v dpkg >/dev/null 2>&1; then
  dpkg --audit 2>&1 | grep . | head -n 5 | sed 's/^/audit /'
fi
echo asked
"""
"""The pattern goes in by a pipe and the mark in two halves: else each looking process would find itself."""

WRAP = "if [ $(id -u) = 0 ]; then sh -c {0}; elif sudo -n true 2>/dev/null; then sudo -n sh -c {0}; else sh -c {0}; fi"
"""As root where it can be: other users' environments are closed to us. Command lines, which Ansible's own hold the mark, are not."""


@dataclass(frozen=True, slots=True)
class Seen:
    """`running` names what still works on the host; `audit` is what `dpkg --audit` says, empty when all is well."""

    running: tuple[str, ...]
    audit: str

    @property
    def quiet(self) -> bool:
        """Nothing of the step, and no package manager, runs."""
        return not self.running


class NoAnswer(Exception):
    """The host was reached and its answer makes no sense."""


def ask(connect: Callable[[], Connection], *marks: str) -> Seen:
    """Raises `rollout.errors.SshError` kinds, and NoAnswer: neither means that nothing runs."""
    patterns = " ".join(f"ROLLOUT_ {shlex.quote(f'MARK={mark}')}" for mark in marks)
    with connect() as connection:
        ran = connection.run(WRAP.format(shlex.quote(SCRIPT.replace("@MARKS@", patterns))), timeout=60.0)
    lines = ran.out.splitlines()
    if ran.code or not lines or lines[-1] != "asked":
        raise NoAnswer(
            sentence(f"asked what runs, the host said: {ran.err.strip() or ran.out.strip() or ran.code}", 200)
        )
    found = [re.sub(r"^(busy|marked) ", "", line) for line in lines if line.startswith(("busy ", "marked "))]
    audit = [line.removeprefix("audit ").strip() for line in lines if line.startswith("audit ")]
    return Seen(
        tuple(dict.fromkeys(sentence(one, 80) for one in found)), sentence(audit[0], 200) if audit else ""
    )
