from collections.abc import Iterator
from pathlib import Path

import pytest

from rollout.lab import HostSpec, Lab
from rollout.lab.needs import missing
from tests.playbooks.by_hand import Hand


@pytest.fixture(scope="session")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """Each test of the session uses hosts of its own."""
    if lacking := missing():
        pytest.skip(f"no lab here: it needs {lacking[0]}")
    lab = Lab(tmp_path_factory.mktemp("playbooks") / "lab")
    try:
        lab.up([HostSpec(name) for name in ("whole", "cut", "broken", "gone")])
        yield lab
    finally:
        lab.down()


@pytest.fixture
def hand(lab: Lab, tmp_path: Path) -> Hand:
    return Hand(lab, tmp_path)
