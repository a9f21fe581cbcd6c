"""Asking a host, and turning what could not be asked into a verdict."""

from collections.abc import Iterable
from fnmatch import fnmatchcase

from rollout.errors import HostKeyRefused, HostUnreachable, SshError
from rollout.model.seams import Answer, Ran, Subject, Verdict
from rollout.ssh.output import is_cut
from rollout.ssh.printable import printable

SHARE = 0.8
"""Of the gate's timeout, for the command: a command that hangs is reported as such before the engine stops waiting."""


def ask(subject: Subject, script: str) -> Ran | Verdict:
    """Run a POSIX shell script over a fresh connection.

    A host that is unreachable, or whose key is refused, fails the gate; a connection that cannot be set up is an error.
    """
    try:
        with subject.connect() as connection:
            return connection.run(script, subject.timeout * SHARE)
    except HostKeyRefused as error:
        return Verdict(Answer.FAIL, f"security stop: {error}", {"reached": False, "host_key": "refused"})
    except HostUnreachable as error:
        return Verdict(Answer.FAIL, str(error), {"reached": False})
    except SshError as error:
        return Verdict(Answer.ERROR, str(error))


def lines(ran: Ran, end: str) -> list[tuple[str, str]] | None:
    """The `key value` lines of a script that says `end` when it has come to its end; None if it has not, or was cut."""
    said = ran.out.splitlines()
    if ran.code or is_cut(ran.out) or not said or said[-1] != end:
        return None
    return [(key, value.strip()) for key, _, value in (line.partition(" ") for line in said[:-1])]


def last_words(ran: Ran) -> str:
    """The end of what a command said about going wrong, for a person."""
    words = (ran.err.strip() or ran.out.strip()).splitlines()
    return printable(words[-1]) if words else f"exit code {ran.code}, and it said nothing"


def any_glob(value: str, globs: Iterable[str]) -> bool:
    """Whether one of the globs fits; upper and lower case differ."""
    return any(fnmatchcase(value, glob) for glob in globs)
