"""A server that keeps notes as GitLab does, over real HTTP: pages, owners, limits. For tests."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

TOKEN, ME, OTHER = "glpat-secret", 7, 8
REQUEST = "/projects/infra%2Ffleet/merge_requests/3/notes"

Answer = tuple[int, dict[str, str], Any]
Trouble = Callable[[str, str], Answer | None]
"""What is answered to a method and a path instead; None: as usual."""


class Server:
    """`trouble` is asked before a request is carried out, `after` when it was: each once, in order. Either may raise ConnectionError to hang up."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._lock = threading.Lock()
        self.forget()

    def forget(self) -> None:
        """All of it."""
        self.notes: dict[int, dict[str, Any]] = {}
        self.merged: dict[str, list[dict[str, Any]]] = {}
        self.asked: list[tuple[str, str]] = []
        self.trouble: list[Trouble] = []
        self.after: list[Trouble] = []

    def add(self, body: str, author: int = ME, *, system: bool = False) -> int:
        with self._lock:
            number = 100 + len(self.asked) + len(self.notes) + max(self.notes, default=0)
            self.notes[number] = {"id": number, "body": body, "author": {"id": author}, "system": system}
        return number

    def answer(self, method: str, target: str, token: str | None, sent: Any) -> Answer:
        """Of one request."""
        url = urlsplit(target)
        self.asked.append((method, url.path))
        if self.trouble and (told := self.trouble.pop(0)(method, url.path)) is not None:
            return told
        if token != TOKEN:
            return 401, {}, {"message": "401 Unauthorized"}
        found = self._usual(method, url.path, parse_qs(url.query), sent)
        if self.after and (told := self.after.pop(0)(method, url.path)) is not None:
            return told
        return found

    def _usual(self, method: str, path: str, asked: dict[str, list[str]], sent: Any) -> Answer:
        if path == "/user":
            return 200, {}, {"id": ME}
        if path.startswith("/projects/infra%2Ffleet/repository/commits/"):
            return 200, {}, self.merged.get(path.split("/")[-2], [])
        if path == REQUEST:
            return self._all(asked) if method == "GET" else (201, {}, self.notes[self.add(sent["body"])])
        return self._one(method, int(path.rpartition("/")[2]) if path.startswith(f"{REQUEST}/") else 0, sent)

    def _all(self, asked: dict[str, list[str]]) -> Answer:
        size, page = int(asked["per_page"][0]), int(asked["page"][0])
        assert asked["sort"] == ["asc"]
        assert size <= 100
        return 200, {}, list(self.notes.values())[(page - 1) * size : page * size]

    def _one(self, method: str, number: int, sent: Any) -> Answer:
        if number not in self.notes:
            return 404, {}, {"message": "404 Not found"}
        if method == "DELETE":
            del self.notes[number]
            return 204, {}, None
        self.notes[number]["body"] = sent["body"]
        return 200, {}, self.notes[number]

    @property
    def bodies(self) -> list[str]:
        """Of the notes of the token's owner, oldest first."""
        return [note["body"] for note in self.notes.values() if note["author"]["id"] == ME]

    def count(self, method: str) -> int:
        """How many such requests came."""
        return sum(asked == method for asked, _ in self.asked)


@contextmanager
def serving() -> Iterator[Server]:
    """One on loopback, with its API at `Server.url`."""

    class Handler(BaseHTTPRequestHandler):
        def _any(self) -> None:
            size = int(self.headers.get("Content-Length") or 0)
            sent = json.loads(self.rfile.read(size)) if size else None
            try:
                status, headers, body = found.answer(
                    self.command, self.path, self.headers.get("PRIVATE-TOKEN"), sent
                )
            except ConnectionError:
                self.close_connection = True
                return
            text = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(text))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(text)

        def do_GET(self) -> None:
            self._any()

        def do_POST(self) -> None:
            self._any()

        def do_PUT(self) -> None:
            self._any()

        def do_DELETE(self) -> None:
            self._any()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002  the library's name
            """Nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as listening:
        found = Server(f"http://127.0.0.1:{listening.server_port}")
        thread = threading.Thread(target=listening.serve_forever)
        thread.start()
        try:
            yield found
        finally:
            listening.shutdown()
            thread.join()
