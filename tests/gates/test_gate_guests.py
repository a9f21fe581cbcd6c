from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rollout.gates import _reading
from rollout.gates.guests import SCRIPT, Kind
from rollout.model.seams import Answer, Ran, Subject, Verdict
from rollout.ssh import connect
from rollout.ssh.testing import FakeConnection
from tests.gates.any_connection import subject

XL = "row Name    ID   Mem VCPUs\tState\tTime(s)\nrow Domain-0   0  4096     8     r-----   42.5\n"


def host(*lines: str, user: str = "0", err: str = "") -> Ran:
    text = "".join(f"{line}\n" for line in ("init systemd", *lines, "count 130", f"user {user}"))
    return Ran(0, text + "end-of-guests\n", err)


PASSING = [
    (host(), "no guests: looked at 130 processes"),
    (host("virsh 0"), "no guests: looked at 130 processes and libvirt"),
    (host("libvirt libvirtd", "virsh 0"), "no guests: looked at 130 processes and libvirt"),
    (host("xen dom0", "xl 0", XL.strip()), "no guests: looked at 130 processes and Xen"),
    (host("virsh 0", "xm 0", XL.strip()), "no guests: looked at 130 processes and libvirt and Xen"),
]


@pytest.mark.parametrize(("ran", "because"), PASSING)
def test_a_host_without_guests_passes_with_what_was_looked_at(ran: Ran, because: str) -> None:
    verdict = Kind().check(subject(ran))
    assert (verdict.value, verdict.because) == (Answer.PASS, because)
    assert verdict.samples["processes"] == 130


FAILING = [
    (host("process kvm (process 7)"), "it carries 1 guest: kvm (process 7)"),
    (host("virsh 0", "domain db1", "domain a vm"), "it carries 2 guests: db1, a vm"),
    (
        host("virsh 0", *(f"domain vm{n}" for n in range(7))),
        "it carries 7 guests: vm0, vm1, vm2, vm3, vm4 and 2 more",
    ),
    (host("virsh 0", "domain db1", "process kvm (process 7)"), "it carries 1 guest: db1"),
    (
        host("virsh 0", "domain db1", "process kvm (process 7)", "process kvm (process 8)"),
        "it carries 2 guests: kvm (process 7), kvm (process 8)",
    ),
    (host("virsh 1", "process kvm (process 7)"), "it carries 1 guest: kvm (process 7)"),
    (host("stored /etc/libvirt/qemu/db1.xml"), "it carries 1 guest: /etc/libvirt/qemu/db1.xml"),
    (host("xl 0", XL + "row my vm  3  1024  1  -b----  1.0"), "it carries 1 guest: my vm"),
    (host("virsh 0", "domain a\x1b[31mb"), "it carries 1 guest: a [31mb"),
]


@pytest.mark.parametrize(("ran", "because"), FAILING)
def test_guests_fail_by_name(ran: Ran, because: str) -> None:
    verdict = Kind().check(subject(ran))
    assert (verdict.value, verdict.because) == (Answer.FAIL, because)
    assert len(verdict.samples["guests"]) <= 5


DOUBT = "could not find out whether it carries guests: "
INCONCLUSIVE = [
    (
        host("virsh 1", err="error: failed to connect\n"),
        "virsh failed with exit code 1: error: failed to connect",
    ),
    (host("virsh 124"), "virsh failed with exit code 124"),
    (host("libvirt libvirtd"), "there is libvirtd but no virsh to ask"),
    (host("xen dom0"), "there is Xen (dom0) but neither xl nor xm to ask"),
    (host("xl 1", "virsh 0"), "xl failed with exit code 1"),
    (host("xl 0"), "what xl printed cannot be read"),
    (host("xl 0", XL + "row surprise"), "what xl printed cannot be read"),
    (
        host("virsh 1", user="1000"),
        "virsh failed with exit code 1 (asked without root; `ansible_become: true` in the inventory asks with it)",
    ),
    (Ran(0, "count 3\nuser 0\nend-of-guests\n", ""), "its processes are hidden from our user"),
    (Ran(0, "init x\nend-of-guests\n", ""), "its processes are hidden from our user"),
    (Ran(0, "", ""), "exit code 0, and it said nothing"),
    (Ran(0, host().out.replace("end-of-guests\n", ""), ""), "user 0"),
    (Ran(2, host().out, "sh: syntax error\n"), "sh: syntax error"),
]


@pytest.mark.parametrize(("ran", "because"), INCONCLUSIVE)
def test_what_could_not_be_found_out_is_never_a_yes(ran: Ran, because: str) -> None:
    for verdict in (Kind().check(subject(ran)), Kind().remember(subject(ran))):
        assert verdict.value is Answer.INCONCLUSIVE
        assert verdict.because.startswith(DOUBT + because)


@given(out=st.text(), code=st.sampled_from([0, 0, 1]))
def test_no_noise_passes(out: str, code: int) -> None:
    connection = FakeConnection({SCRIPT: Ran(code, out, "")})
    verdict = Kind().check(Subject("web1", "c", {}, {}, connect=lambda: connection))
    assert verdict.value is Answer.INCONCLUSIVE


def here(path: Path, tools: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    for name, text in tools.items():
        (path / name).write_text(f"#!/bin/sh\n{text}\n")
        (path / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{path}:/usr/bin:/bin")
    ran = _reading.ask(
        subject(Ran(0, "", ""), connect=lambda: connect("here", {"ansible_connection": "local"})), SCRIPT
    )
    assert not isinstance(ran, Verdict)
    said = _reading.lines(ran, "end-of-guests")
    assert said is not None
    return {"pairs": said, "words": dict(said), "err": ran.err}


def test_the_script_asks_the_tools_of_a_real_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    virsh = '[ "$*" = "-c qemu:///system list --all --name" ] && printf "db1\\nmy vm\\n\\n"'
    said = here(tmp_path, {"virsh": virsh, "xl": "echo 'no hypervisor' >&2; exit 1"}, monkeypatch)
    assert said["words"]["init"]
    assert int(said["words"]["count"]) > 1
    assert [value for key, value in said["pairs"] if key == "domain"] == ["db1", "my vm"]
    assert (said["words"]["virsh"], said["words"]["xl"]) == ("0", "1")
    assert said["err"] == "no hypervisor\n"
