"""Signals, the heartbeat, the live picture."""

import io
import os
import queue
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from rollout.cli import _controller, _screen
from rollout.engine.inbox import Inbox, StopAsked, VirtualInbox
from rollout.errors import InventoryError
from rollout.executors.rehearsal import World
from rollout.journal.memory import MemoryJournal
from rollout.model.chain import Step
from rollout.model.event import Event, Kind
from rollout.model.fold import apply
from rollout.model.plan import DURING, GateRule, Moment
from rollout.model.seams import Ending, Order, Outcome
from rollout.model.state import State
from rollout.plan.inventory import Inventory
from rollout.report.live import LiveStatus
from tests.cli.worlds import PLAN, a_plan_folder, failing
from tests.fleet import a_graph, an_engine


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 143)], ids=str
)
def test_the_first_signal_asks_for_a_safe_stop(
    capfd: pytest.CaptureFixture[str], number: signal.Signals, code: int
) -> None:
    inbox, before = Inbox(), signal.getsignal(number)
    with _controller.stopping(inbox):
        os.kill(os.getpid(), number)
        message = inbox.get(None)
    assert message == StopAsked(code, f"stopped safely by {number.name}")
    assert "stopping safely: the steps in flight end first; once more stops at once" in capfd.readouterr().err
    assert signal.getsignal(number) == before


def test_a_signal_that_is_ignored_already_stays_so() -> None:
    code = (
        "import os, signal, time\n"
        "from rollout.cli import _controller\n"
        "from rollout.engine.inbox import Inbox\n"
        "inbox = Inbox()\n"
        "with _controller.stopping(inbox):\n"
        "    os.kill(os.getpid(), signal.SIGHUP)\n"
        "    assert inbox.get(0) is None\n"
        "    os.kill(os.getpid(), signal.SIGTERM)\n"
        "    print(inbox.get(None).because)\n"
    )
    words = ["nohup", sys.executable, "-c", code]
    done = subprocess.run(words, check=False, stdin=subprocess.DEVNULL, capture_output=True, timeout=50)
    assert (done.returncode, done.stdout) == (0, b"stopped safely by SIGTERM\n")


