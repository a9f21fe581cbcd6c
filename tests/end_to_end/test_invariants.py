"""The kill suite's judge: what it must find, and what it must let pass."""

from collections.abc import Sequence
from typing import Any

import pytest

from rollout.model.event import Event, Kind
from tests.end_to_end.besieged import Effect
from tests.end_to_end.invariants import DOUBLE, LIMIT, LOST, REPEATED, Planted, Record, Tally

UNIT = Planted("supervisor", 10.0, frozenset({"h1"}))
CONTROLLER = Planted("controller", 20.0)


def event(kind: Kind, host: str = "h1", *, at: float = 30.0, because: str = "why", **more: Any) -> Event:
    return Event(kind, because, host, more.pop("step", "upgrade"), more.pop("attempt", 1), more, at=at)


def effect(word: str, order: str, *, at: float = 30.0, boot: str = "b1") -> Effect:
    return Effect(at, word, f"run/h1/upgrade/{order}", boot)


def begun(host: str, attempt: int = 1) -> Event:
    return event(Kind.INTENDED, host, attempt=attempt, slots=["fleet"])


def record(events: Sequence[Event] = (), **more: Any) -> Record:
    known: dict[str, Any] = {
        "planted": (UNIT, CONTROLLER),
        "statuses": {"h1": "verified"},
        "effects": {},
        "upgrades": {},
    }
    return Record(events=events, at_once=2, **{**known, **more})


def found(judged: Record) -> list[str]:
    return [violation.what for violation in judged.violations()]


ONCE = [effect("begin", "try-1"), effect("end", "try-1")]
CUT = [effect("begin", "try-1"), effect("begin", "try-2", boot="b2"), effect("end", "try-2", boot="b2")]
THREE = [begun("h1"), begun("h2"), begun("h3")]
NEVER = event(Kind.VOID, "h1", ending="never-began")


@pytest.mark.parametrize(
    ("judged", "wrong"),
    [
        (record([begun("h1"), event(Kind.DONE), event(Kind.VERIFIED)], effects={"h1": ONCE}), []),
        (record([begun("h1"), event(Kind.DONE), begun("h1", 2)]), [REPEATED]),
        (record([event(Kind.DONE), event(Kind.DONE)]), [REPEATED]),
        (record(effects={"h1": [*ONCE, *ONCE]}), [DOUBLE]),
        (record([event(Kind.RETRIED)], effects={"h1": CUT}), []),
        (record(effects={"h1": CUT}), [DOUBLE]),
        (record([event(Kind.RETRIED)], effects={"h1": [effect("begin", "try-1"), effect("begin", "try-2")]}), [DOUBLE]),
        (record(effects={"h1": [effect("begin", "order-1"), effect("reboot", "order-2")]}), [DOUBLE]),
        (record(upgrades={"h1": 2}, effects={"h1": []}), [DOUBLE]),
        (record(statuses={"h1": "held"}), [LOST]),
        (record([event(Kind.HELD)]), []),
        (record([event(Kind.HELD, because="")]), [LOST]),
        (record([event(Kind.HELD, at=5.0)]), [LOST]),
        (record([event(Kind.HELD, "h2")]), [LOST]),
        (record(THREE), [LIMIT]),
        (record([begun("h1"), event(Kind.SOAKING, "h1"), begun("h2"), begun("h3")]), []),
        (record([begun("h1"), event(Kind.HELD, "h1"), begun("h2"), begun("h3")]), [LIMIT]),
        (record([begun("h1"), NEVER, begun("h2"), begun("h3")]), []),
        (record([begun("h1"), event(Kind.VOID, "h1", ending="interrupted"), begun("h2"), begun("h3")]), [LIMIT]),
        (record(effects={f"h{n}": [effect("begin", "try-1", at=n), effect("end", "try-1", at=n + 9)] for n in (1, 2, 3)}), [LIMIT]),
        (record(effects={f"h{n}": [effect("begin", "try-1", at=n * 10), effect("end", "try-1", at=n * 10 + 9)] for n in (1, 2, 3)}), []),
    ],
)  # fmt: skip
def test_what_it_finds(judged: Record, wrong: list[str]) -> None:
    assert found(judged) == wrong


def test_the_table_blames_the_last_fault_that_struck_the_host() -> None:
    judged = record([event(Kind.HELD), event(Kind.HELD, "h2")])
    table = Tally()
    table.add(judged, judged.violations())
    again = Tally()
    again.merge(Tally.from_json(table.to_json()))
    assert (again.planted, again.rounds) == (2, 1)
    assert (
        again.rows["supervisor"] | {"planted": 1, "held rightly": 1, "recovered by itself": 0}
        == again.rows["supervisor"]
    )
    assert again.rows["controller"] | {"held rightly": 1, LOST: 1} == again.rows["controller"]
    head, *_, last = again.text().splitlines()
    assert head.split(" | ")[1:] == [
        "planted",
        "recovered by itself",
        "held rightly",
        REPEATED,
        DOUBLE,
        LOST,
        LIMIT,
    ]
    assert last.replace(" ", "") == "all,1rounds|2|0|2|0|0|1|0"
