"""A request from a test to a server in the lab's network, which is not the test's own."""

import ctypes
import http.client
import json
import os
import socket
import threading
from pathlib import Path
from typing import Any

from rollout.lab import Lab

_CLONE_NEWNET = 0x40000000
_PATIENCE = 10.0


class NotAnswered(Exception):
    """Nobody listens there, or what came is no HTTP answer with code 200."""


def get(lab: Lab, port: int, path: str) -> Any:
    """The JSON that the server on the control network's loopback answers with; None for text that is none."""
    return _request(lab, port, "GET", path, None)


def post(lab: Lab, port: int, path: str, sent: Any) -> Any:
    """The same, for an object sent as JSON."""
    return _request(lab, port, "POST", path, json.dumps(sent))


def _request(lab: Lab, port: int, method: str, path: str, body: str | None) -> Any:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=_PATIENCE)
    try:
        connection.sock = _connected(lab, port)
        connection.request(method, path, body, {"Content-Type": "application/json"})
        answer = connection.getresponse()
        said = answer.read().decode()
    except (OSError, http.client.HTTPException) as error:
        raise NotAnswered(f"port {port}: {error}") from error
    finally:
        connection.close()
    if answer.status != 200:
        raise NotAnswered(f"{method} {path}: {answer.status} {said[:300]}")
    try:
        return json.loads(said)
    except ValueError:
        return None


def _connected(lab: Lab, port: int) -> socket.socket:
    """A socket belongs to the network in which it was made, and a thread alone can go there: one that ends afterwards."""
    made: list[socket.socket | OSError] = []
    namespace = os.open(Path(f"/proc/{lab.status().pid}/ns/net"), os.O_RDONLY)

    def make() -> None:
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.setns(namespace, _CLONE_NEWNET):
            made.append(OSError(ctypes.get_errno(), "setns"))
            return
        try:
            made.append(socket.create_connection(("127.0.0.1", port), _PATIENCE))
        except OSError as error:
            made.append(error)

    thread = threading.Thread(target=make)
    thread.start()
    thread.join()
    os.close(namespace)
    if isinstance(made[0], OSError):
        raise made[0]
    return made[0]
