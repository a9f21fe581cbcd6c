"""Logging in, with the keys that ssh would use, in its order, or with the inventory's password."""

import base64
import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

import paramiko
from cryptography.exceptions import UnsupportedAlgorithm
from paramiko.agent import AgentSSH

from rollout.errors import HostUnreachable
from rollout.ssh.deadline import Deadline
from rollout.ssh.dial import reason
from rollout.ssh.endpoint import Endpoint
from rollout.ssh.printable import printable

Login = Callable[[], Sequence[str]]
"""One try; what it returns is what the host wants besides (nothing: we are in)."""


def log_in(
    host: str, endpoint: Endpoint, transport: paramiko.Transport, deadline: Deadline, password: str | None
) -> None:
    """Authenticate, or raise HostUnreachable that says what was tried."""
    tried: list[str] = []
    try:
        with ExitStack() as opened:
            for name, login in _logins(endpoint, transport, password, tried, opened):
                transport.auth_timeout = deadline.left()
                try:
                    wanted = login()
                except paramiko.AuthenticationException as error:
                    deadline.left()
                    tried.append(f"{name} ({reason(error).rstrip('.')})")
                else:
                    if not wanted:
                        return
                    tried.append(f"{name} (taken, but {' and '.join(wanted)} is wanted besides)")
    except (paramiko.SSHException, OSError, EOFError) as error:
        deadline.left()
        message = f"{printable(host)}: {endpoint} broke off the login: {reason(error)}"
        raise HostUnreachable(message) from error
    what = printable("; ".join(tried), 600) or _none_to_try(endpoint)
    raise HostUnreachable(f"{printable(host)}: {endpoint} does not let us in: {what}")


def _logins(
    endpoint: Endpoint,
    transport: paramiko.Transport,
    password: str | None,
    tried: list[str],
    opened: ExitStack,
) -> Iterator[tuple[str, Login]]:
    for name, key in _keys(endpoint, tried, opened):
        yield name, lambda key=key: transport.auth_publickey(endpoint.user, key)  # type: ignore[misc]
    if password is not None:
        yield "the inventory's password", lambda: transport.auth_password(endpoint.user, password)


def _keys(endpoint: Endpoint, tried: list[str], opened: ExitStack) -> Iterator[tuple[str, paramiko.PKey]]:
    # The agent first, as ssh does: it can use keys whose files want a passphrase.
    files = [path for path in endpoint.identities if path.is_file()]
    public = {blob: path for path in files if (blob := _public_part(path)) is not None}
    held = _agent_keys(endpoint.agent, tried, opened)
    for key in held:
        if key.asbytes() in public:
            yield f"{public[key.asbytes()]} by the agent", key
    if not endpoint.only_identities:
        for key in held:
            if key.asbytes() not in public:
                yield "a key of the agent", key
    in_agent = {key.asbytes() for key in held}
    for path in files:
        if _public_part(path) in in_agent:
            continue
        try:
            yield str(path), paramiko.PKey.from_path(path)
        except (OSError, ValueError, TypeError, UnsupportedAlgorithm, paramiko.SSHException) as error:
            tried.append(f"{path} (cannot be used: {reason(error)})")
        except paramiko.pkey.UnknownKeyType:
            tried.append(f"{path} (a kind of key that paramiko does not know)")


def _public_part(path: Path) -> bytes | None:
    try:
        words = path.with_name(path.name + ".pub").read_text("utf-8", "replace").split()
        return base64.b64decode(words[1])
    except (OSError, ValueError, IndexError):
        return None


def _agent_keys(path: str | None, tried: list[str], opened: ExitStack) -> list[paramiko.PKey]:
    if path is None:
        return []
    agent = AgentSSH()
    sock = opened.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM))
    sock.settimeout(10.0)
    try:
        sock.connect(path)
        agent._connect(sock)  # type: ignore[attr-defined]  # noqa: SLF001  the public Agent knows only the environment's socket, not IdentityAgent
    except (OSError, paramiko.SSHException) as error:
        tried.append(f"the agent at {path} ({reason(error)})")
        return []
    return list(agent.get_keys())


def _none_to_try(endpoint: Endpoint) -> str:
    if not endpoint.identities:
        return "there is no key to try"
    return printable(f"no key to try: {', '.join(map(str, endpoint.identities))} not found", 600)
