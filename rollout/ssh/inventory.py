"""What the inventory says about reaching a host: Ansible's connection variables, by Ansible's own precedence."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from rollout.errors import SshUnsupported
from rollout.ssh.become import Become
from rollout.ssh.options import arguments, option
from rollout.ssh.printable import printable

# Of several names for one thing Ansible takes the last that is set (the `vars` of its ssh and sudo plugins).
ADDRESS = ("ansible_host", "ansible_ssh_host")
PORT = ("ansible_port", "ansible_ssh_port")
USER = ("ansible_user", "ansible_ssh_user")
KEY_FILE = ("ansible_private_key_file", "ansible_ssh_private_key_file")
PASSWORD = ("ansible_password", "ansible_ssh_pass", "ansible_ssh_password")
KEY_CHECKING = ("ansible_host_key_checking", "ansible_ssh_host_key_checking")
TIMEOUT = ("ansible_timeout", "ansible_ssh_timeout")
SUDO_USER = ("ansible_become_user", "ansible_sudo_user")
SUDO_PASSWORD = ("ansible_become_password", "ansible_become_pass", "ansible_sudo_pass")
SUDO_PROGRAM = ("ansible_become_exe", "ansible_sudo_exe")
SUDO_FLAGS = ("ansible_become_flags", "ansible_sudo_flags")

OVER_SSH = frozenset({"ssh", "smart", "ansible.builtin.ssh", "paramiko", "paramiko_ssh"})
LOCAL = frozenset({"local", "ansible.builtin.local"})
UNSUPPORTED = (
    "ansible_private_key",
    "ansible_ssh_private_key",
    "ansible_private_key_passphrase",
    "ansible_ssh_private_key_passphrase",
    "ansible_ssh_pkcs11_provider",
    "ansible_ssh_executable",
    "ansible_sudo_chdir",
)
TRUE, FALSE = (
    frozenset({"true", "yes", "on", "1", "y", "t"}),
    frozenset({"false", "no", "off", "0", "n", "f", ""}),
)


@dataclass(frozen=True, slots=True)
class Access:
    """How to reach a host. `arguments` are for `ssh -G`, in Ansible's order, so that the first one set wins there too.

    `timeout` bounds one TCP connection, in seconds; None leaves it to ssh_config.
    """

    host: str
    address: str
    arguments: tuple[str, ...] = ()
    local: bool = False
    password: str | None = field(default=None, repr=False)
    become: Become | None = None
    timeout: float | None = None


def read(host: str, variables: Mapping[str, Any]) -> Access:
    """Read the connection variables of a host. Raises SshUnsupported for what our connection could only guess at."""
    said = _Variables(host, variables)
    become = _become(said)
    connection = said.text("ansible_connection") or "ssh"
    if connection in LOCAL:
        return Access(host, "localhost", local=True, become=become)
    if connection not in OVER_SSH:
        raise said.refuse(
            "ansible_connection", f"is {printable(connection)!r}: only ssh and local are supported"
        )
    for name in UNSUPPORTED:
        if said.text(name):
            raise said.refuse(name, "cannot be honoured by the gates' own connection")
    if not said.flag(KEY_CHECKING, default=True):
        raise said.refuse(
            KEY_CHECKING[0], "is false: host keys are always checked, so put them into a known_hosts file"
        )
    address = said.text(*ADDRESS) or host
    if address.startswith("-") or not address.isprintable() or " " in address:
        raise said.refuse("ansible_host", f"is not an address: {printable(address)!r}")
    return Access(
        host,
        address,
        tuple(_arguments(said)),
        password=said.text(*PASSWORD),
        become=become,
        timeout=said.number(*TIMEOUT),
    )


def _arguments(said: "_Variables") -> list[str]:
    found = said.options("ansible_ssh_args")
    for key, names in (("Port", PORT), ("User", USER), ("IdentityFile", KEY_FILE)):
        value = said.text(*names)
        if value:
            found += option(key, value)
    return found + said.options("ansible_ssh_common_args") + said.options("ansible_ssh_extra_args")


def _become(said: "_Variables") -> Become | None:
    if not said.flag(("ansible_become",), default=False):
        return None
    method = said.text("ansible_become_method") or "sudo"
    if method not in {"sudo", "ansible.builtin.sudo"}:
        raise said.refuse("ansible_become_method", f"is {printable(method)!r}: only sudo is supported")
    flags = said.text(*SUDO_FLAGS) or ""
    if set(flags.split()) - {"-H", "-S", "-n"}:
        raise said.refuse(SUDO_FLAGS[0], f"is {printable(flags)!r}: only -H, -S and -n are supported")
    return Become(
        said.text(*SUDO_USER) or "root", said.text(*SUDO_PASSWORD), said.text(*SUDO_PROGRAM) or "sudo"
    )


class _Variables:
    """A host's variables, read as Ansible would."""

    def __init__(self, host: str, variables: Mapping[str, Any]) -> None:
        self.host = host
        self._variables = variables

    def refuse(self, name: str, why: str) -> SshUnsupported:
        return SshUnsupported(f"{printable(self.host)}: {name} {why}")

    def text(self, *names: str) -> str | None:
        """The last of the names that is set, as text; None when none is, or when it is empty."""
        found = None
        for name in names:
            value = self._plain(name)
            found = value if value is not None else found
        return found or None

    def flag(self, names: tuple[str, ...], default: bool) -> bool:
        value = self.text(*names)
        if value is None:
            return default
        if value.lower() not in TRUE | FALSE:
            raise self.refuse(names[0], f"is neither yes nor no: {printable(value)!r}")
        return value.lower() in TRUE

    def number(self, *names: str) -> float | None:
        value = self.text(*names)
        if value is None:
            return None
        if not value.isdecimal() or not int(value):
            raise self.refuse(names[0], f"is not a number of seconds: {printable(value)!r}")
        return float(value)

    def options(self, name: str) -> list[str]:
        return arguments(self.host, name, self.text(name) or "")

    def _plain(self, name: str) -> str | None:
        value = self._variables.get(name)
        if isinstance(value, Mapping) and "__ansible_unsafe" in value:
            value = value["__ansible_unsafe"]
        if isinstance(value, Mapping) and "__ansible_vault" in value:
            way_out = (
                "is an inline vault value, which only Ansible can read: keep it in a vaulted file instead"
            )
            raise self.refuse(name, way_out)
        if value is None:
            return None
        if not isinstance(value, str | int | float):
            raise self.refuse(name, "is not a plain value")
        text = str(value)
        if "{{" in text or "{%" in text:
            raise self.refuse(
                name, "is a Jinja template, which only Ansible can fill in: give it as a plain hostvar"
            )
        return text
