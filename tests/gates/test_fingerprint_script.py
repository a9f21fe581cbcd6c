"""The fingerprint's script, run by real shells on this machine."""

import shutil
import subprocess
from collections.abc import Iterable
from typing import Any

import pytest

from rollout.gates import _reading
from rollout.gates._fingerprint_reading import Print, read
from rollout.gates._fingerprint_script import END, SYSCTLS, script
from rollout.gates.fingerprint import Kind
from rollout.model.seams import Answer, Ran
from rollout.ssh import connect
from tests.gates.any_connection import subject

QUICK = ("nics", "addresses", "routes", "rules", "mounts", "blocks", "sysctls", "listening", "cpu", "numa")
SHELLS = ("sh", "dash", "bash --posix", "busybox sh")
PRESENT = [shell for shell in SHELLS if shutil.which(shell.partition(" ")[0])]


def said_by(shell: str, sections: Iterable[str], hidden: str = "") -> Print:
    """`hidden`: a tool that the machine is made to lack."""
    text = script(sections)
    if hidden:
        assert f"command -v {hidden} " in text
        text = text.replace(f"command -v {hidden} ", "command -v no-such-tool ")
    done = subprocess.run(
        [*shell.split(), "-c", text], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stderr == ""
    said = _reading.lines(Ran(0, done.stdout, ""), END)
    assert said is not None
    return read(said)


@pytest.mark.parametrize("shell", PRESENT)
def test_every_shell_says_what_the_kernel_says(shell: str) -> None:
    seen = said_by(shell, QUICK)
    assert {*seen.by, *seen.unread} == {*QUICK}
    flags = [key for key in seen.sections["cpu"] if key.startswith("flag ")]
    assert int(seen.sections["cpu"]["count"]["value"]) >= 1
    assert flags
    assert seen.sections["nics"]["lo"]["mtu"].isdecimal()
    assert "127.0.0.1" in " ".join(seen.sections["addresses"])
    for name in set(SYSCTLS) & seen.sections["sysctls"].keys():
        with open(f"/proc/sys/{name.replace('.', '/')}", encoding="utf-8") as file:  # noqa: PTH123  a name of the kernel
            assert seen.sections["sysctls"][name]["value"] == " ".join(file.read().split())


def test_without_ip_addresses_and_routes_come_from_proc_and_rules_are_not_known() -> None:
    if not shutil.which("ip"):
        pytest.skip("this machine has no ip")
    by_ip, by_proc = (said_by("sh", ("addresses", "routes", "rules"), hidden) for hidden in ("", "ip"))
    assert by_proc.by == {"addresses": "proc", "routes": "proc"}
    assert "rules" in by_proc.unread
    ours = {key for key in by_ip.sections["routes"] if key.endswith("table main") and " dev " in key}
    assert {key for key in ours if not key.startswith(("unreachable", "blackhole"))} <= {
        *by_proc.sections["routes"]
    }
    plain = {key.partition("/")[0] for key in by_ip.sections["addresses"] if ":" not in key}
    assert plain <= {*by_proc.sections["addresses"]}


def test_a_machine_that_nothing_happens_to_is_as_before() -> None:
    def here(**more: Any) -> Any:
        local = {"ansible_connection": "local"}
        return subject(Ran(0, "", ""), connect=lambda: connect("here", local), **more)

    gate = Kind(
        sections=["cpu", "numa", "sysctls", "rules"]
    )  # other tests have networks and ports come and go
    memory = Kind(sections=["cpu", "sysctls"]).remember(here())
    assert memory.value is Answer.PASS, memory.because
    assert memory.samples["sections"]["cpu"] > 1
    verdict = gate.check(here(remembered=memory.samples))
    assert verdict.value is Answer.PASS, verdict.because
    assert verdict.samples["compared"] == memory.samples["sections"]
