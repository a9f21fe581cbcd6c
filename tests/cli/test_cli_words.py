"""What a person reads at three in the morning: for each way in which a run waits or stops, the sentences exactly as they are shown.

ROLLOUT_GOLDEN=write writes them anew: read the difference before it is committed. Each has to say the numbers, what is known and what
is not, and what to type next.
"""

import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from rollout.model.decision import Stop
from rollout.model.event import Kind
from rollout.model.graph import Graph
from rollout.model.plan import DURING, Amount, Failures, GateRule, Limits, Moment, Risk, Soak
from rollout.model.seams import Answer, Ending
from rollout.model.state import Status
from rollout.model.windows import Calendar, Weekly, Window
from rollout.model.zones import UTC, Zone
from rollout.report.plain import plain
from rollout.report.standing import Held, Standing, text
from rollout.scheduler.why import explain
from tests.fleet import a_combo, a_graph, a_plan
from tests.model.test_model_people import climbed
from tests.scheduler.given import CHAIN, Given

GOLDEN = Path(__file__).parents[1] / "golden" / "words" / "words.txt"
NIGHT = 1_700_103_600.0
"""Thu 2023-11-16 03:00 UTC."""
DAY = 86400.0
FEW = Failures(0, 50)
WIDE = Limits(at_once=Amount(50), per={"rack": Amount(50)})
ALL = (Amount(1), Amount(100, percent=True))


def at_night(graph: Graph) -> Given:
    given = Given(graph)
    given.now = NIGHT
    return given


def a_world(
    counts: dict[str, int], *, limits: Limits = WIDE, failures: Failures = FEW, soak: float = 0.0
) -> Graph:
    combos = [a_combo(name) for name in counts]
    plan = a_plan(*combos, waves=ALL, limits=limits, failures=failures, soak=Soak(soak, soak))
    return a_graph(counts, plan)


def stop(given: Given, until: float | None = None) -> str:
    (decision,) = given.decide(until=until)
    assert isinstance(decision, Stop), decision
    return f"exit {decision.exit_code}: {plain(decision.because, 2000)}"


def why(given: Given, host: str) -> str:
    return f"why {host}: {plain(explain(given.graph, given.state, host, given.now), 2000)}"


def proven(graph: Graph, *combos: str) -> Given:
    """The canary of each combo is verified, and its ramp is open."""
    given = at_night(graph)
    for combo in combos:
        given.opened(f"{combo}/1").verified(f"{combo}1").passed(f"{combo}/1").opened(f"{combo}/2")
    return given


def a_stall() -> Iterator[str]:
    given = proven(a_world({"a": 9}, limits=Limits(Amount(9), {"rack": Amount(1)})), "a")
    given.verified("a3", "a4", "a5").held("a2").verified("a7", "a8", "a9").did("a6", "precheck")
    given.now += 2 * 3600
    yield stop(given)
    yield why(given, "a6")


def a_limit() -> Iterator[str]:
    given = proven(a_world({"a": 9}, limits=Limits(Amount(9), {"rack": Amount(1)})), "a")
    given.held("a2").did("a3", "precheck").began("a3", "upgrade").did("a6", "precheck")
    given.now += 2 * DAY
    yield why(given, "a6")
    yield why(given, "a2")
    yield why(given, "a7")


def a_breaker_by_count() -> Iterator[str]:
    given = at_night(a_world({"a": 3})).opened("a/1").held("a1", "upgrade", Ending.FAILED).carry_on()
    yield stop(given)
    yield why(given, "a2")


def a_breaker_by_evidence() -> Iterator[str]:
    graph = replace(a_world({"a": 20, "b": 40}), tolerated_combo={}, tolerated_run=60)
    given = proven(graph, "a", "b").verified(*(f"b{number}" for number in range(2, 21)))
    given.held("a2").held("a3").held("a4").carry_on()
    yield why(given, "a5")
    yield why(given, "b30")


def a_known_error() -> Iterator[str]:
    risk = Risk("nic", "mlx5_core", "halt", halts="rack", link="OPS-7")
    graph = replace(
        a_world({"a": 20}), tolerated_combo={}, tolerated_canary=9, tolerated_run=60, risks=(risk,)
    )
    given = proven(graph, "a").did("a2", "precheck").failed("a2", "upgrade", because="mlx5_core: timeout")
    given.carry_on()
    yield why(given, "a2")
    yield why(given, "a6")
    yield why(given, "a3")


def a_suspected_path() -> Iterator[str]:
    given = proven(a_world({"a": 9}), "a").did("a2", "precheck").began("a2", "upgrade")
    said = "the path by jump1 is suspected: a2 does not answer, and nor do 3 of 3 others behind it"
    given.tell(Kind.SUSPECTED, because=said, path="by jump1", by="path", asked=["a3", "a4", "a5"])
    given.tell(
        Kind.STRANDED,
        "a2",
        "upgrade",
        "upgrade lost the host; its path is suspected",
        path="by jump1",
        begun=True,
    )
    yield why(given, "a2")
    yield why(given, "a3")
    given.now += 3600
    yield stop(given)


