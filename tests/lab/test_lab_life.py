"""A lab comes, goes, and leaves nothing, whatever was killed."""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from rollout.errors import LabError
from rollout.lab import HostSpec, Lab, default_hosts, leftovers, needs, read_spec, trees
from rollout.lab.places import Places
from tests.lab.driving import eventually, said

lab_only = pytest.mark.lab


def machine() -> tuple[str, str]:
    """The machine's own network and mounts."""
    links = subprocess.run(["ip", "-brief", "address"], capture_output=True, text=True, check=True).stdout
    return links, Path("/proc/mounts").read_text()


def gone(lab: Lab) -> bool:
    return not leftovers.processes(lab.places)


@lab_only
@pytest.mark.usefixtures("lab")
def test_a_lab_touches_nothing_of_the_machine_and_leaves_nothing(directory: Path) -> None:
    before = machine()
    lab = Lab(directory)
    lab.up(1)
    assert machine() == before
    assert len(leftovers.processes(lab.places)) >= 3
    assert lab.down()
    assert gone(lab)
    assert machine() == before
    assert not directory.exists()
    assert not lab.down()


@lab_only
@pytest.mark.usefixtures("lab")
def test_hosts_die_with_a_killed_supervisor_and_down_cleans_up(directory: Path) -> None:
    lab = Lab(directory)
    status = lab.up(2)
    init = leftovers.processes(lab.places)
    os.kill(status.pid, signal.SIGKILL)
    eventually(lambda: gone(lab))
    assert not [
        pid
        for pid in init
        if Path(f"/proc/{pid}/cmdline").exists() and Path(f"/proc/{pid}/cmdline").read_bytes()
    ]
    with pytest.raises(LabError, match="no lab runs in"):
        lab.status()
    assert lab.down()
    assert not directory.exists()


@lab_only
@pytest.mark.usefixtures("lab")
def test_down_ends_a_lab_whose_directory_was_deleted(directory: Path) -> None:
    lab = Lab(directory)
    lab.up(1)
    shutil.rmtree(directory)
    assert lab.down()
    assert gone(lab)
    assert not directory.exists()


@lab_only
def test_up_takes_the_place_of_a_killed_lab_but_not_of_a_running_one(directory: Path) -> None:
    lab = Lab(directory)
    try:
        lab.up(1)
        with pytest.raises(LabError, match="a lab already runs in"):
            lab.up(1)
        os.kill(lab.status().pid, signal.SIGKILL)
        lab.up([HostSpec("other")])
        assert said(lab, "other", "hostname") == "other"
    finally:
        lab.down()


@lab_only
def test_two_labs_at_once_do_not_meet(lab: Lab, directory: Path) -> None:
    second = Lab(directory)
    second.up([HostSpec("a1")])
    try:
        assert said(second, "a1", "echo second > /root/which; cat /root/which") == "second"
        assert said(lab, "a1", "cat /root/which 2>/dev/null || echo none") == "none"
    finally:
        second.down()
    assert said(lab, "a1", "hostname") == "a1"


def test_a_process_between_two_programs_is_still_found(tmp_path: Path) -> None:
    """While execve(2) lays out the new program, a process has no environment: `up` took that for its supervisor's death."""
    places = Places.of(tmp_path)
    mark, _, value = places.mark.partition("=")
    again = 'exec sh -c "$0" "$0"'
    process = subprocess.Popen(["sh", "-c", again, again], env={"PATH": os.environ["PATH"], mark: value})
    try:
        assert [found for _ in range(60) if (found := leftovers.processes(places)) != [process.pid]] == []
    finally:
        leftovers.end(places)
        process.wait()


def test_trees_that_no_lab_holds_go_after_a_week(tmp_path: Path) -> None:
    ago = time.time() - 8 * 86400
    for name in ("base-old", "base-new", "kit-old", "kit-held", "kit-new"):
        (tmp_path / name / "usr").mkdir(parents=True)
    for name in ("base-old", "kit-old", "kit-held"):
        os.utime(tmp_path / name, (ago, ago))
    held = f"from rollout.lab.trees import Trees; from pathlib import Path; t = Path({str(tmp_path)!r}); "
    held += "Trees(t / 'base-new', t / 'kit-held').hold(); print(flush=True); input()"
    with subprocess.Popen(
        [sys.executable, "-c", held], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as holder:
        assert holder.stdout
        assert holder.stdout.readline() == b"\n"
        trees.prune(tmp_path)
        assert {path.name for path in tmp_path.iterdir()} == {"base-new", "kit-held", "kit-new"}
        holder.communicate(b"\n")
    trees.prune(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"base-new", "kit-new"}


def test_a_missing_tool_is_named_with_its_package(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    with pytest.raises(LabError, match=r"the lab needs a few tools \(apt-get install .*mmdebstrap.*\)"):
        needs.check()


def test_without_root_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert needs.missing() == ["root (run it with sudo, or in a container that may make namespaces)"]


@pytest.mark.parametrize("name", ["thesis.txt", "inventory"])
def test_a_directory_with_other_files_is_not_touched(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("years of work")
    with pytest.raises(LabError, match=rf"holds what is not a lab's \({name}\)"):
        Lab(tmp_path).down()
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_a_directory_that_tools_would_misread_is_refused(tmp_path: Path) -> None:
    with pytest.raises(LabError, match="would misread"):
        Lab(tmp_path / "my lab")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("hosts: [{name: Upper}]", "'Upper' is no name for a lab host"),
        ("hosts: [{name: a}, {name: a}]", "two lab hosts are called a"),
        (
            "hosts: [{name: a, os_release: labos-3}]",
            "can begin with labos-1 or labos-2, not labos-3",
        ),
        ("hosts: [{name: a, os_release: debian-12}]", "can begin with labos-1 or labos-2, not debian-12"),
        ("hosts: [{name: a, colour: red}]", "unknown keys: colour"),
        ("hosts: []", "a lab holds 1 to 1000 hosts, not 0"),
        ("hosts: [", "cannot be read"),
        ("racks: []", "needs a list under `hosts:`"),
    ],
)
def test_a_bad_spec_is_refused_before_anything_starts(tmp_path: Path, text: str, message: str) -> None:
    spec = tmp_path / "spec.yml"
    spec.write_text(text)
    with pytest.raises(LabError, match=message):
        Lab(tmp_path / "lab").up(read_spec(spec))
    assert not (tmp_path / "lab").exists()


def test_defaults_make_a_rack_hold_one_combo() -> None:
    hosts = default_hosts(12)
    assert len({host.hw_model for host in hosts}) == 3
    for rack in {host.rack for host in hosts}:
        assert len({host.hw_model for host in hosts if host.rack == rack}) == 1


def test_the_demos_hosts_are_twelve_and_no_rack_or_model_tells_the_doomed_from_the_others() -> None:
    hosts = read_spec(Path(__file__).parents[2] / "inventories/lab/demo.yml")
    assert len(hosts) == 12
    doomed = [host for host in hosts if host.variables["nic"] == "mlx3"]
    others = [host for host in hosts if host not in doomed]
    for factor in ("hw_model", "rack"):
        values = {getattr(host, factor) for host in doomed}
        assert len(values) == 2
        assert values <= {getattr(host, factor) for host in others}
