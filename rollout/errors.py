"""The errors of rollout. Each has an exit code; its docstring is its message when none is given.

RolloutError (1)
 +-- UsageError (64)
 +-- PlanInvalid (65)         every mistake of the files at once, each with its place
 +-- PlanStale (6)            what would be applied is not what was planned
 +-- Locked (5)               another controller holds the run
 |    +-- Amended (5)         its plan was amended meanwhile: read its graph again
 +-- ApprovalMissing (7)
 +-- NotNow (8)               a window or a pause forbids it
 +-- InventoryError
 +-- JournalError
 |    +-- JournalFull
 |    +-- LeaseLost (5)       another controller holds the run by now
 |    +-- LimitReached        the journal counted, and refused the intent
 |    +-- Behind              someone else wrote; read, fold, decide again
 +-- SshError
 |    +-- HostUnreachable
 |    +-- HostKeyRefused      a changed or unknown host key: a security stop, never retried
 |    +-- SshUnsupported      an SSH option that our own connection cannot honour
 +-- LabError
"""

import errno
from dataclasses import dataclass
from typing import ClassVar

DONE, ERROR, HAS_CHANGES, HALTED, HELD_WITHIN_BUDGET = 0, 1, 2, 3, 4
TIME_BUDGET_USED, INTERRUPTED, TERMINATED = 75, 130, 143


OURS = frozenset({
    *(errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO, errno.EFBIG),
    *(errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EAGAIN),
    *(errno.EACCES, errno.EPERM, errno.ENOENT, errno.ENOTDIR),
})  # fmt: skip
"""What a call of the operating system says when this machine, and no other, is in trouble."""


def of_this_machine(error: BaseException) -> str | None:
    """What this machine lacks, if that is what the error is about; then no host is to blame."""
    if isinstance(error, MemoryError):
        return "no memory left"
    if isinstance(error, RuntimeError) and "start new thread" in str(error):
        return "no more threads can be started"
    if isinstance(error, OSError) and error.errno in OURS:
        return f"{error.strerror}{f' ({error.filename})' if error.filename else ''}"
    return None


class RolloutError(Exception):
    """Something went wrong."""

    exit_code: ClassVar[int] = ERROR

    def __str__(self) -> str:
        """The sentence given, or the docstring of the kind."""
        return super().__str__() or (type(self).__doc__ or "").strip()


class UsageError(RolloutError):
    """The command line cannot be understood."""

    exit_code = 64


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """A position in a file that a person wrote; line and column count from 1."""

    file: str
    line: int = 1
    column: int = 1

    def __str__(self) -> str:
        """`file:line:column`, as editors understand it."""
        return f"{self.file}:{self.line}:{self.column}"


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """One mistake: where it is, what is wrong, and (as part of the sentence) what was expected."""

    place: Place
    message: str

    def __str__(self) -> str:
        """One line for a terminal."""
        return f"{self.place}: {self.message}"


class PlanInvalid(RolloutError):
    """The plan has mistakes."""

    exit_code = 65

    def __init__(self, problems: "list[Problem] | tuple[Problem, ...]") -> None:
        self.problems = tuple(sorted(set(problems)))
        super().__init__("\n".join(str(problem) for problem in self.problems))


class PlanStale(RolloutError):
    """What would be applied is not what was planned."""

    exit_code = 6


class Locked(RolloutError):
    """Another controller holds this run."""

    exit_code = 5


class Amended(Locked):
    """The run was amended meanwhile."""


class ApprovalMissing(RolloutError):
    """Nobody has approved this plan."""

    exit_code = 7


class NotNow(RolloutError):
    """A window or a pause forbids it now."""

    exit_code = 8


class InventoryError(RolloutError):
    """The Ansible inventory could not be read."""


class JournalError(RolloutError):
    """The journal could not be read or written."""


class JournalFull(JournalError):
    """There is no room left for the journal."""


class LeaseLost(JournalError):
    """Another controller has taken this run over; this one has stopped writing."""

    exit_code = 5


class LimitReached(JournalError):
    """The intent would take a slot over its limit."""


class Behind(JournalError):
    """The journal has events that this controller has not read yet."""


class SshError(RolloutError):
    """An SSH connection failed."""


class HostUnreachable(SshError):
    """The host does not answer over SSH."""


class HostKeyRefused(SshError):
    """The host key is unknown or has changed."""


class SshUnsupported(SshError):
    """An SSH option of the inventory cannot be honoured by our own connection."""


class LabError(RolloutError):
    """The virtual data centre cannot do that."""