def a_common_cause() -> Iterator[str]:
    names = [f"c{letter}" for letter in "uvwxyz"]
    graph = replace(
        a_world(dict.fromkeys(names, 6), failures=Failures(9, 9)), tolerated_combo={}, tolerated_run=60
    )
    given = proven(graph, *names)
    for number, name in enumerate(names):
        given.held(f"{name}{2 + number % 4}")
    given.carry_on()
    yield why(given, "cu6")
    yield stop(given)


def credit() -> Iterator[str]:
    graph = replace(a_world({"a": 30}, soak=1800.0), harm=3.0)
    given = proven(graph, "a").verified(*(f"a{number}" for number in range(2, 5)))
    for host in ("a5", "a6", "a7", "a8", "a9"):
        given.did(host, "precheck")
    given.did("a5", *CHAIN[1:]).tell(
        Kind.SOAKING, "a5", because="healthy on the target", until=given.now + 1800
    )
    for host in ("a6", "a7", "a8"):
        given.began(host, "upgrade")
    yield why(given, "a9")
    yield why(given, "a6")


def a_soak() -> Iterator[str]:
    given = at_night(a_world({"a": 9}, soak=DAY)).opened("a/1").did("a1", *CHAIN)
    because = "healthy on the target; its health has to hold for 1 d"
    given.tell(Kind.SOAKING, "a1", because=because, until=given.now + DAY).now += 3000
    yield why(given, "a1")
    yield why(given, "a2")
    given.tell(Kind.PROMOTED, "a1")
    yield why(given, "a1")


def windowed(*, deadline: float | None = None) -> Graph:
    graph = a_world({"a": 9})
    window = Window(allow=True, when=(Weekly((4,), 3600, 4 * 3600.0),), zone=UTC, text="Fri 01:00 + 4h")
    nodes = {name: replace(node, zones=(UTC,)) for name, node in graph.nodes.items()}
    return replace(graph, nodes=nodes, calendar=Calendar((window,), {UTC: Zone(UTC)}), deadline=deadline)


def a_closed_window() -> Iterator[str]:
    given = at_night(windowed()).opened("a/1")
    yield why(given, "a1")
    yield stop(given, until=given.now + 3300)


def a_deadline() -> Iterator[str]:
    given = at_night(windowed(deadline=NIGHT - 600)).opened("a/1")
    yield stop(given)
    yield why(given, "a1")


def time_used_up() -> Iterator[str]:
    given = at_night(a_world({"a": 9})).opened("a/1")
    yield stop(given, until=given.now + 120)
    given = at_night(a_world({"a": 9}, soak=DAY)).opened("a/1").did("a1", *CHAIN)
    because = "healthy on the target; its health has to hold for 1 d"
    given.tell(Kind.SOAKING, "a1", because=because, until=given.now + DAY)
    yield stop(given, until=given.now + 3300)


def a_missing_approval() -> Iterator[str]:
    given = at_night(climbed(four_eyes=True)).opened("a/1").verified("a1").passed("a/1")
    yield stop(given)
    yield why(given, "a2")


def an_abort() -> Iterator[str]:
    given = proven(a_world({"a": 9}), "a").held("a2").did("a3", "precheck")
    given.tell(Kind.ABORTED, because="the wrong week (ada@ops1)").carry_on()
    yield stop(given)
    yield why(given, "a4")


def a_forgotten_pause() -> Iterator[str]:
    given = proven(a_world({"a": 9}), "a").tell(Kind.PAUSED, because="lunch (ada@ops1)")
    given.now += 3 * DAY + 4 * 3600
    yield stop(given)
    yield why(given, "a2")
    run = given.state.run
    yield from status(given, "paused", paused=run.paused, paused_at=run.paused_at)


def a_held_host() -> Iterator[str]:
    given = proven(a_world({"a": 9}, limits=Limits(Amount(9), {"rack": Amount(1)})), "a").held("a2")
    given.now += 3 * DAY + 4 * 3600
    host = given.host("a2")
    held = [Held("a2", host.step, host.since, host.because, given.graph.nodes["a2"].slots, ("rack=r2",), 1)]
    yield why(given, "a2")
    yield from status(given, "  a2", "    keeps", "    release", held=held)


def status(given: Given, *begins: str, **more: object) -> Iterator[str]:
    """The lines of `status` that begin so."""
    graph = given.graph
    shown = Standing("run", graph.plan, "d" * 12, "plan.yml", NIGHT, "ada@ops1", given.now, **more)  # type: ignore[arg-type]  # fields
    for line in text(shown).splitlines():
        if line.startswith(begins):
            yield f"status: {line.strip()}"


