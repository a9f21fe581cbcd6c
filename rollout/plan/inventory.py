"""The hosts of a plan, as Ansible itself resolves them; once, and kept by content where that is safe.

Static files give the same answer until one of them changes, so their answer is kept under `inventory/` of the state
folder, in a file that its owner alone can read: whole-file vaults come out of `ansible-inventory` as plain text.
Scripts, plugins, variable plugins and fact caches can change at any time: they are always asked again.
"""

import hashlib
import json
import os
import re
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

from rollout.errors import InventoryError, PlanInvalid, Problem
from rollout.model.plan import Plan
from rollout.plan import asking, factors, probes
from rollout.plan.files import is_there
from rollout.plan.folders import TooManyFiles, files_under
from rollout.plan.hostvars import CONNECTION, address_of, texts_of
from rollout.plan.probes import Record
from rollout.plan.words import meant, plain, shown, some

FORMAT = 1
_IMPLICIT = {"all", "ungrouped"}
_VARIABLE_FOLDERS = {"group_vars", "host_vars"}
_PLUGIN = re.compile(rb"""(?:^|[{,]\s*)["']?plugin["']?\s*:""", re.MULTILINE)
_LIVELY = re.compile(
    rb"^\s*(?:fact_caching\s*[=:]\s*(?!memory\s*$)|vars_plugins(?:_enabled)?\s*[=:])",
    re.MULTILINE | re.IGNORECASE,
)
_LIVELY_SETTINGS = {"ANSIBLE_CACHE_PLUGIN", "ANSIBLE_VARS_ENABLED", "ANSIBLE_VARS_PLUGINS"}
_FACTS = "module_setup"
"""Ansible sets this variable when it puts cached facts beside a host's own variables."""


@dataclass(frozen=True, slots=True)
class Inventory:
    """The hosts that the plan's pattern selects, and all others, in the order that Ansible lists them.

    `notes` are sentences for the person who reads the plan. `probed`: what probes have found, by host, of what the plan asks for.
    """

    hosts: tuple[str, ...]
    all_hosts: tuple[str, ...]
    notes: tuple[str, ...]
    _variables: Mapping[str, dict[str, Any]]
    _groups: Mapping[str, tuple[str, ...]]
    probed: Mapping[str, Record] = field(default_factory=dict)

    def variables(self, host: str) -> dict[str, Any]:
        """The host's merged variables as JSON, as `ansible-inventory` prints them. They may hold secrets."""
        return self._variables.get(host, {})

    def groups(self, host: str) -> tuple[str, ...]:
        """The groups that the host is in, directly or through others, sorted; without `all` and `ungrouped`."""
        return self._groups.get(host, ())

    def digest(self, host: str) -> str:
        """sha256 over variables and groups. Cached facts do not count: uptime is no change of plan."""
        variables = self.variables(host)
        if _FACTS in variables:
            variables = {
                name: value
                for name, value in variables.items()
                if not name.startswith("ansible_") or CONNECTION.match(name)
            }
        content = json.dumps([variables, self.groups(host)], sort_keys=True)
        return hashlib.sha256(content.encode()).hexdigest()


def resolve(
    plan: Plan, state_dir: Path, ask: Callable[[Inventory], None] = lambda _inventory: None
) -> Inventory:
    """The plan's hosts, and what probes have found of them. `ask` may probe them first.

    Raises InventoryError, or PlanInvalid if the pattern or a host's name cannot be used.
    """
    folder = Path(plan.file).parent.resolve()
    kept = state_dir / "inventory"
    key = _key(plan, folder)
    file = kept / f"{plan.name}-{key}.json" if key else None
    found = _load(file) if file else None
    if found is None:
        found = _ask(plan, folder)
        if file and key == _key(plan, folder):  # else a file changed while Ansible was reading
            _keep(file, found)
    names = {host: tuple(groups) for host, groups in found["groups"].items()}
    notes = (*found["warnings"], *_number_notes(plan, found["variables"]))
    known = Inventory(tuple(found["hosts"]), tuple(names), notes, found["variables"], names)
    ask(known)
    return _with_probes(plan, known, state_dir)


