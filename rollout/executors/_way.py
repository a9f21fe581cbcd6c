"""Why a host was unreachable, where Ansible's ssh does not say it."""

import re
from collections.abc import Callable
from dataclasses import replace

from rollout.errors import HostKeyRefused, SshError
from rollout.executors._text import sentence
from rollout.executors._unit import Result
from rollout.model.seams import Connection, Ending

UNTOLD = re.compile(r"closed by UNKNOWN port|kex_exchange_identification: |Permission denied \(")
"""With ControlPersist ssh throws away what the way to a bastion said; and it never says that a key wants a passphrase."""


def cause_asked(connect: Callable[[], Connection], host: str, result: Result) -> Result:
    """The result, with what a connection of our own says about the way; a host key that it refuses is a security stop."""
    elsewhere = re.match(r"on \S+: ", result.because)
    if result.ending != Ending.UNREACHABLE or elsewhere or not UNTOLD.search(result.because):
        return result
    try:
        with connect():
            told = f"{result.because}; a connection of our own to {host} gets through by now"
    except HostKeyRefused as error:
        return Result(Ending.REFUSED, sentence(f"the host key was refused: {error}"), result.task)
    except (SshError, OSError) as error:
        told = f"{result.because}; a connection of our own says: {error}"
    return replace(result, because=sentence(told))
