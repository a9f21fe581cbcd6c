"""Several processes at one journal: racing, killed at any moment, frozen past their lease."""

import random
import signal
import time
from pathlib import Path

import pytest

from rollout import journal
from rollout.errors import Behind, Locked
from rollout.model.event import Event, Kind
from tests.journal import postgres_server
from tests.journal.children import child, said, say
from tests.journal.journal_world import ME, RUN, begun, graph


@pytest.fixture(params=["sqlite", "postgresql"])
def where(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A path, or a URL."""
    if request.param == "postgresql":
        return postgres_server.shared().fresh()
    return str(tmp_path / ".rollout" / "journal.sqlite3")


def test_of_two_that_race_for_a_run_exactly_one_gets_it(where: str) -> None:
    runs = [f"run-{i}" for i in range(30)]
    with journal.open(where) as opened:
        for run in runs:
            opened.create(run, graph(), plan_file="p", created_by="ada")
        with child("race", where, "30") as first, child("race", where, "30") as second:
            racers = (first, second)
            assert [said(racer) for racer in racers] == ["ready", "ready"]
            for racer in racers:
                say(racer)
            won = [said(racer).split() for racer in racers]
            assert sorted(won[0] + won[1]) == sorted(runs)
            assert {opened.run(run).fence for run in runs} == {1}
            for number, racer in enumerate(racers):
                holders = {run.owner.pid for run in opened.runs() if run.owner and run.id in won[number]}
                assert holders <= {racer.pid}


def test_who_was_frozen_past_its_lease_is_refused_when_it_wakes() -> None:
    server = postgres_server.shared()
    with journal.open(server.fresh()) as opened:
        opened.create(RUN, graph(), plan_file="p", created_by="ada")
        with child("hold", server.url()) as frozen:
            assert said(frozen) == "written"
            frozen.send_signal(signal.SIGSTOP)
            with pytest.raises(Locked, match=r"taken for dead once it has been silent for 60 s \(now 0 s\)"):
                opened.claim(RUN, ME)
            server.admin("UPDATE rollout.run SET renewed_at = renewed_at - 60")
            lease = opened.claim(RUN, ME)
            frozen.send_signal(signal.SIGCONT)
            say(frozen)
            assert said(frozen).startswith("LeaseLost: run 'tokyo-1' was taken over by")
        assert (lease.fence, opened.run().seq) == (2, 1)


def test_a_database_of_the_cluster_is_shared_by_plans(where: str) -> None:
    """Two controllers, two runs: nobody waits for anybody."""
    with journal.open(where) as one, journal.open(where) as two:
        first = begun(one)
        two.create("other", graph(), plan_file="p", created_by="bob")
        lease = two.claim("other", ME)
        with two.writing(lease, 0) as writing:
            writing.append(Event(Kind.DONE, "", "h1", "stage", 1))
            if "://" in where:
                first.write(Event(Kind.DONE, "", "h1", "stage", 1))
        assert (one.run("other").seq, one.run(RUN).seq) == (1, int("://" in where))


def test_the_second_controller_is_told_who_holds_the_run(where: str) -> None:
    with journal.open(where) as opened:
        opened.create(RUN, graph(), plan_file="p", created_by="ada")
        with child("write", where) as process:
            assert said(process) == "writing"
            with pytest.raises(Locked, match=f"pid {process.pid}"):
                opened.claim(RUN, ME)


def test_killed_before_the_commit_nothing_is_there(where: str) -> None:
    with journal.open(where) as opened:
        opened.create(RUN, graph(), plan_file="p", created_by="ada")
        with child("stop", where) as process:
            assert said(process) == "inside"
            process.kill()
            process.wait()
            lease = opened.claim(RUN, ME)
        assert (lease.fence, opened.run().seq, opened.slots(RUN)) == (2, 0, {})
        assert opened.load(RUN, graph())[1] == {}


def test_killed_at_any_moment_a_transaction_is_there_whole_or_not_at_all(where: str) -> None:
    spread = random.Random(1)
    with journal.open(where) as opened:
        opened.create(RUN, graph(), plan_file="p", created_by="ada")
    for kill in range(5):
        with child("write", where) as process:
            assert said(process) == "writing"
            time.sleep(spread.uniform(0.0, 0.05))
            process.send_signal(signal.SIGKILL)
            process.wait()
        with journal.open(where) as opened:
            state, hosts, later = opened.load(RUN, graph())
            assert opened.run().fence == kill + 1
            assert (state.seq % 3, later) == (0, [])
            assert [event.seq for event in opened.events(RUN)] == list(range(1, state.seq + 1))
            assert {host.attempt for host in hosts.values()} == ({state.seq // 3} if state.seq else set())
            held = state.seq // 3 % 2 == 1
            assert opened.slots(RUN).get("fleet", []) == (["h1", "h2", "h3"] if held else [])


def test_requests_of_several_processes_are_all_there(where: str) -> None:
    with journal.open(where) as opened:
        controller = begun(opened)
        with child("ask", where, "a", "40") as first, child("ask", where, "b", "40") as second:
            mine = 0
            while first.poll() is None or second.poll() is None or mine < 40:
                for event in opened.events(RUN, after=controller.run.seq):
                    controller.run.seq = event.seq
                try:
                    controller.write(Event(Kind.DONE, "", "h1", "stage", mine + 1))
                    mine += 1
                except Behind:
                    continue
            assert (first.wait(), second.wait()) == (0, 0)
        events = list(opened.events(RUN))
    assert [event.seq for event in events] == list(range(1, len(events) + 1))
    asked = [event.because for event in events if event.kind is Kind.PAUSED]
    assert sorted(asked) == sorted(f"{who} {i}" for who in "ab" for i in range(40))
    assert [event.attempt for event in events if event.kind is Kind.DONE] == list(range(1, mine + 1))
