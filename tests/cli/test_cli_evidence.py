"""What gates saw, as `why`, `status` and `events` show it: of hosts, of the fleet, shadows and waived ones."""

import json
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

import pytest

from rollout import journal
from rollout.engine.inbox import VirtualInbox
from rollout.executors.rehearsal import World
from rollout.model.plan import DURING, GateRule, Moment
from rollout.model.seams import Answer, Subject, Verdict
from tests.cli.worlds import Typist
from tests.fleet import a_graph, an_engine

BEGAN = 1_700_000_000.0
"""2023-11-14 22:13:20 UTC."""
LINK = "http://prometheus:9090/graph?g0.expr=up"
ERRORS = GateRule("errors", "prometheus", Moment(DURING, ""), per="rack", fleet=True)
LOAD = GateRule("load", "command", Moment("after", "upgrade"), shadow=True)
WAVE = GateRule("budget", "prometheus", Moment("before", "wave"), per="wave", fleet=True)


class Seen:
    """Answers with all that a gate may have seen; of rack r1 the fleet's gate fails when the run is a minute old."""

    remembers: ClassVar[bool] = False

    def check(self, subject: Subject) -> Verdict:
        bad = "r1" in subject.about and subject.now > BEGAN + 60
        samples = {
            "value": 7.25 if bad else 0.5,
            "limit": 1,
            "query": 'sum(rate(errors[5m]))\x1b[31m "',
            "from": subject.now - 300,
            "to": subject.now,
            "series": [0.1, 0.1, 0.2, 7.25],
            "upgraded": 2,
            "controls": 6,
        }
        value = Answer.FAIL if bad or subject.gate == "load" else Answer.PASS
        return Verdict(value, f"{samples['value']} errors per second", samples, LINK)

    def remember(self, subject: Subject) -> Verdict:
        return self.check(subject)


Waive = Callable[[journal.Journal], None]


@pytest.fixture
def stopped(tmp_path: Path) -> Path:
    """Eight hosts in four racks; the gate `errors` has stopped rack r1, `load` is a shadow that fails."""
    graph = replace(a_graph({"a": 8}), gates=(ERRORS, LOAD, WAVE))
    path = tmp_path / ".rollout" / "journal.sqlite3"
    path.parent.mkdir()
    inbox = VirtualInbox(BEGAN)
    with journal.open(str(path), inbox.now) as book:
        book.create("run", graph, plan_file=str(tmp_path / "plan.yml"), created_by="me@here")
        an_engine(graph, book, World(inbox.now), inbox, gate=lambda _world: Seen()).run()
    return path


def test_why_shows_the_numbers_the_query_the_window_both_sides_the_link_and_a_line(
    rollout: Typist, stopped: Path
) -> None:
    said = rollout("why", "a1")
    assert said.code == 0, said.err
    block = said.out.partition("\ngates\n")[2]
    assert "load after upgrade: fail (shadow: it decides nothing), 0.5 errors per second\n" in block
    assert "             value 0.5, limit 1\n" in block
    assert "2 upgraded, 6 to compare with\n" in block
    assert r"query sum(rate(errors[5m]))\x1b[31m" in block
    assert "             ▁▁▁█ 0.1 .. 7.25\n" in block
    assert f"             {LINK}\n" in block
    assert "errors during (rack=r1): " in block
    assert "rack=r2" not in block
    assert "\x1b" not in said.out


def test_a_window_is_told_as_times(rollout: Typist, stopped: Path) -> None:
    answer = next(line for line in rollout("why", "a1").out.splitlines() if "load after upgrade" in line)
    hour, minute, second = (int(part) for part in answer.split()[0].rstrip("Z").split(":"))
    begin = hour * 3600 + minute * 60 + second - 300
    told = f"from 2023-11-14 {begin // 3600:02}:{begin // 60 % 60:02}:{begin % 60:02}Z to {answer.split()[0]}"
    assert told in rollout("why", "a1").out


def test_why_as_json_holds_all_of_it(rollout: Typist, stopped: Path) -> None:
    values = [json.loads(line) for line in rollout("why", "a1", "--json").out.splitlines()]
    found = {value["gate"]: value for value in values if value.get("type") == "answer"}
    assert found["load"]["shadow"] is True
    assert found["load"]["link"] == LINK
    assert found["load"]["samples"]["series"] == [0.1, 0.1, 0.2, 7.25]
    assert (found["errors"]["host"], found["errors"]["about"]) == (None, "rack=r1")


