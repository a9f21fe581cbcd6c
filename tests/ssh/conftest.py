"""Real sshd processes on loopback."""

import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.ssh.loopback_sshd import SSHD, USER, Sshd, Start, free_port, keygen, public


@pytest.fixture(scope="session")
def start(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Start]:
    """Starts an sshd of its own host key; `extra` are lines of sshd_config."""
    if SSHD is None:
        pytest.skip("there is no sshd: install openssh-server")
    if USER == "root" and not Path("/run/sshd").is_dir():
        Path("/run/sshd").mkdir(mode=0o755)
    running: list[subprocess.Popen[bytes]] = []

    def starting(extra: str = "") -> Sshd:
        folder = tmp_path_factory.mktemp("sshd")
        host_key, client_key = keygen(folder / "host_key"), keygen(folder / "client_key")
        port = free_port()
        (folder / "authorized").write_text(public(client_key) + "\n")
        (folder / "sshd_config").write_text(
            f"ListenAddress 127.0.0.1\nPort {port}\nHostKey {host_key}\nPidFile none\nStrictModes no\nUsePAM no\n"
            f"AuthorizedKeysFile {folder / 'authorized'}\nPermitRootLogin yes\nPasswordAuthentication no\n"
            f"KbdInteractiveAuthentication no\n{extra}\n"
        )
        with (folder / "log").open("wb") as log:
            process = subprocess.Popen(
                [str(SSHD), "-D", "-e", "-f", str(folder / "sshd_config")],
                stdin=subprocess.DEVNULL,
                stderr=log,
            )
        running.append(process)
        for _ in range(200):
            with socket.socket() as sock:
                if sock.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.02)
        else:
            pytest.fail(f"sshd does not listen: {(folder / 'log').read_text()}")
        return Sshd(folder, port, host_key, client_key, process)

    yield starting
    for process in running:
        process.terminate()
        process.wait()


@pytest.fixture(scope="session")
def sshd(start: Start) -> Sshd:
    return start()
