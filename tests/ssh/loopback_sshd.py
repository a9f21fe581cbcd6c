"""An sshd of our own on loopback."""

import getpass
import shutil
import socket
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

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
