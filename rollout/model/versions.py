"""Whether a value is what is wanted of it: globs, and ranges of versions."""

from collections.abc import Iterable
from fnmatch import fnmatchcase

from rollout.model.verdict import Order


def fits(values: Iterable[str], wanted: Iterable[str], order: Order = "dotted") -> bool:  # noqa: ARG001  ranges come with the orders
    """Whether any of the values is accepted by any of the globs; case counts."""
    return any(fnmatchcase(value, glob) for value in values for glob in wanted)
