"""A client of the YAML language server that editors use, over its standard streams."""

import json
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from queue import Queue
from threading import Thread
from typing import IO, Any, cast

HERE = Path(__file__).parent
PROGRAM = HERE / "node_modules" / "yaml-language-server" / "bin" / "yaml-language-server"
PATIENCE = 120.0
"""Seconds that an answer may take on a loaded machine."""


class LanguageServer:
    """Speaks for one editor. Lines and columns count from 0, as in the protocol."""

    def __init__(self, process: "subprocess.Popen[bytes]") -> None:
        self._input = cast("IO[bytes]", process.stdin)
        self._said: Queue[dict[str, Any]] = Queue()
        self._last = 0
        self._opened = 0
        self._reader = Thread(target=self._read, args=(cast("IO[bytes]", process.stdout),))
        self._reader.start()

    def initialize(self, folder: Path) -> None:
        capabilities = {
            "textDocument": {"completion": {"completionItem": {"snippetSupport": False}}},
            "workspace": {"configuration": True},
        }
        uri = folder.as_uri()
        self.ask("initialize", processId=None, rootUri=uri, capabilities=capabilities)
        self._tell("initialized")

    def close(self) -> None:
        """As an editor takes its leave; the process ends."""
        self.ask("shutdown")
        self._tell("exit")

    def join(self) -> None:
        self._reader.join()

    def open(self, file: Path, text: str) -> list[dict[str, Any]]:
        """What is wrong with a file that was just opened in the editor."""
        self._opened += 1
        document = {"uri": file.as_uri(), "languageId": "yaml", "version": self._opened, "text": text}
        self._tell("textDocument/didOpen", textDocument=document)
        while True:
            said = self._next()
            if (
                said.get("method") == "textDocument/publishDiagnostics"
                and said["params"]["uri"] == file.as_uri()
            ):
                found: list[dict[str, Any]] = said["params"]["diagnostics"]
                return found

    def completions(self, file: Path, line: int, column: int) -> dict[str, dict[str, Any]]:
        """Label -> item."""
        said = self._at("textDocument/completion", file, line, column)
        items: Sequence[dict[str, Any]] = said["items"] if isinstance(said, Mapping) else said or ()
        return {item["label"]: item for item in items}

    def hover(self, file: Path, line: int, column: int) -> str:
        said = self._at("textDocument/hover", file, line, column)
        return "" if said is None else str(said["contents"]["value"])

    def _at(self, method: str, file: Path, line: int, column: int) -> Any:
        position = {"line": line, "character": column}
        return self.ask(method, textDocument={"uri": file.as_uri()}, position=position)

    def ask(self, method: str, **params: Any) -> Any:
        """The result of a request. What the server asks meanwhile is answered with nothing."""
        self._last += 1
        self._send({"id": self._last, "method": method, "params": params})
        while True:
            said = self._next()
            if said.get("id") == self._last and "method" not in said:
                assert "error" not in said, said
                return said["result"]

    def _tell(self, method: str, **params: Any) -> None:
        self._send({"method": method, "params": params})

    def _send(self, message: Mapping[str, Any]) -> None:
        content = json.dumps({"jsonrpc": "2.0", **message}).encode()
        self._input.write(b"Content-Length: %d\r\n\r\n%b" % (len(content), content))
        self._input.flush()

    def _next(self) -> dict[str, Any]:
        said = self._said.get(timeout=PATIENCE)
        if "id" in said and "method" in said:
            wanted = said["params"].get("items", ()) if isinstance(said.get("params"), dict) else ()
            self._send({"id": said["id"], "result": [None] * len(wanted) or None})
        return said

    def _read(self, stream: IO[bytes]) -> None:
        while True:
            length = 0
            while (line := stream.readline().strip()) != b"":
                name, _, value = line.partition(b":")
                length = int(value) if name.lower() == b"content-length" else length
            if not length:
                return
            self._said.put(json.loads(stream.read(length)))


@contextmanager
def running(folder: Path) -> Iterator[LanguageServer]:
    """A server for the files of a folder."""
    with subprocess.Popen(
        ["node", str(PROGRAM), "--stdio"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=folder
    ) as process:
        try:
            server = LanguageServer(process)
            server.initialize(folder)
            yield server
            server.close()
        finally:
            process.kill()
            process.wait()
            server.join()
