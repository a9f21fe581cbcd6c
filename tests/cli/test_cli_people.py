"""approve, promote and skip: what a person decides about what has not begun, or waits."""

from dataclasses import replace
from pathlib import Path

import pytest

from rollout import journal
from rollout.cli import _runs
from rollout.engine.inbox import VirtualInbox
from rollout.executors.rehearsal import World
from rollout.model.event import Event, Kind
from rollout.model.graph import Graph
from rollout.model.plan import Amount, Soak
from rollout.model.state import Status
from tests.cli.worlds import Typist, a_plan_folder, a_run, failing
from tests.engine.dying import Died, DyingJournal
from tests.fleet import a_graph, a_plan, an_engine
from tests.model.test_model_people import climbed

LONG = 4e8
"""Seconds of a soak that is not over today, although it began in 2023."""

SOAKS = 11
"""Writes of a controller until the first host soaks: it takes up, a wave opens, four steps begin and end."""


def begun(folder: Path, graph: Graph, by: str = "somebody@else") -> Path:
    """A run that nobody has carried yet; gives its journal."""
    path = folder / ".rollout" / "journal.sqlite3"
    path.parent.mkdir(exist_ok=True)
    with journal.open(str(path)) as book:
        book.create("run", graph, plan_file="plan.yml", created_by=by)
    return path


def last(path: Path) -> Event | None:
    with journal.open(str(path)) as book:
        return next(reversed(list(book.events("run"))), None)


@pytest.mark.parametrize(
    ("word", "rung", "said"),
    [
        ("one", "one", "what comes after one may begin; you will be asked again after pairs."),
        ("a/2", "one", "what comes after one may begin; you will be asked again after pairs."),
        ("pairs", "pairs", "what comes after pairs may begin. "),
        ("b/1", "pairs", "what comes after pairs may begin. "),
    ],
)
def test_an_approval_is_an_event_with_who_what_and_why(
    rollout: Typist, tmp_path: Path, word: str, rung: str, said: str
) -> None:
    graph = climbed()
    path = begun(tmp_path, graph)
    typed = rollout("approve", "--through", word, "--reason", "looks well", "--digest", graph.digest[:12])
    assert typed.code == 0, typed.err
    assert said in typed.out
    event = last(path)
    assert event is not None
    assert event.kind is Kind.APPROVED
    assert event.because == f"looks well ({_runs.me()})"
    assert event.data == {"through": rung, "digest": graph.digest, "by": _runs.me()}


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["--through", "factors"], 64, "has no rung and no wave 'factors'; it asks for one after one, pairs"),
        (
            ["--through", "ramp"],
            64,
            "the plan asks for no approval after ramp; it asks for one after one, pairs",
        ),
        (["--through", "a/1"], 64, "wave a/1 waits for no approval; it asks for one after one, pairs"),
        (["--through", "one", "--digest", "0123456789"], 6, "look at that one"),
        (["--through", "one", "--digest", "0123"], 64, "--digest wants at least 8 characters"),
    ],
)
def test_an_approval_that_does_not_fit_is_refused(
    rollout: Typist, tmp_path: Path, words: list[str], code: int, message: str
) -> None:
    path = begun(tmp_path, climbed())
    said = rollout("approve", *words, "--reason", "x")
    assert (said.code, last(path)) == (code, None)
    assert message in said.err


def test_a_rung_is_of_the_run_of_the_plan_that_is_named(rollout: Typist, tmp_path: Path) -> None:
    """A journal may hold runs of several plans; the newest is that of another one."""
    path = begun(tmp_path, climbed())
    with journal.open(str(path)) as book:
        book.create("other", replace(climbed(), plan="imagined"), plan_file="gone.yml", created_by="me@here")
    a_plan_folder(tmp_path / "fleet")
    for name, run in (("imagined", "other"), ("plan", "run")):
        file = tmp_path / "fleet" / "plan.yml"
        file.write_text(file.read_text().replace("rollout: imagined", f"rollout: {name}"))
        said = rollout("approve", str(file), "--through", "one", "--reason", "x", "--journal", str(path))
        assert said.code == 0, said.err
        assert f"run {run}: approved: what comes after one may begin" in said.out
    file.write_text(file.read_text().replace("rollout: plan", "rollout: third"))
    said = rollout("approve", str(file), "--through", "one", "--reason", "x", "--journal", str(path))
    assert "the journal has no run of plan 'third'" in said.err


