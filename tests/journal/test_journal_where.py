"""What names a journal: paths on local disks, and URLs whose passwords stay secret."""

from contextlib import nullcontext
from pathlib import Path

import psycopg
import pytest

from rollout import journal
from rollout.errors import JournalError
from rollout.journal import network
from rollout.journal.address import LEASE, Address
from tests.journal import postgres_server
from tests.journal.journal_world import begun

SECRET = "s3cret"


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("postgresql://db/rollout", "postgresql://db/rollout"),
        ("postgresql:///rollout?service=prod", "postgresql:///rollout?service=prod"),
        (f"postgres://ada:{SECRET}@db:5433/rollout", "postgres://ada@db:5433/rollout"),
        (f"postgresql://ada:{SECRET}:{SECRET}@[::1]:5433,db2/x", "postgresql://ada@[::1]:5433,db2/x"),
        (f"postgresql://db/x?password={SECRET}&sslmode=require", "postgresql://db/x?sslmode=require"),
        (f"postgresql://:{SECRET}@/x?host=/run/postgresql", "postgresql://@/x?host=/run/postgresql"),
        (f"postgresql://db/x?sslpassword={SECRET}", "postgresql://db/x"),
    ],
)
def test_a_url_is_shown_without_its_password(url: str, name: str) -> None:
    assert journal.without_password(url) == name
    assert Address.of(url).url == url


@pytest.mark.parametrize(
    "url",
    [
        f"postgresql://ada:pa@{SECRET}@db/x",
        f"postgresql://ada:pa/{SECRET}@db/x",
        f"postgresql://ada:pa?{SECRET}@db/x",
        f"postgresql://ada:pa#{SECRET}@db/x",
        f"postgresql://ada:{SECRET}/x",
        f"postgresql:/ada:{SECRET}@db/x",
        f"postgresql://ada:%zz{SECRET}@db/x",
        f"postgresql://db/x?pasword={SECRET}",
        f"postgresql://db/x?{SECRET}",
    ],
)
def test_a_url_that_is_not_understood_is_refused_without_a_word_of_it(url: str) -> None:
    with pytest.raises(JournalError, match="the URL of the journal") as refused:
        journal.open(url)
    assert SECRET not in str(refused.value)
    assert refused.value.__cause__ is None


@pytest.mark.parametrize(
    ("query", "lease"), [("", LEASE), ("?rollout_lease=90", 90.0), ("?a=b&rollout_lease=30", 30.0)]
)
def test_the_lease_is_ours_and_not_libpqs(query: str, lease: float) -> None:
    found = Address.of(f"postgresql://db/x{query}")
    assert found.lease == lease
    assert "rollout_lease" not in found.url


@pytest.mark.parametrize("given", ["", "29", "-60", "soon", "1e3"])
def test_a_lease_that_is_too_short_is_refused(given: str) -> None:
    with pytest.raises(JournalError, match="is not a number of seconds from 30"):
        Address.of(f"postgresql://db/x?rollout_lease={given}")


# --- a server ------------------------------------------------------------------------------------------------------------------


def test_a_server_that_is_not_there_is_one_clear_error_at_once(tmp_path: Path) -> None:
    with (
        journal.open(f"postgresql://ada:{SECRET}@/x?host={tmp_path}") as opened,
        pytest.raises(JournalError, match="cannot be reached") as refused,
    ):
        opened.runs()
    assert SECRET not in str(refused.value)


def test_passwords_come_from_libpqs_places_and_are_never_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    server = postgres_server.shared()
    server.fresh()
    with (
        journal.open(f"postgresql://asks:{SECRET}@127.0.0.1:{server.port}/postgres") as opened,
        pytest.raises(JournalError, match="password authentication failed") as refused,
    ):
        opened.runs()
    assert SECRET not in str(refused.value)
    monkeypatch.setenv("PGPASSWORD", postgres_server.PASSWORD)
    with journal.open(f"postgresql://asks@127.0.0.1:{server.port}/postgres") as opened:
        begun(opened)
        assert opened.run().fence == 1


def test_another_user_may_not_read_it() -> None:
    server = postgres_server.shared()
    with journal.open(server.fresh()) as opened:
        begun(opened)
    asks = f"postgresql://asks:{postgres_server.QUOTED}@127.0.0.1:{server.port}/postgres"
    with journal.open(asks) as opened, pytest.raises(JournalError, match="permission denied"):
        opened.runs()


