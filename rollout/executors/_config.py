"""The ansible.cfg and environment of a unit: ours, and what of the user's is let through (docs/guides/execution.md)."""

import configparser
import os
import re
import shlex
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

PATHS = (
    "roles_path", "collections_path", "library", "module_utils", "action_plugins", "become_plugins", "connection_plugins",
    "filter_plugins", "lookup_plugins", "test_plugins", "vault_password_file", "vault_identity_list", "private_key_file",
    "become_password_file", "connection_password_file",
)  # fmt: skip
"""Keys of the user's [defaults] that hold paths, relative to their file: one, or several."""

PLUGINS = tuple(key for key in PATHS if key in {"library", "module_utils"} or key.endswith("_plugins"))
"""Those of folders whose content runs."""

WORDS = (
    "remote_user", "remote_port", "remote_tmp", "interpreter_python", "executable", "vault_identity", "vault_id_match",
    "hash_behaviour", "jinja2_extensions", "ansible_managed", "timeout", "module_lang",
)  # fmt: skip
"""Keys of the user's [defaults] that are passed as they are."""

BECOME = ("become", "become_method", "become_user", "become_flags", "become_exe")
SSH = ("ssh_common_args", "ssh_extra_args", "ssh_executable", "scp_extra_args", "sftp_extra_args")

PATH_VARIABLES = frozenset(f"ANSIBLE_{key.upper()}" for key in PATHS)
VARIABLES = frozenset(
    PATH_VARIABLES
    | {
        "ANSIBLE_HOME",
        "ANSIBLE_REMOTE_USER",
        "ANSIBLE_REMOTE_PORT",
        "ANSIBLE_REMOTE_TEMP",
        "ANSIBLE_PYTHON_INTERPRETER",
    }
    | {f"ANSIBLE_{key.upper()}" for key in BECOME + SSH}
    | {"ANSIBLE_TIMEOUT", "ANSIBLE_HASH_BEHAVIOUR"}
)
"""What of the user's ANSIBLE_ environment reaches a unit."""

OURS = re.compile(r"ANSIBLE_|AWX_|RUNNER_|ROLLOUT_|(JOB_ID|AD_HOC_COMMAND_ID|PROJECT_UPDATE_ID|ORIGINAL_STDOUT_CALLBACK|MAX_EVENT_RES|LC_ALL|PGPASSWORD|PYTHON(STARTUP|INSPECT|WARNINGS))$")  # fmt: skip
"""Names that would change how Ansible or ansible-runner work, and the journal's address and password, which are ours alone."""

MULTIPLEXING = re.compile(r"Control(Path|Master|Persist)", re.IGNORECASE)


def environment(of: Mapping[str, str], folder: Path) -> dict[str, str]:
    """What of the controller's environment a unit inherits. Messages are English UTF-8, for they are read.

    `folder`: where the controller was started, to which the paths of Ansible's variables are relative.
    """
    kept = {name: value for name, value in of.items() if name in VARIABLES or not OURS.match(name)}
    kept |= {name: _absolute(kept[name], folder) for name in PATH_VARIABLES & kept.keys()}
    return kept | {"LC_ALL": "C.UTF-8"}


def users_file(folder: Path, environ: Mapping[str, str]) -> Path | None:
    """The ansible.cfg that Ansible itself would read from the plan's folder; never one in a world-writable folder."""
    named = environ.get("ANSIBLE_CONFIG")
    if named:
        path = Path(named).expanduser()
        return path / "ansible.cfg" if path.is_dir() else path
    home = [Path("~/.ansible.cfg").expanduser()] if "HOME" in environ else []
    here = [folder / "ansible.cfg"] if not folder.stat().st_mode & 0o002 else []
    return next((path for path in [*here, *home, Path("/etc/ansible/ansible.cfg")] if path.is_file()), None)


def passed_through(file: Path | None) -> dict[str, dict[str, str]]:
    """Section -> key -> value of the user's file, paths made absolute.

    A file that cannot be read passes nothing: Ansible refuses it by itself, when the inventory is resolved.
    """
    parser = configparser.RawConfigParser(strict=False, inline_comment_prefixes=(";",))
    try:
        parser.read([file] if file else [], encoding="utf-8")
    except (configparser.Error, UnicodeDecodeError):
        return {}
    found: dict[str, dict[str, str]] = {}
    folder = file.absolute().parent if file else Path("/")
    for section, keys in (
        ("defaults", PATHS + WORDS),
        ("privilege_escalation", BECOME),
        ("ssh_connection", (*SSH, "ssh_args")),
    ):
        for key in keys:
            value = parser.get(section, key, fallback="").replace("{{CONFIG_DIR}}", str(folder))
            if value:
                found.setdefault(section, {})[key] = _absolute(value, folder) if key in PATHS else value
    return found


def _absolute(value: str, folder: Path) -> str:
    parts = re.split(r"([:,@])", value)
    return "".join(
        part
        if index % 2 or not part or _is_label(parts, index)
        else os.path.join(folder, os.path.expanduser(part))  # noqa: PTH111, PTH118  text of paths, not files
        for index, part in enumerate(parts)
    )


def _is_label(parts: list[str], index: int) -> bool:
    """`label@file`, and `prompt` which is no file."""
    return parts[index] == "prompt" or parts[index + 1 : index + 2] == ["@"]


def ansible_cfg(
    users: Mapping[str, Mapping[str, str]],
    *,
    password: bool = False,
    defaults: Mapping[str, object] = MappingProxyType({}),
) -> str:
    """The text of a unit's ansible.cfg.

    `password`: the host is reached with one, so ssh may be asked for it. `defaults`: keys of that section in which a sweep differs.

    internal_poll_interval: the default burns 30-50 ms CPU a second for nothing. usetty, pipelining: nothing hangs on a
    terminal that can hang up. retries: a retry can run a task twice at the same time.
    """
    ssh = ["-o", "ControlMaster=auto", "-o", "ControlPersist=60s", "-o", "ServerAliveInterval=15"]
    ssh += ["-o", "ServerAliveCountMax=4", *([] if password else ["-o", "BatchMode=yes"])]
    parser = configparser.RawConfigParser()
    parser.read_dict(users)
    parser.read_dict({
        "defaults": {
            "forks": 1, "gathering": "explicit", "host_key_checking": True, "retry_files_enabled": False, "nocows": True,
            "nocolor": True, "internal_poll_interval": 0.05, "display_skipped_hosts": False, "deprecation_warnings": False,
            "localhost_warning": False, "fact_caching": "memory", **defaults,
        },
        "inventory": {"enable_plugins": "script", "unparsed_warning": True, "any_unparsed_is_failed": True},
        "connection": {"pipelining": True},
        "ssh_connection": {
            "pipelining": True, "usetty": False, "retries": 0, "host_key_checking": True,
            "ssh_args": shlex.join(ssh + _without_multiplexing(users.get("ssh_connection", {}).get("ssh_args", ""))),
        },
    })  # fmt: skip
    lines = []
    for section in parser.sections():
        lines += [f"[{section}]", *(f"{key} = {value}" for key, value in parser.items(section)), ""]
    return "\n".join(lines)


def _without_multiplexing(ssh_args: str) -> list[str]:
    """A socket shared by two units dies under one of them when the other ends."""
    kept: list[str] = []
    words = iter(shlex.split(ssh_args))
    for word in words:
        if word == "-o":
            option = next(words, "")
            if not MULTIPLEXING.match(option):
                kept += [word, option]
        elif not (word.startswith("-o") and MULTIPLEXING.match(word[2:])) and not word.startswith("-S"):
            kept.append(word)
    return kept
