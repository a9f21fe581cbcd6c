"""A compiled plan on stdout, in the form that was asked for."""

import click

from rollout.report.saved import Compiled


def show(compiled: Compiled, form: str) -> None:
    """`form`: text, json or markdown."""
    if form == "json":
        from rollout.report.plan_json import json_lines

        for line in json_lines(compiled):
            click.echo(line)
    elif form == "markdown":
        from rollout.report.plan_markdown import markdown

        click.echo(markdown(compiled), nl=False)
    else:
        from rollout.report.plans import text

        click.echo(text(compiled), nl=False)
