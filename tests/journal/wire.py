"""A wire between a client and the PostgreSQL server that a test can cut, at any word and on either side of it."""

import selectors
import socket
import threading
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import Self

from tests.journal.postgres_server import Server

READY = b"Z\0\0\0\5"
"""How the server ends each of its answers; one letter follows."""


@dataclass
class Cut:
    """At the `at`th thing that clients say from now on: before the server hears it, or after it has answered.

    `every`: again and again, on either side in turn.
    """

    at: int
    heard: bool
    every: bool = False
    said: int = 0
    made: int = 0

    @property
    def reached(self) -> bool:
        return self.said >= self.at

    def falls_now(self) -> bool:
        """One thing more is said."""
        self.said += 1
        if self.said != self.at:
            return False
        self.made += 1
        if self.every:
            self.said = 0
        return True

    def is_heard(self) -> bool:
        return self.heard != (self.every and self.made % 2 == 0)


class Wire:
    def __init__(self, server: Server) -> None:
        self._server = server
        self._cut = Cut(1_000_000, heard=False)
        self._folder = TemporaryDirectory(prefix="rollout-wire-")
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(Path(self._folder.name, server.socket.name)))
        self._listener.listen()
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._folder.cleanup()

    @property
    def url(self) -> str:
        return self._server.url(Path(self._folder.name))

    def cut(self, at: int, *, heard: bool, every: bool = False) -> Cut:
        self._cut = Cut(at, heard, every)
        return self._cut

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._carry, args=(client,), daemon=True).start()

    def _carry(self, client: socket.socket) -> None:
        with client, socket.socket(socket.AF_UNIX) as server, selectors.DefaultSelector() as ready:
            try:
                server.connect(str(self._server.socket))
                ready.register(client, selectors.EVENT_READ, server)
                ready.register(server, selectors.EVENT_READ, client)
                while all(self._passed_on(key.fileobj, key.data, client) for key, _ in ready.select()):
                    pass
            except OSError:
                return

    def _passed_on(self, source: object, other: socket.socket, client: socket.socket) -> bool:
        assert isinstance(source, socket.socket)
        data = source.recv(1 << 16)
        if source is client and data and data[:1] != b"X" and self._cut.falls_now():
            if self._cut.is_heard():
                other.sendall(data)
                other.settimeout(0.3)  # of several messages in a row only the last has an answer
                while READY not in other.recv(1 << 16):
                    pass
            return False
        if data:
            other.sendall(data)
        return bool(data)
