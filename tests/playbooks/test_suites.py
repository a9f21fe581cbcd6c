"""The module that switches apt's sources, on files as administrators write them."""

import importlib.util
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.playbooks.by_hand import PLAYBOOKS

FILE = PLAYBOOKS / "roles" / "rollout" / "library" / "rollout_suites.py"


def run(etc: Path, **parameters: Any) -> dict[str, Any]:
    """The module as Ansible runs it: a process that reads its parameters and prints its result."""
    given = {"from_suite": "bookworm", "to_suite": "trixie", "etc": str(etc), **parameters}
    done = subprocess.run(
        [sys.executable, str(FILE), json.dumps({"ANSIBLE_MODULE_ARGS": given})],
        capture_output=True,
        text=True,
        check=False,
    )
    result: dict[str, Any] = json.loads(done.stdout)
    return result


@pytest.fixture
def etc(tmp_path: Path) -> Path:
    (tmp_path / "apt" / "sources.list.d").mkdir(parents=True)
    return tmp_path / "apt"


ONE_LINE = {
    "deb http://mirror.example/debian bookworm main\n": "deb http://mirror.example/debian trixie main\n",
    "deb-src http://m/debian bookworm-updates main": "deb-src http://m/debian trixie-updates main",
    "deb http://m/security bookworm/updates main\n": "deb http://m/security trixie-security main\n",
    "deb  [ arch=amd64 signed-by=/k.gpg ]\thttps://m/d   bookworm-backports main # bookworm\n": (
        "deb  [ arch=amd64 signed-by=/k.gpg ]\thttps://m/d   trixie-backports main # bookworm\n"
    ),
    "deb cdrom:[Debian GNU/Linux 12 _Bookworm_]/ bookworm main\n": "deb cdrom:[Debian GNU/Linux 12 _Bookworm_]/ trixie main\n",
    "# deb http://m/debian bookworm main\n": None,
    "deb http://m/bookworm stable main\n": None,
    "deb http://m/sdk cloud-sdk-bookworm main\n": None,
    "deb http://m/x bookwormish main\n": None,
    "deb [trusted=yes] file:/srv/own ./\n": None,
}

DEB822 = {
    "Types: deb\nSuites: bookworm bookworm-updates\nURIs: http://m/bookworm\n": (
        "Types: deb\nSuites: trixie trixie-updates\nURIs: http://m/bookworm\n"
    ),
    "suites:\n bookworm\n# bookworm\n\tbookworm-security\nComponents: bookworm\n": (
        "suites:\n trixie\n# bookworm\n\ttrixie-security\nComponents: bookworm\n"
    ),
    "Enabled: no\nSuites: bookworm\n\nSuites: sid\n": "Enabled: no\nSuites: trixie\n\nSuites: sid\n",
    "Signed-By:\n bookworm\nSuites: sid": None,
}


@pytest.mark.parametrize(
    ("name", "before", "after"),
    [("own.list", *row) for row in ONE_LINE.items()] + [("own.sources", *row) for row in DEB822.items()],
)
def test_the_release_and_what_derives_from_it_is_renamed_and_nothing_else(
    name: str, before: str, after: str | None
) -> None:
    specification = importlib.util.spec_from_file_location("rollout_suites", FILE)
    assert specification
    assert specification.loader
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    switch = module.switch_deb822 if name.endswith(".sources") else module.switch_one_line

    assert switch(before, lambda suite: module.renamed(suite, "bookworm", "trixie")) == (after or before)


def test_files_are_switched_in_place_with_their_modes_and_kept_as_they_were(
    etc: Path, tmp_path: Path
) -> None:
    main, vendor = etc / "sources.list", etc / "sources.list.d" / "vendor.sources"
    main.write_text("deb http://m/debian bookworm main\n")
    main.chmod(0o640)
    vendor.write_text("Types: deb\nSuites: bookworm\n")
    (etc / "sources.list.d" / "old.list.save").write_text("deb http://m/debian bookworm main\n")

    result = run(etc, backup=str(tmp_path / "kept"), keep=["vendor.*"])

    assert result["changed"]
    assert result["switched"] == ["sources.list"]
    assert result["suites"] == ["bookworm", "trixie"]
    assert main.read_text() == "deb http://m/debian trixie main\n"
    assert main.stat().st_mode & 0o777 == 0o640
    assert "bookworm" in vendor.read_text()
    assert (tmp_path / "kept" / "sources.list").read_text() == "deb http://m/debian bookworm main\n"
    assert not run(etc, backup=str(tmp_path / "kept"), keep=["vendor.*"])["changed"]


def test_a_copy_leaves_the_files_of_the_host_alone(etc: Path, tmp_path: Path) -> None:
    own = etc / "sources.list.d" / "own.list"
    own.write_text("deb http://m/debian bookworm main\n")

    result = run(etc, into=str(tmp_path / "view"))

    assert not result["changed"]
    assert " bookworm " in own.read_text()
    assert " trixie " in (tmp_path / "view" / "sources.list.d" / "own.list").read_text()


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        (
            {},
            "no source in ETC names the suite bookworm or trixie; they name: sid. Set rollout_from_suite to the one to replace",
        ),
        ({"to_suite": "trixie main"}, "'trixie main' is no suite: a codename such as trixie was expected"),
        (
            {"from_suite": ""},
            "the suite to replace is not known: set rollout_from_suite to what the sources name now",
        ),
    ],
)
def test_what_cannot_be_switched_is_said(
    etc: Path, tmp_path: Path, parameters: dict[str, str], message: str
) -> None:
    (etc / "sources.list").write_text("deb http://m/debian sid main\n")

    result = run(etc, into=str(tmp_path / "view"), **parameters)

    assert result["msg"] == message.replace("ETC", str(etc))