def test_an_approval_that_is_there_already_says_who_gave_it(rollout: Typist, tmp_path: Path) -> None:
    begun(tmp_path, climbed())
    assert rollout("approve", "--through", "pairs", "--reason", "seen").code == 0
    said = rollout("approve", "--through", "one", "--reason", "seen too")
    assert said.code == 0  # a job that is tried again
    assert f"what comes after one is approved already: seen ({_runs.me()})" in said.out


def test_a_plan_that_asks_nobody(rollout: Typist, tmp_path: Path) -> None:
    begun(tmp_path, a_graph({"a": 2}))
    said = rollout("approve", "--through", "one", "--reason", "x")
    assert said.code == 64
    assert "asks for no approval (`waves.approve`): nothing waits for one" in said.err


def test_four_eyes_are_not_those_of_who_began_the_run(rollout: Typist, tmp_path: Path) -> None:
    user = _runs.me().rpartition("@")[0]
    path = begun(tmp_path, climbed(four_eyes=True), by=f"{user}@elsewhere")
    said = rollout("approve", "--through", "one", "--reason", "x")
    assert (said.code, last(path)) == (64, None)
    assert f"was begun by {user}@elsewhere, so somebody else must approve it" in said.err
    assert "no proof of who sits there" in said.err


def test_others_may_approve_under_four_eyes(rollout: Typist, tmp_path: Path) -> None:
    begun(tmp_path, climbed(four_eyes=True))
    assert rollout("approve", "--through", "one", "--reason", "x").code == 0


@pytest.fixture
def soaking(tmp_path: Path) -> Path:
    """a1 soaks for years; a2 and a3 wait for it. Its controller has died."""
    path = tmp_path / ".rollout" / "journal.sqlite3"
    path.parent.mkdir()
    graph = a_graph({"a": 3}, a_plan(soak=Soak(LONG, LONG)))
    inbox = VirtualInbox(1_700_000_000)
    with journal.open(str(path), inbox.now) as book:
        book.create("run", graph, plan_file="plan.yml", created_by="me@here")
        with pytest.raises(Died):
            an_engine(graph, DyingJournal(book, SOAKS, committed=True), World(inbox.now), inbox).run()
    return path


@pytest.mark.parametrize(
    ("words", "host", "data"), [([], None, {}), (["a/1"], None, {"wave": "a/1"}), (["a1"], "a1", {})]
)
def test_a_soak_can_be_cut_short(
    rollout: Typist, soaking: Path, words: list[str], host: str | None, data: dict[str, str]
) -> None:
    said = rollout("promote", *words, "--reason", "the fix is urgent")
    assert said.code == 0, said.err
    assert "1 host (a1): promote asked: the gates are asked at once; up to " in said.out
    assert "of soak are given up: a defect that shows only then will meet more hosts." in said.out
    event = last(soaking)
    assert event is not None
    assert (event.kind, event.host, dict(event.data)) == (Kind.PROMOTED, host, data)
    assert event.because == f"the fix is urgent ({_runs.me()})"
    again = rollout("promote", *words, "--reason", "again")
    assert again.code == 64
    assert "its soak was ended already" in again.err


@pytest.mark.parametrize(
    ("what", "message"),
    [
        ("a2", "a2 does not soak now: 1 waiting"),
        ("a/2", "a/2 does not soak now: 2 waiting"),
        ("a/11", "run run has no wave and no host 'a/11'; did you mean 'a/1'?"),
    ],
)
def test_what_does_not_soak_is_refused(rollout: Typist, soaking: Path, what: str, message: str) -> None:
    said = rollout("promote", what, "--reason", "x")
    assert said.code == 64
    assert message in said.err


def test_a_run_goes_on_after_a_cut_soak(rollout: Typist, soaking: Path) -> None:
    rollout("promote", "--reason", "x")
    inbox = VirtualInbox(1_700_000_400)
    with journal.open(str(soaking), inbox.now) as book:
        stop = an_engine(book.graph("run"), book, World(inbox.now), inbox).run()
        verified = [event for event in book.events("run", host="a1") if event.kind is Kind.VERIFIED]
    assert stop.exit_code == 0
    assert verified[0].at < 1_700_001_000
    assert "a person cut its soak short" in verified[0].because


