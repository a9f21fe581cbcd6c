"""`rollout compat`: compatibility files, apart from plans."""

import json
from pathlib import Path

import pytest

from tests.cli.worlds import Typist

ROW = '- {match: {pci: "15b3:1003"}, to: {os: rhel-9}, verdict: blocked, reason: gone}\n'
LIST = {
    "data": [
        {
            "device_type": kind,
            "device_id": name,
            "driver_name": "",
            "available_in_rhel": [8],
            "maintained_in_rhel": [8],
        }
        for kind, name in (("pci", "0x15B3:0x1003"), ("cpu", "aarch64:AWS:A72"))
    ]
}


@pytest.fixture(autouse=True)
def _files(tmp_path: Path) -> None:
    (tmp_path / "compat").mkdir()
    (tmp_path / "compat" / "a.yml").write_text(ROW)
    (tmp_path / "compat" / "b.yml").write_text(ROW * 2)
    (tmp_path / "leapp.json").write_text(json.dumps(LIST))


def test_files_and_folders_are_checked(rollout: Typist) -> None:
    said = rollout("compat", "check", "compat", "compat/a.yml")
    assert (said.code, said.err) == (0, "")
    assert said.out == "compat/a.yml: 1 row\ncompat/b.yml: 2 rows\ncompat/a.yml: 1 row\n"


def test_every_mistake_of_all_files_is_named(rollout: Typist, tmp_path: Path) -> None:
    (tmp_path / "compat" / "b.yml").write_text("- {match: {bios: '>='}, verdict: no, reason: r}\n- \x1b[2J\n")
    (tmp_path / "compat" / "c.yml").write_text("- {verdict: blocked, reason: r}\n")
    said = rollout("compat", "check", "compat")
    assert said.code == 65
    assert said.out == ""
    assert "compat/b.yml:" in said.err
    assert "compat/c.yml:1:3: the row has no key" in said.err
    assert "\x1b" not in said.err


def test_what_is_not_there_is_said(rollout: Typist, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    for name in ("empty", "nowhere.yml"):
        said = rollout("compat", "check", name)
        assert (said.code, said.err) == (64, f"rollout: {name}: there is no YAML file\n")
    assert rollout("compat", "check").code == 64
    assert rollout("compat", "import-leapp", "leapp.json").code == 64
    assert rollout("compat", "import-leapp", "nowhere.json", "--to", "rhel-9").code == 65


def test_leapps_list_becomes_a_file_that_is_right(rollout: Typist) -> None:
    printed = rollout("compat", "import-leapp", "leapp.json", "--to", "rhel-9")
    assert printed.code == 0
    assert printed.err == "1 of its entries could not be converted\n"
    assert (
        rollout("compat", "import-leapp", "leapp.json", "--to", "rhel-9", "-o", "compat/leapp.yml").out == ""
    )
    assert Path("compat/leapp.yml").read_text() == printed.out
    assert rollout("compat", "check", "compat/leapp.yml").out == "compat/leapp.yml: 2 rows\n"


def test_the_factor_may_be_called_otherwise(rollout: Typist) -> None:
    said = rollout("compat", "import-leapp", "leapp.json", "--to", "rhel-9", "--factor", "release")
    assert '  to: {release: ["rhel-9", "rhel-9.*"]}\n' in said.out
    odd = rollout("compat", "import-leapp", "leapp.json", "--to", "rhel-9", "--factor", "a: b")
    assert (odd.code, odd.out) == (64, "")


def test_where_nothing_can_be_written_is_said(rollout: Typist) -> None:
    said = rollout("compat", "import-leapp", "leapp.json", "--to", "rhel-9", "-o", "nowhere/leapp.yml")
    assert (said.code, said.err) == (64, "rollout: nowhere/leapp.yml: No such file or directory\n")
