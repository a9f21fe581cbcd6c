"""When our own process cannot tell: whether anything of a step still runs on its host.

FAILED, UNREACHABLE and LATE never mean that it has stopped, and a supervisor can die. So the host is asked, again and again,
until nothing of the step runs there, or until patience ends. "Could not be asked" is never taken for "nothing runs".
"""

import os
import signal
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rollout.errors import HostKeyRefused, HostUnreachable, SshError, SshUnsupported, of_this_machine
from rollout.executors._asking import NoAnswer, Seen, ask
from rollout.executors._blame import never_reached
from rollout.executors._finished import finished
from rollout.executors._guard import GuardRefused, Kept, ask_guard, note_resumable
from rollout.executors._processes import open_process
from rollout.executors._text import sentence
from rollout.executors._unit import Unit, try_lock
from rollout.model.seams import Connection, Ending, Order

Answer = tuple[Ending, str]


@dataclass(frozen=True, slots=True)
class Patience:
    """Seconds: between two questions; for a host that does not answer; the same before a retry; for an old job at least."""

    poll: float = 3.0
    silent: float = 600.0
    silent_before_start: float = 120.0
    running: float = 60.0


class Closed(Exception):
    """The executor was closed while it waited: the next controller asks again."""


@dataclass(frozen=True, slots=True)
class Inquiry:
    """All questions about one order."""

    order: Order
    connect: Callable[[], Connection]
    variables: Mapping[str, Any]
    patience: Patience
    grace: float
    closing: threading.Event

    def host_lock(self, unit: Unit) -> int | None:
        """The right to run on the host; None when another unit keeps it.

        A unit of an earlier order that still lives is ended cleanly, or awaited if it is `once` or of another run.
        """
        unit.host_lock.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        handle = try_lock(unit.host_lock)
        if handle is not None:
            return handle
        older = [one for one in unit.earlier() if _alive(one)]
        for one in older:
            once = bool(one.order().get("once"))
            if not once:
                terminate(one)
            until = time.monotonic() + (
                self.order.step.timeout if once else self.grace + self.patience.running
            )
            while _alive(one) and time.monotonic() < until:
                self._pause(min(0.2, self.patience.poll))
        if not older and not any(is_followable(one) for one in unit.of_other_runs()):
            return self._await(
                unit.host_lock, self.patience.running
            )  # of a controller that is about to begin
        return self._await(unit.host_lock, 0.0 if older else self.order.step.timeout)

    def taken(self, unit: Unit) -> Answer:
        """Why there was no right to run on the host: a unit, or a controller that was frozen before it began one."""
        if any(is_followable(one) for one in unit.of_its_host()):
            return (
                Ending.FAILED,
                f"another unit is running on {self.order.host}, and two at once would harm it",
            )
        locked = f"another controller on this machine has locked {self.order.host} and runs nothing there"
        return Ending.CONTROLLER, f"{locked}: it is frozen, or asks the host; let it go on, or end it"

    def _await(self, lock: Path, seconds: float) -> int | None:
        until = time.monotonic() + seconds
        while (handle := try_lock(lock)) is None and time.monotonic() < until:
            self._pause(min(0.2, self.patience.poll))
        return handle

    def before_start(self, unit: Unit) -> Answer | None:
        """None when nothing of an earlier order can still run: then the unit may start."""
        mine, done = list(unit.earlier()), max(finished(unit), default=0)
        last = _last_begun(one for one in mine if one.attempt > done)
        if last is not None and self._came_to_its_end(last):
            return Ending.DONE, "an earlier try of it, which was taken for lost, came to its end"
        if self.order.lost:
            return self._go_on(unit, mine)
        known = bool(last or done)
        if not done:
            last = last or _last_begun(unit.of_other_runs())
        if not self._may_still_run(last, known=known):
            return None
        seen = self._wait(
            self.order.step.timeout,
            min(self.order.step.timeout, self.patience.silent_before_start),
            lambda: self._look(last),
        )
        if not isinstance(seen, Seen):
            return _not_begun(seen)
        if seen.quiet:
            return None
        return (
            Ending.FAILED,
            f"not started: of an earlier try {', '.join(seen.running)} still runs on {self.order.host}",
        )

    def _go_on(self, unit: Unit, mine: list[Unit]) -> Answer | None:
        """An earlier try vanished with the path to the host. None: it did nothing, or this one goes on where that was."""
        once, kept = self.order.step.once, list[Kept]()
        silent = min(self.order.step.timeout, self.patience.silent_before_start)
        seen = self._wait(self.order.step.timeout, silent, lambda: self._look_with_guard(kept))
        if not isinstance(seen, Seen):
            return _not_begun(seen)
        if not seen.quiet:
            said = f"not started: of an earlier try {', '.join(seen.running)} still runs on {self.order.host}"
            return (Ending.LATE if once else Ending.FAILED), said
        note_resumable(unit.before, kept[-1])
        if not once or kept[-1].resumable:
            return None
        last = _last_begun(one for one in mine if one.order().get("mark") == self.order.mark)
        if kept[-1] == Kept() and last is not None and never_reached(last):
            return None
        return self._of_quiet(seen, kept[-1], "the path to the host vanished while it was under way")

    def handed_on(self, unit: Unit) -> Mapping[str, Any]:
        """By the earlier try of the step that came to its end; empty if none did."""
        last = _last_begun(unit.earlier())
        result = last.result() if last is not None and self._came_to_its_end(last) else None
        return result.found if result is not None else {}

    def _came_to_its_end(self, last: Unit) -> bool:
        """A `once` step that was reported late, or whose end nobody read, is not done a second time."""
        result = last.result()
        same = self.order.step.once and last.order().get("mark") == self.order.mark
        return same and result is not None and result.ending == Ending.DONE

    def _may_still_run(self, last: Unit | None, *, known: bool) -> bool:
        """An order that left no trace here may have been another controller's."""
        if self.order.attempt > 1 and not known:
            return True
        result = last.result() if last is not None else None
        return last is not None and (result is None or result.ending != Ending.DONE)

    def after_death(self, unit: Unit, local: str) -> Answer:
        """What became of a unit that has no end of its own; `local` is what this machine knows of it."""
        step = self.order.step
        began = unit.began() or time.time()
        left = max(self.patience.running, began + step.timeout - time.time())
        kept: list[Kept] = []
        seen = self._wait(left, min(step.timeout, self.patience.silent), lambda: self._look_with_guard(kept))
        if isinstance(seen, Seen) and seen.quiet:
            note_resumable(unit, kept[-1])
            return self._of_quiet(seen, kept[-1], local)
        note_resumable(unit, None)
        if isinstance(seen, Seen):
            return Ending.LATE, f"{local}; {', '.join(seen.running)} still runs on {self.order.host}"
        ending, because = seen
        if ending is not Ending.LOST or not step.once:
            ending = Ending.UNKNOWN if step.once else _not_begun(seen)[0]
        return ending, f"{local}; {because}"

    def _of_quiet(self, seen: Seen, kept: Kept, local: str) -> Answer:
        """Nothing of the step runs any more. A `once` step may be begun again only if the host's guard keeps it from happening twice."""
        evidence = f"dpkg --audit says: {seen.audit}" if seen.audit else "no half-installed package"
        guard = f"; its guard says: {kept.told}" if kept.told else ""
        said = f"{local}; nothing of it runs on {self.order.host} any more, {evidence}{guard}"
        if not self.order.step.once:
            return Ending.INTERRUPTED, said
        return (Ending.RESUMABLE if kept.resumable else Ending.UNKNOWN), said

    def _look_with_guard(self, kept: list[Kept]) -> Seen:
        """What runs, by the host's processes; and once they are quiet, by its guard, which knows what it keeps."""
        seen = ask(self.connect, self.order.mark)
        if not seen.quiet:
            return seen
        kept.append(ask_guard(self.connect, self.order, self.variables))
        return Seen(kept[-1].running, seen.audit)

    def _look(self, last: Unit | None) -> Seen:
        """`last`: it is looked for as well."""
        return ask(
            self.connect,
            *sorted({self.order.mark, *([str(last.order().get("mark", self.order.mark))] if last else [])}),
        )

    def _wait(self, running: float, silent: float, look: Callable[[], Seen]) -> Seen | Answer:
        """Until the host is quiet; what it last said when the time for what it does is up."""
        began = heard = time.monotonic()
        while True:
            try:
                seen = look()
            except HostKeyRefused as error:
                return Ending.REFUSED, sentence(str(error))
            except (SshError, NoAnswer, OSError) as error:
                if of_this_machine(error) is not None:
                    raise
                final = isinstance(error, SshUnsupported | GuardRefused)
                if final or time.monotonic() - heard >= silent:
                    return (
                        Ending.LOST if isinstance(error, HostUnreachable) else Ending.UNREACHABLE,
                        f"{self.order.host} could not be asked what runs there: {sentence(str(error))}",
                    )
            else:
                heard = time.monotonic()
                if seen.quiet or heard - began >= running:
                    return seen
            self._pause(self.patience.poll)

    def _pause(self, seconds: float) -> None:
        if self.closing.wait(seconds):
            raise Closed


def _not_begun(seen: Answer) -> Answer:
    """Of a step that was not begun nothing is lost."""
    return (Ending.UNREACHABLE if seen[0] is Ending.LOST else seen[0]), seen[1]


def _last_begun(units: Iterable[Unit]) -> Unit | None:
    return next((one for one in units if one.began() is not None), None)


def is_followable(unit: Unit) -> bool:
    """Whether its supervisor lives, without a touch of its lock: its own controller may want that at this moment."""
    known = unit.process()
    handle = open_process(*known) if known else None
    if handle is None:
        return False
    os.close(handle)
    return True


def _alive(unit: Unit) -> bool:
    handle = unit.lock()
    if handle is None:
        return True
    os.close(handle)
    return False


def terminate(unit: Unit) -> None:
    """SIGTERM to that supervisor and to no later process of its number."""
    known = unit.process()
    handle = open_process(*known) if known else None
    if handle is None:
        return
    try:
        signal.pidfd_send_signal(handle, signal.SIGTERM)
    except ProcessLookupError:
        return
    finally:
        os.close(handle)