def test_the_second_signal_ends_at_once() -> None:
    code = (
        "import os, signal, time\n"
        "from rollout.cli import _controller\n"
        "from rollout.engine.inbox import Inbox\n"
        "with _controller.stopping(Inbox()):\n"
        "    os.kill(os.getpid(), signal.SIGTERM)\n"
        "    os.kill(os.getpid(), signal.SIGINT)\n"
        "    time.sleep(60)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], check=False, stderr=subprocess.PIPE, timeout=50)
    assert done.returncode == 130
    assert b"`rollout resume` finds it" in done.stderr


def test_the_second_signal_closes_what_a_log_has_open() -> None:
    code = (
        "import os, signal, time\n"
        "from rollout.cli import _controller\n"
        "from rollout.cli._screen import InGitLab\n"
        "from rollout.engine.inbox import Inbox\n"
        "from rollout.model.event import Event, Kind\n"
        "from rollout.model.state import State\n"
        "from tests.fleet import a_graph\n"
        "graph = a_graph({'a': 1})\n"
        "with InGitLab(graph) as screen, _controller.stopping(Inbox(), screen.cut):\n"
        "    screen.tell(Event(Kind.OPENED, 'now', data={'wave': 'a/1'}), State(graph))\n"
        "    os.kill(os.getpid(), signal.SIGTERM)\n"
        "    os.kill(os.getpid(), signal.SIGTERM)\n"
        "    time.sleep(60)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, timeout=50)
    assert done.returncode == 143
    assert done.stdout.count(b"section_start:0:wave-1-a_1\r") == 1
    assert done.stdout.endswith(b"\x1b[0Ksection_end:0:wave-1-a_1\r\x1b[0K\n")


GITLAB = {**os.environ, "GITLAB_CI": "true"}


def of_gitlab(text: str) -> list[str]:
    """Lines outside of sections; fails if one is not closed."""
    outside, within = [], 0
    for line in text.split("\n"):
        was = within
        within += line.count("section_start:") - line.count("section_end:")
        outside += [line] if not was and not within and "section_end:" not in line else []
    assert not within
    assert text.count("section_start:") == text.count("section_end:") > 0
    return outside


def test_a_cancelled_job_of_gitlab_stops_safely_and_says_how_the_run_goes_on(tmp_path: Path) -> None:
    plan = a_plan_folder(tmp_path / "here")
    plan.write_text(PLAN.replace("soak: 0s", "soak: 1h"))
    words = [sys.executable, "-m", "tests.cli.standing_by", "apply", str(plan), "--yes"]
    log = ""
    with subprocess.Popen(
        words,
        env=GITLAB,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        assert process.stdout
        for line in iter(process.stdout.readline, ""):
            log += line
            if log.count("soaks") == 2 and "soaks" in line:
                process.send_signal(signal.SIGTERM)
    assert process.returncode == 143, log
    outside = "\n".join(of_gitlab(log))
    assert "under way when this job ended" in log
    assert "stopped safely by SIGTERM (exit code 143)" in outside
    assert (
        "next: this job was stopped, and the run stands as it is; the next scheduled `tick`, or this job"
        in outside
    )
    paused = outside.partition("`rollout pause --journal ")[2].partition("`")[0]
    assert " --run imagined-" in paused, "a database holds the runs of several sites"


def test_a_job_of_gitlab_that_ends_with_an_error_closes_its_sections_and_says_that_the_run_stands() -> None:
    code = (
        "from rollout.cli._screen import InGitLab\n"
        "from rollout.model.event import Event, Kind\n"
        "from rollout.model.state import State\n"
        "from tests.fleet import a_graph\n"
        "graph = a_graph({'a': 1})\n"
        "with InGitLab(graph) as screen:\n"
        "    screen.tell(Event(Kind.OPENED, 'now', data={'wave': 'a/1'}), State(graph))\n"
        "    raise KeyError('a mistake of ours')\n"
    )
    done = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, timeout=50)
    outside = of_gitlab(done.stdout.decode())
    assert outside[0].startswith("this job ends with an error; what runs on hosts goes on")
    assert b"a mistake of ours" in done.stderr


def test_a_job_of_gitlab_whose_reader_asks_for_json_or_every_event_has_no_sections(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("GITLAB_CI", "true")
    graph = a_graph({"a": 1})
    chosen = [
        type(_screen.screen("run", graph, as_json=as_json, verbose=verbose, log=None))
        for as_json, verbose in ((False, False), (True, False), (False, True))
    ]
    assert chosen == [_screen.InGitLab, _screen.Lines, _screen.Lines]


def test_an_inbox_shows_the_time_whenever_the_engine_waits() -> None:
    seen: list[float] = []
    inbox = _controller.TickingInbox(seen.append)
    inbox.post(StopAsked(130, "x"))
    assert inbox.get(None) == StopAsked(130, "x")
    assert len(seen) == 1


def test_a_host_that_left_the_inventory_is_not_reached_by_its_mere_name(tmp_path: Path) -> None:
    known = Inventory(("a1",), ("a1",), (), {"a1": {"ansible_connection": "local"}}, {"a1": ()})
    reach = _controller.real(a_graph({"a": 1}), known, tmp_path / "plan.yml", tmp_path / "units")
    with reach.connect("a1", known.variables("a1")) as connection:
        assert connection.run("true").code == 0
    with pytest.raises(InventoryError, match="it has left the inventory"):
        reach.connect("localhost", {})
    outcomes: queue.SimpleQueue[Outcome] = queue.SimpleQueue()
    order = Order("run", "localhost", Step("verify", playbook="verify.yml"), 1, 1)
    reach.executor.run(order, lambda message, after=0.0: outcomes.put(message))  # noqa: ARG005  the seam's shape
    outcome = outcomes.get(timeout=50)
    reach.executor.close()
    assert (outcome.ending, "it has left the inventory" in outcome.because) == (Ending.FAILED, True)


def test_a_heartbeat_comes_when_nothing_else_was_said_for_a_minute(
    capsys: pytest.CaptureFixture[str],
) -> None:
    graph = a_graph({"a": 2})
    lines, state = _screen.Lines(graph), State(graph)
    lines.tick(10**12)
    assert capsys.readouterr().out == "", "nothing is known yet"
    lines.tell(Event(Kind.OPENED, "a/1: nothing comes before it", data={"wave": "a/1"}), state)
    assert capsys.readouterr().out == "00:00:00Z  -   wave opens: a/1: nothing comes before it\n"
    lines.tick(0)
    assert capsys.readouterr().out == ""
    lines.tick(10**10)
    assert "0 steps and 0 questions in flight; a: 2 not begun of 2 hosts" in capsys.readouterr().out


def test_a_reader_that_goes_away_stops_the_lines_and_not_the_run() -> None:
    code = (
        "import sys\n"
        "from rollout.cli._screen import Lines\n"
        "from rollout.model.event import Event, Kind\n"
        "from rollout.model.state import State\n"
        "from tests.fleet import a_graph\n"
        "graph = a_graph({'a': 1})\n"
        "lines = Lines(graph)\n"
        "sys.stdin.read(1)\n"
        "for number in range(3):\n"
        "    lines.tell(Event(Kind.DONE, 'x', 'a1', 'upgrade'), State(graph))\n"
        "sys.stderr.write('went on')\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdin
        assert process.stdout
        assert process.stderr
        process.stdout.close()
        process.stdin.write(b"x")
        process.stdin.close()
        assert process.stderr.read() == b"went on"
    assert process.returncode == 0


def test_the_live_picture_shows_the_combos_and_the_last_events_and_no_markup_acts() -> None:
    graph = a_graph({"a": 2, "b": 2})
    inbox, journal = VirtualInbox(1_700_000_000), MemoryJournal()
    journal.create("run", graph, plan_file="", created_by="")
    out = io.StringIO()
    console = Console(file=out, force_terminal=True, width=120, height=40, no_color=True)
    engine = an_engine(graph, journal, World(inbox.now, faults=failing("a1")), inbox)
    with LiveStatus("[red]run\x1b[2J", graph, console) as live:
        engine._listener = live.tell
        engine.run()
    text = out.getvalue()
    assert "[red]run\\x1b[2J: 0 steps in flight" in text
    assert "a: 1 held, 1 not begun of 2 hosts" in text
    assert "the controller ends (3)" in text
    assert text.endswith("\x1b[?25h"), "the cursor is given back"


def test_the_live_picture_shows_the_gate_that_keeps_hosts_from_beginning() -> None:
    rule = GateRule("errors", "prometheus", Moment(DURING, ""), per="run", fleet=True)
    graph = replace(a_graph({"a": 2}), gates=(rule,))
    state, out = State(graph), io.StringIO()
    data = {"gate": "errors", "moment": DURING, "about": "", "value": "fail", "samples": {"value": 9}}
    event = Event(Kind.ANSWERED, "9 errors\x1b[2J per second", data=data, seq=1, at=1_700_000_000.0)
    apply(state, event)
    console = Console(file=out, force_terminal=True, width=160, height=40, no_color=True)
    with LiveStatus("run", graph, console) as live:
        live.tell(event, state)
    text = out.getvalue()
    assert (
        "  errors during: fail since 2023-11-14 22:13:20Z (0s): 9 errors\\x1b[2J per second; nothing" in text
    )
    assert "-  gate errors during: fail: 9 errors" in text


def test_a_terminal_that_goes_away_stops_the_picture_and_not_the_run() -> None:
    master, slave = os.openpty()
    graph = a_graph({"a": 1})
    with os.fdopen(slave, "w") as terminal:
        console = Console(file=terminal, force_terminal=True, width=80, height=20)
        with LiveStatus("run", graph, console) as live:
            os.close(master)
            for at in (1.0, 2.0):
                live.tell(Event(Kind.DONE, "x", "a1", "upgrade", at=at), State(graph))
