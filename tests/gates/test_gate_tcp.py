import socket
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from rollout.gates.tcp import Kind
from rollout.model.seams import Answer, Ran, Subject, Verdict
from rollout.ssh import connect
from tests.gates.any_connection import subject


@pytest.fixture
def port() -> Iterator[int]:
    """A service that says its name and hangs then."""
    listening = socket.create_server(("127.0.0.1", 0))
    held: list[socket.socket] = []

    def serve() -> None:
        while True:
            try:
                one, _ = listening.accept()
            except OSError:
                return
            one.sendall(b"SSH-2.0-\x1b[31mtest\r\n")
            held.append(one)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    yield int(listening.getsockname()[1])
    listening.shutdown(socket.SHUT_RDWR)
    listening.close()
    thread.join()
    for one in held:
        one.close()


@pytest.fixture
def closed() -> int:
    with socket.create_server(("127.0.0.1", 0)) as one:
        return int(one.getsockname()[1])


def here(**more: Any) -> Subject:
    fields: dict[str, Any] = {
        "variables": {"ansible_host": "127.0.0.1", "ips": ["127.0.0.1", "127.0.0.2"]},
        **more,
    }
    return subject(Ran(0, "", ""), connect=lambda: connect("here", {"ansible_connection": "local"}), **fields)


def ask(settings: dict[str, Any], about: Subject | None = None) -> Verdict:
    return Kind.model_validate({"within": "2s", **settings}).check(about or here())


@pytest.fixture(params=["controller", "host", "host with python alone"])
def source(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    if request.param == "host with python alone":
        (tmp_path / "sh").symlink_to("/bin/sh")
        (tmp_path / "python3").write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
        (tmp_path / "python3").chmod(0o755)
        monkeypatch.setenv("PATH", str(tmp_path))
    return str(request.param).split()[0]


def test_a_port_that_accepts_passes_and_one_that_does_not_fails(port: int, closed: int, source: str) -> None:
    told = ask({"port": port, "from": source})
    assert told.value is Answer.PASS, told
    assert told.because.startswith(f"127.0.0.1 port {port} accepts connections from the {source}")
    told = ask({"port": closed, "from": source})
    assert told.value is Answer.FAIL
    assert "refused" in told.because


def test_what_the_service_says_by_itself_is_looked_at(port: int, source: str) -> None:
    assert ask({"port": port, "from": source, "expect": "^SSH-2", "within": "1s"}).value is Answer.PASS
    told = ask({"port": port, "from": source, "expect": "^HTTP", "within": "0.5s"})
    assert told.value is Answer.FAIL
    assert "says 'SSH-2.0- [31mtest', without '^HTTP'" in told.because


def test_every_address_of_a_list_is_asked(port: int) -> None:
    told = ask({"port": port, "address": "{{ ips }}"})
    assert told.value is Answer.FAIL
    assert told.because.startswith(f"127.0.0.2 port {port} accepts no connection")
    assert (
        ask({"port": port, "address": "{{ ips }}"}, here(variables={"ips": []})).value is Answer.INCONCLUSIVE
    )


def test_what_is_our_own_trouble_is_an_error(port: int) -> None:
    assert ask({"port": port, "address": "{{ nowhere }}"}).value is Answer.ERROR
    assert ask({"port": port, "address": "no.such.name.invalid"}).value is Answer.ERROR


def test_a_host_without_any_tool_cannot_say() -> None:
    told = ask({"port": 22, "from": "host"}, subject(Ran(64, "", "the host has neither bash nor python3")))
    assert told.value is Answer.INCONCLUSIVE
