"""A compiled plan in the form that was asked for, on stdout or in a file."""

import json
from collections.abc import Iterator

import click

from rollout.report.saved import Compiled

WRITTEN = ("text", "json", "markdown", "widget", "dotenv")
"""What `plan --write` writes. `widget`: the plan in a merge request, `dotenv`: variables of later jobs; both as GitLab reads them."""


def show(compiled: Compiled, form: str) -> None:
    """`form`: text, json or markdown."""
    for piece in pieces(compiled, form):
        click.echo(piece, nl=False)


def pieces(compiled: Compiled, form: str) -> Iterator[str]:
    """The whole in one piece, or line by line; `form` is one of WRITTEN."""
    if form == "json":
        from rollout.report.plan_json import json_lines

        yield from (f"{line}\n" for line in json_lines(compiled))
    elif form == "markdown":
        from rollout.report.plan_markdown import markdown

        yield markdown(compiled)
    elif form == "widget":
        yield json.dumps({"create": 0, "update": len(compiled.graph.nodes), "delete": 0}) + "\n"
    elif form == "dotenv":
        yield f"ROLLOUT_DIGEST={compiled.graph.digest}\n"
    else:
        from rollout.report.plans import text

        yield text(compiled)
