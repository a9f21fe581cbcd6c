"""Whether the host comes back from one more boot as it was. Disturbs the host; of canaries by default.

The first boot after an upgrade often runs on what the installer has left behind; the second is the first of its own.
"""

import time
from typing import Any, ClassVar

from pydantic import Field

from rollout.errors import HostUnreachable
from rollout.gates import HostGate, _acting, _reading
from rollout.gates._acting import Boot
from rollout.gates._settings import Seconds
from rollout.gates.fingerprint import Globs
from rollout.gates.fingerprint import Kind as Fingerprint
from rollout.model.seams import Answer, Connection, Subject, Verdict

REBOOT = "sleep 1; systemctl reboot || shutdown -r now || reboot"

LEEWAY = 30.0
"""Seconds by which the uptime may be longer than the time since the order: clocks, and an answer on its way."""


class Kind(HostGate):
    """Boots the host, waits for it, and compares it with what it was just before the boot.

    Samples: the boot ids `before` and `after`, for how many seconds it was `away`, its `uptime`, and those of kind fingerprint. A controller that dies meanwhile has the host booted a third time by the next one, which asks anew.
    """

    canaries: ClassVar[bool] = True
    acts: ClassVar[bool] = True
    patience: ClassVar[float] = 1800.0

    settle: Seconds = Field(
        default=120.0,
        description="How long what is missing after the boot may take to come.",
        examples=["2m", "5m"],
    )
    ignore: Globs = Field(
        default=[],
        description="Globs over SECTION/NAME of what does not count, as in kind fingerprint.",
        examples=[["services/chrony*"]],
    )

    def check(self, subject: Subject) -> Verdict:
        """It is not booted under guests, under a job of rollout's guard, or when what is there now cannot be read."""
        return _acting.guarded(lambda: self._boot(subject))

    def _boot(self, subject: Subject) -> Verdict:
        until = time.monotonic() + subject.timeout * _reading.SHARE
        eye = Fingerprint(ignore=self.ignore)
        before = eye.remember(subject)
        if before.value is not Answer.PASS:
            return before
        with subject.connect() as connection:
            seen = _acting.boot_of(connection, 30.0)
            if seen is None:
                return Verdict(Answer.INCONCLUSIVE, "its boot id cannot be read", {"boot_id": ""})
            try:
                refused = _acting.begin(connection, subject, seen, REBOOT, subject.timeout / 2)
            except HostUnreachable:
                refused = None  # it may have begun: the host is looked at all the same
        if refused is not None:
            return refused
        booted = self._booted(subject, seen, until)
        if isinstance(booted, Verdict):
            return booted
        until = min(until, time.monotonic() + max(self.settle, 1.0))
        return _acting.compare(subject, eye, before, booted, until, "after one more boot")

    def _booted(self, subject: Subject, seen: Boot, until: float) -> dict[str, Any] | Verdict:
        """What is known of the boot once the host answers again."""
        sent = time.monotonic()

        def booted(connection: Connection) -> Boot | None:
            now = _acting.boot_of(connection, 30.0)
            return now if now is not None and now.boot_id != seen.boot_id else None

        now = _acting.await_host(subject, until, booted)
        if isinstance(now, Verdict):
            return now
        away = round(time.monotonic() - sent, 1)
        samples: dict[str, Any] = {"before": seen.boot_id, "away": away}
        if isinstance(now, str):
            why = f"does not answer: {now}" if now else f"still runs the boot {seen.boot_id}"
            return Verdict(
                Answer.FAIL,
                f"{away:g} s after it was told to boot again, it {why}",
                {**samples, "back": False},
            )
        samples |= {"after": now.boot_id, "uptime": now.uptime}
        if now.uptime > away + LEEWAY:
            because = f"its boot id is new, but it has been up for {now.uptime:.0f} s, and was told to boot {away:.0f} s ago"
            return Verdict(Answer.FAIL, because, samples)
        return samples
