"""Where the Ansible of a unit finds roles and collections that do not stand beside a playbook: what was installed on the controller."""

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from rollout.executors._config import PLUGINS, environment, passed_through, users_file

_ELSEWHERE = "/usr/share/ansible/{kind}", "/etc/ansible/{kind}"
"""Ansible's own defaults, behind those of `ANSIBLE_HOME` (ansible-core, config/base.yml: DEFAULT_ROLES_PATH, COLLECTIONS_PATHS)."""


@dataclass(frozen=True, slots=True)
class Searched:
    """Folders that hold roles and collections (`collections`: those that hold `ansible_collections`), the first found first; and the version of ansible-core.

    `settings`: the ansible.cfg beside the plan, if units use it, and what it names there: folders of modules and plugins.
    """

    roles: tuple[Path, ...] = ()
    collections: tuple[Path, ...] = ()
    ansible_core: str = ""
    settings: tuple[Path, ...] = ()


def searched(folder: Path, environ: Mapping[str, str] = os.environ) -> Searched:
    """What units of a plan in that folder would look through. Folders that are not there are left out."""
    file = users_file(folder, environ)
    users = passed_through(file).get("defaults", {})
    ours = environment(environ, Path.cwd())
    home = Path(ours.get("ANSIBLE_HOME") or "~/.ansible").expanduser()
    roles = _named(ours, users, "roles_path") or _defaults(home, "roles")
    collections = _named(ours, users, "collections_path") or _defaults(home, "collections")[:2]
    return Searched(
        _there(roles),
        _there(
            [*(_holding(one) for one in collections), *(Path(one, "ansible_collections") for one in sys.path)]
        ),
        version("ansible-core"),
        _settings(file, folder, users) if file is not None and file.absolute().parent == folder else (),
    )


def _settings(file: Path, folder: Path, users: Mapping[str, str]) -> tuple[Path, ...]:
    named = (Path(one) for key in PLUGINS for one in users.get(key, "").split(":") if one)
    real = folder.resolve()
    inside = (path for path in named if path.is_dir() and real in path.resolve().parents)
    return tuple(dict.fromkeys((file, *inside)))


def _named(environ: Mapping[str, str], users: Mapping[str, str], key: str) -> list[Path]:
    """The environment is above the user's ansible.cfg."""
    value = environ.get(f"ANSIBLE_{key.upper()}") or users.get(key, "")
    return [Path(one) for one in value.split(":") if one]


def _defaults(home: Path, kind: str) -> list[Path]:
    return [home / kind, *(Path(one.format(kind=kind)) for one in _ELSEWHERE)]


def _holding(path: Path) -> Path:
    return path if path.name == "ansible_collections" else path / "ansible_collections"


def _there(paths: list[Path]) -> tuple[Path, ...]:
    return tuple(dict.fromkeys(path for path in paths if path.is_dir()))
