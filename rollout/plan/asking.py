"""What Ansible itself says about an inventory, through its public commands: `ansible-inventory` and `ansible`.

The user's own configuration and environment are in force for the inventory (vault passwords, plugins, caches); only what
would garble the output is set. A source that cannot be parsed is an error, not a warning: its hosts would be missing.
"""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from rollout.errors import InventoryError
from rollout.plan.words import plain

PATIENCE = 1800.0
"""Seconds that an inventory may take."""

_QUIET = {
    "ANSIBLE_NOCOLOR": "1",
    "ANSIBLE_FORCE_COLOR": "0",
    "ANSIBLE_VERBOSITY": "0",
    "ANSIBLE_DEBUG": "0",
    "ANSIBLE_INVENTORY_EXPORT": "0",
    "ANSIBLE_INVENTORY_ANY_UNPARSED_IS_FAILED": "1",
    "ANSIBLE_LOCALHOST_WARNING": "0",
    "ANSIBLE_DEPRECATION_WARNINGS": "0",
    "COLUMNS": "1000",
}
_PATTERN_ONLY = {
    "ANSIBLE_INVENTORY_ENABLED": "yaml",
    "ANSIBLE_HOST_PATTERN_MISMATCH": "error",
    "ANSIBLE_TRANSFORM_INVALID_GROUP_CHARS": "ignore",
}
_UNMATCHED = re.compile(r"Could not match supplied host pattern, ignoring: (.*)")
_SCRIPT = "Standard error from inventory script:"
_COUNT = re.compile(r"\s*hosts \((\d+)\):")


class PatternMismatch(Exception):
    """A part of the host pattern names neither a group nor a host; or, with an empty name, it is no pattern at all."""

    def __init__(self, name: str, cause: str) -> None:
        super().__init__(cause)
        self.name = name


def listed(
    sources: Sequence[str], folder: Path, patience: float = PATIENCE
) -> tuple[dict[str, Any], tuple[str, ...]]:
    """What `ansible-inventory --list` prints, and its warnings. Raises InventoryError with the real cause."""
    command = [program("ansible-inventory"), "--list", *(f"--inventory={source}" for source in sources)]
    done = _run(command, folder, {**os.environ, **_QUIET}, patience)
    if done.returncode:
        raise InventoryError(f"ansible-inventory failed (exit {done.returncode}): {_cause(done.stderr)}")
    try:
        content = json.loads(done.stdout)
    except ValueError as error:
        raise InventoryError(f"ansible-inventory printed no JSON ({error}): {_cause(done.stderr)}") from error
    if not isinstance(content, dict) or not isinstance(content.get("_meta", {}), dict):
        raise InventoryError("ansible-inventory printed something that is no inventory")
    return content, _warnings(done.stderr)


def decrypted(sealed: str, folder: Path, patience: float = 60.0) -> str:
    """An inline vault value, with the vault passwords of the user's configuration. Raises InventoryError with the real cause."""
    command = [program("ansible-vault"), "decrypt", "--output=-"]
    done = _run(command, folder, {**os.environ, **_QUIET}, patience, sealed.encode())
    if done.returncode:
        raise InventoryError(f"ansible-vault cannot decrypt it: {_cause(done.stderr)}")
    return done.stdout.decode(errors="replace")


def selected(pattern: str, groups: Mapping[str, Any], patience: float = PATIENCE) -> list[str]:
    """The hosts that the pattern selects; `groups` are names alone, as a YAML inventory. Raises PatternMismatch.

    The user's configuration has no say here: it could not change what a pattern means.
    """
    ours = {name: value for name, value in os.environ.items() if not name.startswith("ANSIBLE_")}
    with TemporaryDirectory(prefix="rollout-") as folder:
        inventory, configuration = Path(folder, "names.json"), Path(folder, "ansible.cfg")
        inventory.write_text(json.dumps(groups))
        configuration.write_text("[defaults]\n")
        environment = {**ours, **_QUIET, **_PATTERN_ONLY, "ANSIBLE_CONFIG": str(configuration)}
        command = [
            program("ansible"),
            "--list-hosts",
            "--limit=all",
            f"--inventory={inventory}",
            "--",
            pattern,
        ]
        done = _run(command, Path(folder), environment, patience)
    if done.returncode:
        cause = _cause(done.stderr)
        if "leaves us with no hosts" in cause:
            return []
        unmatched = _UNMATCHED.search(cause)
        raise PatternMismatch(unmatched[1].strip() if unmatched else "", cause)
    lines = done.stdout.decode(errors="replace").splitlines()
    count = _COUNT.fullmatch(lines[0]) if lines else None
    names = [line.strip() for line in lines[1:]]
    if count is None or int(count[1]) != len(names):
        raise InventoryError(
            f"ansible --list-hosts printed something else than a list of hosts: {_cause(done.stderr)}"
        )
    return names


def program(name: str) -> str:
    """Ansible's command: the one installed with us, or the first on PATH."""
    beside = Path(sys.executable).parent / name
    found = str(beside) if os.access(beside, os.X_OK) else shutil.which(name)
    if found is None:
        raise InventoryError(
            f"{name} is not installed: it stands neither beside {sys.executable} nor on PATH"
        )
    return found


def _run(
    command: Sequence[str],
    folder: Path,
    environment: Mapping[str, str],
    patience: float,
    text: bytes = b"",
) -> "subprocess.CompletedProcess[bytes]":
    """In a session of its own, so that nothing can ask a question at the terminal, and all of it can be ended.

    What is ours alone is not handed on: the journal's password, the token of whoever approves. A variable of a host may hold what is read there.
    """
    environment = {name: value for name, value in environment.items() if not name.startswith("ROLLOUT_")}
    try:
        process = subprocess.Popen(
            command,
            cwd=folder,
            env=environment,
            stdin=subprocess.PIPE if text else subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
    except OSError as error:
        raise InventoryError(f"{command[0]} cannot be started: {error.strerror}") from error
    with process:
        try:
            out, err = process.communicate(text or None, timeout=patience)
        except subprocess.TimeoutExpired as error:
            os.killpg(process.pid, signal.SIGKILL)
            raise InventoryError(
                f"{Path(command[0]).name} did not finish within {patience:g} seconds"
            ) from error
        except BaseException:
            os.killpg(process.pid, signal.SIGKILL)
            raise
    return subprocess.CompletedProcess(command, process.returncode, out, err)


def _warnings(stderr: bytes) -> tuple[str, ...]:
    lines = stderr.decode(errors="replace").splitlines()
    return tuple(plain(line.removeprefix("[WARNING]: ")) for line in lines if line.startswith("[WARNING]: "))


def _cause(stderr: bytes) -> str:
    """The error, then what each plugin said of a source that none could parse, then a script's own words."""
    lines = [plain(line.rstrip()) for line in stderr.decode(errors="replace").splitlines()]
    first = next((number for number, line in enumerate(lines) if line.startswith(("[ERROR]", "ERROR!"))), 0)
    plugins = [line for line in lines if line.startswith("[WARNING]: Failed to parse inventory with")]
    script: list[str] = []
    if _SCRIPT in lines:
        rest = lines[lines.index(_SCRIPT) + 1 :]
        script = [f"the script said: {line}" for line in rest[: rest.index("") if "" in rest else None]]
    told = [*lines[first : first + 12], *script[-5:], *plugins[:5]]
    return "\n  ".join(line for line in dict.fromkeys(told) if line) or "it gave no reason"
