"""Failure budgets as numbers of hosts: a percentage is of the hosts to upgrade, so that nothing moves it during the run."""

from collections import Counter
from collections.abc import Iterable, Mapping

from rollout.model.graph import Combo, Node
from rollout.model.plan import EVIDENCE, Budget, Failures


def of_combos(failures: Failures, combos: Mapping[str, Combo]) -> dict[str, int]:
    """By combo, among its hosts after the canaries; none for a combo that is judged by evidence alone."""
    if failures.combo == EVIDENCE:
        return {}
    return {name: _resolved(failures.combo, combo.hosts) for name, combo in combos.items()}


def of_run(failures: Failures, hosts: int) -> int:
    """In the whole run; without a budget every host may fail."""
    return hosts if failures.run is None else _resolved(failures.run, hosts)


def of_values(failures: Failures, nodes: Iterable[Node]) -> dict[str, int]:
    """By `factor=value`, for each value that a host to upgrade has."""
    sizes = Counter((factor, node.factors[factor]) for node in nodes for factor in failures.per)
    return {
        f"{factor}={value}": _resolved(failures.per[factor], size) for (factor, value), size in sizes.items()
    }


def _resolved(budget: Budget | int, hosts: int) -> int:
    return budget if isinstance(budget, int) else budget.of(hosts)
