"""Kinds are files; other packages add theirs through entry points."""

import sys
from pathlib import Path

import pytest

from rollout import kinds
from rollout.errors import RolloutError


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An installed package with a kind, a broken kind, one without a class, and one that is ours already."""
    info = tmp_path / "foreign-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: foreign\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        "[rollout.gates]\nfull-disk = foreign_gate\nbroken = foreign_gate.nowhere\nbare = json\nssh = foreign_gate:Kind\n"
        "named = foreign_gate:Kind\n"
    )
    (tmp_path / "foreign_gate.py").write_text("class Kind:\n    remembers = False\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "foreign_gate", raising=False)


def test_each_file_is_a_kind_and_the_underscore_hides_one() -> None:
    names = kinds.names("gates")
    assert {"ssh", "command", "boot", "guests"} <= set(names)
    assert not any(name.startswith(("_", "-")) for name in names)
    assert kinds.names("drains") == ("none", "playbook")


def test_every_kind_of_ours_loads() -> None:
    for room in ("gates", "drains"):
        for name in kinds.names(room):
            assert kinds.load(room, name).__module__ == f"rollout.{room}.{name.replace('-', '_')}"


@pytest.mark.usefixtures("package")
def test_another_package_adds_a_kind() -> None:
    assert {"full-disk", "named"} <= set(kinds.names("gates"))
    assert kinds.load("gates", "full-disk").__module__ == "foreign_gate"
    assert kinds.load("gates", "named") is kinds.load("gates", "full-disk")


@pytest.mark.usefixtures("package")
def test_ours_cannot_be_replaced() -> None:
    assert kinds.load("gates", "ssh").__module__ == "rollout.gates.ssh"


@pytest.mark.usefixtures("package")
@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("broken", "cannot be imported"),
        ("bare", "holds no class `Kind`"),
        ("nowhere", "rollout.gates has no kind 'nowhere'; it has alertmanager, bare, boot"),
    ],
)
def test_a_kind_that_cannot_be_used_is_one_clear_error(kind: str, words: str) -> None:
    with pytest.raises(RolloutError) as caught:
        kinds.load("gates", kind)
    assert words in str(caught.value)
