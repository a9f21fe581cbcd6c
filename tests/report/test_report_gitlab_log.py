"""A run in GitLab's job log, read by GitLab's own rule for sections."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rollout.engine.inbox import VirtualInbox
from rollout.executors.rehearsal import Fault, World
from rollout.journal.memory import MemoryJournal
from rollout.model.decision import Stop
from rollout.model.event import Event, Kind
from rollout.model.graph import Graph
from rollout.model.progress import RunState
from rollout.model.seams import Ending
from rollout.model.state import State
from rollout.report.gitlab_log import GATHER, HEARTBEAT, IN_FLIGHT, LARGE, LINES_KEPT, JobLog, then
from tests.fleet import a_graph, an_engine

NOW = 1_700_000_000.0

MARKER = re.compile(r"(?:\x1b\[0K)?section_(start|end):(\d+):([a-zA-Z0-9_.-]+)(\[[^\]]*\])?\r\x1b\[0K")


def outline(lines: Iterable[str]) -> list[str]:
    """Lines as GitLab shows them, indented by their sections: `+` before the head of a section that is open, `>` of one that is folded.

    Fails if sections are not within one another, a name comes twice, one ends before it begins, or one stays open.
    """
    shown: list[str] = []
    within: list[tuple[str, int]] = []
    names: set[str] = set()
    for line in lines:
        assert "\n" not in line
        rest, sign = line, ""
        while marker := MARKER.search(rest):
            word, at, name, options = marker.groups()
            rest = rest[: marker.start()] + rest[marker.end() :]
            if word == "start":
                assert name not in names
                names.add(name)
                within.append((name, int(at)))
                sign = "> " if options == "[collapsed=true]" else "+ "
            else:
                opened, since = within.pop()
                assert opened == name
                assert since <= int(at)
        assert re.fullmatch(r" *(\x1b\[[\d;]+m)?[^\x00-\x1f\x7f-\x9f]*(\x1b\[0m)?", rest), rest
        if rest:
            shown.append("  " * (len(within) - bool(sign)) + sign + rest)
    assert not within
    return shown


def told(graph: Graph, faults: Mapping[tuple[str, str], Fault], *, colour: bool = False) -> list[str]:
    """The log of a run of the graph by the engine, in an imagined world."""
    inbox, journal = VirtualInbox(NOW), MemoryJournal()
    journal.create("run", graph, plan_file="", created_by="")
    log, lines = JobLog(graph, NOW, colour=colour), []
    engine = an_engine(graph, journal, World(inbox.now, faults=faults), inbox)

    def listen(event: Event, state: State) -> None:
        lines.extend(log.tick(inbox.now()))
        lines.extend(log.tell(event, state))

    engine._listener = listen
    engine.run()
    return [*lines, *log.close()]


def broken(*hosts: str) -> dict[tuple[str, str], Fault]:
    return {(host, "upgrade"): Fault(Ending.FAILED, 1000, "no space left on device") for host in hosts}


OUTLINE = """\
+ wave a/1: 1 host, canaries
  T  wave opens: a/1: nothing comes before it
  T  a1  precheck begins: its wave is open; precheck is its first step
  > a1  verified: every step is done and every gate has passed
      T  precheck begins: its wave is open; precheck is its first step
      T  precheck is done
      T  upgrade begins: precheck is done; its slot is free
      T  upgrade is done
      T  reboot begins: upgrade is done
      T  reboot is done
      T  verify begins: reboot is done
      T  verify is done
      T  verified: every step is done and every gate has passed
  T  wave has passed: a/1: 1 of 1 hosts verified
+ wave a/2: 2 hosts, ramp
  T  wave opens: a/2: a/1 has passed
  T  a2  precheck begins: its wave is open; precheck is its first step
  T  a3  precheck begins: its wave is open; precheck is its first step
  + a2  HELD: upgrade failed: no space left on device
      T  precheck begins: its wave is open; precheck is its first step
      T  precheck is done
      T  upgrade begins: precheck is done; its slot is free
      T  upgrade: failed: no space left on device
      T  HELD: upgrade failed: no space left on device
T  STOPPED: a: 1 host failed after its canaries, 0 tolerated; nothing more begins in this combo
+ wave a/2: 2 hosts, goes on
  > a3  verified: every step is done and every gate has passed
      T  precheck begins: its wave is open; precheck is its first step
