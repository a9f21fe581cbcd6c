"""What only a journal on the disk has to withstand."""

import os
import sqlite3
import stat
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest

from rollout import journal
from rollout.errors import JournalError, JournalFull
from rollout.journal.sqlite import SqliteDatabase
from rollout.journal.tables import TableJournal
from rollout.model.event import Event, Kind
from rollout.model.state import HostState
from tests.journal.children import child, said
from tests.journal.journal_world import ME, RUN, Controller, begun, graph

HERE = Path(__file__).parent
DONE = Event(Kind.DONE, "x" * 2_000, "h1", "stage", 1)


@pytest.fixture
def path(tmp_path: Path) -> str:
    return str(tmp_path / ".rollout" / "journal.sqlite3")


# --- the file ----------------------------------------------------------------------------------------------------------------


def test_nobody_else_may_read_it(path: str) -> None:
    old = os.umask(0)
    try:
        with journal.open(path) as opened:
            begun(opened).write(DONE)
            modes = {name.name: _mode(name) for name in Path(path).parent.iterdir()}
    finally:
        os.umask(old)
    assert modes == dict.fromkeys(["journal.sqlite3", "journal.sqlite3-shm", "journal.sqlite3-wal"], 0o600)
    assert _mode(Path(path).parent) == 0o700


def test_looking_leaves_no_trace(path: str) -> None:
    with journal.open(path) as opened:
        assert opened.runs() == []
        with pytest.raises(JournalError, match="no run yet"):
            opened.run()
        with pytest.raises(JournalError, match="no run 'x'"):
            opened.claim("x", ME)
    assert not Path(path).parent.exists()


def test_it_is_read_again_by_another_object(path: str) -> None:
    with journal.open(path) as opened:
        written = begun(opened).write(DONE, HostState("h1", because="kept"))
    with journal.open(path) as again:
        assert again.graph(RUN) == graph()
        assert list(again.events(RUN)) == [written]
        assert again.load(RUN, graph())[1] == {"h1": HostState("h1", because="kept")}


def test_so_is_an_empty_database(path: str) -> None:
    """Its maker was killed, or a reader comes, between the first page and the tables."""
    Path(path).parent.mkdir()
    with closing(sqlite3.connect(path)) as maker:
        maker.execute("PRAGMA journal_mode = WAL")
        assert Path(path).stat().st_size
        with journal.open(path) as reader:
            assert reader.runs() == []
        maker.execute("BEGIN IMMEDIATE")
        maker.execute("CREATE TABLE run (number INTEGER)")
        with journal.open(path) as reader:
            assert reader.runs() == []
        maker.execute("ROLLBACK")
    with journal.open(path) as opened:
        opened.create(RUN, graph(), plan_file="p", created_by="ada")
        assert opened.run().id == RUN


def test_an_empty_file_is_a_journal_whose_maker_died(path: str) -> None:
    Path(path).parent.mkdir()
    Path(path).touch()
    with journal.open(path) as opened:
        assert opened.runs() == []
        begun(opened)
        assert opened.run().id == RUN


@pytest.mark.parametrize("text", ["rollout: tokyo\nhosts: all\n" * 100, "\0" * 8192], ids=["text", "zeros"])
def test_a_file_that_is_no_database_is_refused_and_left_alone(path: str, text: str) -> None:
    Path(path).parent.mkdir()
    Path(path).write_text(text, encoding="utf-8")
    with journal.open(path) as opened:
        with pytest.raises(JournalError, match="is not a journal of rollout"):
            opened.runs()
        with pytest.raises(JournalError, match="is not a journal of rollout"):
            begun(opened)
    assert Path(path).read_text(encoding="utf-8") == text


def test_a_database_of_another_program_is_refused_and_left_alone(path: str) -> None:
    Path(path).parent.mkdir()
    with closing(sqlite3.connect(path)) as other, other:
        other.execute("CREATE TABLE run (id TEXT)")
    before = Path(path).read_bytes()
    with (
        journal.open(path) as opened,
        pytest.raises(JournalError, match="a database, but not a journal of rollout"),
    ):
        begun(opened)
    assert Path(path).read_bytes() == before


def test_a_newer_schema_is_refused(path: str) -> None:
    with journal.open(path) as opened:
        begun(opened)
    with closing(sqlite3.connect(path)) as newer, newer:
        newer.execute("INSERT INTO journal (version, created_at) VALUES (4, 0)")
    with (
        journal.open(path) as opened,
        pytest.raises(JournalError, match="has schema 4, and this rollout knows schema 3"),
    ):
        opened.run()


def test_an_event_of_a_newer_version_is_one_clear_error(path: str) -> None:
    with journal.open(path) as opened:
        begun(opened).write(DONE)
        with closing(sqlite3.connect(path)) as newer, newer:
            newer.execute("UPDATE event SET kind = 'host-teleported'")
        with pytest.raises(
            JournalError, match=r"event 1 is of a kind .* \('host-teleported'\): a newer one wrote it"
        ):
            list(opened.events(RUN))


def test_a_folder_in_its_place_is_one_clear_error(path: str) -> None:
    Path(path).mkdir(parents=True)
    with journal.open(path) as opened, pytest.raises(JournalError, match="could not be used"):
        opened.runs()


def test_a_file_in_the_place_of_its_folder_is_one_clear_error(path: str) -> None:
    Path(path).parent.touch()
    with journal.open(path) as opened, pytest.raises(JournalError, match="could not be used"):
        opened.runs()


def test_damage_is_one_clear_error(path: str) -> None:
    with journal.open(path) as opened:
        begun(opened, graph([f"host-{i}" for i in range(200)]))
    content = bytearray(Path(path).read_bytes())
    content[4096:] = b"\xff" * (len(content) - 4096)
    Path(path).write_bytes(content)
    with journal.open(path) as opened, pytest.raises(JournalError, match="could not be used"):
        opened.runs()


def test_rows_that_contradict_each_other_cannot_be_written(path: str) -> None:
    with journal.open(path) as opened:
        begun(opened)
    with closing(sqlite3.connect(path)) as raw:
        raw.execute("PRAGMA foreign_keys = ON")
        with pytest.raises(sqlite3.IntegrityError):
            raw.execute("INSERT INTO slot VALUES (1, 'fleet', 'h9')")
        with pytest.raises(sqlite3.IntegrityError):
            raw.execute("INSERT INTO event VALUES (7, 1, 0, 'step-done', NULL, NULL, 0, '', NULL)")


def test_what_another_controller_kept_in_between_is_not_mistaken_for_ones_own(path: str) -> None:
    with journal.open(path) as first, journal.open(path) as second:
        one = begun(first)
        one.write(DONE)
        first.release(one.lease, 3, "paused")
        two = Controller(second, second.claim(RUN, ME), 1)
        two.run.paused = "lunch"
        two.write(DONE)
        second.release(two.lease, 3, "paused")
        again = Controller(first, first.claim(RUN, ME), 2)
        again.write(DONE)
        assert second.load(RUN, graph())[0] == again.run


# --- no room -----------------------------------------------------------------------------------------------------------------


def test_a_full_database_stops_the_writer_and_goes_on_when_there_is_room(path: str) -> None:
    with TableJournal(database := SqliteDatabase(path, time.time)) as opened:
        controller = begun(opened)
        connection = database.connection()
        (pages,) = connection.execute("PRAGMA page_count").fetchone()
        connection.execute(f"PRAGMA max_page_count = {pages + 3}")
        with pytest.raises(JournalFull, match="no room left to write the journal"):
            _fill(controller)
        written = controller.run.seq
        assert opened.run().seq == written
        connection.execute(f"PRAGMA max_page_count = {pages + 1_000}")
        assert controller.write(DONE).seq == written + 1


def test_a_file_that_may_not_grow_stops_the_writer_at_the_commit(path: str) -> None:
    with journal.open(path) as opened:
        opened.create(RUN, graph(), plan_file="p", created_by="ada")
        with child("fill", path, "200000") as process:
            stopped, *sentence = said(process).split()
            assert " ".join(sentence).startswith("no room left to write the journal")
            assert int(said(process)) == int(stopped) + 1
        assert [event.seq for event in opened.events(RUN)] == list(range(1, int(stopped) + 2))


def test_no_room_for_the_first_file(tmp_path: Path) -> None:
    script = f"mount -t tmpfs -o size=20k none {tmp_path} && exec {sys.executable} -c '{_CREATE}' {tmp_path}/j.sqlite3"
    env = {**os.environ, "PYTHONPATH": os.pathsep.join([str(HERE.parents[1]), str(HERE)])}
    command = ["unshare", "--mount", "--map-root-user", "sh", "-c", script]
    done = subprocess.run(command, capture_output=True, text=True, env=env, check=False)
    if "mount" in done.stderr or "unshare" in done.stderr:
        pytest.skip(f"a small tmpfs cannot be mounted here: {done.stderr.strip()}")
    assert done.stdout.startswith("no room left to write the journal")


_CREATE = """
import sys
from tests.journal.children import child, said
from tests.journal.journal_world import begun
from rollout import journal
from rollout.errors import JournalFull
with journal.open(sys.argv[1]) as opened:
    try: begun(opened)
    except JournalFull as full: print(full)
"""


def _fill(controller: Controller) -> None:
    for _ in range(1_000):
        controller.write(DONE)


def _mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)
