"""What probes have found, kept beside the plan: host -> when it was asked, under which address, and what it said.

One line of JSON for each host in `probe/hosts.jsonl` of the state folder, for its owner alone, written whole or not at all. A host that
could not be asked keeps what an earlier probe has found.
"""

import fcntl
import json
import os
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rollout.errors import InventoryError
from rollout.plan.words import plain, some

FOLDER, FILE = "probe", "hosts.jsonl"

LAST = "told\tall"
"""The script's last line."""

MOST, LONGEST = 300, 200
"""Facts of a host, and values of a fact; characters of a value."""

_NAME = re.compile(r"[a-z][a-z0-9_]{0,63}")


@dataclass(frozen=True, slots=True)
class Record:
    """`at`: when the host was asked, seconds since the epoch; `address`: as the inventory gave it then. `facts`: one value or several."""

    at: float
    address: str = ""
    facts: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def text(self, name: str) -> str | None:
        """What it knows by that name, if that is one value."""
        values = self.facts.get(name, ())
        return values[0] if len(values) == 1 else None


def load(state_dir: Path, names: frozenset[str] | None = None) -> dict[str, Record]:
    """Host -> what is known of it, of these names only: all of a large fleet would take much memory. A line that cannot be read is none."""
    found: dict[str, Record] = {}
    shared: dict[Any, Any] = {}
    try:
        with (state_dir / FOLDER / FILE).open(encoding="utf-8", errors="replace") as lines:
            for line in lines:
                read = _read(line, names, shared)
                if read is not None:
                    found[read[0]] = read[1]
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise InventoryError(
            f"{plain(str(state_dir / FOLDER / FILE))} cannot be read: {error.strerror}"
        ) from error
    return found


def _read(line: str, names: frozenset[str] | None, shared: dict[Any, Any]) -> tuple[str, Record] | None:
    """Equal values of many hosts are one value."""
    try:
        host, at, address, facts = json.loads(line)
        known = []
        for name, value in facts.items():
            if names is None or name in names:
                values = (value,) if isinstance(value, str) else tuple(map(str, value))
                known.append((name, shared.setdefault(values, values)))
        key = tuple(known)
        mapping = shared.setdefault(("facts", key), dict(key))
        return str(host), Record(float(at), str(address), mapping)
    except (ValueError, TypeError, AttributeError):
        return None


def facts_of(found: Mapping[str, Any]) -> dict[str, tuple[str, ...]]:
    """What the probe's script has printed: a name, a tab and a value a line; empty when it did not get to its end.

    Hosts are not trusted: odd names, and values that could not be printed, are left out.
    """
    lines = found.get(FOLDER)
    told = [str(line).rstrip("\r") for line in lines] if isinstance(lines, list) else []
    if not told or told[-1] != LAST:
        return {}
    facts: dict[str, dict[str, None]] = {}
    for line in told[:-1]:
        name, tab, value = line.partition("\t")
        text = value.strip()[:LONGEST]
        if tab and text and text.isprintable() and _NAME.fullmatch(name) and len(facts) < MOST:
            facts.setdefault(name, {})[text] = None
    return {name: tuple(values)[:MOST] for name, values in facts.items()}


def keep(state_dir: Path, found: Mapping[str, Record]) -> None:
    """Add to what is known. Raises InventoryError when it cannot be written."""
    folder = state_dir / FOLDER
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder.chmod(0o700)
        with _locked(folder):
            _write(folder / FILE, {**load(state_dir), **found})
    except OSError as error:
        raise InventoryError(f"{plain(str(folder))} cannot be written: {error.strerror}") from error


def forget(state_dir: Path, names: Collection[str]) -> None:
    """Drop what was found on hosts that are others since. Raises InventoryError when it cannot be written."""
    folder = state_dir / FOLDER
    if not (folder / FILE).is_file():
        return
    try:
        with _locked(folder):
            known = load(state_dir)
            _write(folder / FILE, {name: record for name, record in known.items() if name not in names})
    except OSError as error:
        raise InventoryError(f"{plain(str(folder))} cannot be written: {error.strerror}") from error


def ages(times: Sequence[float], now: float) -> tuple[str, ...]:
    """When these hosts were asked, in words for a person; nothing when there are none."""
    if not times:
        return ()
    first, last = (_ago(now - at) for at in (max(times), min(times)))
    when = f"{first} ago" if first == last else f"{first} to {last} ago"
    return (f"facts of {len(times)} {'host' if len(times) == 1 else 'hosts'}: probed {when}",)


def _ago(seconds: float) -> str:
    for unit, size in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= size:
            return f"{seconds // size:.0f} {unit}"
    return "less than a minute"


def contradicted(
    known: Mapping[str, Mapping[str, tuple[str, ...]]], records: Mapping[str, Record]
) -> tuple[str, ...]:
    """Where the inventory's facts (host -> name -> values), which count, are not what a probe has found: a sentence for each name."""
    other: dict[str, list[str]] = {}
    for host, facts in known.items():
        found = records[host].facts
        for name, values in facts.items():
            if name in found and found[name] != values:
                words = f"{', '.join(found[name])} by its probe and {', '.join(values)} in the inventory"
                other.setdefault(name, []).append(f"{host}, {words}")
    return tuple(
        f"{name}: the inventory counts, and {len(hosts)} {'host says' if len(hosts) == 1 else 'hosts say'} otherwise ({some(hosts, 2)})"
        for name, hosts in other.items()
    )


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Two probes at once: neither loses what the other has found."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _write(file: Path, records: Mapping[str, Record]) -> None:
    draft = file.with_suffix(".tmp")
    draft.unlink(missing_ok=True)
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
            for host, one in records.items():
                facts = {name: value[0] if len(value) == 1 else value for name, value in one.facts.items()}
                stream.write(json.dumps([host, one.at, one.address, facts], separators=(",", ":")) + "\n")
        draft.replace(file)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise
