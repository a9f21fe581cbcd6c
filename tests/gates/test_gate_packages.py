from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from rollout.gates._packages_script import END, script
from rollout.gates.packages import Kind
from rollout.model.seams import Answer, Ran, Subject, Verdict
from rollout.ssh import connect
from rollout.ssh.output import CUT
from tests.gates.any_connection import subject

TIMERS = ("timer apt-daily.timer inactive masked", "timer apt-daily-upgrade.timer inactive masked")
DEBIAN = ("manager dpkg", "listed 0", "package bash\t5.2.37-2\tii", "count 412", "checked 0")
ROCKY = (
    *("manager rpm", "listed 0", "package qemu-kvm\t17:9.1.0-15.el9\tii", "package kernel\t5.14.0-1.el9\tii"),
    *("package kernel\t5.14.0-2.el9\tii", "count 612", "checked 0"),
)


def says(*lines: str, on: tuple[str, ...] = DEBIAN, timers: tuple[str, ...] = TIMERS) -> Ran:
    text = "\n".join(("init systemd", *timers, *on, *lines, END, ""))
    return Ran(0, text, "")


def check(ran: Ran, **settings: Any) -> Verdict:
    return Kind(**settings).check(subject(ran))


PASSING: list[tuple[Ran, dict[str, Any], str]] = [
    (says(), {}, "dpkg: 412 packages are in order"),
    (says(), {"expect": {"bash": ">=5.2"}}, "dpkg: 412 packages are in order; bash 5.2.37-2"),
    (says(), {"expect": {"bash": ["5.1*", "5.2*"], "zsh": "absent"}}, "dpkg: 412 packages are in order; bash 5.2.37-2; zsh absent"),
    (says("package qemu\t1:10.0+ds-2\tii"), {"expect": {"qemu": ">1:9,<1:11"}}, "dpkg: 412 packages are in order; qemu 1:10.0+ds-2"),
    (says("package ceph\t19\thi "), {"held": ["ceph*"]}, "dpkg: 412 packages are in order"),
    (says(on=ROCKY), {"expect": {"qemu-kvm": ">=17:9"}}, "rpm: 612 packages are in order; qemu-kvm 17:9.1.0-15.el9"),
    (says(on=ROCKY), {"expect": {"kernel": "5.14.0-2*"}}, "rpm: 612 packages are in order; kernel 5.14.0-1.el9, 5.14.0-2.el9"),
    (says("lock bash-0:5.1*", on=ROCKY), {"held": ["bash*"]}, "rpm: 612 packages are in order"),
    (says(timers=("timer apt-daily-upgrade.timer active enabled",)), {}, "dpkg: 412 packages are in order"),
    (says("periodic Unattended-Upgrade 0", timers=("timer apt-daily-upgrade.timer active enabled",)), {}, "dpkg: 412 packages are in order"),
    (says("periodic Unattended-Upgrade 1", "periodic Enable 0", timers=("timer apt-daily-upgrade.timer active enabled",)), {}, "dpkg: 412 packages are in order"),
    (says("busy apt-get (process 7)"), {"unattended": "any"}, "dpkg: 412 packages are in order"),
    (says("timer apt-daily.timer ", "busy dpkg (process 3)"), {"unattended": "any"}, "dpkg: 412 packages are in order"),
    (says("said /etc/x missing", on=(*ROCKY[:-1], "checked 1")), {}, "rpm: 612 packages are in order"),
]  # fmt: skip


@pytest.mark.parametrize(("ran", "settings", "because"), PASSING)
def test_packages_in_order_pass(ran: Ran, settings: dict[str, Any], because: str) -> None:
    verdict = check(ran, **settings)
    assert (verdict.value, verdict.because) == (Answer.PASS, because)
    assert verdict.samples["packages"] > 0


