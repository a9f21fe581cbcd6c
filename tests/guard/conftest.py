from pathlib import Path

import pytest

from tests.guard.guarded import Guarded


@pytest.fixture
def guard(tmp_path: Path) -> Guarded:
    return Guarded(tmp_path)
