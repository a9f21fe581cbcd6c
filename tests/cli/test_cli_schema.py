import json
from pathlib import Path

from tests.cli.worlds import Typist


def test_a_schema_is_printed_or_written(rollout: Typist, tmp_path: Path) -> None:
    said = rollout("schema")
    assert said.code == 0
    assert json.loads(said.out)["title"] == "A plan of rollout"
    assert rollout("schema", "gate", "boot", "-o", "boot.json").code == 0
    assert "kernel" in json.loads((tmp_path / "boot.json").read_text())["properties"]


def test_what_has_no_schema_is_said(rollout: Typist) -> None:
    assert rollout("schema", "gate", "magic").code == 1
    assert rollout("schema", "risks", "boot").code == 64
    assert rollout("schema", "sonnets").code == 64
    unwritable = rollout("schema", "-o", "nowhere/plan.json")
    assert unwritable.code == 64
    assert "nowhere/plan.json: No such file" in unwritable.err
