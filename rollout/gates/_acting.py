"""Disturbing an empty host: it is looked at and acted on in one script, and found again by fresh connections."""

import shlex
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from rollout.errors import HostKeyRefused, HostUnreachable, SshError
from rollout.gates import _reading, guests
from rollout.gates.fingerprint import Kind as Fingerprint
from rollout.model.seams import Answer, Connection, Ran, Subject, Verdict
from rollout.ssh.printable import printable

Found = TypeVar("Found")

GUARD = "/var/lib/rollout/guard"
"""Where the role `guard` keeps everything, unless the host's `rollout_guard_directory` says otherwise."""

FRESH = 60
"""Seconds of the host's own clock after which an order is too old: a controller that was frozen sends it to a host in service."""

WRAP = "if [ $(id -u) = 0 ]; then sh -c {0}; elif sudo -n true 2>/dev/null; then sudo -n sh -c {0}; else sh -c {0}; fi"

BOOT = """\
printf 'boot_id %s\\n' "$(cat /proc/sys/kernel/random/boot_id)"
printf 'uptime %s\\n' "$(cut -d' ' -f1 /proc/uptime)"
echo end-of-boot
"""

SCRIPT = """\
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin LC_ALL=C
export PATH LC_ALL
refuse() {{ printf 'refused %s\\n' "$*"; exit 0; }}
[ "$(id -u)" = 0 ] || refuse root
base={guard}
if [ -e "$base/guard" ]; then
    kept=$(sh "$base/guard" status --base "$base" 2>&1)
    case $kept in *end) ;; *) refuse silent "$kept" ;; esac
    job=$(printf '%s\\n' "$kept" | grep -E '^job (running|orphaned) ' | head -n 1)
    [ -z "$job" ] || refuse job "$job"
    holder=$(printf '%s\\n' "$kept" | sed -n 's/^held by \\(.*\\) since .*/\\1/p')
    [ -z "$holder" ] || [ "$holder" = {run} ] || refuse held "$holder"
fi
look() {{
{guests}}}
{clear}
looked=$(look)
printf '%s\\n' "$looked"
clear "$looked" || refuse guests
[ "$(cat /proc/sys/kernel/random/boot_id)" = {boot} ] || refuse boot
read -r up _ </proc/uptime
[ "${{up%.*}}" -le {latest} ] || refuse late
act={act}
if [ -d /run/systemd/system ] && command -v systemd-run >/dev/null &&
    systemd-run --quiet --collect --no-block sh -c "$act" </dev/null >/dev/null 2>&1; then :
else
    setsid sh -c "trap '' HUP; $act" </dev/null >/dev/null 2>&1 &
fi
echo begun
"""
"""What is done outlives the session that began it: as a unit of systemd, or in a session of its own."""