def an_answer_that_nobody_has() -> Iterator[str]:
    gate = GateRule("errors", "command", Moment("after", "verify"))
    graph = replace(a_world({"a": 9}), gates=(gate,))
    given = at_night(graph).opened("a/1").did("a1", *CHAIN)
    given.answered("a1", "errors", "after verify", Answer.ERROR, "prometheus does not answer").carry_on()
    yield stop(given)
    yield why(given, "a1")


def about_racks(**more: Any) -> Given:
    """A gate about each rack has passed everywhere but in r2, where it fails."""
    rule = GateRule("errors", "prometheus", Moment(DURING, ""), per="rack", fleet=True, retries=2, **more)
    given = proven(replace(a_world({"a": 9}), gates=(rule,)), "a")
    for rack in ("r0", "r1", "r3"):
        about_rack(given, rack, "pass", "0.1 errors per second")
    return about_rack(given, "r2", "fail", "7.3 errors per second, and 5 is the most")


def about_rack(given: Given, rack: str, value: str, because: str) -> Given:
    data: dict[str, Any] = {"gate": "errors", "moment": DURING, "about": f"rack={rack}", "value": value}
    return given.tell(Kind.ANSWERED, because=because, **data)


def gates_in(given: Given, *begins: str) -> Iterator[str]:
    run = given.state.run
    yield from status(given, *begins, gates=tuple(run.standing.values()), waived=run.waived)


def a_gate_about_the_fleet() -> Iterator[str]:
    given = about_racks()
    yield why(given, "a2")
    yield from gates_in(given, "gate")
    for _ in range(2):
        about_rack(given, "r2", "fail", "9 errors per second")
    given.carry_on()
    yield why(given, "a2")
    yield why(given, "a3")
    given.tell(Kind.WAIVED, because="it counts our own reboots (ada@ops1)", gate="errors", by="ada@ops1")
    given.carry_on()
    yield from gates_in(given, "gate", "waived")
    yield why(given, "a2")


def a_shadow() -> Iterator[str]:
    given = about_racks(shadow=True)
    yield from gates_in(given, "gate")
    yield why(given, "a2")


def left_out() -> Iterator[str]:
    given = at_night(a_world({"a": 9})).opened("a/1")
    given.tell(Kind.SKIPPED, "a1", because="its owner is away (ada@ops1)").carry_on()
    yield stop(given)
    yield why(given, "a1")


def the_limit_of_the_machine() -> Iterator[str]:
    given = (
        proven(replace(a_world({"a": 9}), controller=2), "a").began("a2", "precheck").began("a3", "precheck")
    )
    yield why(given, "a4")


WORLDS: dict[str, Callable[[], Iterator[str]]] = {
    "a limit that a dead host fills": a_limit,
    "a stall": a_stall,
    "a breaker, by count": a_breaker_by_count,
    "a breaker, by evidence": a_breaker_by_evidence,
    "a known error that halts": a_known_error,
    "a suspected path": a_suspected_path,
    "a common cause": a_common_cause,
    "credit": credit,
    "a soak": a_soak,
    "a window that is closed": a_closed_window,
    "a deadline that has passed": a_deadline,
    "the controller's time is used up": time_used_up,
    "an approval that is missing": a_missing_approval,
    "an abort": an_abort,
    "a pause that was forgotten": a_forgotten_pause,
    "a held host that was forgotten": a_held_host,
    "a gate that could not find out": an_answer_that_nobody_has,
    "a gate about the fleet that fails, stops a rack, and is waived": a_gate_about_the_fleet,
    "a shadow that fails": a_shadow,
    "a canary that was left out": left_out,
    "limits.controller": the_limit_of_the_machine,
}


def all_words() -> str:
    return "\n".join(
        f"# {name}\n" + "".join(f"{line}\n" for line in world()) for name, world in WORLDS.items()
    )


def test_the_words_are_those_that_were_agreed_on() -> None:
    words = all_words()
    if os.environ.get("ROLLOUT_GOLDEN") == "write":
        GOLDEN.write_text(words)
    assert words == GOLDEN.read_text()


@pytest.mark.parametrize("name", WORLDS)
def test_every_way_to_stop_has_a_number_and_somebody_says_what_to_do(name: str) -> None:
    lines = list(WORLDS[name]())
    assert any(any(char.isdigit() for char in line.split(": ", 1)[1]) for line in lines)
    waits_for_a_person = name not in {"credit", "limits.controller", "a shadow that fails"}
    assert any("`rollout " in line or "rollout retry" in line for line in lines) or not waits_for_a_person


def test_a_status_that_a_host_can_have_is_explained() -> None:
    given = at_night(a_world({"a": 9}))
    for status in Status:
        given.host("a1").status = status
        assert why(given, "a1").startswith("why a1: a1 (wave a/1) ")