def test_a_host_is_left_out_and_put_back(rollout: Typist, tmp_path: Path) -> None:
    path = a_run(tmp_path, a_graph({"a": 3}), failing("a1"))
    said = rollout("skip", "a2", "--reason", "its owner is away")
    assert said.code == 0, said.err
    assert "a2: skip asked: it is left out of this run, untouched; `rollout retry` puts it back. " in said.out
    event = last(path)
    assert event is not None
    assert (event.kind, event.host) == (Kind.SKIPPED, "a2")
    assert "a2    a/2   excluded" in rollout("hosts").out
    assert rollout("why", "a2").out.startswith("a2 (wave a/2) is excluded: its owner is away (")
    assert "a2 is left out already" in rollout("skip", "a2", "--reason", "x").err
    assert "it is excluded already" in rollout("retire", "a2", "--reason", "x").err
    assert rollout("retry", "a2", "--reason", "back").code == 0
    assert "a2    a/2   waiting" in rollout("hosts").out


def test_the_last_canary_is_left_out_with_a_warning(rollout: Typist, tmp_path: Path) -> None:
    begun(tmp_path, a_graph({"a": 4}, a_plan(waves=(Amount(2), Amount(4)))))
    assert "no canary is left" not in rollout("skip", "a1", "--reason", "x").out
    said = rollout("skip", "a2", "--reason", "x")
    assert (
        "; no canary is left in a/1, and without one that is verified nothing that waits for it begins."
        in said.out
    )
    assert "no canary" not in rollout("skip", "a3", "--reason", "x").out


@pytest.mark.parametrize(
    ("host", "message"),
    [
        ("a1", "a1 cannot be left out: it is held; only a host that has not begun can; `rollout retire`"),
        ("b1", "b1 cannot be left out: it is verified; only a host that has not begun can; there is nothing"),
    ],
)
def test_only_a_host_that_has_not_begun_is_left_out(
    rollout: Typist, tmp_path: Path, host: str, message: str
) -> None:
    a_run(tmp_path, a_graph({"a": 2, "b": 2}), failing("a1"))
    said = rollout("skip", host, "--reason", "x")
    assert said.code == 64
    assert message in said.err


def test_a_run_without_its_skipped_hosts_is_done(rollout: Typist, tmp_path: Path) -> None:
    path = begun(tmp_path, a_graph({"a": 3}))
    rollout("skip", "a3", "--reason", "x")
    inbox = VirtualInbox(1_700_000_000)
    with journal.open(str(path), inbox.now) as book:
        stop = an_engine(book.graph("run"), book, World(inbox.now), inbox).run()
        assert [row.status for row in book.hosts("run")] == [
            Status.VERIFIED,
            Status.VERIFIED,
            Status.EXCLUDED,
        ]
    assert (stop.exit_code, stop.because) == (
        0,
        "finished: 2 verified, 0 held, 0 not started, 1 excluded",
    )
    assert rollout("skip", "a1", "--reason", "x").code == 64


@pytest.mark.parametrize("words", [["approve", "--through", "one"], ["promote"]])
def test_nothing_is_asked_of_a_run_that_is_over(rollout: Typist, tmp_path: Path, words: list[str]) -> None:
    a_run(tmp_path, a_graph({"a": 1}))
    said = rollout(*words, "--reason", "x")
    assert said.code == 64
    assert "run run is over: finished: 1 verified" in said.err


def test_a_rehearsal_asks_nobody_and_a_run_waits(rollout: Typist, tmp_path: Path) -> None:
    plan = a_plan_folder(tmp_path / "here")
    waves = "waves: {sizes: [1, 100%], soak: 0s, approve: {after: 1, four_eyes: true}}"
    plan.write_text(plan.read_text().replace("waves: {sizes: [1, 100%], soak: 0s}", waves))
    said = rollout("rehearse", "here/plan.yml", "-v")
    assert said.code == 0, said.err
    assert "approved through 1: nobody is asked in a rehearsal" in said.out
    assert "a: 2 verified of 2 hosts" in said.out
