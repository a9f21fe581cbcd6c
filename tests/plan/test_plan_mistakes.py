"""Every kind of mistake in a plan file, with its exact words and place. ROLLOUT_GOLDEN=write writes them anew: read the difference."""

import os
from pathlib import Path

import pytest

from rollout.errors import PlanInvalid
from rollout.plan import read

FOLDER = Path(__file__).parents[1] / "golden" / "mistakes"
MISTAKES = sorted(path.stem for path in FOLDER.glob("*.txt"))


@pytest.fixture(autouse=True)
def _beside_the_plans(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(FOLDER)


@pytest.mark.parametrize("name", MISTAKES)
def test_each_mistake_is_named_at_its_place(name: str) -> None:
    with pytest.raises(PlanInvalid) as caught:
        read(Path(f"{name}.yml"))
    if os.environ.get("ROLLOUT_GOLDEN") == "write":
        Path(f"{name}.txt").write_text(f"{caught.value}\n")
    assert f"{caught.value}\n" == Path(f"{name}.txt").read_text()


def test_the_plan_that_the_mistakes_were_made_in_is_valid() -> None:
    assert read(Path("00-valid.yml")).name == "tokyo-trixie"


def test_every_plan_has_its_words() -> None:
    plans = {path.stem for path in FOLDER.glob("[0-9]*.yml")}
    assert plans == {*MISTAKES, "00-valid"}
    assert len(MISTAKES) >= 45


def test_a_file_that_cannot_be_read_is_a_mistake(tmp_path: Path) -> None:
    with pytest.raises(PlanInvalid, match="cannot be read: No such file"):
        read(tmp_path / "nowhere.yml")
    with pytest.raises(PlanInvalid, match="cannot be read: Is a directory"):
        read(tmp_path)


def test_bytes_that_are_no_text_are_a_mistake(tmp_path: Path) -> None:
    (tmp_path / "plan.yml").write_bytes(b"rollout: a\nhosts: \xff\n")
    with pytest.raises(PlanInvalid, match=r":2:8: not UTF-8 text"):
        read(tmp_path / "plan.yml")