def _with_probes(plan: Plan, inventory: Inventory, state_dir: Path) -> Inventory:
    """A host that has another address than when it was asked may be another machine."""
    found = probes.load(state_dir, factors.asked_of_probes(plan))
    known = set(inventory.all_hosts)
    same = {
        host: record
        for host, record in found.items()
        if host in known and record.address == address_of(inventory.variables(host))
    }
    notes = probes.ages([same[host].at for host in inventory.hosts if host in same], time.time())
    names = [name for name in factors.facts_wanted(plan) if name != factors.PYTHON] if same else []
    facts = {host: _facts(inventory.variables(host), names) for host in inventory.hosts if host in same}
    notes += probes.contradicted(facts, same)
    moved = [host for host in inventory.hosts if host in found and host not in same]
    if moved:
        notes += (f"{some(moved)}: another address than when probed, so what the probe found does not count",)
    return replace(inventory, probed=same, notes=(*inventory.notes, *notes))


def _facts(variables: Mapping[str, Any], names: Iterable[str]) -> dict[str, tuple[str, ...]]:
    return {name: values for name in names if (values := texts_of(variables, name))}


def _ask(plan: Plan, folder: Path) -> dict[str, Any]:
    content, warnings = asking.listed(_sources(plan, folder), folder)
    variables = content.pop("_meta", {}).get("hostvars", {})
    try:
        tree = {name: (list(v.get("hosts", ())), list(v.get("children", ()))) for name, v in content.items()}
    except (AttributeError, TypeError) as error:
        raise InventoryError("ansible-inventory printed something that is no inventory") from error
    groups = _groups_of(tree)
    for host in variables:
        groups.setdefault(host, [])
    _refuse_unprintable(plan, groups)
    return {
        "format": FORMAT,
        "hosts": _select(plan, tree, groups),
        "groups": {host: sorted(set(names) - _IMPLICIT) for host, names in groups.items()},
        "variables": variables,
        "warnings": warnings,
    }


def _sources(plan: Plan, folder: Path) -> list[str]:
    return [source if "," in source else str(folder / source) for source in plan.inventory]


def _groups_of(tree: Mapping[str, tuple[list[str], list[str]]]) -> dict[str, list[str]]:
    """Host -> its groups. A group hands its own groups down, so each is finished before those below it begin."""
    above: dict[str, set[str]] = {}
    order: list[str] = []
    pending = [("all", frozenset[str]())]
    while pending:
        name, parents = pending.pop()
        known = above.get(name)
        if known is not None and parents <= known:
            continue
        if known is None:
            order.append(name)
        above[name] = {*(known or ()), *parents}
        below = frozenset({*above[name], name})
        pending += [(child, below) for child in reversed(tree.get(name, ([], []))[1])]
    hosts: dict[str, list[str]] = {}
    for name in [*order, *(name for name in tree if name not in above)]:
        for host in tree.get(name, ([], []))[0]:
            hosts.setdefault(host, []).extend((name, *above.get(name, ())))
    return hosts


def _refuse_unprintable(plan: Plan, names: Mapping[str, Any]) -> None:
    """Such a name could pass for two hosts in a list, or move a cursor."""
    odd = [shown(name) for name in names if not name.isprintable() or not name.strip()]
    if odd:
        message = f"the inventory names hosts that cannot be printed: {some(odd)}; rename them"
        raise PlanInvalid([Problem(plan.place("inventory"), message)])


def _select(
    plan: Plan, tree: Mapping[str, tuple[list[str], list[str]]], known: Mapping[str, Any]
) -> list[str]:
    pattern = plan.hosts.strip()
    if pattern == "all":
        return list(known)
    if pattern.count("[") != pattern.count("]") or not re.search(r"[\w*]", pattern):
        raise PlanInvalid(
            [Problem(plan.place("hosts"), f"{shown(plan.hosts)} is not an Ansible host pattern")]
        )
    children = {child for _, below in tree.values() for child in below}
    names = {
        name: {"hosts": dict.fromkeys(hosts), "children": dict.fromkeys(below)}
        for name, (hosts, below) in [*tree.items(), *((child, ([], [])) for child in children - set(tree))]
    }
    try:
        selected = asking.selected(pattern, names)
    except asking.PatternMismatch as error:
        unknown = f"no group or host of the inventory is called {shown(error.name)}{meant(error.name, [*names, *known])}"
        message = unknown if error.name else f"{shown(plan.hosts)} is not an Ansible host pattern: {error}"
        raise PlanInvalid([Problem(plan.place("hosts"), message)]) from None
    strangers = [name for name in selected if name not in known]
    if strangers:
        message = f"the pattern selects {some(strangers)}, which the inventory does not name"
        raise PlanInvalid([Problem(plan.place("hosts"), message)])
    return selected


