from pathlib import Path

import pytest

from tests.cli.worlds import Typist


@pytest.fixture
def rollout(capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Typist:
    """`rollout("status", ...)` in an empty folder."""
    monkeypatch.chdir(tmp_path)
    for name in ("ROLLOUT_JOURNAL", "ROLLOUT_TRACEBACK"):
        monkeypatch.delenv(name, raising=False)
    return Typist(capsys)