REFUSALS = {
    "root": (Answer.ERROR, "it takes root, and sudo without a password gives none: set `ansible_become: true` in the inventory"),
    "silent": (Answer.INCONCLUSIVE, "its guard does not answer"),
    "job": (Answer.FAIL, "its guard runs a job"),
    "held": (Answer.FAIL, "its guard holds it for another run"),
    "boot": (Answer.INCONCLUSIVE, "it has booted since it was looked at"),
    "late": (Answer.INCONCLUSIVE, "the order came too late after the look"),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Boot:
    """One boot of a host, and for how many seconds it had run."""

    boot_id: str
    uptime: float


def boot_of(connection: Connection, timeout: float) -> Boot | None:
    """None if it cannot be read. Raises the kinds of SshError."""
    said = dict(_reading.lines(connection.run(BOOT, timeout), "end-of-boot") or ())
    try:
        uptime = float(said.get("uptime", ""))
    except ValueError:
        return None
    boot_id = said.get("boot_id", "")
    return (
        Boot(boot_id, uptime) if boot_id.replace("-", "").isalnum() and 0 <= uptime < float("inf") else None
    )


def script(subject: Subject, seen: Boot, act: str) -> str:
    """What looks, refuses or begins `act`, a shell script, and returns at once."""
    directory = str(subject.variables.get("rollout_guard_directory") or GUARD)
    whole = SCRIPT.format(
        guard=shlex.quote(directory),
        run=shlex.quote(subject.run),
        guests=guests.SCRIPT,
        clear=guests.CLEAR,
        boot=shlex.quote(seen.boot_id),
        latest=int(seen.uptime) + FRESH,
        act=shlex.quote(act),
    )
    return WRAP.format(shlex.quote(whole))


def begin(connection: Connection, subject: Subject, seen: Boot, act: str, timeout: float) -> Verdict | None:
    """Have `act` begun on the host; or why it was not. Raises HostUnreachable when it may have begun or not."""
    ran = connection.run(script(subject, seen, act), timeout)
    last = ran.out.rstrip().rpartition("\n")[2]
    if last == "begun" and not ran.code:
        return None
    word, _, more = last.removeprefix("refused ").partition(" ")
    if not last.startswith("refused ") or word not in {*REFUSALS, "guests"}:
        because = f"could not find out whether it was begun: {_reading.last_words(ran)}"
        return Verdict(Answer.INCONCLUSIVE, because, {"out": printable(ran.out), "err": printable(ran.err)})
    if word == "guests":
        return _of_guests(ran)
    value, why = REFUSALS[word]
    return Verdict(
        value, f"nothing was done: {why}{f': {printable(more)}' if more else ''}", {"refused": word}
    )


def _of_guests(ran: Ran) -> Verdict:
    told = guests.judge(Ran(0, ran.out.rpartition("refused ")[0], ran.err))
    value = Answer.INCONCLUSIVE if told.value is Answer.PASS else told.value
    why = guests.UNKNOWN if told.value is Answer.PASS else told.because
    return Verdict(value, f"nothing was done: {why}", {**told.samples, "refused": "guests"})


def await_host(
    subject: Subject, until: float, ready: Callable[[Connection], Found | None]
) -> Found | Verdict | str:
    """Ask by fresh connections until `ready` finds what it wants; else the last trouble, in words, at `until` (monotonic).

    A host key that is refused is a verdict at once.
    """
    trouble = ""
    pause = min(2.0, subject.timeout / 50)
    while time.monotonic() < until:
        try:
            with subject.connect() as connection:
                found = ready(connection)
            if found is not None:
                return found
            trouble = ""
        except HostKeyRefused as error:
            return Verdict(Answer.FAIL, f"security stop: {error}", {"reached": False, "host_key": "refused"})
        except SshError as error:
            trouble = str(error)
        time.sleep(pause)
    return trouble


def compare(
    subject: Subject, eye: Fingerprint, before: Verdict, samples: Mapping[str, Any], until: float, when: str
) -> Verdict:
    """Whether the host is again as `eye` saw it before, at the latest at `until` (monotonic). What is new is told, and fails nothing."""
    before_it = replace(subject, remembered=before.samples, timeout=min(subject.timeout, 60.0))
    pause = min(2.0, subject.timeout / 50)
    while True:
        found = eye.check(before_it)
        if found.value is Answer.PASS or "host_key" in found.samples or time.monotonic() >= until:
            break
        time.sleep(pause)
    told = {**samples, **found.samples}
    if told.pop("reached", None) is False and "host_key" not in told:
        because = f"{when} it answered, and then did not any more: {found.because}"
        return Verdict(found.value, because, {**told, "back": False})
    return Verdict(found.value, f"{when}: {found.because}", told)


def guarded(ask: Callable[[], Verdict]) -> Verdict:
    """The verdict; what SSH cannot do before anything has begun, as for any gate."""
    try:
        return ask()
    except HostKeyRefused as error:
        return Verdict(Answer.FAIL, f"security stop: {error}", {"reached": False, "host_key": "refused"})
    except HostUnreachable as error:
        return Verdict(Answer.FAIL, str(error), {"reached": False})
    except SshError as error:
        return Verdict(Answer.ERROR, str(error))
