"""`rollout simulate`."""

import os
import time
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from math import isfinite
from pathlib import Path
from typing import Any

import click

from rollout.cli import _options
from rollout.errors import ERROR

FORMATS = ["%Y-%m-%d", "%Y-%m-%d %H:%M", "%Y-%m-%dT%H:%M"]
SMALL = 2000
"""Hosts in all seeds together below which a second process is not worth its start."""


def _duration(_ctx: click.Context, _param: click.Parameter, value: str) -> float:
    from rollout.plan.scalars import duration

    try:
        return duration(0 if value == "0" else value)
    except ValueError as error:
        raise click.BadParameter(str(error)) from error


def _read(how: str) -> Callable[[click.Context, click.Parameter, str], Any]:
    """An option's value as a function of `_chances` reads it."""

    def read(_ctx: click.Context, _param: click.Parameter, value: str) -> Any:
        from rollout.cli import _chances

        return getattr(_chances, how)(value)

    return read


share = partial(click.option, metavar="SHARE", callback=_read("share"), default="0")


def _finite(_context: click.Context, _option: click.Parameter, value: float) -> float:
    """`nan` is within every range."""
    if not isfinite(value):
        raise click.BadParameter(f"{value} is not a number")
    return value


@click.command()
@_options.plan
@click.option("--seed", type=click.IntRange(0), help="What befalls which host follows from it.  [default: 1]")
@click.option(
    "--seeds", type=click.IntRange(1, 1_000_000), metavar="N", help="Seeds 1 to N, and how they are spread."
)
@click.option(
    "--defect",
    "defects",
    metavar="WHOM[,OPTION ...]",
    multiple=True,
    help="Breaks the hosts that are all of WHOM: FACTOR=VALUE[&...], combo=NAME, all. q=SHARE of them; step=NAME: where it shows; late=DURATION: only in gates, so long after the host was done; ends=failed|unreachable|late|unknown.",
)
@click.option(
    "--spread",
    type=click.FloatRange(0, 3),
    callback=_finite,
    default=0.3,
    show_default=True,
    help="Sigma of the steps' lognormal durations around their `expect`.",
)
@click.option(
    "--stragglers",
    metavar="SHARExFACTOR",
    callback=_read("stragglers"),
    default="0",
    help="Hosts that take so many times as long, such as 2%x4.",
)
@share("--base", help="Hosts that break by themselves, such as 0.1%.")
@share("--gaps", help="Answers of gates that are inconclusive, such as 5%.")
@click.option(
    "--crash",
    "crashes",
    type=click.IntRange(0, 1000),
    metavar="N",
    default=0,
    help="So often the controller dies, and the next one takes up.",
)
@click.option(
    "--approval",
    metavar="DURATION",
    callback=_duration,
    default="0",
    help="How long a person takes to approve.  [default: at once]",
)
@click.option("--at", type=click.DateTime(FORMATS), help="When the run begins, UTC.  [default: now]")
@click.option(
    "--jobs", type=click.IntRange(1, 256), help="Processes for many seeds.  [default: one per processor]"
)
@_options.allow_unknown
@_options.as_json
def command(
    plan: Path,
    *,
    seed: int | None,
    seeds: int | None,
    defects: tuple[str, ...],
    spread: float,
    stragglers: tuple[float, float],
    base: float,
    gaps: float,
    crashes: int,
    approval: float,
    at: datetime | None,
    jobs: int | None,
    as_json: bool,
    allow_unknown: bool,
) -> int:
    """Tell how a plan would go, with defects, stragglers and crashes.

    It is carried out on imagined hosts. The same policy as `apply`, in virtual time. It exits with 0 however the simulated run ended; that one's exit code is in what it prints.
    """
    if seed is not None and seeds is not None:
        raise click.UsageError("give one of --seed and --seeds")
    from rollout.cli import _chances, _compiling
    from rollout.engine.seeds import simulated
    from rollout.engine.simulation import Scenario
    from rollout.executors.imagined import Chances
    from rollout.report import simulated as report

    graph = _compiling.graph_of(plan, allow_unknown=allow_unknown)[2].graph
    planted = tuple(_chances.defect(graph, word) for word in defects)
    chances = Chances(spread, *stragglers, base, gaps, planted)
    start = at.replace(tzinfo=UTC).timestamp() if at is not None else float(round(time.time()))
    scenario = Scenario(chances, crashes, approval, start)
    many = list(
        simulated(
            graph,
            scenario,
            range(1, seeds + 1) if seeds else (1 if seed is None else seed,),
            _jobs(jobs, (seeds or 1) * len(graph.nodes)),
        )
    )
    if as_json:
        click.echo("\n".join(map(report.as_json, many)))
        if seeds:
            click.echo(report.spread_as_json(many))
    else:
        click.echo(report.spread(graph, many) if seeds else report.text(graph, many[0]), nl=False)
    return ERROR if any(one.endless for one in many) else 0


def _jobs(wanted: int | None, hosts: int) -> int:
    if wanted is not None:
        return wanted
    return len(os.sched_getaffinity(0)) if hosts > SMALL else 1
