"""The customer's eye: losses and the longest gap of an address while the host has its slot, by a sender of our own.

It begins before the host's first disruptive step and outlives the controller. Times at which nobody watched never count as answered.
"""

import fcntl
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal, Self

from pydantic import Field, model_validator

from rollout.gates import HostGate, _reading, _watched
from rollout.gates._addresses import Templates, Unfilled, all_filled
from rollout.gates._settings import Positive, Seconds, Share
from rollout.gates._watched import Seen
from rollout.model.seams import Answer, Subject, Verdict
from rollout.ssh.printable import printable

SOAK = "soak"
"""The moment at which a host is asked again after its soak: what counts then is what was watched while it had its slot."""

LINGER = 600.0
"""Seconds that a sender goes on after the gate has passed or failed: for `samples`, `for`, and whoever asks again."""

WAIT = 1.0
"""Seconds after which what has not been answered never will be."""

LAG = 3.0
"""Seconds before now of which a living sender need not have written yet: it waits for answers, and writes once a second."""

SENDER = Path(__file__).with_name("_pinger.py")


class Kind(HostGate):
    """Passes when no address lost more than `loss` of what was sent, nor was silent for longer than `gap` at once.

    Samples, of the worst address: `sent`, `lost`, `gap` and `value` (seconds), `gap_at`, `unwatched` (seconds), `series` (losses in
    percent over time); `addresses` has them all.
    """

    remembers: ClassVar[bool] = True

    address: Templates = Field(
        default=["{{ address }}"],
        description="What is watched, one or several: a name, an address, a variable of the host. Left out: the host itself, which a reboot silences.",
        examples=["{{ guest_ip }}", "vip.example.org"],
    )
    via: Literal["icmp", "tcp"] = Field(default="icmp", description="ICMP echo, or connections to a port.")
    port: int | None = Field(default=None, ge=1, le=65535, description="For via: tcp.", examples=[443])
    loss: Share = Field(default=0.01, description="How much may be lost.", examples=["1%", "0.1%"])
    gap: Seconds = Field(default=5.0, description="How long there may be no answer at once.", examples=["5s"])
    every: Positive = Field(
        default=0.2, ge=0.05, le=60.0, description="Between two questions.", examples=["0.2s"]
    )
    unwatched: Seconds = Field(
        default=10.0, description="How long nobody may have watched, in all.", examples=["10s"]
    )
    longest: Positive = Field(
        default=43200.0, description="After how long the sender ends by itself.", examples=["12h"]
    )

    @model_validator(mode="after")
    def _port_of_tcp(self) -> Self:
        if (self.via == "tcp") != (self.port is not None):
            raise ValueError("`via: tcp` and `port` need each other")
        return self

    def remember(self, subject: Subject) -> Verdict:
        """Begin to watch, or go on with a sender that lives; it passes once every address has answered."""
        found = self._addresses(subject)
        if isinstance(found, Verdict):
            return found
        since = time.time()
        watch = Watch.of(subject, self, list(found.values()))
        until = time.monotonic() + min(15.0, subject.timeout * _reading.SHARE)
        silent = list(found)
        while silent and time.monotonic() < until:
            if trouble := watch.ensure():
                return Verdict(Answer.ERROR, f"this machine cannot send: {trouble}", {"via": self.via})
            time.sleep(0.2)
            seen = watch.read(since, time.time())
            silent = [name for name, one in zip(found, seen, strict=True) if one.sent == one.lost]
        samples = {"from": since, "addresses": found}
        if silent:
            watch.stop_at(0.0)
            because = f"before anything was begun there is no answer from {', '.join(silent)}"
            return Verdict(Answer.FAIL, because, samples)
        return Verdict(Answer.PASS, f"watching {', '.join(found)}", samples)

    def check(self, subject: Subject) -> Verdict:
        """What is too much fails, even if it was not watched all the time; and else whatever nobody watched is inconclusive."""
        since, addresses = subject.remembered.get("from"), subject.remembered.get("addresses")
        if not isinstance(since, float | int) or not isinstance(addresses, dict) or not addresses:
            return Verdict(Answer.INCONCLUSIVE, "nobody has watched since before the first disruptive step")
        watch = Watch.of(subject, self, list(addresses.values()))
        until, lag = time.time(), 0.0
        if subject.moment == SOAK and (told := watch.stopping()) is not None and told < until:
            until, lag = told, LAG
        seen = self._wait_for(watch, float(since), until, lag)
        verdict = self._judge(dict(zip(addresses, seen, strict=True)))
        if verdict.value in {Answer.PASS, Answer.FAIL}:
            watch.end_by(time.time() + (0.0 if subject.moment == SOAK else LINGER))
        return verdict

    def _wait_for(self, watch: "Watch", since: float, until: float, lag: float) -> list[Seen]:
        """Until the log has come to `until`, if its sender lives."""
        end = time.monotonic() + LAG + 2.0
        while True:
            seen = watch.read(since, until, lag)
            lacking = any(one.last < until - 1.5 * self.every for one in seen)
            if not lacking or lag or time.monotonic() > end or not watch.lives():
                return seen
            time.sleep(0.3)

    def _judge(self, seen: Mapping[str, Seen]) -> Verdict:
        name, worst = max(
            seen.items(), key=lambda item: (item[1].gap > self.gap, item[1].loss > self.loss, item[1].gap)
        )
        unwatched = max(one.unwatched for one in seen.values())
        samples: dict[str, Any] = {
            "address": name,
            **_numbers(worst),
            "value": round(worst.gap, 2),
            "unwatched": round(unwatched, 1),
            "series": worst.series,
            "from": worst.since,
            "to": worst.until,
            "addresses": {one: _numbers(its) for one, its in seen.items()},
        }
        told = f"{name}: {worst.lost} of {worst.sent} lost ({worst.loss:.2%}), longest gap {worst.gap:.1f} s"
        if worst.gap > self.gap:
            return Verdict(
                Answer.FAIL, f"{told} at {_clock(worst.gap_at)}, and {self.gap:g} s are allowed", samples
            )
        if worst.loss > self.loss:
            return Verdict(Answer.FAIL, f"{told}, and {self.loss:.2%} are allowed", samples)
        if unwatched > self.unwatched or not all(one.sent for one in seen.values()):
            because = (
                f"for {unwatched:.0f} s nobody watched, and {self.unwatched:g} s are allowed; else {told}"
            )
            return Verdict(Answer.INCONCLUSIVE, because, samples)
        return Verdict(Answer.PASS, told, samples)

    def _addresses(self, subject: Subject) -> dict[str, str] | Verdict:
        """As written in the plan -> as numbers, looked up now: names may be out of service together with the host."""
        if not subject.folder:
            return Verdict(Answer.ERROR, "there is no folder to keep what is seen")
        try:
            names = all_filled(self.address, subject)
            found = {printable(name, 80): _number(name) for name in names}
        except (Unfilled, OSError, UnicodeError) as error:
            return Verdict(Answer.ERROR, f"what is to be watched is not known: {printable(str(error))}")
        if not found:
            return Verdict(Answer.INCONCLUSIVE, "there is no address to watch", {"addresses": {}})
        return found


