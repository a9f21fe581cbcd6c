"""`rollout gate new` and `rollout gate kinds`."""

import inspect
import json
import keyword
import os
import re
from pathlib import Path

import click

from rollout import kinds
from rollout.errors import RolloutError, UsageError
from rollout.report.plain import plain, table

NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
LONGEST = 40

TEMPLATES = Path(__file__).parent / "templates"

REGISTER = """a package of yours offers it, in its pyproject.toml:

    [project.entry-points."rollout.gates"]
    {word} = "PACKAGE.{module}:Kind"

installed beside rollout (`pip install -e .`), a plan says `kind: {word}`; `rollout gate kinds` lists it then.
A kind of rollout itself is rollout/gates/{module}.py, and a row of KINDS in tests/gates/test_gate_kinds.py:

    "{word}": Row({{}}, passes=..., fails=..., unknown=...),
"""


def write(name: str, folder: Path, *, fleet: bool) -> None:
    """Raises UsageError for a name that is no word of a plan or a kind already, and for a file that is there."""
    if not NAME.fullmatch(name) or len(name) > LONGEST or keyword.iskeyword(name):
        raise UsageError(
            f"{plain(name)!r} is no name of a kind: small letters, digits and dashes, a letter first, at most {LONGEST}"
        )
    if name in kinds.names("gates"):
        raise UsageError(f"there is a kind {name} already: `rollout gate kinds` lists them")
    module = name.replace("-", "_")
    path = folder / f"{module}.py"
    text = (TEMPLATES / ("fleet_gate.py" if fleet else "host_gate.py")).read_text(encoding="utf-8")
    try:
        with os.fdopen(
            os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644), "w", encoding="utf-8"
        ) as file:
            file.write(text)
    except FileExistsError:
        raise UsageError(f"{path} is there already, and is not overwritten") from None
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}") from error
    click.echo(f"wrote {path}: a kind that works, to be changed into yours\n")
    click.echo(REGISTER.format(word=name, module=module))
    click.echo(
        f"try it: rollout gate test PLAN GATE {'--about WHOM' if fleet else '--host HOST'}   (guide: docs/guides/gates.md, Writing one)"
    )


def kinds_listed(*, as_json: bool) -> None:
    """One line for each kind: whom it asks, and the first paragraph of its file."""
    rows = []
    for word in kinds.names("gates"):
        try:
            kind = kinds.load("gates", word)
        except RolloutError as error:
            rows.append([word, "-", str(error)])
            continue
        about = str(getattr(kind, "about", "host"))
        rows.append([word, f"{about}{', disturbs it' if getattr(kind, 'acts', False) else ''}", _said(kind)])
    if as_json:
        for word, about, said in rows:
            click.echo(json.dumps({"type": "kind", "kind": word, "asks": about, "says": said}))
        return
    click.echo("\n".join(table([[plain(cell) for cell in row] for row in rows], "")))


def _said(kind: type) -> str:
    """The first sentence of the file's first paragraph."""
    module = inspect.getmodule(kind)
    text = (inspect.getdoc(module) if module else None) or inspect.getdoc(kind) or ""
    return " ".join(text.partition("\n\n")[0].split())
