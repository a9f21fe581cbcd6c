"""Options that several commands share."""

import math
import re
import time
from collections.abc import Callable
from difflib import get_close_matches
from pathlib import Path
from typing import Any, TypeVar

import click

_Command = TypeVar("_Command", bound=Callable[..., Any])

SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*")


class _Where(click.Path):
    """A path, or the URL of a database."""

    name = "path or url"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        from rollout.journal import is_url, without_password

        scheme, colon, _ = str(value).partition("://")
        if not is_url(str(value)):
            if colon and SCHEME.fullmatch(scheme):
                self.fail(
                    f"there is no journal of scheme {scheme}: it takes a path, or postgresql://...",
                    param,
                    ctx,
                )
            return super().convert(value, param, ctx)
        without_password(str(value))  # before anything is done, and anything is shown of it
        return value


journal = click.option(
    "--journal",
    type=_Where(path_type=str, dir_okay=False),
    metavar="PATH|URL",
    envvar="ROLLOUT_JOURNAL",
    help="The record of the runs, a file or postgresql://... (or ROLLOUT_JOURNAL).  [default: .rollout/journal.sqlite3]",
)
run = click.option("--run", metavar="NAME", help="A run of the journal.  [default: the newest]")
as_json = click.option("--json", "as_json", is_flag=True, help="JSON lines.")
form = click.option(
    "--format",
    "form",
    type=click.Choice(["text", "json", "markdown"]),
    default="text",
    show_default=True,
    help="For a terminal, as JSON lines, or for a merge request.",
)


def forms_written(*forms: str) -> Callable[[_Command], _Command]:
    """`--write FORMAT=FILE`, as often as one likes."""

    def parsed(_ctx: click.Context, _param: click.Parameter, values: tuple[str, ...]) -> dict[Path, str]:
        found: dict[Path, str] = {}
        for value in values:
            form, equals, file = value.partition("=")
            if form not in forms or not equals or not file:
                close = get_close_matches(form, forms, 1)
                hint = f"; did you mean {close[0]}={file or 'FILE'}?" if close else ""
                raise click.BadParameter(
                    f"{value!r}: FORMAT=FILE is wanted, with one of {', '.join(forms)}{hint}"
                )
            if Path(file) in found:
                raise click.BadParameter(f"{file} is named twice")
            found[Path(file)] = form
        return found

    return click.option(
        "--write",
        "written",
        multiple=True,
        metavar="FORMAT=FILE",
        callback=parsed,
        help=f"Write it to this file, too, as {', '.join(forms[:-1])} or {forms[-1]}; may be given again.",
    )


reason = click.option("--reason", required=True, help="Why; it is kept in the journal.")
plan = click.argument("plan", type=click.Path(path_type=Path))
allow_unknown = click.option(
    "--allow-unknown",
    is_flag=True,
    help="Upgrade hosts, too, of which nobody knows whether that goes well: after all canaries, one at first.",
)
verbose = click.option("-v", "--verbose", is_flag=True, help="A line for each event, on a terminal too.")


def _writable(_ctx: click.Context, _param: click.Parameter, value: Path | None) -> Path | None:
    """Tried before anything is begun: a log that was asked for and cannot be is a mistake of the command line."""
    if value is not None:
        try:
            value.touch(mode=0o600)
            with value.open("a", encoding="utf-8"):
                pass
        except OSError as error:
            raise click.BadParameter(f"{value} cannot be written: {error.strerror}") from error
    return value


log = click.option(
    "--log",
    type=click.Path(path_type=Path, dir_okay=False),
    callback=_writable,
    help="Append each event to this file, as JSON lines.",
)


ALWAYS = "always"


def _patience(_ctx: click.Context, _param: click.Parameter, value: str | None) -> float | None:
    """Seconds; a bare --wait is for ever."""
    if value is None or value == ALWAYS:
        return None if value is None else math.inf
    from rollout.plan.scalars import duration

    try:
        return duration(value)
    except ValueError as error:
        raise click.BadParameter(str(error)) from error


wait = click.option(
    "--wait",
    callback=_patience,
    metavar="[=DURATION]",
    help="While another controller holds the run, wait for it (for so long), and take over.",
)


def _end(_ctx: click.Context, _param: click.Parameter, value: str | None) -> float | None:
    """From now on, in seconds since the epoch."""
    if value is None:
        return None
    from rollout.plan.scalars import duration

    try:
        return time.time() + duration(value)
    except ValueError as error:
        raise click.BadParameter(str(error)) from error


max_duration = click.option(
    "--max-duration",
    "until",
    callback=_end,
    metavar="DURATION",
    help="End after so long at a safe point, with exit code 75; no host begins that would take longer.",
)

unattended = click.option(
    "--unattended",
    is_flag=True,
    help="For schedules and jobs, which answer for nothing: lifts no pause, and lets nothing go on that a gate has stopped.",
)


class Waiting(click.Command):
    """A command with `wait`. Its value comes after `=` only: in `--wait plan.yml` the word is the plan."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        end = args.index("--") if "--" in args else len(args)
        words = [f"--wait={ALWAYS}" if word == "--wait" else word for word in args[:end]]
        return super().parse_args(ctx, [*words, *args[end:]])
