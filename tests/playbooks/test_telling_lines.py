"""What an operator reads of a failed apt run, against outputs as apt and dpkg print them."""

import subprocess

import pytest
import yaml

from tests.playbooks.by_hand import PLAYBOOKS

PROGRAM = yaml.safe_load((PLAYBOOKS / "roles" / "rollout" / "vars" / "main.yml").read_text())[
    "rollout_telling_lines"
]

POSTINST = """\
Reading package lists...
The following packages will be upgraded:
  base extra
2 upgraded, 0 newly installed, 0 to remove and 0 not upgraded.
Get:1 http://mirror/debian trixie/main amd64 base all 2.0 [20.7 kB]
Preparing to unpack .../base_2.0_all.deb ...
Unpacking base (2.0) over (1.0) ...
Setting up other (2.0) ...
other: all is well
Setting up base (2.0) ...
base: cannot migrate
dpkg: error processing package base (--configure):
 installed base package post-installation script subprocess returned error exit status 1
dpkg: dependency problems prevent configuration of extra:
 extra depends on base (= 2.0); however:
  Package base is not configured yet.

dpkg: error processing package extra (--configure):
 dependency problems - leaving unconfigured
Setting up last (2.0) ...
Errors were encountered while processing:
 base
 extra
E: Sub-process /usr/bin/dpkg returned an error code (1)
"""

FETCH = """\
Hit:1 http://mirror/debian trixie InRelease
Err:2 http://security/debian trixie-security InRelease
  Could not resolve 'security'
Reading package lists...
E: Failed to fetch http://security/debian/dists/trixie-security/InRelease  Could not resolve 'security'
E: Some index files failed to download. They have been ignored, or old ones used instead.
"""

LOCK = "Waiting for cache lock: Could not get lock /var/lib/dpkg/lock-frontend. It is held by process 30 (apt)...\n"
LOCKED = "E: Unable to acquire the dpkg frontend lock (/var/lib/dpkg/lock-frontend), is another process using it?\n"


def told(output: str) -> list[str]:
    done = subprocess.run(["awk", PROGRAM], input=output, capture_output=True, text=True, check=True)
    return done.stdout.splitlines()


def test_a_package_that_fails_is_told_with_what_it_said_and_without_those_that_wait_for_it() -> None:
    assert told(POSTINST) == [
        "Setting up base (2.0) ...",
        "base: cannot migrate",
        "dpkg: error processing package base (--configure):",
        " installed base package post-installation script subprocess returned error exit status 1",
        "dpkg: error processing package extra (--configure):",
        "Errors were encountered while processing:",
        " base",
        " extra",
        "E: Sub-process /usr/bin/dpkg returned an error code (1)",
    ]


def test_a_source_that_cannot_be_fetched_is_told_with_the_reason() -> None:
    assert told(FETCH)[:2] == [
        "Err:2 http://security/debian trixie-security InRelease",
        "  Could not resolve 'security'",
    ]


def test_a_wait_for_the_lock_is_told_once() -> None:
    assert told(LOCK * 600 + LOCKED) == [LOCK.strip(), LOCKED.strip()]


@pytest.mark.parametrize("ended_by", ["Killed", "Segmentation fault"])
def test_an_end_without_any_error_is_told_with_the_last_lines(ended_by: str) -> None:
    assert told(f"Setting up a (1) ...\nSetting up b (2) ...\nb: at work\n{ended_by}\n") == [
        "Setting up b (2) ...",
        "b: at work",
        ended_by,
    ]


def test_the_last_errors_are_told_however_many_there_are() -> None:
    many = "".join(f"dpkg: error processing package p{number} (--configure):\n" for number in range(400))

    assert len(told(many + "E: the end\n")) == 26
    assert told(many + "E: the end\n")[-1] == "E: the end"
