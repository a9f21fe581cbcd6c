"""Python, the libraries, Ansible's programs, and the collections that playbooks name."""

import json
import platform
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path

from rollout.cli._doctor.finding import Finding, Situation
from rollout.errors import RolloutError
from rollout.model.plan import Plan
from rollout.model.versions import fits

TESTED = ((3, 11), (3, 13))
"""The first and the last Python that the whole tool chain is tested with."""

ANSIBLE = ("ansible-core", "ansible-runner")
PROGRAMS = ("ansible-playbook", "ansible-inventory", "ansible", "ansible-vault")
PATIENCE = 60.0
LARGEST = 2**20
"""Bytes of a file that is looked through for the names of collections."""

_REQUIREMENT = re.compile(r"([A-Za-z0-9._-]+)(?:\[[^\]]*\])?\s*([^;]*)(;.*)?")
_MODULE = re.compile(r"^[ \t-]*([a-z_][a-z0-9_]*\.[a-z_][a-z0-9_]*)\.[a-z_][a-z0-9_.]*[ \t]*:", re.MULTILINE)
_OURS = {"ansible.builtin", "ansible.legacy"}


def python(_: Situation) -> Iterator[Finding]:
    """The one that runs us, and Ansible's programs beside it."""
    here = sys.version_info[:2]
    first, last = (".".join(map(str, one)) for one in TESTED)
    value, source = platform.python_version(), sys.executable
    if here < TESTED[0]:
        yield Finding("bad", "Python", value, source, f"install Python {first} or newer, and rollout with it")
    elif here > TESTED[1]:
        yield Finding("warn", "Python", value, source, f"nobody has tested it: {first} to {last} are")
    else:
        yield Finding("ok", "Python", value, source)


def libraries(_: Situation) -> Iterator[Finding]:
    """Those of Ansible by name, the rest as one."""
    fitting = []
    for name, wanted in _requirements():
        found, right = _installed(name, wanted)
        if right and name not in ANSIBLE:
            fitting.append(name)
            continue
        source = f"{sys.prefix}; rollout needs {wanted or 'any'}"
        advice = "" if right else f"install {name}{wanted} into {sys.prefix}"
        yield Finding("ok" if right else "bad", name, found or "not installed", source, advice)
    yield Finding(
        "ok", "libraries", f"{len(fitting)} others fit", f"the metadata of rollout {version('rollout')}"
    )


def _requirements() -> list[tuple[str, str]]:
    """What rollout cannot do without, and in which versions."""
    found = []
    for text in requires("rollout") or ():
        parts = _REQUIREMENT.fullmatch(text)
        if parts is not None and "extra ==" not in (parts[3] or ""):
            found.append((parts[1], parts[2].strip()))
    return sorted(found)


def _installed(name: str, wanted: str) -> tuple[str, bool]:
    try:
        found = version(name)
    except PackageNotFoundError:
        return "", False
    return found, not wanted or fits([found], [wanted])


def programs(_: Situation) -> Iterator[Finding]:
    """Ansible's own commands, as they are called."""
    from rollout.plan.asking import program

    for name in PROGRAMS:
        try:
            path = program(name)
        except RolloutError as error:
            yield Finding("bad", name, "not found", f"{Path(sys.executable).parent}, PATH", str(error))
            continue
        if name == PROGRAMS[0]:
            source = "beside this Python" if Path(path).parent == Path(sys.executable).parent else "PATH"
            yield Finding("ok", name, path, source)


def collections(situation: Situation) -> Iterator[Finding]:
    """Every collection that a playbook or a role beside it names by a module's full name must be installed."""
    if situation.plan is None:
        return
    named: dict[str, str] = {}
    for file in _files(situation.plan, situation.folder):
        try:
            with file.open(encoding="utf-8", errors="replace") as stream:
                text = stream.read(LARGEST)
        except OSError:
            continue  # the digest of the plan says so already
        for name in _MODULE.findall(text):
            if name not in _OURS:
                named.setdefault(name, str(file))
    if not named:
        yield Finding(
            "ok", "collections", "none are named", "the plan's playbooks and what stands beside them"
        )
        return
    installed = _collections(situation.folder)
    if installed is None:
        yield Finding("warn", "collections", f"{len(named)} are named", "ansible-galaxy collection list", "it gave no list: run it by hand, to see why")  # fmt: skip
        return
    for name, where in sorted(named.items()):
        if name in installed:
            yield Finding("ok", name, *installed[name])
        else:
            yield Finding(
                "bad", name, "not installed", f"named in {where}", f"ansible-galaxy collection install {name}"
            )


def _files(plan: Plan, folder: Path) -> list[Path]:
    from rollout.plan import content

    try:
        names = content.parts(plan)
    except RolloutError:
        return []
    return [folder / name for name in names if name.endswith((".yml", ".yaml"))]


@cache
def _collections(folder: Path) -> dict[str, tuple[str, str]] | None:
    """Name -> version and folder."""
    from rollout.plan.asking import program

    try:
        command = [program("ansible-galaxy"), "collection", "list", "--format", "json"]
        asked = subprocess.run(command, capture_output=True, check=False, timeout=PATIENCE, cwd=folder)
        told = json.loads(asked.stdout)
    except (RolloutError, OSError, ValueError, subprocess.TimeoutExpired):
        return None
    if not isinstance(told, dict):
        return None
    found: dict[str, tuple[str, str]] = {}
    for where, held in told.items():  # the first folder wins, as for Ansible
        for name, about in held.items() if isinstance(held, dict) else ():
            found.setdefault(name, (str(about.get("version", "*")), where))
    return found
