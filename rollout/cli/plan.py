"""`rollout plan`."""

import os
import re
import shlex
import sys
from pathlib import Path

import click

from rollout.cli import _compiling, _options, _showing, _writing
from rollout.errors import HAS_CHANGES, PlanStale, UsageError

LEAST = 8
"""Characters of a digest that name a plan."""

DIGEST = re.compile(r"[0-9a-f]+")


def _digest(_ctx: click.Context, _param: click.Parameter, value: str | None) -> str | None:
    if value is not None and (len(value) < LEAST or not DIGEST.fullmatch(value)):
        raise click.BadParameter(
            f"a digest is hexadecimal, and at least {LEAST} of its characters are needed"
        )
    return value


@click.command()
@_options.plan
@click.option(
    "-o",
    "--out",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Save the plan, to be shown and applied as it is.",
)
@_options.allow_unknown
@_options.form
@_options.as_json
@_options.forms_written(*_showing.WRITTEN)
@click.option(
    "--expect",
    metavar="DIGEST",
    callback=_digest,
    help="Exit with 6 unless the plan has this digest (its first 8 characters or more).",
)
@click.option("--explain", metavar="HOST", help="All that is planned for this host, and why.")
@click.option("--probe", is_flag=True, help="Ask the hosts what they are first; it changes nothing on them.")
@click.option("--detailed-exitcode", is_flag=True, help="Exit with 2 when there are hosts to upgrade.")
def command(
    *,
    plan: Path,
    out: Path | None,
    form: str,
    as_json: bool,
    written: dict[Path, str],
    expect: str | None,
    explain: str | None,
    probe: bool,
    detailed_exitcode: bool,
    allow_unknown: bool,
) -> int:
    """Show which host is upgraded when, and what is not touched.

    Reads the plan, the playbooks and the inventory; without --probe it reaches no host.
    """
    read, inventory, compiled = _compiling.graph_of(plan, allow_unknown=allow_unknown, probe=probe)
    digest = compiled.graph.digest
    if expect is not None and not digest.startswith(expect):
        raise PlanStale(
            f"the plan is not the one that was looked at: its digest is {digest}, and {expect} was expected; "
            f"look at it (`rollout plan {shlex.quote(str(plan))}`, or `rollout diff` with the saved one), then expect {digest[:12]}"
        )
    if out is not None:
        _compiling.write_saved(out, compiled)
        click.echo(f"saved as {out}: `rollout diff {out}` says what changes from here on, `rollout apply {out}` carries it out", err=True)  # fmt: skip
    for path, kind in written.items():
        _writing.whole(path, "".join(_showing.pieces(compiled, kind)))
    if explain is not None:
        if form == "markdown":
            raise UsageError("--explain tells of a host as text or as JSON, not as Markdown")
        from rollout.cli import _explaining

        _explaining.explain(read, inventory, compiled, explain, as_json=as_json or form == "json")
        return 0
    try:
        _showing.show(compiled, "json" if as_json else form)
    except BrokenPipeError:  # whoever reads it has seen enough; the exit code is for the one who asked
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return HAS_CHANGES if detailed_exitcode and compiled.graph.nodes else 0
