from collections.abc import Callable, Iterator, Sequence

import pytest

from rollout.lab import HostSpec
from rollout.lab.needs import missing
from tests.end_to_end.operating import Operator


@pytest.fixture(scope="module")
def operator_of(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Callable[[Sequence[HostSpec]], Operator]]:
    """Makes an operator with a lab of those hosts; nothing of it is left when the module's tests are over."""
    if lacking := missing():
        pytest.skip(f"no lab here: it needs {lacking[0]}")
    operators: list[Operator] = []

    def make(hosts: Sequence[HostSpec]) -> Operator:
        operator = Operator(tmp_path_factory.mktemp("operator"))
        operators.append(operator)
        operator.copy_playbooks()
        operator.lab.up(hosts)
        return operator

    try:
        yield make
    finally:
        for operator in operators:
            operator.close()