def _number(name: str) -> str:
    try:
        return str(socket.getaddrinfo(name, None, type=socket.SOCK_DGRAM)[0][4][0])
    except OSError as error:
        raise OSError(f"{name} cannot be looked up: {error.strerror}") from error


def _numbers(seen: Seen) -> dict[str, Any]:
    return {"sent": seen.sent, "lost": seen.lost, "gap": round(seen.gap, 2), "gap_at": round(seen.gap_at, 1)}


def _clock(at: float) -> str:
    return time.strftime("%H:%M:%S UTC", time.gmtime(at))


@dataclass(frozen=True, slots=True)
class Watch:
    """A sender and its folder: `lock` (held while it lives), `log`, `stop` (when to end), `asked` (what it sends)."""

    folder: Path
    words: Sequence[str]
    """What its command line says of how and where to send."""

    @classmethod
    def of(cls, subject: Subject, kind: Kind, addresses: Sequence[str]) -> "Watch":
        """The sender of this gate for this host in this run."""
        words = [f"{kind.every:g}", f"{WAIT:g}", f"{kind.longest:g}", str(kind.port or 0), *addresses]
        return cls(Path(subject.folder).absolute() / f"ping.{subject.gate}", words)

    def ensure(self) -> str:
        """See to it that it sends. Gives what keeps it from doing so, in words."""
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        (self.folder / "stop").unlink(missing_ok=True)
        with self._lock() as lock:
            if lock is None:
                if self._asked() != list(self.words):
                    self.stop_at(
                        0.0
                    )  # a plan amended meanwhile: this one ends, and is begun anew the next time
                return ""
            if self._asked() != list(self.words):
                (self.folder / "log").unlink(missing_ok=True)
                (self.folder / "asked").write_text(json.dumps(list(self.words)), encoding="utf-8")
            command = [sys.executable, "-I", "-S", str(SENDER), str(self.folder), *self.words]
            try:
                begun = subprocess.run(
                    command, pass_fds=(lock,), stdin=subprocess.DEVNULL, capture_output=True, env={},
                    start_new_session=True, check=False, timeout=10.0,
                )  # fmt: skip
            except (OSError, subprocess.TimeoutExpired) as error:
                return str(error)
        said = begun.stderr.decode(errors="replace").strip().splitlines()
        return printable(said[-1] if said else f"exit code {begun.returncode}") if begun.returncode else ""

    def lives(self) -> bool:
        """Whether it is still there."""
        with self._lock() as lock:
            return lock is None

    def stop_at(self, when: float) -> None:
        """Tell it when to end, in seconds since the epoch."""
        with suppress(OSError):
            (self.folder / "stop").write_text(f"{when:.3f}", encoding="ascii")

    def end_by(self, when: float) -> None:
        """Tell it to end no later."""
        told = self.stopping()
        if told is None or when < told:
            self.stop_at(when)

    def stopping(self) -> float | None:
        """What it was told."""
        try:
            return float((self.folder / "stop").read_text(encoding="ascii"))
        except (OSError, ValueError):
            return None

    def read(self, since: float, until: float, lag: float = LAG) -> list[Seen]:
        """What it has written, of each address in their order."""
        count = len(self.words) - 4
        try:
            with (self.folder / "log").open(encoding="ascii", errors="replace") as lines:
                return _watched.read(lines, count, since, until, lag)
        except FileNotFoundError:
            return _watched.read((), count, since, until, lag)

    def _asked(self) -> Any:
        with suppress(OSError, ValueError):
            return json.loads((self.folder / "asked").read_text(encoding="utf-8"))
        return None

    @contextmanager
    def _lock(self) -> Iterator[int | None]:
        """Its lock, in our hands; None while it lives, or when there is no folder."""
        try:
            handle = os.open(self.folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError:
            yield -1 if not self.folder.exists() else None
            return
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(handle)
            yield None
            return
        try:
            yield handle
        finally:
            os.close(handle)
