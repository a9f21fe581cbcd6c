"""One connection to a PostgreSQL server that takes the journal's statements, and a transaction that can be written again."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from typing import Any, TypeVar

import psycopg
from psycopg.adapt import Buffer, Loader
from psycopg.types.numeric import Int8Dumper

from rollout.errors import JournalError
from rollout.journal.database import Connection

Result = TypeVar("Result")

_NOW = "extract(epoch FROM clock_timestamp())::float8"
"""Of a row that had to be waited for: after the wait if it was altered meanwhile, before it if nothing had happened to it."""

_ESCAPE = "\x1a"


class Session:
    """A `rollout.journal.database.Connection`. What a statement gave is to be fetched before the next one. Raises psycopg.Error."""

    def __init__(self, raw: "psycopg.Connection[Any]") -> None:
        raw.adapters.register_loader("text", _TextLoader)
        raw.adapters.register_dumper(int, Int8Dumper)  # one width, so that a statement is prepared once
        self._raw = raw
        self._cursor = raw.cursor()

    @property
    def lost(self) -> bool:
        return self._raw.closed

    @property
    def encoding(self) -> str:
        """The database's."""
        return self._raw.info.parameter_status("server_encoding") or ""

    def execute(self, statement: str, values: Sequence[object] = (), /) -> "psycopg.Cursor[Any]":
        return self._cursor.execute(_translated(statement), _without_nul(values) or None)

    def executemany(self, statement: str, rows: Iterable[Sequence[object]], /) -> "psycopg.Cursor[Any]":
        self._cursor.executemany(_translated(statement), [_without_nul(row) for row in rows])
        return self._cursor

    def commit(self) -> None:
        """Raises JournalError for a transaction in which an error was passed over: the server undoes it without a word."""
        if self.execute("COMMIT").statusmessage != "COMMIT":
            raise JournalError("the journal undid a transaction in which something had failed")

    def rollback(self) -> None:
        """If anything is left to undo."""
        if self.lost or self._raw.info.transaction_status is psycopg.pq.TransactionStatus.IDLE:
            return
        try:
            self.execute("ROLLBACK")
        except psycopg.Error:
            self.close()

    @contextmanager
    def rolled_back(self) -> Iterator[None]:
        """Whatever was not committed inside."""
        try:
            yield
        finally:
            self.rollback()

    def close(self) -> None:
        self._raw.close()


class Script:
    """A transaction whose statements come one by one; after a lost connection what it wrote is written again.

    What it read stays true meanwhile, because `again` finds the lease unchanged: nobody else may write those rows.
    """

    def __init__(
        self,
        session: Session,
        patiently: Callable[[Callable[[Session], Any]], Any],
        again: Callable[[Connection], bool],
    ) -> None:
        self._session = session
        self._patiently = patiently
        self._again = again
        self._written: list[Callable[[Session], Any]] = []

    def execute(self, statement: str, values: Sequence[object] = (), /) -> "psycopg.Cursor[Any]":
        def act(session: Session) -> "psycopg.Cursor[Any]":
            return session.execute(statement, values)

        return self._kept(act, reads=statement.startswith("SELECT"))

    def executemany(self, statement: str, rows: Iterable[Sequence[object]], /) -> "psycopg.Cursor[Any]":
        given = list(rows)

        def act(session: Session) -> "psycopg.Cursor[Any]":
            return session.executemany(statement, given)

        return self._kept(act, reads=False)

    def commit(self) -> None:
        """Once, whatever becomes of the connection. Raises JournalError when that cannot be."""
        self._on_a_connection(Session.commit)

    def rollback(self) -> None:
        self._session.rollback()

    def _kept(self, act: "Callable[[Session], psycopg.Cursor[Any]]", *, reads: bool) -> "psycopg.Cursor[Any]":
        cursor: psycopg.Cursor[Any] = self._on_a_connection(act)
        if not reads:
            self._written.append(act)
        return cursor

    def _on_a_connection(self, act: Callable[[Session], Any]) -> Any:
        try:
            return act(self._session)
        except psycopg.Error:
            if not self._session.lost:
                raise
        return self._patiently(lambda session: self._repeat(session, act))

    def _repeat(self, session: Session, act: Callable[[Session], Any]) -> Any:
        """All that was written and then `act`, unless all of it was committed: only a commit can find that."""
        self._session = session
        session.execute("BEGIN")
        if self._again(session):
            return session.rollback()
        for written in self._written:
            written(session)
        return act(session)


class _TextLoader(Loader):
    def load(self, data: Buffer) -> str:
        text = str(data, "utf-8")
        return text.replace(f"{_ESCAPE}0", "\0").replace(f"{_ESCAPE}1", _ESCAPE) if _ESCAPE in text else text


def _without_nul(values: Sequence[object]) -> list[object]:
    """PostgreSQL's text has no NUL; a host's output may."""
    return [
        value.replace(_ESCAPE, f"{_ESCAPE}1").replace("\0", f"{_ESCAPE}0")
        if isinstance(value, str) and ("\0" in value or _ESCAPE in value)
        else value
        for value in values
    ]


@cache
def _translated(statement: str) -> bytes:
    text = statement.replace("/*now*/NULL", _NOW).replace("/*lock*/", "FOR UPDATE")
    return text.replace("?", "%s").encode()
