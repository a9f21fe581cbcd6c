"""Files that commands write: whole, and never in the place of what is no file."""

import os
import stat
import threading
from pathlib import Path

import pytest

from rollout.cli import _writing
from rollout.errors import UsageError


def test_a_file_is_replaced_as_a_whole(tmp_path: Path) -> None:
    path = tmp_path / "report.md"
    path.write_text("old")
    with path.open() as reader:
        _writing.whole(path, "new")
        assert reader.read() == "old"
    assert path.read_text() == "new"
    assert [one.name for one in tmp_path.iterdir()] == ["report.md"]


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("old")
    (tmp_path / "link").symlink_to("file")
    _writing.whole(tmp_path / "link", "new")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "file").read_text() == "new"


def test_a_pipe_is_written_to_and_stays(tmp_path: Path) -> None:
    """As /dev/null does, which a command of root's would replace otherwise."""
    pipe, read = tmp_path / "pipe", []
    os.mkfifo(pipe)
    reader = threading.Thread(target=lambda: read.append(pipe.read_text()), daemon=True)
    reader.start()
    _writing.whole(pipe, "text")
    reader.join(60)
    assert read == ["text"]
    assert stat.S_ISFIFO(pipe.stat().st_mode)


@pytest.mark.parametrize("name", ["/", ".", "", "..", "no folder/x", "x" * 300])
def test_what_cannot_be_written_is_one_error(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError):
        _writing.whole(Path(name), "text")
    assert not list(tmp_path.iterdir())


def test_half_a_character_is_written_out(tmp_path: Path) -> None:
    _writing.whole(tmp_path / "x", "a\ud800")
    assert (tmp_path / "x").read_text() == "a\\ud800"
