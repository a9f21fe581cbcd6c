"""What compatibility files say of a host on its way."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Literal

from rollout.graph.known import PROBE, Known, Values, speaks
from rollout.graph.shelves import Shelves
from rollout.model.plan import Plan
from rollout.model.verdict import Compatibility, Order, Wanted
from rollout.model.versions import compared, is_pattern, is_range

_GLOB = re.compile(r"[*?\[]")
Told = tuple[Literal["unknown", "blocked"], str]


def of_rows(plan: Plan, known: Known, shelves: Shelves) -> Iterator[Told]:
    """Each row that speaks against the host; those that might, by what is missing. Without any that speaks of it, it is what the plan says of unlisted hosts."""
    is_listed = False
    unclear: dict[str, list[Compatibility]] = {}
    for row in shelves.about(known):
        answer, target = _answer(plan, known, row)
        if answer is True:
            is_listed = True
            if row.verdict != "supported":
                yield row.verdict, f"{_subject(plan, known, row)}{row.reason}{_source(plan, row)}"
        elif answer is None and row.verdict != "supported":
            is_listed = True
            unclear.setdefault(_unclear(plan, known, row, target), []).append(row)
    for missing, rows in unclear.items():
        more = f", and {len(rows) - 1} more such rows" if len(rows) > 1 else ""
        yield "unknown", f"{missing}: {rows[0].reason}{_source(plan, rows[0])}{more}"
    goal = ", ".join(f"{name} {' or '.join(texts)}" for name, texts in (known.targets or ({},))[-1].items())
    if goal and not is_listed and plan.unlisted == "unknown":  # who leads nowhere is on no way
        yield "unknown", f"no compatibility file says anything of it on its way to {goal}"


def is_about(plan: Plan, known: Known, row: Compatibility) -> bool | None:
    """Whether the row speaks of the host on any leg of its way. None: it might."""
    return _answer(plan, known, row)[0]


def _answer(plan: Plan, known: Known, row: Compatibility) -> tuple[bool | None, int]:
    """Whether the row speaks of any leg, and of which. None: of one it might."""
    found: tuple[bool | None, int] = (False, 0)
    for number in range(len(known.targets)):
        here = _leads(plan.orders, known, number, row.to)
        if here is False:
            continue
        starts = [speaks(values, plan.orders, row.match) for values in known.before[: number + 1]]
        start = True if True in starts else None if None in starts else False
        if start is True and here is True:
            return True, number
        if start is not False:
            found = (None, number)
    return found


def _leads(orders: Mapping[str, Order], known: Known, number: int, to: Wanted) -> bool | None:
    """Whether the leg leads where the row is about. What the target does not speak of stays as it is, as far as it is a factor."""
    after = known.after[number]
    unclear = False
    for name, texts in to.items():
        answer = _overlaps(after.get(name, ()), texts, orders.get(name, "dotted"))
        if answer is False:
            return False
        unclear = unclear or answer is None
    return None if unclear else True


def _overlaps(target: Sequence[str], wanted: Sequence[str], order: Order) -> bool | None:
    """Whether what fits the one may fit the other. None: the target is not known, or both are patterns of which that cannot be told."""
    if not target:
        return None
    literals = [text for text in target if not is_pattern(text)]
    patterns = [text for text in target if is_pattern(text)]
    answers = [
        compared(literals, wanted, order),
        compared([text for text in wanted if not is_pattern(text)], patterns, order),
        *(_both(one, other) for one in patterns for other in wanted if is_pattern(other)),
    ]
    return True if True in answers else None if None in answers else False


def _both(one: str, other: str) -> bool | None:
    """Of two patterns; globs are told apart by what they begin with."""
    if one == other:
        return True
    if is_range(one) or is_range(other):
        return None
    begin, start = _GLOB.split(one, maxsplit=1)[0], _GLOB.split(other, maxsplit=1)[0]
    if other == f"{start}*" and begin.startswith(start):
        return True
    return None if begin.startswith(start) or start.startswith(begin) else False


def _subject(plan: Plan, known: Known, row: Compatibility) -> str:
    """The values by which the row speaks of the host, where there are several to choose from."""
    found = []
    for name, texts in row.match.items():
        values = known.now.get(name, ())
        fitting = [value for value in values if compared((value,), texts, plan.orders.get(name, "dotted"))]
        if len(values) > 1 and fitting:
            found.append(f"{name} {' and '.join(fitting[:3])}")
    return f"{', '.join(found)}: " if found else ""


def _unclear(plan: Plan, known: Known, row: Compatibility, target: int) -> str:
    """Which fact is missing."""
    missing = _missing(plan, known.now, row.match)
    if missing:
        return f"{missing} ({PROBE}), and it may matter"
    names = " and ".join(
        name for name in row.to if _leads(plan.orders, known, target, {name: row.to[name]}) is None
    )
    return f"`to` does not say which {names} the host will have, and it may matter"


def _missing(plan: Plan, values: Values, match: Wanted) -> str:
    said = [
        f"{name} is {' and '.join(values[name])}, which cannot be compared"
        if name in values
        else f"{name} is not known"
        for name, texts in match.items()
        if speaks(values, plan.orders, {name: texts}) is None
    ]
    return " and ".join(said)


def _source(plan: Plan, row: Compatibility) -> str:
    """Who says so, and where it stands, relative to the plan."""
    told = "; ".join(text for text in (row.source, place_of(plan, row)) if text)
    return f" ({told})" if told else ""


def place_of(plan: Plan, row: Compatibility) -> str:
    """Where it stands, relative to the plan's folder where it can be."""
    folder = plan.file.rpartition("/")[0]
    return row.place.removeprefix(f"{folder}/") if folder else row.place