""".splitlines()


def test_a_wave_has_a_section_a_host_one_in_it_and_only_what_failed_is_open() -> None:
    shown = outline(told(a_graph({"a": 3}), broken("a2")))
    times = re.compile(r"\d\d:\d\d:\d\dZ")
    found = [times.sub("T", line) for line in shown if "at work:" not in line]
    assert found[1 : len(OUTLINE) + 1] == OUTLINE
    assert found[-1].startswith("T  the controller ends (3): halted: a: 1 host failed")


def test_waves_that_run_beside_each_other_take_turns() -> None:
    shown = outline(told(a_graph({"a": 30, "b": 30}), {}))
    heads = [line for line in shown if line.startswith("+ ")]
    assert heads[:2] == ["+ wave a/1: 1 host, canaries", "+ wave b/1: 1 host, canaries"]
    assert "+ wave a/2: 29 hosts, goes on" in heads
    assert len(heads) < 30, "lines are gathered: not every host has its wave opened anew"
    for combo in ("a", "b"):
        within = ""
        for line in shown:
            within = line if line.startswith("+ ") else within
            if re.match(rf"  > {combo}\d+ ", line):
                assert within.startswith(f"+ wave {combo}/"), line


def test_colour_is_for_what_matters_and_only_if_asked_for() -> None:
    lines = told(a_graph({"a": 3}), broken("a2"), colour=True)
    outline(lines)
    text = "\n".join(lines)
    assert "\x1b[31;1ma2  HELD" in text
    assert "\x1b[32ma1  verified" in text
    assert "\x1b[3" not in "\n".join(told(a_graph({"a": 3}), broken("a2")))


def test_a_silent_minute_is_broken_by_a_line_of_bounded_length() -> None:
    graph = a_graph({f"c{number}": 1 for number in range(200)})
    log, state = JobLog(graph, NOW, colour=False), State(graph)
    assert log.tick(NOW + 2 * HEARTBEAT) == [], "nothing is known yet"
    log.tell(Event(Kind.TAKEN_UP, "x", at=NOW), state)
    assert log.tick(NOW + 2 * HEARTBEAT + 59) == []
    (line,) = log.tick(NOW + 3 * HEARTBEAT)
    assert line == ("22:16:20Z  at work: 0 steps and 0 questions in flight; 200 not begun of 200 hosts")
    assert log.tick(NOW + 3 * HEARTBEAT + 59) == []
    assert len(log.tick(NOW + 4 * HEARTBEAT)) == 1


def test_what_is_gathered_comes_after_some_seconds() -> None:
    graph = a_graph({"a": 1, "b": 1})
    log, state = JobLog(graph, NOW, colour=False), State(graph)
    lines = log.tell(Event(Kind.OPENED, "a/1", data={"wave": "a/1"}, at=NOW), state)
    assert log.tell(Event(Kind.OPENED, "b/1", data={"wave": "b/1"}, at=NOW), state) == []
    assert log.tick(NOW + GATHER - 1) == []
    lines += log.tick(NOW + GATHER)
    assert "wave b/1: 1 host" in lines[-2]
    assert log.cut() == f"\x1b[0Ksection_end:{int(NOW)}:wave-2-b_1\r\x1b[0K\n"
    assert outline([*lines, *log.close()]) == [
        "+ wave a/1: 1 host, canaries",
        "  22:13:20Z  wave opens: a/1",
        "+ wave b/1: 1 host, canaries",
        "  22:13:20Z  wave opens: b/1",
    ]


def test_what_was_gathered_first_is_written_first() -> None:
    graph = a_graph({"a": 2, "b": 1})
    log, state = JobLog(graph, NOW, colour=False), State(graph)
    lines: list[str] = []
    for kind, wave in (
        (Kind.OPENED, "b/1"),
        (Kind.OPENED, "a/1"),
        (Kind.PASSED, "b/1"),
        (Kind.OPENED, "a/2"),
    ):
        lines += log.tell(Event(kind, wave, data={"wave": wave}, at=NOW), state)
    heads = [line for line in outline([*lines, *log.close()]) if line.startswith("+")]
    assert [head.split(":")[0] for head in heads] == ["+ wave b/1", "+ wave a/1", "+ wave a/2"]


def test_hosts_on_their_way_are_told_of_before_the_controllers_last_word() -> None:
    graph = a_graph({"a": 1})
    log, state = JobLog(graph, NOW, colour=False), State(graph)
    lines: list[str] = []
    for event in (
        Event(Kind.INTENDED, "now", "a1", "upgrade"),
        Event(Kind.DONE, "", "a1", "upgrade"),
        Event(Kind.ENDED, "stopped", data={"exit_code": 143}),
    ):
        lines += log.tell(replace(event, at=NOW), state)
    shown = outline([*lines, *log.close()])
    assert "  > a1  under way when this job ended" in shown
    assert shown[-1] == "22:13:20Z  the controller ends (143): stopped"


HOSTILE = (
    "\x1b[0Ksection_start:1:evil\r\x1b[0Kx",
    "section_end:1700000000:wave-1-a_1\r\x1b[0K",
    "\x1b[2J\x1b[1;1H\r\n\x07\x9b31m",
    "](https://x) [collapsed=true]",
)


@pytest.mark.parametrize("text", HOSTILE)
def test_text_from_outside_opens_and_closes_nothing_and_moves_no_cursor(text: str) -> None:
    plain_graph = a_graph({"a": 2})
    node = replace(plain_graph.nodes["a1"], name=text)
    wave = plain_graph.waves["a/1"]
    name = wave.hosts[0]
    graph = replace(
        plain_graph,
        nodes={**{k: v for k, v in plain_graph.nodes.items() if k != name}, text: replace(node, wave="a/1")},
        waves={**plain_graph.waves, "a/1": replace(wave, hosts=(text,))},
    )
    log, state = JobLog(graph, NOW, colour=True), State(graph)
    lines: list[str] = []
    for event in (
        Event(Kind.OPENED, text, data={"wave": "a/1"}),
        Event(Kind.INTENDED, text, text, "upgrade"),
        Event(Kind.FAILED, text, text, "upgrade", data={"ending": text}),
        Event(Kind.HELD, text, text),
        Event(Kind.GONE, text, text),
        Event(Kind.TRIPPED, text),
    ):
        lines += log.tell(replace(event, at=NOW), state)
    heads = [line for line in outline([*lines, *log.close()]) if line.lstrip().startswith(("+", ">"))]
    assert len(heads) == 2
    assert not re.search("section_(start|end):", MARKER.sub("", "\n".join(lines)))


def test_of_a_large_wave_only_failed_hosts_have_a_section() -> None:
    size = LARGE + 2
    graph = a_graph({"a": size})
    log, state = JobLog(graph, NOW, colour=False), State(graph)
    lines: list[str] = []
    for name in graph.waves["a/2"].hosts:
        kind = Kind.HELD if name == "a7" else Kind.VERIFIED
        for event in (Event(Kind.INTENDED, "", name, "upgrade"), Event(kind, "because", name)):
            lines += log.tell(replace(event, at=NOW), state)
    lines += log.tick(NOW + HEARTBEAT)
    lines += log.tell(Event(Kind.PASSED, "all", data={"wave": "a/2"}, at=NOW), state)
    assert outline([*lines, *log.close()]) == [
        "+ wave a/2: 301 hosts, ramp",
        "  + a7  HELD: because",
        "      22:13:20Z  upgrade begins",
        "      22:13:20Z  HELD: because",
        "  22:13:20Z  300 hosts of 301 verified: a2, a3, a4 and 297 more",
        "  22:13:20Z  wave has passed: all",
    ]


def test_hosts_on_their_way_are_told_of_at_the_end_and_a_host_that_repeats_itself_is_cut() -> None:
    graph = a_graph({"a": IN_FLIGHT + 11})
    log, state = JobLog(graph, NOW, colour=False), State(graph)
    lines: list[str] = []
    for name in graph.nodes:
        lines += log.tell(Event(Kind.INTENDED, "", name, "upgrade", at=NOW), state)
    for _ in range(LINES_KEPT):
        lines += log.tell(Event(Kind.VOID, "", "a1", "upgrade", at=NOW), state)
    shown = outline([*lines, *log.close()])
    assert "  > a1  under way when this job ended" in shown
    assert "      1 earlier events are in `rollout events`" in shown
    assert sum("under way when this job ended" in line for line in shown) == IN_FLIGHT
    assert shown[-1].startswith("under way, too: a51, a52, ")


SENTENCE = "the package manager ended with code 100, and said: " + "no space left on device, " * 12


def of_a_host(name: str, last: Kind) -> list[Event]:
    steps = ("precheck", "upgrade", "reboot", "verify")
    pairs = [
        Event(kind, "" if kind is Kind.INTENDED else SENTENCE, name, step)
        for step in steps
        for kind in (Kind.INTENDED, Kind.DONE)
    ]
    return [
        *pairs,
        Event(Kind.FAILED, SENTENCE, name, "verify"),
        Event(Kind.RETRYING, SENTENCE, name),
        Event(last, SENTENCE, name),
    ]


@pytest.mark.parametrize("last", [Kind.HELD, Kind.VERIFIED])
@pytest.mark.parametrize("combos", [1, 200], ids=["two waves", "400 waves"])
def test_ten_thousand_hosts_stay_far_below_what_gitlab_cuts(combos: int, last: Kind) -> None:
    graph = a_graph({f"c{number}-": 10_000 // combos for number in range(combos)})
    log, state = JobLog(graph, NOW, colour=True), State(graph)
    lines, now = [], NOW
    for wave in graph.waves.values():
        lines += log.tell(Event(Kind.OPENED, SENTENCE, data={"wave": wave.id}, at=now), state)
        for name in wave.hosts:
            now += 6
            lines += log.tick(now)
            for event in of_a_host(name, last):
                lines += log.tell(replace(event, at=now), state)
        lines += log.tell(Event(Kind.PASSED, SENTENCE, data={"wave": wave.id}, at=now), state)
    lines += log.tell(Event(Kind.TRIPPED, "the last word", at=now), state)
    for _ in range(24 * 60):
        now += 60
        lines += log.tick(now)
    lines += log.close()
    written = sum(len(line.encode()) + 1 for line in lines)
    shown = outline(lines)
    assert 100_000 < written < 2_400_000, written
    assert sum(len(line.encode()) + 1 for line in lines if "at work:" not in line) < 2_000_000
    assert any("STOPPED: the last word" in line for line in shown)
    if last is Kind.HELD or combos > 1:
        assert "left out here are in `rollout events`" in shown[-1]


events_of_hosts = st.builds(
    Event,
    st.sampled_from(Kind),
    st.text(max_size=20),
    st.sampled_from(["a1", "a2", "b1", "b2", None]),
    st.none() | st.just("upgrade"),
    data=st.fixed_dictionaries({"wave": st.sampled_from(["a/1", "a/2", "b/1", "none"])}),
    at=st.integers(int(NOW), int(NOW) + 1000).map(float),
)


@given(st.lists(events_of_hosts | st.integers(0, 200), max_size=30))
def test_whatever_happens_sections_are_within_one_another_and_closed(
    happens: list[Event | int],
) -> None:
    graph = a_graph({"a": 2, "b": 2})
    log, state, now, lines = JobLog(graph, NOW, colour=True), State(graph), NOW, []
    for one in happens:
        if isinstance(one, Event):
            lines += log.tell(one, state)
        else:
            now += one
            lines += log.tick(now)
    outline([*lines, log.cut().rstrip("\n")])
    outline([*lines, *log.close()])


@pytest.mark.parametrize(
    ("code", "run", "said"),
    [
        (0, RunState(), "nothing, the run is over"),
        (3, RunState(), "then start the job `resume`"),
        (3, RunState(aborted="x"), "it was aborted"),
        (4, RunState(), "`rollout why HOST --journal J`"),
        (143, RunState(aborted="x"), "the next scheduled `tick`"),
        (7, RunState(), "`rollout approve PLAN --through RUNG --journal J --reason WHY`"),
        (8, RunState(paused="lunch"), "the run is paused"),
        (8, RunState(), "the next scheduled `tick` after it opens"),
        (75, RunState(), "the next scheduled `tick`, or this job tried again, carries it on"),
        (130, RunState(), "`rollout pause --journal J --reason WHY`"),
        (143, RunState(), "the run stands as it is"),
    ],
)
def test_the_end_says_what_to_do_next(code: int, run: RunState, said: str) -> None:
    assert said in then(State(a_graph({"a": 1}), run), Stop(code, "x"), " --journal J")
