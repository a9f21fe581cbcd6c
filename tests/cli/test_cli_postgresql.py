"""The commands with a journal on PostgreSQL."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from rollout import cli, journal
from rollout.errors import LeaseLost
from rollout.journal import Journal, Lease, Owner
from rollout.model.event import Event, Kind
from tests.cli.worlds import Typist
from tests.fleet import a_graph
from tests.journal import postgres_server

ELSEWHERE = replace(Owner.current(), boot_id="another", machine="ctl2", user="bob")


@pytest.fixture
def url() -> str:
    """With a password in it."""
    server = postgres_server.shared()
    server.fresh()
    return f"postgresql://asks:{postgres_server.QUOTED}@127.0.0.1:{server.port}/postgres"


@pytest.fixture
def book(url: str) -> Iterator[Journal]:
    with journal.open(url) as opened:
        opened.create("run", a_graph({"a": 2}), plan_file="plan.yml", created_by="bob@ctl2")
        yield opened


@pytest.fixture
def held(book: Journal) -> Lease:
    return book.claim("run", ELSEWHERE)


@pytest.mark.parametrize(
    "words",
    [["status"], ["why", "a1"], ["hosts"], ["events"], ["pause", "--reason", "lunch"]],
    ids=lambda words: str(words[0]),
)
def test_a_password_is_never_shown(rollout: Typist, book: Journal, url: str, words: list[str]) -> None:
    said = rollout(*words, "--journal", url)
    assert (said.code, said.err) == (0, "")
    assert "s3cret" not in said.out
    assert book.run().id == "run"


def test_the_command_that_is_printed_finds_the_journal(rollout: Typist, book: Journal, url: str) -> None:
    said = rollout("pause", "--reason", "lunch", "--journal", url)
    shown = journal.without_password(url)
    assert f"`rollout resume --journal {shown}` carries it on" in said.out
    assert [event.kind for event in book.events("run")] == [Kind.PAUSED]


def test_an_empty_database_has_no_run_yet(rollout: Typist, url: str) -> None:
    said = rollout("status", "--journal", url)
    assert (said.code, said.err) == (1, "rollout: the journal has no run yet\n")


def test_a_url_with_an_open_question_is_refused_without_a_word_of_it(rollout: Typist) -> None:
    said = rollout("status", "--journal", "postgresql://ada:pa@s3cret@db/x")
    assert said.code == 1
    assert said.err.startswith("rollout: the URL of the journal cannot be understood")
    assert "s3cret" not in said.err


def test_a_holder_on_another_machine_has_its_lease(rollout: Typist, held: Lease, url: str) -> None:
    said = rollout("resume", "--journal", url)
    assert said.code == 5
    assert "held by bob on ctl2" in said.err
    assert "taken for dead once it has been silent for 60 s" in said.err
    assert held.fence == 1


def test_status_says_that_a_lease_has_lapsed(rollout: Typist, held: Lease, url: str) -> None:
    postgres_server.shared().admin("UPDATE rollout.run SET renewed_at = renewed_at - 61")
    said = rollout("status", "--journal", url)
    assert "has let its lease lapse" in said.out
    assert held.fence == 1


def test_unlock_takes_the_run_from_who_cannot_be_seen(
    rollout: Typist, book: Journal, held: Lease, url: str
) -> None:
    book.request("run", Event(Kind.PAUSED, "lunch"))
    said = rollout("unlock", "--reason", "ctl2 has burnt down", "--journal", url)
    assert (said.code, said.err) == (0, "")
    assert "taken from bob on ctl2" in said.out
    row = book.run()
    assert (row.owner, row.fence) == (None, 2)
    assert row.ended is not None
    assert (row.ended.exit_code, row.ended.because[:29]) == (3, "unlocked: ctl2 has burnt down")
    assert "ctl2 has burnt down" in list(book.events("run"))[-1].because
    with pytest.raises(LeaseLost):
        book.renew(held)


def test_unlock_leaves_a_run_to_who_is_seen_to_live(rollout: Typist, book: Journal, url: str) -> None:
    book.claim("run", Owner.current())
    said = rollout("unlock", "--reason", "impatience", "--journal", url)
    assert said.code == 5
    assert book.run().owner == Owner.current()


def test_unlock_of_what_nobody_holds_is_a_mistake(rollout: Typist, book: Journal, url: str) -> None:
    said = rollout("unlock", "--reason", "x", "--journal", url)
    assert (said.code, said.err) == (64, "rollout: nobody holds run run\n")
    assert book.run().fence == 0


def test_a_controller_that_was_taken_over_ends_like_one_that_is_locked_out(
    rollout: Typist, book: Journal, held: Lease, monkeypatch: pytest.MonkeyPatch
) -> None:
    book.claim("run", Owner.current(), force=True)
    monkeypatch.setattr(cli.command, "main", lambda **_: book.renew(held))
    said = rollout("resume")
    assert said.code == 5
    assert said.err.startswith("rollout: run 'run' was taken over by ")
    assert "begins nothing more; what it had begun goes on" in said.err


def test_failures_are_grouped_and_tried_out_of_a_database(
    rollout: Typist, book: Journal, held: Lease, url: str, tmp_path: Path
) -> None:
    with book.writing(held, book.run("run").seq) as writing:
        for host in ("a1", "a2"):
            words = f"E: held broken packages on {host}"
            data = {"ending": "failed", "task": "Install"}
            writing.append(Event(Kind.FAILED, words, host, "upgrade", 1, data))
    said = rollout("failures", "--journal", url)
    assert said.code == 0
    assert "2 failures on 2 hosts, 1 cause" in said.out
    assert "s3cret" not in said.out
    mark = said.out.splitlines()[2].split()[0]
    assert rollout("failures", "--journal", url, "--draft", mark, "-o", "risk.yml").code == 0
    tried = rollout("risks", "test", "risk.yml", "--journal", url)
    assert (tried.code, "fits 2 failures on 2 hosts (a1, a2)" in tried.out) == (0, True)
    assert "s3cret" not in tried.out + (tmp_path / "risk.yml").read_text()
