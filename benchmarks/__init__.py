"""What every benchmark shares: measuring processor time, and the one line of JSON at the end.

`python -m benchmarks.NAME [--quick]`. Times are processor time (user and system), for wall time on a shared machine says little.
"""

import gc
import json
import operator
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple, TypeVar

Result = TypeVar("Result")

_COMPARE: dict[str, Callable[[float, float], bool]] = {"<=": operator.le, ">=": operator.ge}


class Usage(NamedTuple):
    """What a process used: seconds of processor time with its own children, and peak resident memory in MB."""

    cpu: float
    peak_mb: float


def quick() -> bool:
    """Whether `--quick` was asked for: the same shape with less work."""
    return "--quick" in sys.argv[1:]


def cpu(function: Callable[[], Result]) -> tuple[float, Result]:
    """Seconds of processor time that this process spent in the function, and what it gave."""
    gc.collect()
    begin = time.process_time()
    result = function()
    return time.process_time() - begin, result


def cpu_uncollected(function: Callable[[], Result]) -> tuple[float, Result]:
    """As `cpu`, without the garbage collector: it finds nothing to do in a small run, and its share in a large one hides growth."""
    gc.disable()
    try:
        return cpu(function)
    finally:
        gc.enable()


def best(function: Callable[[], float], times: int = 3) -> float:
    """The least of a few measurements: what else runs on the machine only ever adds."""
    return min(function() for _ in range(times))


def cpu_of_process(command: Sequence[str], env: Mapping[str, str] | None = None) -> Usage:
    """What a command used. Raises CalledProcessError when it fails."""
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, env=env) as process:
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command)
    return Usage(used.ru_utime + used.ru_stime, used.ru_maxrss / 1024)


def conclude(name: str, figures: Mapping[str, float], goals: Mapping[str, str]) -> int:
    """Print the line; 0 when every goal holds, else 1. A goal is `<= 0.4` or `>= 100000`, by the name of its figure."""
    holds = all(_holds(figures[figure], goal) for figure, goal in goals.items())
    line = {
        "name": name,
        "figures": {key: round(value, 4) for key, value in figures.items()},
        "goals": dict(goals),
        "holds": holds,
    }
    print(json.dumps(line), flush=True)
    return 0 if holds else 1


def _holds(figure: float, goal: str) -> bool:
    compare, bound = goal.split()
    return _COMPARE[compare](figure, float(bound))
