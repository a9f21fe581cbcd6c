"""What the guard on a host keeps of a step: asked at take-up, to know whether the step may be begun again (docs/guides/guard.md)."""

import json
import re
import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rollout.executors._asking import WRAP, NoAnswer
from rollout.executors._text import sentence
from rollout.executors._unit import Unit, write
from rollout.model.seams import Connection, Order

DIRECTORY = "/var/lib/rollout/guard"
"""Where the role `guard` keeps everything, unless the host's `rollout_guard_directory` says otherwise."""

SCRIPT = """
guard={directory}/guard base={directory}
[ -r "$guard" ] || {{ echo asked; exit 0; }}
sh "$guard" fence --base "$base" --mark {mark} --fence {fence} || exit
sh "$guard" status --base "$base" --mark {mark} && echo asked
"""
"""The fence first: from then on a controller that we have taken over from has no say on this host."""

REFUSALS = frozenset({120, 121})
STEP = re.compile(r"step guarded=(yes|no) try=(\S*) ")
JOB = re.compile(r"job (\S+) try=(\S*) .*?: (.*)")

LIVING = frozenset({"running", "orphaned"})
KNOWN = frozenset({"finished", "never-began"})


@dataclass(frozen=True, slots=True)
class Kept:
    """`guarded`: the step has declared that all of it may be repeated but the guard's own jobs, which never are within a try.

    `attempt` is that try: the number of the order that began it. `running`, `lost` and `ended` are jobs in words: living ones
    of any try; those of this try whose end is not known; and those whose end is.
    """

    guarded: bool = False
    attempt: int = 0
    running: tuple[str, ...] = ()
    lost: tuple[str, ...] = ()
    ended: tuple[str, ...] = ()

    @property
    def resumable(self) -> bool:
        """Begun again within the same try, the step goes on where it was, and nothing happens twice."""
        return self.guarded and self.attempt > 0 and not self.running and not self.lost

    @property
    def told(self) -> str:
        """For a person."""
        return "; ".join([*self.running, *self.lost, *self.ended])


class GuardRefused(NoAnswer):
    """It has seen a newer fence, or another run holds the host: asking again changes nothing."""


def ask_guard(connect: Callable[[], Connection], order: Order, variables: Mapping[str, Any]) -> Kept:
    """Raises `rollout.errors.SshError` kinds, NoAnswer and GuardRefused: none of them means that nothing ran."""
    directory = str(variables.get("rollout_guard_directory") or DIRECTORY)
    script = SCRIPT.format(directory=shlex.quote(directory), mark=shlex.quote(order.mark), fence=order.fence)
    with connect() as connection:
        ran = connection.run(WRAP.format(shlex.quote(script)), timeout=60.0)
    lines = ran.out.splitlines()
    if ran.code in REFUSALS:
        raise GuardRefused(sentence(ran.err.strip().removeprefix("guard: "), 300))
    if ran.code or not lines or lines[-1] != "asked":
        raise NoAnswer(sentence(f"its guard says: {ran.err.strip() or ran.out.strip() or ran.code}", 300))
    return _read(lines)


def _read(lines: list[str]) -> Kept:
    step = next((found for line in lines if (found := STEP.match(line))), None)
    guarded, attempt = (step[1] == "yes", step[2]) if step else (False, "")
    jobs = [found.groups() for line in lines if (found := JOB.match(line))]
    mine = [(state, sentence(told, 200)) for state, of, told in jobs if of == attempt]
    return Kept(
        guarded,
        int(attempt) if attempt.isdecimal() else 0,
        tuple(sentence(told, 200) for state, _, told in jobs if state in LIVING),
        tuple(told for state, told in mine if state not in LIVING | KNOWN),
        tuple(told for state, told in mine if state in KNOWN),
    )


def _step(unit: Unit) -> str:
    return unit.path.name.rpartition(".")[0]


def _note(unit: Unit) -> Path:
    return unit.path.parent / f"goes-on.{_step(unit)}"


def note_resumable(unit: Unit, kept: Kept | None) -> None:
    """Durable before anybody is told: the order after this one goes on with its try. None, or not resumable: it does not."""
    note = _note(unit)
    if kept is None or not kept.resumable:
        note.unlink(missing_ok=True)
        return
    note.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    write(note, json.dumps({"after": unit.attempt, "try": kept.attempt}), durable=True)


def forget_resumable(unit: Unit) -> None:
    """Its step came to its end: what is begun after it is another try."""
    try:
        noted = json.loads(_note(unit).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return
    if noted["after"] < unit.attempt:
        _note(unit).unlink()


def try_of(unit: Unit) -> int:
    """The try that this order belongs to: its own number, or that of the order which it goes on with."""
    try:
        noted = json.loads(_note(unit).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return unit.attempt
    between = [one for one in unit.earlier() if one.attempt > noted["after"] and _step(one) == _step(unit)]
    return unit.attempt if any(one.began() is not None for one in between) else int(noted["try"])
