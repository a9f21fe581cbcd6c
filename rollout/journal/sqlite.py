"""The journal's file: making it, refusing what is not one, transactions, and SQLite's errors in our words.

Write-ahead log, every commit synced to the disk. All processes that use it are on one machine, for SQLite's log is shared memory.
"""

import contextlib
import errno
import os
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rollout.errors import JournalError, JournalFull
from rollout.journal.database import Connection, Result
from rollout.journal.network import refuse_network
from rollout.journal.statements import SCHEMA, VERSION, schema

_APPLICATION_ID = 0x726F6C6C
"""`roll`: written in the file's header, so that another program's database is not taken for a journal."""

_BUSY_SECONDS = 30.0
"""A transaction takes milliseconds: whoever waits this long waits for a stuck process."""

_ATTEMPTS = 3
"""SQLite answers `busy` at once, without waiting, while another process recovers the log of one that was killed."""

_NO_ROOM = frozenset(
    {
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_IOERR_WRITE,  # a quota, or a limit on the size of files
        sqlite3.SQLITE_IOERR_SHMSIZE,
    }
)


class SqliteDatabase:
    """A `rollout.journal.database.Database`: one connection, opened when first needed. Never makes a file unless asked to `make` it."""

    lease = None

    def __init__(self, where: str, clock: Callable[[], float]) -> None:
        self.path = Path(where).absolute()
        self._clock = clock
        self._connection: sqlite3.Connection | None = None

    def exists(self) -> bool:
        """Whether there is anything at the path. An empty file, or database, is a journal whose maker died or is not done: as good as none."""
        try:
            return self._connection is not None or (self.path.stat().st_size > 0 and self._is_filled())
        except FileNotFoundError:
            return False
        except OSError as error:
            raise self._os_error(error) from error

    def _is_filled(self) -> bool:
        connection = self._connect()
        with self._closed_on_error(connection):
            filled = _is_made(connection)
        connection.close()
        return filled

    def make(self) -> None:
        """The file (0600), its folder (0700) and the tables, unless they are there."""
        if self.exists():
            return
        refuse_network(self.path)
        try:
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            with contextlib.suppress(FileExistsError):
                os.close(os.open(self.path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
        except OSError as error:
            raise self._os_error(error) from error
        connection = self._connect()
        with self._closed_on_error(connection):
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("BEGIN IMMEDIATE")
            if not _is_made(connection):
                for statement in _schema().split(";\n"):
                    connection.execute(statement)
                connection.execute(VERSION, (SCHEMA, self._clock()))
                connection.execute(f"PRAGMA application_id = {_APPLICATION_ID}")
            connection.execute("COMMIT")
            self._check(connection)
        self._connection = connection

    def connection(self) -> sqlite3.Connection:
        """The connection to a file that is known to be a journal of our schema."""
        if self._connection is None:
            connection = self._connect()
            with self._closed_on_error(connection):
                self._check(connection)
            self._connection = connection
        return self._connection

    def time(self, given: float | None) -> float:  # noqa: ARG002  the database runs inside this process
        """By the clock of the process that writes."""
        return self._clock()

    def read(self, statement: str, values: Sequence[object] = ()) -> list[Any]:
        connection = self.connection()
        try:
            return connection.execute(statement, values).fetchall()
        except sqlite3.Error as error:
            raise self._error(error) from error

    def snapshot(self, work: Callable[[Connection], Result]) -> Result:
        with self._begun("BEGIN") as connection:
            return work(connection)

    def transact(
        self,
        work: Callable[[Connection], Result],
        done: Callable[[Connection, Result], bool],  # noqa: ARG002  a commit that gives an error was not made
    ) -> Result:
        with self._begun("BEGIN IMMEDIATE") as connection:
            return work(connection)

    @contextmanager
    def transaction(
        self,
        head: Callable[[Connection], Result],
        again: Callable[[Connection], bool],  # noqa: ARG002  no connection that could be lost
    ) -> Iterator[tuple[Connection, Result]]:
        with self._begun("BEGIN IMMEDIATE") as connection:
            yield connection, head(connection)

    def creating(self, connection: Connection) -> None:
        """There is one writer at a time anyway."""

    def close(self) -> None:
        """The last one to close folds the write-ahead log into the file."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    @contextmanager
    def _begun(self, begin: str) -> Iterator[sqlite3.Connection]:
        connection = self.connection()
        try:
            self._begin(connection, begin)
            yield connection
            connection.execute("COMMIT")
        except BaseException as error:
            if connection.in_transaction:
                with contextlib.suppress(sqlite3.Error):
                    connection.execute("ROLLBACK")
            if isinstance(error, sqlite3.Error):
                raise self._error(error) from error
            raise

    def _begin(self, connection: sqlite3.Connection, begin: str) -> None:
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                connection.execute(begin)
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or attempt == _ATTEMPTS:
                    raise
            else:
                return

    def _connect(self) -> sqlite3.Connection:
        refuse_network(self.path)
        try:
            connection = sqlite3.connect(self.path, timeout=_BUSY_SECONDS, isolation_level=None)
        except sqlite3.Error as error:
            raise self._error(error) from error
        with self._closed_on_error(connection):
            connection.execute("PRAGMA synchronous = FULL")
            connection.execute("PRAGMA foreign_keys = ON")
        return connection

    def _check(self, connection: sqlite3.Connection) -> None:
        (application_id,) = connection.execute("PRAGMA application_id").fetchone()
        if application_id != _APPLICATION_ID:
            raise JournalError(f"{self.path} is a database, but not a journal of rollout")
        (version,) = connection.execute("SELECT max(version) FROM journal").fetchone()
        if version != SCHEMA:
            raise JournalError(
                f"the journal {self.path} has schema {version}, and this rollout knows schema {SCHEMA}: use the version that wrote it"
            )

    @contextmanager
    def _closed_on_error(self, connection: sqlite3.Connection) -> Iterator[None]:
        try:
            yield
        except BaseException as error:
            connection.close()
            if isinstance(error, sqlite3.Error):
                raise self._error(error) from error
            raise

    def _error(self, error: sqlite3.Error) -> JournalError:
        code = getattr(error, "sqlite_errorcode", 0)
        if code in _NO_ROOM:
            return JournalFull(f"no room left to write the journal {self.path} ({error})")
        if code == sqlite3.SQLITE_NOTADB:
            return JournalError(f"{self.path} is not a journal of rollout, nor any database")
        if code & 0xFF == sqlite3.SQLITE_BUSY:
            return JournalError(
                f"another process has kept the journal {self.path} busy for {_BUSY_SECONDS:.0f} s"
            )
        return JournalError(f"the journal {self.path} could not be used: {error}")

    def _os_error(self, error: OSError) -> JournalError:
        kind = JournalFull if error.errno in {errno.ENOSPC, errno.EDQUOT} else JournalError
        return kind(f"the journal {self.path} could not be used: {error.strerror}")


def _is_made(connection: sqlite3.Connection) -> bool:
    """Whether another process made the tables while we waited, or the file is somebody else's."""
    return connection.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchone() is not None


def _schema() -> str:
    if sqlite3.sqlite_version_info < (3, 37):
        return schema().replace(" STRICT, ", " ").replace(" STRICT;", ";")
    return schema()
