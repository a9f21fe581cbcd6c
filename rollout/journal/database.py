"""What the tables of a journal need of a database: so much, and no more, differs between SQLite and PostgreSQL."""

from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol, TypeVar

Result = TypeVar("Result")


class Cursor(Protocol):
    """What a statement gave."""

    @property
    def rowcount(self) -> int: ...
    def fetchone(self) -> Any: ...
    def fetchall(self) -> list[Any]: ...


class Connection(Protocol):
    """Takes the statements of `rollout.journal.statements`."""

    def execute(self, statement: str, values: Sequence[object] = ..., /) -> Cursor: ...
    def executemany(self, statement: str, rows: Iterable[Sequence[object]], /) -> Cursor: ...


class Database(Protocol):
    """Where the tables are. Raises JournalError and JournalFull, never an error of the database's own kind.

    A lost connection is made again where there is one to lose; that is why a transaction says how to find out what became of it.
    """

    @property
    def lease(self) -> float | None:
        """Seconds that a holder who cannot be seen may be silent; None: no time-out decides."""

    def exists(self) -> bool:
        """Whether there is a journal. Raises JournalError for something else in its place."""

    def make(self) -> None:
        """The tables, unless they are there."""

    def time(self, given: float | None) -> float:
        """Seconds since the epoch. `given`: what the database answered in the place of `/*now*/NULL`."""

    def read(self, statement: str, values: Sequence[object] = ()) -> list[Any]:
        """One statement, which sees one consistent state by itself."""

    def snapshot(self, work: Callable[[Connection], Result]) -> Result:
        """Several statements that see one consistent state, and write nothing."""

    def transact(
        self, work: Callable[[Connection], Result], done: Callable[[Connection, Result], bool]
    ) -> Result:
        """All or nothing. `work` is done again after a lost connection, unless `done` finds that what it gave was committed."""

    def transaction(
        self, head: Callable[[Connection], Result], again: Callable[[Connection], bool]
    ) -> AbstractContextManager[tuple[Connection, Result]]:
        """All or nothing, of statements that come from outside and cannot be asked for twice. `head` comes first, and locks.

        After a lost connection `again` locks again, and says whether the whole was committed. If not, what was written is
        written again; `again` raises if that may not be.
        """

    def creating(self, connection: Connection) -> None:
        """From here to the end of the transaction nobody else creates a run."""

    def close(self) -> None: ...
