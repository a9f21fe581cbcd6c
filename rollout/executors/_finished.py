"""What is left of units that ended well, once their outcome is in the journal: one small file per host.

Whole units of 10,000 hosts with seven steps each would take 2 GB. A unit that did not end well stays as it is, for a person to read.
"""

import json
import shutil
from dataclasses import asdict
from pathlib import Path

from rollout.executors._guard import forget_resumable
from rollout.executors._unit import Result, Unit, write
from rollout.model.seams import Ending


def _file(unit: Unit) -> Path:
    return unit.path.parent / "finished"


def finished(unit: Unit) -> dict[int, Result]:
    """What came of the attempts of the unit's host that ended well and left no unit."""
    try:
        known = json.loads(_file(unit).read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        return {}
    return {int(attempt): Result(**{"because": "", **told}) for attempt, told in known.items()}


def overtaken(unit: Unit) -> bool:
    """Whether the host has had a later order of its run: the controller that gave this one slept, and another took over.

    Under the host's lock it is true for good.
    """
    there = unit.path.parent.glob("*.*")
    later = (Unit(path).attempt for path in there if path.is_dir())
    return any(attempt > unit.attempt for attempt in (*later, *finished(unit)))


def forget(unit: Unit) -> None:
    """The unit, whose outcome is in the journal, and those before it that a controller died too early to remove.

    The note comes first and is durable: an order that is taken up without a unit and without a note never began.
    """
    units = [unit, *unit.earlier()]
    done = {one: result for one in units if (result := one.result()) and result.ending == Ending.DONE}
    if not done:
        return
    known = finished(unit) | {one.attempt: result for one, result in done.items()}
    told = {
        attempt: {key: value for key, value in asdict(of).items() if value} for attempt, of in known.items()
    }
    write(_file(unit), json.dumps(told), durable=True)
    for one in done:
        forget_resumable(one)
        one.tidy()
        shutil.rmtree(one.path, ignore_errors=True)
