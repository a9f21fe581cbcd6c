"""A server on loopback that answers as a test says, HTTP or not, for each connection in a thread."""

import contextlib
import json
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, urlsplit

LIMIT = 30.0
"""Seconds after which the server gives a connection up, so that no thread outlives its test for long."""


@dataclass(frozen=True, slots=True)
class Asked:
    method: str
    path: str
    query: list[tuple[str, str]]
    headers: dict[str, str]
    body: bytes

    @property
    def words(self) -> dict[str, str]:
        """The query, and what a form holds."""
        form = self.headers.get("content-type") == "application/x-www-form-urlencoded"
        return dict(self.query) | (dict(parse_qsl(self.body.decode())) if form else {})


Raw = Callable[[socket.socket], None]
Answer = bytes | Raw
Respond = bytes | Callable[[Asked], Answer]


@dataclass(slots=True)
class Served:
    """A server that runs: what it was asked, in order."""

    url: str
    asked: list[Asked] = field(default_factory=list)
    closing: threading.Event = field(default_factory=threading.Event)


def reply(data: Any, status: str = "200 OK", *headers: str) -> bytes:
    """An answer with a JSON body, or with the bytes given."""
    body = data if isinstance(data, bytes) else json.dumps(data).encode()
    head = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", "Content-Type: application/json", *headers]
    return "\r\n".join([*head, "", ""]).encode() + body


@contextlib.contextmanager
def serving(respond: Respond, tls: ssl.SSLContext | None = None, greets: bytes = b"") -> Iterator[Served]:
    """Serve until the block ends. A server that greets says so much at once, and hangs up."""
    listener = socket.create_server(("127.0.0.1", 0))
    scheme = "https" if tls else "http"
    served = Served(f"{scheme}://127.0.0.1:{listener.getsockname()[1]}")
    threads: list[threading.Thread] = []

    def accept() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            one = threading.Thread(
                target=_serve, args=(connection, respond, tls, served, greets), daemon=True
            )
            threads.append(one)
            one.start()

    accepting = threading.Thread(target=accept, daemon=True)
    accepting.start()
    try:
        yield served
    finally:
        served.closing.set()
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        accepting.join(LIMIT)
        for thread in threads:
            thread.join(LIMIT)


def _serve(
    connection: socket.socket, respond: Respond, tls: ssl.SSLContext | None, served: Served, greets: bytes
) -> None:
    with connection:
        connection.settimeout(LIMIT)
        try:
            if greets:
                connection.sendall(greets)
            elif tls is None:
                _talk(connection, respond, served)
            else:
                with tls.wrap_socket(connection, server_side=True) as wrapped:
                    _talk(wrapped, respond, served)
        except OSError:
            return


def _talk(connection: socket.socket, respond: Respond, served: Served) -> None:
    stream = connection.makefile("rb")
    with stream:
        while not served.closing.is_set():
            asked = _read(stream)
            if asked is None:
                return
            served.asked.append(asked)
            answer = respond if isinstance(respond, bytes) else respond(asked)
            if not isinstance(answer, bytes):
                answer(connection)
                return
            connection.sendall(answer)


def _read(stream: Any) -> Asked | None:
    first = stream.readline(65536).decode("latin-1").split()
    if len(first) < 2:
        return None
    headers: dict[str, str] = {}
    while line := stream.readline(65536).strip():
        name, _, value = line.decode("latin-1").partition(":")
        headers[name.strip().lower()] = value.strip()
    parts = urlsplit(first[1])
    body = stream.read(int(headers.get("content-length", 0)))
    return Asked(first[0], parts.path, parse_qsl(parts.query), headers, body)


def gone(connection: socket.socket) -> None:
    connection.close()


def half(connection: socket.socket) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{")


BROKEN: list[tuple[str, Respond, str]] = [
    ("no JSON", reply(b"<html>\x1b[31m"), "inconclusive: SERVER did not answer with JSON: '<html> [31m'"),
    ("NaN", reply(b'{"a": NaN}'), "inconclusive: SERVER did not answer with JSON: '{\"a\": NaN}'"),
    ("deep", reply(b"[" * 100_000), "inconclusive: SERVER did not answer with JSON"),
    ("bytes", reply(b"\xff\xfe"), "inconclusive: SERVER did not answer with JSON"),
    ("no HTTP", b"SSH-2.0-OpenSSH\r\n\r\n", "inconclusive: SERVER broke off: illegal status line"),
    ("hangs up", lambda _: gone, "inconclusive: SERVER broke off: Server disconnected"),
    ("half", lambda _: half, "inconclusive: SERVER broke off: peer closed connection"),
    ("endless head", b"HTTP/1.1 200 OK\r\nX: " + b"x" * 500_000, "inconclusive: SERVER broke off: "),
    ("401", reply(b"", "401 Unauthorized"), "error: SERVER wants credentials (401)"),
    ("403", reply(b"", "403 Forbidden"), "error: SERVER does not allow it (403)"),
    ("404", reply(b"", "404 Gone"), "error: SERVER has no /api/v1/query (404): is the url right?"),
    ("400", reply({"error": "parse\nerror"}, "400 Bad"), "error: SERVER answers (400): parse error"),
    ("429", reply(b"", "429 Many"), "inconclusive: SERVER asks us to come back later (429)"),
    ("500", reply(["x"], "500 Oh"), "inconclusive: SERVER answers (500)"),
    ("503", reply("full", "503 Oh"), "inconclusive: SERVER answers (503): full"),
    (
        "redirect",
        reply(b"", "302 Found", "Location: https://me:secret@login.example.org/x?token=secret"),
        "error: SERVER redirects to https://login.example.org/x (302), which is not followed: name the right url",
    ),
    ("redirect to nowhere", reply(b"", "302 Found", "Location: http://[x"), "error: SERVER redirects to"),
    (
        "gzip bomb",
        reply(b"\x1f\x8b\x08", "200 OK", "Content-Encoding: gzip"),
        "error: SERVER compresses its answer (gzip), which was not asked for",
    ),
]