def _number_notes(plan: Plan, variables: Mapping[str, dict[str, Any]]) -> Iterator[str]:
    """24.10 in an inventory is read by Ansible as 24.1: a difference that nobody sees."""
    read = [
        (f"factor {factor}", name)
        for factor, source in plan.factors.items()
        for name in factors.names_in(source)
    ]
    read += [("facts", name) for name in factors.facts_wanted(plan)]
    for who, name in read:
        value = next((v[name] for v in variables.values() if isinstance(v.get(name), float)), None)
        if value is not None:
            yield f"{who}: {name} is a number in the inventory, such as {value}; quote it, or 24.10 is read as 24.1"


def _key(plan: Plan, folder: Path) -> str | None:
    """A digest of all that the answer depends on; None if that cannot be known before asking."""
    digest = hashlib.sha256()

    def add(*values: str | bytes) -> None:
        for value in values:
            content = value.encode() if isinstance(value, str) else value
            digest.update(len(content).to_bytes(8, "big") + content)

    settings = {name: value for name, value in os.environ.items() if name.startswith("ANSIBLE_")}
    add(
        str(FORMAT),
        version("ansible-core"),
        str(folder),
        *plan.inventory,
        "",
        plan.hosts,
        json.dumps(settings, sort_keys=True),
    )
    lively = not _LIVELY_SETTINGS.isdisjoint(settings) or (folder / "vars_plugins").is_dir()
    try:
        for path in _configurations(folder):
            content = path.read_bytes()
            lively = lively or bool(_LIVELY.search(content))
            add(str(path), content)
        for path, is_source in _files(plan, folder):
            content = path.read_bytes()
            lively = lively or (is_source and _is_lively(path, content))
            add(str(path), content)
    except TooManyFiles:
        return None
    except OSError as error:
        raise InventoryError(f"{shown(error.filename or '')} cannot be read: {error.strerror}") from error
    return None if lively else digest.hexdigest()[:24]


def _configurations(folder: Path) -> Iterator[Path]:
    named = os.environ.get("ANSIBLE_CONFIG")
    named_path = [Path(named), Path(named, "ansible.cfg")] if named else []
    for path in [
        *named_path,
        folder / "ansible.cfg",
        Path.home() / ".ansible.cfg",
        Path("/etc/ansible/ansible.cfg"),
    ]:
        if path.is_file():
            yield path


def _files(plan: Plan, folder: Path) -> Iterator[tuple[Path, bool]]:
    """The sources (True), and the variables that Ansible looks for beside them and beside the plan (False)."""
    beside = {folder: None}
    for source in _sources(plan, folder):
        path = Path(source)
        if "," in source and not is_there(path):
            continue
        if path.is_dir():
            for file in files_under(path):
                yield file, _VARIABLE_FOLDERS.isdisjoint(file.relative_to(path).parts)
        else:
            yield path, True
            beside[path.parent] = None
    for place in beside:
        for name in sorted(_VARIABLE_FOLDERS):
            if (place / name).is_dir():
                yield from ((file, False) for file in files_under(place / name))


def _is_lively(path: Path, content: bytes) -> bool:
    """A script, a plugin's configuration, or what cannot be told because it is encrypted."""
    return os.access(path, os.X_OK) or content.startswith(b"$ANSIBLE_VAULT") or bool(_PLUGIN.search(content))


def _load(file: Path) -> dict[str, Any] | None:
    """What was kept; nothing if it is not there or not whole: then Ansible is asked again."""
    try:
        found = json.loads(file.read_bytes())
    except (OSError, ValueError):
        return None
    whole = isinstance(found, dict) and found.get("format") == FORMAT
    return found if whole else None


def _keep(file: Path, found: Mapping[str, Any]) -> None:
    """Written whole or not at all, for its owner alone; the plan's earlier answers are removed."""
    try:
        file.parent.parent.mkdir(parents=True, exist_ok=True)
        file.parent.mkdir(mode=0o700, exist_ok=True)
        file.parent.chmod(0o700)
        draft = file.with_suffix(f".{os.getpid()}.tmp")
        draft.unlink(missing_ok=True)
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
        try:
            with os.fdopen(descriptor, "w") as stream:
                json.dump(found, stream, separators=(",", ":"))
            draft.replace(file)
        except BaseException:
            draft.unlink(missing_ok=True)
            raise
        name = file.name.rsplit("-", 1)[0]
        for old in file.parent.glob("*.json"):
            if old != file and old.name.rsplit("-", 1)[0] == name:
                old.unlink(missing_ok=True)
    except OSError as error:
        raise InventoryError(f"{plain(str(file))} cannot be written: {error.strerror}") from error
