from typing import Any

import pytest
from pydantic import ValidationError

from rollout.gates.boot import Kind
from rollout.model.seams import Answer, Ran, Verdict
from rollout.ssh import connect
from tests.gates.any_connection import subject

OLD, NEW = (f"{digit * 8}-0000-4000-8000-{digit * 12}" for digit in "12")
DEFAULT: dict[str, Any] = {
    "boot_id": NEW,
    "uptime": "40.25",
    "kernel": "6.12.1-amd64",
    "id": "debian",
    "version": '"13"',
}
BEFORE: dict[str, Any] = {
    "boot_id": OLD,
    "uptime": 9000.0,
    "os": "debian-12",
    "kernel": "6.1.0-40-amd64",
    "asked": 1000.0,
}


def facts(**changed: str) -> Ran:
    seen = {**DEFAULT, **changed}
    out = f"boot_id {seen['boot_id']}\nuptime {seen['uptime']}\nkernel {seen['kernel']}\nID {seen['id']}\n"
    out += f"VERSION_ID {seen['version']}\n" if seen["version"] else ""
    return Ran(0, out + "end-of-boot\n", "")


def check(ran: Ran, settings: dict[str, Any] | None = None, **more: Any) -> Verdict:
    return Kind(**(settings or {})).check(subject(ran, **{"remembered": BEFORE, "now": 1300.0, **more}))


PASSING: list[tuple[dict[str, str], dict[str, Any], dict[str, tuple[str, ...]]]] = [
    ({}, {}, {}),
    ({}, {"os": "debian-13"}, {"os": ("debian-12",)}),
    ({}, {"os": ["ubuntu-*", "debian-1[34]"]}, {}),
    ({}, {}, {"os": ("ubuntu-24.04", "debian-13")}),
    ({}, {}, {"hypervisor": ("kvm-10",)}),
    ({"id": "arch", "version": ""}, {"os": "arch"}, {}),
    ({"version": "'13'"}, {"os": "debian-13"}, {}),
    ({}, {"kernel": "6.12.*"}, {}),
    ({}, {"kernel": "changed"}, {}),
]


@pytest.mark.parametrize(("changed", "settings", "target"), PASSING)
def test_a_new_boot_into_what_is_expected_passes(
    changed: dict[str, str], settings: dict[str, Any], target: dict[str, tuple[str, ...]]
) -> None:
    verdict = check(facts(**changed), settings, target=target)
    assert verdict.value is Answer.PASS
    assert verdict.because.startswith("it booted 40 s ago into ")
    assert verdict.samples["boot_id"] == NEW
    assert set(verdict.samples) == {"boot_id", "uptime", "os", "kernel", "asked"}


FAILING: list[tuple[dict[str, str], dict[str, Any], str]] = [
    ({"boot_id": OLD}, {}, f"it has not booted: the boot id is still {OLD}"),
    (
        {"uptime": "9300.5"},
        {},
        "its boot id is new, but it has been up for 9300 s and was first seen 300 s ago: it has not booted since",
    ),
    ({}, {"os": "debian-12"}, "it runs debian-13, and debian-12 is expected"),
    ({}, {"os": "Debian-13"}, "it runs debian-13, and Debian-13 is expected"),
    ({}, {"os": ["debian-14", "ubuntu-*"]}, "it runs debian-13, and debian-14 or ubuntu-* is expected"),
    ({}, {"kernel": "6.1.*"}, "its kernel is 6.12.1-amd64, and 6.1.* is expected"),
    (
        {"kernel": "6.1.0-40-amd64"},
        {"kernel": "changed"},
        "it runs the same kernel as before, 6.1.0-40-amd64",
    ),
]


@pytest.mark.parametrize(("changed", "settings", "because"), FAILING)
def test_anything_else_fails(changed: dict[str, str], settings: dict[str, Any], because: str) -> None:
    verdict = check(facts(**changed), settings)
    assert (verdict.value, verdict.because) == (Answer.FAIL, because)
    assert verdict.samples["uptime"] == float(changed.get("uptime", "40.25"))


def test_the_os_of_the_target_is_expected_unless_the_gate_names_another() -> None:
    target = {"os": ("debian-14",)}
    assert check(facts(), target=target).because == "it runs debian-13, and debian-14 is expected"
    assert check(facts(), {"os": "*"}, target=target).value is Answer.PASS


@pytest.mark.parametrize(
    "remembered",
    [
        {},
        {"boot_id": OLD},
        {**BEFORE, "boot_id": ""},
        {**BEFORE, "uptime": None},
        {"reached": False},
        {**BEFORE, "kernel": 6},
    ],
)
def test_without_a_memory_nothing_is_known(remembered: dict[str, Any]) -> None:
    verdict = check(facts(), remembered=remembered)
    assert verdict.value is Answer.INCONCLUSIVE
    assert verdict.samples["boot_id"] == NEW


UNREADABLE = [
    Ran(0, "", ""),
    Ran(0, "Last login: today\n", ""),
    Ran(127, facts().out, "sh: 1: cat: not found"),
    Ran(0, facts().out.replace("end-of-boot\n", ""), ""),
    facts(boot_id=""),
    facts(boot_id="1234"),
    facts(uptime=""),
    facts(uptime="nan"),
    facts(uptime="-1"),
    facts(kernel=""),
    facts(id=""),
    facts(id='"debian'),
]


@pytest.mark.parametrize("ran", UNREADABLE)
def test_what_cannot_be_read_is_inconclusive(ran: Ran) -> None:
    assert check(ran).value is Answer.INCONCLUSIVE
    assert Kind().remember(subject(ran)).value is Answer.INCONCLUSIVE


def test_what_it_remembers_is_what_it_compares_with() -> None:
    memory = Kind().remember(subject(facts(boot_id=OLD, uptime="9000"), now=1000.0))
    assert memory.value is Answer.PASS
    assert check(facts(), remembered=memory.samples).value is Answer.PASS
    assert check(facts(boot_id=OLD), remembered=memory.samples).value is Answer.FAIL


def test_the_script_reads_a_real_machine() -> None:
    here = subject(Ran(0, "", ""), connect=lambda: connect("here", {"ansible_connection": "local"}), now=5.0)
    verdict = Kind().remember(here)
    assert verdict.value is Answer.PASS
    assert verdict.samples["uptime"] > 0
    assert verdict.samples["asked"] == 5.0


@pytest.mark.parametrize("settings", [{"os": ""}, {"os": []}, {"kernel": 6}, {"uptime": 5}])
def test_a_wrong_setting_is_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Kind(**settings)
