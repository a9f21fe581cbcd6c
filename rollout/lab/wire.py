"""How a lab's supervisor is talked to: one JSON object a line over a unix socket, one answer each."""

import json
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from rollout.errors import LabError
from rollout.lab.places import Places

_PATIENCE = 30.0


def ask(places: Places, do: str, **arguments: Any) -> dict[str, Any]:
    """Ask the supervisor, which answers within moments; LabError if there is none, or with the words of its refusal."""
    try:
        with address(places) as path, socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(_PATIENCE)
            connection.connect(path)
            connection.sendall(json.dumps({"do": do, **arguments}).encode() + b"\n")
            line = connection.makefile().readline()
    except TimeoutError as error:
        raise LabError(
            f"the lab's supervisor does not answer (asked to {do}): rollout lab down ends it"
        ) from error
    except OSError as error:
        raise LabError(f"no lab runs in {places.directory}") from error
    if not line:
        raise LabError(f"the lab's supervisor died when asked to {do}, see {places.log}")
    answer: dict[str, Any] = json.loads(line)
    if "refused" in answer:
        raise LabError(answer["refused"])
    return answer


@contextmanager
def address(places: Places) -> Iterator[str]:
    """A name for the socket that fits the 108 bytes of a unix address however long the directory's path is."""
    handle = os.open(places.directory, os.O_PATH | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{handle}/{places.socket.name}"
    finally:
        os.close(handle)
