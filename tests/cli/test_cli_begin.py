"""init and rehearse: the first things that a person tries."""

import json
from pathlib import Path

from rollout.cli.init import shipped_playbooks
from tests.cli.worlds import Typist, a_plan_folder


def test_init_writes_what_can_be_validated_at_once(rollout: Typist, tmp_path: Path) -> None:
    assert rollout("init").code == 0
    said = rollout("validate", "plan.yml")
    assert (said.code, said.out) == (
        0,
        "plan.yml: no mistakes; 3 hosts to upgrade in 2 combos, 1 not touched\n",
    )
    shipped = {path.relative_to(shipped_playbooks()) for path in shipped_playbooks().rglob("*.yml")}
    assert shipped == {
        path.relative_to(tmp_path / "playbooks") for path in (tmp_path / "playbooks").rglob("*.yml")
    }


def test_init_never_overwrites_unless_told_to(rollout: Typist, tmp_path: Path) -> None:
    (tmp_path / "new").mkdir()
    (tmp_path / "new" / "plan.yml").write_text("mine")
    said = rollout("init", "new")
    assert said.code == 64
    assert "new/plan.yml: already there; --force overwrites" in said.err
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["plan.yml"]
    assert rollout("init", "new", "--force").code == 0
    assert (tmp_path / "new" / "plan.yml").read_text() != "mine"


def test_a_folder_that_cannot_be_written_is_one_clear_error(rollout: Typist, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    said = rollout("init", "file/below")
    assert said.code == 1
    assert said.err == "rollout: file/below: Not a directory\n"


def test_a_rehearsal_takes_no_time_and_tells_how_long_it_would_take(rollout: Typist, tmp_path: Path) -> None:
    a_plan_folder(tmp_path / "here")
    said = rollout("rehearse", "here/plan.yml")
    assert said.code == 0
    assert said.out.endswith("rehearsed time: 22m; no host was reached\n")
    said = rollout("rehearse", "here/plan.yml", "--lose", "a1:upgrade", "-v")
    assert said.code == 3
    assert "a1  HELD: upgrade lost the host: the rehearsal cuts its link" in said.out
    assert "release: rollout retry" not in said.out, "there is nothing to retry"
    events = [
        json.loads(line)
        for line in rollout("rehearse", "here/plan.yml", "--fail", "a1:precheck", "--json").out.splitlines()
    ]
    assert {event["host"] for event in events if event["event"] == "host-held"} == {"a1"}
    assert not (tmp_path / "here" / ".rollout" / "journal.sqlite3").exists()
    said = rollout("rehearse", "here/plan.yml", "--fail", "a1:frob")
    assert (said.code, "it has precheck, upgrade" in said.err) == (64, True)
    said = rollout("rehearse", "here/plan.yml", "--unhealthy", "zz")
    assert (said.code, said.err) == (64, "rollout: the plan upgrades no host 'zz'\n")