FAILING: list[tuple[Ran, dict[str, Any], str]] = [
    (says(), {"expect": {"bash": ">=5.3"}}, "bash is 5.2.37-2, and >=5.3 is expected"),
    (says(), {"expect": {"bash": ["5.1*", "6.*"]}}, "bash is 5.2.37-2, and 5.1* or 6.* is expected"),
    (says(), {"expect": {"zsh": "5*"}}, "zsh is not installed"),
    (says(), {"expect": {"bash": "absent"}}, "bash is 5.2.37-2, and absent is expected"),
    (says("package zsh\t5.9\trc"), {"expect": {"zsh": "5*"}}, "zsh is not installed"),
    (says("package ceph\t19\thi "), {}, "ceph is held"),
    (says("package ceph\t19\tiF "), {}, "ceph is half-configured"),
    (says("package ceph\t19\tiU "), {}, "ceph is unpacked and not configured"),
    (says("package ceph\t19\tiHR"), {}, "ceph is half-installed"),
    (says("package ceph\t19\tiiR"), {}, "ceph must be reinstalled"),
    (says("package man-db\t2\tiW "), {}, "man-db is waiting for triggers"),
    (says("twice glibc.x86_64", on=ROCKY), {}, "glibc.x86_64 is installed twice"),
    (says("lock bash-0:5.1*", on=ROCKY), {}, "bash-0:5.1* is held"),
    (says("lock kernel* ceph", on=ROCKY), {"held": ["ceph"]}, "kernel* is held"),
    (says("said The following packages have unmet dependencies:", "said  vim : Depends: vim-common (= 9)", "said E: Unmet dependencies", on=(*DEBIAN[:-1], "checked 100")),
     {}, "broken dependency: vim : Depends: vim-common (= 9)"),
    (says("said Unsatisfied dependencies for vim-9:", on=(*ROCKY[:-1], "checked 1")), {}, "broken dependency: Unsatisfied dependencies for vim-9:"),
    (says("busy unattended-upgr (process 7)"), {}, "unattended upgrades: unattended-upgr (process 7) is at work"),
    (says("periodic Unattended-Upgrade 1", timers=("timer apt-daily-upgrade.timer active enabled",)), {},
     "unattended upgrades: apt-daily-upgrade.timer is active, and APT::Periodic::Unattended-Upgrade is 1"),
    (says("periodic Update-Package-Lists 1", timers=("timer apt-daily.timer inactive enabled",)), {},
     "unattended upgrades: apt-daily.timer is enabled, and APT::Periodic::Update-Package-Lists is 1"),
    (says("cron /etc/cron.daily/apt-compat", "periodic Unattended-Upgrade always", timers=()), {},
     "unattended upgrades: /etc/cron.daily/apt-compat runs, and APT::Periodic::Unattended-Upgrade is always"),
    (says("timer dnf-automatic.timer active enabled", on=ROCKY), {}, "unattended upgrades: dnf-automatic.timer is active"),
    (says("package a\t1\tiF ", "package b\t1\tiF ", "package c\t1\tiF ", "package d\t1\tiF "), {},
     "a is half-configured; b is half-configured; c is half-configured, and 1 more"),
]  # fmt: skip


@pytest.mark.parametrize(("ran", "settings", "because"), FAILING)
def test_what_is_not_in_order_fails_by_name(ran: Ran, settings: dict[str, Any], because: str) -> None:
    verdict = check(ran, **settings)
    assert (verdict.value, verdict.because) == (Answer.FAIL, because)


UNCLEAR: list[tuple[Ran, dict[str, Any], str]] = [
    (Ran(0, f"init systemd\nmanager none\n{END}\n", ""), {}, "it has neither dpkg nor rpm"),
    (Ran(0, "", "sh: awk: not found"), {}, "its packages cannot be read: sh: awk: not found"),
    (Ran(0, says().out + CUT, ""), {}, "its packages cannot be read: "),
    (Ran(2, says().out, "dpkg-query: error"), {}, "its packages cannot be read: dpkg-query: error"),
    (says(on=("manager dpkg", "listed 2", "count 7")), {}, "its packages cannot be read: "),
    (says(on=("manager rpm", "listed 0", "count 0")), {}, "its packages cannot be read: "),
    (says(on=("manager dpkg", "listed 0")), {}, "its packages cannot be read: "),
    (says("package odd\t!\tii"), {"expect": {"odd": ">=1"}}, "odd ! cannot be compared with >=1"),
    (says(timers=("timer apt-daily.timer ",)), {}, "systemd does not say whether apt-daily.timer is on"),
    (Ran(0, says().out.replace("init systemd\n", ""), ""), {}, "its processes are hidden from our user"),
    (says("said E: Malformed entry 1 in list file", on=(*DEBIAN[:-1], "checked 100")), {}, "dependencies could not be checked: E: Malformed"),
    (says(on=(*DEBIAN[:-1], "checked 124")), {}, "dependencies could not be checked: exit code 124"),
]  # fmt: skip


