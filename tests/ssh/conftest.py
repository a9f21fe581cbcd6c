"""Real sshd processes on loopback."""

import getpass
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

SSHD = shutil.which("sshd", path="/usr/sbin:/usr/local/sbin:/usr/bin:/sbin")
USER = getpass.getuser()


def keygen(path: Path, *options: str) -> Path:
    subprocess.run(["ssh-keygen", "-q", "-N", "", "-t", "ed25519", *options, "-f", str(path)], check=True)
    return path


def public(key: Path) -> str:
    return " ".join(key.with_name(key.name + ".pub").read_text().split()[:2])


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


@dataclass
class Sshd:
    folder: Path
    port: int
    host_key: Path
    client_key: Path
    process: "subprocess.Popen[bytes]"

    @property
    def known(self) -> str:
        return f"[127.0.0.1]:{self.port} {public(self.host_key)}\n"

    def known_hosts(self, text: str | None = None, name: str = "known_hosts") -> Path:
        path = self.folder / name
        path.write_text(self.known if text is None else text)
        return path

    def variables(self, known_hosts: Path | str | None = None, **more: Any) -> dict[str, Any]:
        """The hostvars of a host that is reached here; no ssh_config of this machine is read."""
        known = known_hosts or self.known_hosts()
        return {
            "ansible_host": "127.0.0.1",
            "ansible_port": self.port,
            "ansible_user": USER,
            "ansible_ssh_private_key_file": str(self.client_key),
            "ansible_ssh_common_args": f"-F none -o 'UserKnownHostsFile={known}' -o GlobalKnownHostsFile=none "
            "-o IdentityAgent=none -o IdentitiesOnly=yes",
            **more,
        }


Start = Callable[..., Sshd]


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