def test_why_without_a_host_says_what_gates_about_the_fleet_said(rollout: Typist, stopped: Path) -> None:
    said = rollout("why")
    assert said.code == 0, said.err
    first = said.out.splitlines()[0]
    assert first.startswith("errors during (rack=r1): fail since 2023-11-14 ")
    assert first.endswith("7.25 errors per second; nothing more with rack=r1 begins until it passes")
    assert "    value 7.25, limit 1\n" in said.out
    assert "errors during (rack=r2): pass since " in said.out
    values = [json.loads(line) for line in rollout("why", "--json").out.splitlines()]
    assert {value["about"]: value["standing"]["value"] for value in values} == {
        "rack=r0": "pass",
        "rack=r1": "fail",
        "rack=r2": "pass",
        "rack=r3": "pass",
    }


def test_status_shows_what_stops_first_and_who_waived_what(rollout: Typist, stopped: Path) -> None:
    said = rollout("status")
    assert said.code == 0, said.err
    gates = [line.split(maxsplit=1)[1] for line in said.out.splitlines() if line.startswith("gate ")]
    assert gates[0].startswith("errors during (rack=r1): fail since ")
    assert len(gates) == 4
    assert rollout("gate", "waive", "errors", "--reason", "the canary's own reboot").code == 0
    said = rollout("status")
    rows = [line.split(maxsplit=1) for line in said.out.splitlines() if line]
    (waived,) = [row[1] for row in rows if row[0] == "waived"]
    assert waived.startswith("gate errors: the canary's own reboot (")
    assert "errors during (rack=r1): fail (waived: it decides nothing) since " in said.out
    assert "begins until" not in said.out
    value = json.loads(rollout("status", "--json").out)
    assert value["waived"].keys() == {"errors"}
    assert {gate["about"] for gate in value["gates"]} == {"rack=r0", "rack=r1", "rack=r2", "rack=r3"}
    assert "gate errors is waived: the canary's own reboot" in rollout("why").out


def test_events_of_the_fleet_say_whom_they_are_about(rollout: Typist, stopped: Path) -> None:
    lines = rollout("events").out.splitlines()
    assert any("  gate errors during (rack=r1): fail: 7.25 errors" in line for line in lines)
    assert any("  gate budget before wave a/1: pass: 0.5 errors" in line for line in lines)
    assert any("  gate load after upgrade: fail (shadow: it decides nothing): 0.5" in line for line in lines)
    assert not any(line.startswith("             ") for line in lines)
    verbose = rollout("events", "--verbose").out
    assert (
        "gate budget before wave a/1: pass: 0.5 errors per second\n             value 0.5, limit 1\n"
        in verbose
    )


def test_a_run_without_such_gates_says_so(rollout: Typist, tmp_path: Path) -> None:
    from tests.cli.worlds import a_run

    a_run(tmp_path, a_graph({"a": 2}))
    assert "no gate about the fleet has anything to say; `rollout why HOST`" in rollout("why").out
    assert not [line for line in rollout("status").out.splitlines() if line.startswith("gate ")]


def test_a_run_that_a_gate_has_stopped_goes_on_once_it_is_waived(rollout: Typist, stopped: Path) -> None:
    assert rollout("gate", "waive", "errors", "--reason", "it counts our own reboots").code == 0
    inbox = VirtualInbox(time.time() + 60)  # the waiver has been written by the real clock
    with journal.open(str(stopped), inbox.now) as book:
        graph = book.graph("run")
        stop = an_engine(graph, book, World(inbox.now), inbox, gate=lambda _world: Seen()).run()
    assert stop.exit_code == 0, stop
    lines = rollout("events").out.splitlines()
    assert any(
        "goes on: rack=r1: gate errors is waived: it counts our own reboots" in line for line in lines
    ), lines
    assert any("errors during (rack=r1): fail (waived: it decides nothing)" in line for line in lines)
    assert "finished: 8 verified, 0 held" in rollout("status").out
