from collections.abc import Iterator
from pathlib import Path

import pytest

from rollout.journal import Journal
from tests.journal.journal_world import MAKERS, Clock


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(params=sorted(MAKERS))
def opened(request: pytest.FixtureRequest, tmp_path: Path, clock: Clock) -> Iterator[Journal]:
    with MAKERS[request.param](tmp_path, clock) as made:
        yield made
