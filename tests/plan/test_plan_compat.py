"""What compatibility files and waivers are read as; and Leapp's list as rows."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rollout.errors import PlanInvalid, UsageError
from rollout.graph.verdict import judge
from rollout.model.fleet import Host
from rollout.model.plan import Plan
from rollout.model.verdict import Compatibility, Judgement, Toolchain, Waiver
from rollout.plan import compat, content, read
from rollout.plan.leapp import convert

PLAN = """\
rollout: p
inventory: hosts
hosts: all
factors: {os: os, kernel: {from: kernel, versions: deb}}
combos: [{name: c, match: {os: "rhel-8*"}, to: {os: rhel-9}}]
steps: [{name: stage, playbook: stage.yml}]
"""
ROW = """\
match: {pci: ["15b3:1003", "15b3:1004"]}
to: {os: "rhel-9*"}
verdict: blocked
reason: the driver is gone
source: release notes 5.3
"""
LISTED = {
    "device_type": "pci",
    "device_id": "0x15B3:0x1003",
    "device_name": "ConnectX-3",
    "driver_name": "mlx4_core",
    "deprecation_announced": "",
    "available_in_rhel": [7, 8],
    "maintained_in_rhel": [7],
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "hosts").touch()
    (tmp_path / "stage.yml").touch()
    (tmp_path / "compat").mkdir()
    return tmp_path


def a_plan(folder: Path, more: str) -> Plan:
    (folder / "plan.yml").write_text(PLAN + more)
    return read(folder / "plan.yml")


def test_a_row_is_read_with_its_place(folder: Path) -> None:
    (folder / "compat" / "nics.yml").write_text(f"# by hand\n{ROW}")
    assert a_plan(folder, "compat: compat/nics.yml\n").compat == (
        Compatibility(
            match={"pci": ("15b3:1003", "15b3:1004")},
            to={"os": ("rhel-9*",)},
            verdict="blocked",
            reason="the driver is gone",
            source="release notes 5.3",
            place=f"{folder}/compat/nics.yml:2:1",
        ),
    )


@pytest.mark.parametrize(
    ("written", "reasons", "unlisted"),
    [
        ("compat", ["a1", "a2", "b"], "supported"),
        ("[compat/b.yaml, compat/a.yml]", ["b", "a1", "a2"], "supported"),
        ("{files: compat}", ["a1", "a2", "b"], "supported"),
        ("{files: [compat/b.yaml], otherwise: unknown}", ["b"], "unknown"),
    ],
)
def test_the_forms_of_compat(folder: Path, written: str, reasons: list[str], unlisted: str) -> None:
    rows = {"a.yml": ["a1", "a2"], "b.yaml": ["b"], "README.md": ["c"]}
    for name, said in rows.items():
        text = "".join(f"- {{match: {{os: x}}, verdict: supported, reason: {reason}}}\n" for reason in said)
        (folder / "compat" / name).write_text(text)
    plan = a_plan(folder, f"compat: {written}\n")
    assert [row.reason for row in plan.compat] == reasons
    assert plan.unlisted == unlisted


def test_without_compat_there_is_none(folder: Path) -> None:
    plan = a_plan(folder, "")
    assert (plan.compat, plan.unlisted, plan.waivers) == ((), "supported", ())


def test_rows_are_read_in_the_order_that_the_plan_gives_the_versions_of_a_factor(folder: Path) -> None:
    (folder / "compat" / "k.yml").write_text("{match: {kernel: '>=new'}, verdict: blocked, reason: r}\n")
    with pytest.raises(PlanInvalid, match=r"k.yml:1:18: .*is no version of a Debian package"):
        a_plan(folder, "compat: compat\n")


def test_mistakes_of_the_plan_and_of_its_files_are_told_together(folder: Path) -> None:
    (folder / "compat" / "a.yml").write_text("- {match: {}, verdict: no}\n")
    with pytest.raises(PlanInvalid) as caught:
        a_plan(folder, "compat: compat\notherwise: maybe\n")
    assert len(caught.value.problems) == 4


def test_a_changed_row_is_another_part_of_the_digest(folder: Path) -> None:
    (folder / "compat" / "a.yml").write_text(ROW)
    plan = a_plan(folder, "compat: compat\n")
    before = content.parts(plan)
    (folder / "compat" / "a.yml").write_text(ROW.replace("gone", "back"))
    after = content.parts(plan)
    assert {name for name in before if before[name] != after[name]} == {"compat/a.yml"}


def test_waivers_are_read(folder: Path) -> None:
    (folder / "risks.yml").write_text(
        "{name: apt-lock, applies: {os: '*'}, symptom: lock, hold: see OPS-1}\n"
    )
    plan = a_plan(
        folder,
        "risks: risks.yml\nwaivers:\n"
        "  - {name: w, waives: [unknown, apt-lock], combos: 'c*', reason: tested, owner: jane, expires: 2026-12-31}\n",
    )
    assert plan.waivers == (Waiver("w", ("unknown", "apt-lock"), "tested", "jane", "2026-12-31", ("c*",)),)


def test_names_of_risks_that_cannot_be_read_are_not_called_unknown(folder: Path) -> None:
    (folder / "risks.yml").write_text("{name: apt-lock, sympton: lock, hold: see OPS-1}\n")
    with pytest.raises(PlanInvalid) as caught:
        a_plan(
            folder,
            "risks: risks.yml\nwaivers: [{name: w, waives: apt-lock, reason: r, owner: o, expires: 2026-12-31}]\n",
        )
    assert "waived" not in str(caught.value)


def a_list(folder: Path, *entries: dict[str, Any]) -> Path:
    path = folder / "dddd.json"
    path.write_text(
        json.dumps({"provided_data_streams": ["4.0", "5.0"], "data": [{**LISTED, **one} for one in entries]})
    )
    return path


def said_of(folder: Path, release: str, entries: list[dict[str, Any]], **facts: str) -> Judgement:
    """What the converted list says of a host with those facts that goes to the release; the facts of the other kinds are told, too."""
    done = convert(a_list(folder, *entries), [release.partition(".")[0]])
    (folder / "compat" / "leapp.yml").write_text(done.text)
    plan = a_plan(folder, "compat: compat\n")
    told = {"pci": "8086:1572", "cpu": "GenuineIntel-6-85", "driver": "i40e", **facts}
    host = Host("h", {"os": "rhel-8"}, facts={name: (value,) for name, value in told.items()})
    return judge(plan, plan.combos[0], host, [{"os": (release,)}], "2026-11-23", Toolchain())


@pytest.mark.parametrize(
    ("entry", "facts", "release", "word"),
    [
        ({}, {"pci": "15b3:1003"}, "rhel-9", "blocked"),
        ({}, {"pci": "15b3:1003"}, "rhel-8", "unknown"),
        ({}, {"pci": "15b3:1003"}, "rhel-7", "supported"),
        ({}, {"pci": "15b3:1004"}, "rhel-9", "supported"),
        ({}, {"pci": "15b3:1003"}, "rocky-9.4", "blocked"),
        ({"device_id": "0x9005:0x0285:0x1028:0x0287"}, {"pci": "9005:0285"}, "rhel-9", "unknown"),
        ({"device_id": "0x19a2:0x212"}, {"pci": "19a2:0212"}, "rhel-9", "blocked"),
        ({"device_id": "", "driver_name": "3w_9xxx"}, {"driver": "3w-9xxx"}, "rhel-9", "blocked"),
        ({"device_id": "", "driver_name": "3w_9xxx"}, {"driver": "3w_9xxx"}, "rhel-9", "blocked"),
        ({"device_type": "cpu", "device_id": "x86_64:intel:6:[80-90]"}, {}, "rhel-9", "blocked"),
        ({"device_type": "cpu", "device_id": "x86_64:intel:6:{1,[80-85],99}"}, {}, "rhel-9", "blocked"),
        ({"device_type": "cpu", "device_id": "x86_64:intel:6:*"}, {}, "rhel-8", "unknown"),
        ({"device_type": "cpu", "device_id": "x86_64:intel:6:[86-90]"}, {}, "rhel-9", "supported"),
        ({"device_type": "cpu", "device_id": "x86_64:amd:6:85"}, {}, "rhel-9", "supported"),
        ({"device_type": "cpu", "device_id": "aarch64:Ampere:NeoverseN1"}, {}, "rhel-9", "supported"),
        (
            {"device_type": "cpu", "device_id": "aarch64:Ampere:NeoverseN1"},
            {"cpu": "0x41-0xd0c"},
            "rhel-9",
            "unknown",
        ),
    ],
)
def test_leapps_list_says_of_a_host_what_leapp_would(
    folder: Path, entry: dict[str, Any], facts: dict[str, str], release: str, word: str
) -> None:
    assert said_of(folder, release, [entry], **facts).word == word


def test_a_person_reads_which_device_it_is_and_who_says_so(folder: Path) -> None:
    found = said_of(
        folder,
        "rhel-9",
        [{}, {"device_id": "0x1000:0x0064", "driver_name": "mpt2sas (mpt3sas)"}],
        pci="15b3:1003",
    )
    assert found.because == (
        "the device is not available in rhel-9 (Leapp's dddd.json, data stream 5.0; compat/leapp.yml:2:3)",
    )
    text = (folder / "compat" / "leapp.yml").read_text()
    assert '      # mlx4_core\n      "15b3:1003",\n      # mpt2sas (mpt3sas)\n      "1000:0064",\n' in text


def test_ids_of_the_same_verdict_are_one_row_and_the_worst_of_an_id_holds(folder: Path) -> None:
    listed = a_list(
        folder,
        {},
        {"device_id": "0x15B3:0x1004"},
        {"maintained_in_rhel": [7, 8, 9], "available_in_rhel": [7, 8, 9]},
    )
    done = convert(listed, ["rhel-9", "rhel-9", "rhel-10"])
    (folder / "compat" / "leapp.yml").write_text(done.text)
    rows, problems = compat.read_file(folder / "compat" / "leapp.yml")
    assert problems == []
    assert done.rows == len(rows) == 1
    assert rows[0].to == {"os": ("rhel-9", "rhel-9.*", "rhel-10", "rhel-10.*")}
    assert rows[0].match == {"pci": ("15b3:1003", "15b3:1004")}


def test_what_cannot_be_converted_is_named(folder: Path) -> None:
    odd = [{"device_type": "usb"}, {"device_id": "0x15b3"}, {"device_id": "", "driver_name": "a b"}]
    odd += [
        {"device_type": "cpu", "device_id": f"x86_64:intel:6:{models}"} for models in ("[1-", "{}", "[a-b]")
    ]
    done = convert(a_list(folder, {}, *odd), ["rhel-9"])
    assert len(done.left_out) == len(odd)
    assert "# Not converted: usb 0x15B3:0x1003, pci 0x15b3, pci a b and 3 more." in done.text.splitlines()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "not JSON"),
        ("[" * 100_000, "not JSON"),
        ("[]", "no list called data"),
        ('{"data": []}', "no list called data"),
        ('{"data": [1]}', "entry 1 of data: not a mapping"),
        (
            json.dumps({"data": [LISTED, {**LISTED, "driver_name": None}]}),
            "entry 2 of data: driver_name is missing",
        ),
        (
            json.dumps({"data": [{**LISTED, "available_in_rhel": ["7"]}]}),
            "entry 1 of data: available_in_rhel",
        ),
        (
            json.dumps({"data": [{**LISTED, "maintained_in_rhel": [True]}]}),
            "entry 1 of data: maintained_in_rhel",
        ),
    ],
)
def test_what_is_no_list_of_leapp_is_refused(folder: Path, text: str, said: str) -> None:
    (folder / "dddd.json").write_text(text)
    with pytest.raises(PlanInvalid, match=f"dddd.json:1:1: .*{said}"):
        convert(folder / "dddd.json", ["rhel-9"])


def test_what_is_no_release_is_refused(folder: Path) -> None:
    for release in ("rhel", "9", "rhel-9.4", 'rhel-9"'):
        with pytest.raises(UsageError, match="is no release such as rhel-9"):
            convert(a_list(folder, {}), [release])


@settings(deadline=None, max_examples=60)
@given(
    st.lists(
        st.fixed_dictionaries({
            "device_type": st.sampled_from(("pci", "cpu", "")),
            "device_id": st.one_of(st.text(max_size=12), st.sampled_from(("", "0x1:0x2", "x86_64:amd:23:{1,[3-5]}"))),
            "driver_name": st.text(max_size=8),
            "available_in_rhel": st.lists(st.integers(7, 10), max_size=3),
            "maintained_in_rhel": st.lists(st.integers(7, 10), max_size=3),
        }),
        min_size=1,
        max_size=6,
    )
)  # fmt: skip
def test_whatever_the_list_holds_the_file_is_right(
    tmp_path_factory: pytest.TempPathFactory, entries: list[Any]
) -> None:
    folder = tmp_path_factory.mktemp("leapp")
    done = convert(a_list(folder, *entries), ["rhel-9", "rhel-10"])
    (folder / "leapp.yml").write_text(done.text)
    rows, problems = compat.read_file(folder / "leapp.yml")
    assert (len(rows), problems) == (done.rows, [])