@pytest.mark.parametrize(("ran", "settings", "because"), UNCLEAR)
def test_what_could_not_be_found_out_is_never_a_yes(ran: Ran, settings: dict[str, Any], because: str) -> None:
    verdict = check(ran, **settings)
    assert verdict.value is Answer.INCONCLUSIVE
    assert verdict.because.startswith(because)


def test_what_is_wrong_counts_whatever_else_is_unclear() -> None:
    both = says("package ceph\t19\tiF ", timers=("timer apt-daily.timer ",))
    assert check(both).value is Answer.FAIL


@given(out=st.text(), code=st.sampled_from([0, 0, 1]))
def test_no_noise_passes(out: str, code: int) -> None:
    assert check(Ran(code, out, "")).value is Answer.INCONCLUSIVE
    assert check(Ran(code, f"{out}\n{END}\n", "")).value is not Answer.PASS


@pytest.mark.parametrize(
    "settings",
    [
        {"expect": {"a b": "1"}},
        {"expect": {"a'$(x)": "1"}},
        {"expect": {"bash": ""}},
        {"expect": {"bash": []}},
        {"expect": {"bash": ">="}},
        {"expect": {"bash": ">=2,<1"}},
        {"expect": ["bash"]},
        {"held": "ceph"},
        {"unattended": "on"},
    ],
)
def test_a_wrong_setting_is_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Kind(**settings)


def test_the_settings_survive_the_journal() -> None:
    settings = {"expect": {"bash": ">=5"}, "held": ["x"]}
    kept = Kind.model_validate(settings).model_dump(mode="json", exclude_unset=True)
    assert Kind(**kept) == Kind.model_validate(settings)


def here() -> Subject:
    return subject(Ran(0, "", ""), connect=lambda: connect("here", {"ansible_connection": "local"}))


def a_tool(path: Path, name: str, text: str) -> None:
    (path / name).write_text(f"#!/bin/sh\n{text}\n")
    (path / name).chmod(0o755)


def test_the_script_asks_the_tools_of_a_debian_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not Path("/var/lib/dpkg/status").exists():
        pytest.skip("this machine has no dpkg")
    query = r"""[ "$1" = -W ] && printf 'ii \tbash\t5.2\nii \tzsh\t5.9\nhi \tceph\t19\niF \tman-db\t2\nrc \told\t1\nun \tno\t\n'"""
    a_tool(tmp_path, "dpkg-query", query)
    a_tool(tmp_path, "apt-config", """echo 'APT::Periodic::Unattended-Upgrade "0";'""")
    a_tool(tmp_path, "apt-get", "echo 'E: Unmet dependencies'; exit 100")
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    verdict = Kind(expect={"bash": ["5.2"], "zsh": ["6"]}, unattended="any").check(here())
    assert verdict.because == (
        "zsh is 5.9, and 6 is expected; man-db is half-configured; ceph is held, and 1 more"
    )
    assert verdict.samples["packages"] == 3
    assert verdict.samples["unmet"] == ["broken dependency: E: Unmet dependencies"]


def test_the_script_reads_a_real_machine() -> None:
    verdict = Kind(unattended="any", dependencies=False, held=["*"]).check(here())
    assert verdict.samples["manager"] in {"dpkg", "rpm", "none"}
    assert verdict.samples["manager"] == "none" or verdict.samples["packages"] > 50


def test_the_script_parses_rows_of_rpm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = r"kernel\t5.14-1\tx86_64\nkernel\t5.14-2\tx86_64\nglibc\t2.34-1\tx86_64\nglibc\t2.34-2\tx86_64\nbash\t0:5-1\tx86_64\n"
    a_tool(tmp_path, "rpm", f"""case $1 in -qa) printf '{rows}' ;; *) exit 0 ;; esac""")
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    text = script(["bash", "kernel"], dependencies=True).replace(
        "/var/lib/dpkg/status", str(tmp_path / "none")
    )
    with connect("here", {"ansible_connection": "local"}) as connection:
        said = connection.run(text, 60).out
    assert "package bash\t0:5-1\tii\n" in said
    assert "package kernel\t5.14-2\tii\n" in said
    assert "twice glibc.x86_64\n" in said
    assert "twice kernel" not in said
    assert "count 5\n" in said
