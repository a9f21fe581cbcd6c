"""Where the run is kept: the journal, and the folder of state beside the plan."""

import os
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path
from shlex import quote

from rollout import journal
from rollout.cli._doctor.finding import Finding, Situation, Word
from rollout.errors import JournalError
from rollout.journal.statements import SCHEMA
from rollout.report.plain import counted

LITTLE, TOO_LITTLE = 1_000_000_000, 100_000_000
"""Bytes free on the disk: less than the first is told, less than the second is no room for a run."""


def record(situation: Situation) -> Iterator[Finding]:
    """That it can be read, is of a schema that we know, and can be written where it is, or would be."""
    name, source = journal.without_password(situation.journal), situation.journal_source
    try:
        with journal.open(situation.journal) as book:
            runs = book.runs()
    except JournalError as error:
        yield Finding("bad", "journal", name, source, str(error))
        return
    if journal.is_url(situation.journal):
        yield Finding("ok", "journal", f"{name}: {_runs(len(runs))}", source)
        return
    path = Path(situation.journal).absolute()
    there = path if path.exists() else _nearest(path.parent)
    if not os.access(there, os.W_OK):
        yield Finding(
            "bad",
            "journal",
            f"{name} cannot be written",
            source,
            f"make {there} writable for this user, or give --journal another path",
        )
    else:
        said = _runs(len(runs)) if path.exists() else "not there yet; the first `apply` makes it"
        yield Finding("ok", "journal", f"{name}: {said}", source)
    yield from _disk(there, path)


def _runs(number: int) -> str:
    return f"{counted(number, 'run')}, schema {SCHEMA}"


def _disk(there: Path, path: Path) -> Iterator[Finding]:
    from rollout.journal.network import refuse_network

    source = f"the file system of {there}"
    try:
        refuse_network(path)
    except JournalError as error:
        yield Finding("bad", "journal's disk", "on a network", source, str(error))
    free = shutil.disk_usage(there).free
    word: Word = "ok" if free >= LITTLE else "warn" if free >= TOO_LITTLE else "bad"
    advice = "" if word == "ok" else "free some: what failed is kept, and a full disk pauses the run"
    yield Finding(word, "room", f"{free / 1e9:.1f} GB free", source, advice)


def _nearest(folder: Path) -> Path:
    """The folder, or the nearest one above it that is there."""
    return next(one for one in (folder, *folder.parents) if one.exists())


def state(situation: Situation) -> Iterator[Finding]:
    """`.rollout` holds resolved variables and what units left: for its owner alone."""
    folder = situation.folder / ".rollout"
    source = "beside the plan" if situation.plan is not None else "the current folder"
    try:
        found = folder.stat()
    except FileNotFoundError:
        above = _nearest(folder.parent)
        if os.access(above, os.W_OK):
            yield Finding("ok", ".rollout", "not there yet", source)
        else:
            yield Finding("bad", ".rollout", "cannot be made", source, f"make {above} writable for this user")
        return
    mode = stat.S_IMODE(found.st_mode)
    if not os.access(folder, os.R_OK | os.W_OK | os.X_OK):
        yield Finding(
            "bad", ".rollout", f"mode {mode:03o}, not ours", source, f"chown -R $USER {quote(str(folder))}"
        )
    elif mode & 0o077:
        yield Finding(
            "warn",
            ".rollout",
            f"mode {mode:03o}",
            source,
            f"chmod 700 {quote(str(folder))}: others can see inside",
        )
    else:
        yield Finding("ok", ".rollout", f"mode {mode:03o}", source)