def test_looking_leaves_no_trace_in_a_database() -> None:
    server = postgres_server.shared()
    with journal.open(server.fresh()) as opened:
        assert opened.runs() == []
        with pytest.raises(JournalError, match="no run yet"):
            opened.run()
    with psycopg.connect(server.url()) as raw:
        assert raw.execute("SELECT to_regnamespace('rollout') IS NULL").fetchone() == (True,)


def test_what_is_no_journal_of_ours_is_refused_and_left_alone() -> None:
    server = postgres_server.shared()
    url = server.fresh()
    server.admin("CREATE SCHEMA rollout", "CREATE TABLE rollout.run (id text)")
    with journal.open(url) as opened, pytest.raises(JournalError, match="is not a journal of rollout"):
        begun(opened)


def test_a_newer_schema_of_a_database_is_refused() -> None:
    server = postgres_server.shared()
    with journal.open(server.fresh()) as opened:
        begun(opened)
    server.admin("INSERT INTO rollout.journal (version, created_at) VALUES (4, 0)")
    with (
        journal.open(server.url()) as opened,
        pytest.raises(JournalError, match="has schema 4, and this rollout knows schema 3"),
    ):
        opened.run()


def test_a_database_that_can_only_be_read_is_one_clear_error() -> None:
    server = postgres_server.shared()
    with journal.open(server.fresh()) as opened:
        begun(opened)
    with journal.open(f"{server.url()}&options=-cdefault_transaction_read_only%3Don") as opened:
        assert opened.run().fence == 1
        with pytest.raises(JournalError, match="can only be read there"):
            opened.create("other", opened.graph(opened.run().id), plan_file="p", created_by="ada")


# --- file systems --------------------------------------------------------------------------------------------------------------

MOUNTS = r"""
22 1 254:1 / / rw,relatime shared:1 - ext4 /dev/vda1 rw
30 22 0:40 / /srv rw - nfs4 nas:/srv rw,vers=4.2
31 30 254:2 / /srv/local rw - xfs /dev/vdb rw
32 22 0:41 / /mnt/with\040space rw - cifs //nas/share rw
33 22 0:42 / /home/ada/far rw - fuse.sshfs ada@far:/ rw
34 22 0:43 / /home/ada/near rw - fuse.gocryptfs /home/ada/.near rw
35 22 0:44 / /over rw - nfs nas:/over rw
36 35 254:3 / /over rw - btrfs /dev/vdc rw
37 22 0:45 / /guest rw - 9p share rw,trans=virtio
38 22 0:46 / /ceph rw - ceph 10.0.0.1:/ rw
"""


@pytest.mark.parametrize(
    ("path", "kind", "refused"),
    [
        ("/var/lib/j.sqlite3", "ext4", False),
        ("/srv/j.sqlite3", "nfs4", True),
        ("/srv2/j.sqlite3", "ext4", False),
        ("/srv/local/j.sqlite3", "xfs", False),
        ("/mnt/with space/j.sqlite3", "cifs", True),
        ("/home/ada/far/j.sqlite3", "fuse.sshfs", True),
        ("/home/ada/near/j.sqlite3", "fuse.gocryptfs", False),
        ("/over/j.sqlite3", "btrfs", False),
        ("/guest/j.sqlite3", "9p", True),
        ("/ceph/j.sqlite3", "ceph", True),
    ],
)
def test_network_file_systems_are_known(
    path: str, kind: str, refused: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mounts = tmp_path / "mountinfo"
    mounts.write_text(MOUNTS, encoding="utf-8")
    monkeypatch.setattr(network, "MOUNTS", mounts)
    assert network.filesystem(Path(path), MOUNTS) == kind
    wanted = pytest.raises(JournalError, match=rf"network file system \({kind}\)")
    with wanted if refused else nullcontext():
        network.refuse_network(Path(path))


def test_no_file_is_made_on_a_network_file_system(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mounts = tmp_path / "mountinfo"
    mounts.write_text(f"1 1 0:1 / {tmp_path} rw - nfs4 nas:/x rw\n", encoding="utf-8")
    monkeypatch.setattr(network, "MOUNTS", mounts)
    path = tmp_path / "far" / "journal.sqlite3"
    with (
        journal.open(str(path)) as opened,
        pytest.raises(JournalError, match=r"--journal postgresql://\.\.\."),
    ):
        begun(opened)
    assert not path.parent.exists()


def test_where_nothing_tells_of_mounts_nothing_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(network, "MOUNTS", tmp_path / "none")
    network.refuse_network(tmp_path)
