"""The role `snapshot`: Btrfs on a file system of its own, for real; LVM by the command lines that it would be given.

There is no device mapper on a machine like this, so LVM itself is not tested: a pretended one keeps what it was told in files.
"""

import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.playbooks.by_hand import PLAYBOOKS, Hand

SCRIPT = PLAYBOOKS / "roles" / "snapshot" / "files" / "snapshot.sh"
NAMESPACE = "mount -t tmpfs t /var/lib && mount -t tmpfs t /boot && echo there && exec sleep infinity"

FINDMNT = """#!/bin/sh
case "$*" in *--fstab*) exit 1 ;; esac
cat "$PRETENDED/mount"
"""
LVS = """#!/bin/sh
cd "$PRETENDED"
[ ! -e broken ] || { echo "lvs: cannot lock" >&2; exit 5; }
for last; do :; done
case "$*" in
*vg_name,lv_name*) echo "  vg0/root" ;;
*lv_name,lv_attr*) echo "  root|owi-aos---"; cat snapshots 2>/dev/null || : ;;
*pool_lv*) cat pool 2>/dev/null || : ;;
*data_percent*) echo "  70.01" ;;
*lv_size*) echo "  10240.00" ;;
*) [ "$last" = /dev/mapper/vg0-root ] || exit 5; echo "  root" ;;
esac
"""
VGS = """#!/bin/sh
echo "  $(cat "$PRETENDED/free").00"
"""
CHANGES = """#!/bin/sh
echo "${0##*/} $*" >>"$PRETENDED/log"
case ${0##*/} in
lvcreate) [ -e "$PRETENDED/pool" ] && attr=Vwi-aotz-k || attr=swi-a-s---; echo "  $(echo "$*" | sed 's/.*--name \\([^ ]*\\).*/\\1/')|$attr" >>"$PRETENDED/snapshots" ;;
lvconvert) sed -i 's/^  \\(.*\\)|[sV]\\(.*\\)$/  [\\1]|S\\2/' "$PRETENDED/snapshots" ;;
lvremove) : >"$PRETENDED/snapshots" ;;
esac
"""


@dataclass(frozen=True, slots=True)
class Ran:
    code: int
    out: list[str]
    err: str


@dataclass
class Machine:
    """Where the script runs: in a mount namespace of its own, so that nothing of this machine is changed."""

    holder: int
    environment: dict[str, str] = field(default_factory=dict)

    def shell(self, script: str) -> str:
        done = subprocess.run(self.inside("sh", "-ec", script), capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def snapshot(
        self,
        act: str,
        volume: str | Path,
        *,
        run: str = "r-1",
        kind: str = "auto",
        percent: int = 20,
        free: int = 50,
    ) -> Ran:
        words = ["sh", str(SCRIPT), act, run, kind, str(percent), str(free), str(volume)]
        done = subprocess.run(
            self.inside(*words),
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, **self.environment},
        )
        return Ran(done.returncode, done.stdout.splitlines(), done.stderr.strip())

    def inside(self, *words: str) -> list[str]:
        """The command line for its namespace."""
        return ["nsenter", f"--target={self.holder}", "--mount", "--", *words]


@pytest.fixture
def machine() -> Iterator[Machine]:
    if os.geteuid():
        pytest.skip("mounts need root")
    with subprocess.Popen(
        ["unshare", "--mount", "--propagation", "private", "sh", "-c", NAMESPACE],
        stdout=subprocess.PIPE,
        text=True,
    ) as holder:
        assert holder.stdout
        assert holder.stdout.readline() == "there\n"
        yield Machine(holder.pid)
        holder.kill()


# --- Btrfs ---------------------------------------------------------------------------------------------------------------------


@pytest.fixture
def volume(machine: Machine, tmp_path: Path) -> Path:
    """Mounted from subvolume @, which has a subvolume of its own."""
    if shutil.which("mkfs.btrfs") is None:
        pytest.skip("no btrfs-progs here")
    volume, image = tmp_path / "volume", tmp_path / "image"
    volume.mkdir()
    with image.open("wb") as file:
        file.truncate(300 * 2**20)
    subprocess.run(["mkfs.btrfs", "--quiet", str(image)], check=True, capture_output=True)
    if subprocess.run(machine.inside("mount", "-o", "loop", str(image), str(volume)), check=False).returncode:
        pytest.skip("no Btrfs can be mounted here")
    machine.shell(
        f"cd {volume}; btrfs subvolume create @; btrfs subvolume create @/machines;"
        f"echo old > @/file; echo guest > @/machines/disk; cd /; umount {volume}; mount -o loop,subvol=@ {image} {volume}"
    )
    return volume


def upgraded(machine: Machine, volume: Path) -> None:
    """The volume, a machine within it, and /boot have changed."""
    machine.shell(f"cd {volume}; echo new > file; touch more; echo written > machines/disk")
    machine.shell(
        "cd /boot; echo 2 > vmlinuz-2; echo menu2 > grub/grub.cfg; echo module2 > grub/i386-pc/a.mod"
    )


def booted(machine: Machine, volume: Path) -> None:
    machine.shell(f"umount {volume}; mount -o loop,subvol=@ {volume.parent}/image {volume}")
    machine.environment["ROLLOUT_BOOT_BEFORE"] = "another boot"


def subvolumes(machine: Machine, volume: Path) -> list[str]:
    listed = machine.shell(f"btrfs subvolume list {volume}")
    return sorted(line.rpartition(" path ")[2] for line in listed.splitlines())


def test_btrfs_goes_back_to_what_it_was_with_the_next_boot(machine: Machine, volume: Path) -> None:
    machine.shell(
        "cd /boot; mkdir -p grub/i386-pc; touch vmlinuz-1 grub/i386-pc/a.mod; echo menu1 > grub/grub.cfg"
    )
    taken, again = machine.snapshot("take", volume), machine.snapshot("take", volume)
    upgraded(machine, volume)
    reverted, twice = machine.snapshot("revert", volume), machine.snapshot("revert", volume)
    too_soon = machine.snapshot("settle", volume)
    booted(machine, volume)
    settled = [machine.snapshot("settle", volume) for _ in range(2)]

    assert (taken.out, again.out) == (["kind btrfs", "changed", "changed"], ["kind btrfs"])
    boot = machine.shell("cat /proc/sys/kernel/random/boot_id")
    assert (reverted.out, twice.out) == (["changed", f"reboot {boot}"], [f"reboot {boot}"])
    assert (too_soon.code, "has booted from what it was to leave" in too_soon.err) == (1, True)
    assert [(ran.code, ran.out) for ran in settled] == [(0, ["changed"]), (0, [])]
    assert machine.shell(f"cd {volume}; ls; cat file machines/disk") == "file\nmachines\nold\nwritten"
    assert (
        machine.shell("cd /boot; ls; cat grub/grub.cfg grub/i386-pc/a.mod")
        == "grub\nvmlinuz-1\nmenu1\nmodule2"
    )
    assert subvolumes(machine, volume) == ["@", "machines"]
    assert machine.snapshot("revert", volume).out == []


def test_the_copy_of_boot_is_root_s_alone(machine: Machine, volume: Path) -> None:
    machine.shell("umask 077; echo key > /boot/initrd.img-1; chmod 644 /boot/initrd.img-1")
    assert machine.snapshot("take", volume).code == 0
    kept = "/var/lib/rollout/snapshot"
    assert machine.shell(f"stat -c %a {kept} {kept}/r-1.boot.tar").split() == ["700", "600"]
    assert (
        machine.shell(f"tar --list --verbose --file={kept}/r-1.boot.tar ./initrd.img-1")[:10] == "-rw-r--r--"
    )


@pytest.mark.parametrize("died_after", ["rename", "settling the default"])
def test_a_way_back_that_was_cut_off_goes_on(machine: Machine, volume: Path, died_after: str) -> None:
    machine.shell(f"btrfs subvolume set-default {volume}")
    machine.snapshot("take", volume)
    upgraded_file = f"echo new > {volume}/file"
    machine.shell(upgraded_file)
    moves = "mv @ @.reverted-r-1" + (
        ""
        if died_after == "rename"
        else "; rmdir @.rollout-r-1/machines; mv @.reverted-r-1/machines @.rollout-r-1/; mv @.rollout-r-1 @"
    )
    machine.shell(
        f"mkdir /boot/top; mount -o subvolid=5 {volume.parent}/image /boot/top -o loop; cd /boot/top; {moves}; cd /; umount /boot/top"
    )

    went_on = machine.snapshot("revert", volume)

    assert went_on.out[-1].startswith("reboot "), went_on
    assert machine.shell(f"btrfs subvolume get-default {volume}").endswith(" path @")
    booted(machine, volume)
    assert machine.snapshot("settle", volume).code == 0
    assert machine.shell(f"cat {volume}/file") == "old"


def test_btrfs_is_dropped_once(machine: Machine, volume: Path) -> None:
    machine.snapshot("take", volume, run="tokyo/2026 11")
    assert "@.rollout-tokyo-2026-11" in subvolumes(machine, volume)
    machine.shell(f"echo new > {volume}/file")
    assert [machine.snapshot("drop", volume, run="tokyo/2026 11").out for _ in range(2)] == [["changed"], []]
    assert machine.shell(f"cat {volume}/file") == "new"
    assert subvolumes(machine, volume) == ["@", "machines"]


def test_btrfs_without_room_or_without_a_subvolume_is_refused(machine: Machine, volume: Path) -> None:
    full = machine.snapshot("take", volume, free=10**6)
    assert (full.code, "MB free and 1000000 are needed (rollout_snapshot_free_mb)" in full.err) == (1, True)
    machine.shell(f"umount {volume}; mount -o loop,subvolid=5 {volume.parent}/image {volume}")
    top = machine.snapshot("take", volume)
    assert (top.code, "is the top of its Btrfs file system" in top.err) == (1, True)
    machine.shell(f"mkdir {volume}/part /boot/part; mount --bind {volume}/part /boot/part")
    part = machine.snapshot("take", "/boot/part")
    assert (part.code, "/boot/part is no subvolume but a part of one" in part.err) == (1, True)


# --- LVM, pretended --------------------------------------------------------------------------------------------------------------


@pytest.fixture
def lvm(machine: Machine, tmp_path: Path) -> Path:
    """The state of a pretended LVM, whose only volume is mounted at /."""
    programs, state = tmp_path / "bin", tmp_path / "state"
    programs.mkdir()
    state.mkdir()
    texts = {
        "findmnt": FINDMNT,
        "lvs": LVS,
        "vgs": VGS,
        **dict.fromkeys(("lvcreate", "lvconvert", "lvremove"), CHANGES),
    }
    for name, text in texts.items():
        (programs / name).write_text(text)
        (programs / name).chmod(0o755)
    (state / "mount").write_text("ext4 / /dev/mapper/vg0-root\n")
    (state / "free").write_text("5000")
    (state / "log").touch()
    machine.environment |= {"PRETENDED": str(state), "PATH": f"{programs}:{os.environ['PATH']}"}
    return state


def asked(lvm: Path) -> list[str]:
    return (lvm / "log").read_text().splitlines()


@pytest.mark.parametrize(
    ("pool", "created"),
    [("", "lvcreate --yes --snapshot --name root.rollout-r-1 --size 2049m vg0/root"), ("pool0", "lvcreate --yes --snapshot --name root.rollout-r-1 vg0/root")],
)  # fmt: skip
def test_lvm_is_told_to_take_to_merge_and_to_drop_once(
    machine: Machine, lvm: Path, pool: str, created: str
) -> None:
    if pool:
        (lvm / "pool").write_text(f"  {pool}\n")
    assert machine.snapshot("revert", "/").out == []
    for _ in range(2):
        assert machine.snapshot("take", "/").code == 0
    assert asked(lvm) == [created]
    reverted = [machine.snapshot("revert", "/") for _ in range(2)]
    assert asked(lvm) == [created, "lvconvert --yes --merge vg0/root.rollout-r-1"]
    assert all(ran.out[-1].startswith("reboot ") for ran in reverted)
    machine.environment["ROLLOUT_BOOT_BEFORE"] = "another boot"
    assert machine.snapshot("settle", "/").code == 0
    assert "on its way back" in machine.snapshot("drop", "/").err

    (lvm / "snapshots").unlink()
    machine.snapshot("take", "/")
    assert [machine.snapshot("drop", "/").out for _ in range(2)] == [["changed"], []]
    assert asked(lvm)[2:] == [created, "lvremove --yes vg0/root.rollout-r-1"]


@pytest.mark.parametrize(
    ("act", "given", "because"),
    [
        ("take", {"free": "2000"}, "vg0 has 2000 MB free, and a snapshot of root takes 2049 (20 % of it"),
        ("take", {"pool": "  pool0\n", "percent": "31"}, "the thin pool vg0/pool0 is 70 % full (data_percent), and 31 % have to be free"),
        ("revert", {"snapshots": "  root.rollout-r-1|swi-I-s---\n"}, "vg0/root.rollout-r-1 is full and so of no use"),
        ("revert", {"snapshots": "  root.rollout-r-1|Swi-m-s---\n"}, "the merge of vg0/root.rollout-r-1 has failed"),
        ("settle", {"snapshots": "  root.rollout-r-1|swi-a-s---\n"}, "vg0/root.rollout-r-1 was not merged"),
        ("revert", {"broken": ""}, "neither LVM nor Btrfs"),
        ("take", {"mount": "xfs / /dev/sda1\n"}, "/ is xfs on /dev/sda1, neither LVM nor Btrfs: take this step out of the plan"),
    ],
)  # fmt: skip
def test_what_cannot_be_or_cannot_be_known_is_refused(
    machine: Machine, lvm: Path, act: str, given: dict[str, str], because: str
) -> None:
    machine.shell("mkdir -p /var/lib/rollout/snapshot; touch /var/lib/rollout/snapshot/r-1.taken")
    for name, text in given.items():
        (lvm / name).write_text(text)
    ran = machine.snapshot(act, "/", percent=int(given.get("percent", 20)))
    assert (ran.code, because in ran.err) == (1, True), ran
    assert asked(lvm) == []


def test_an_undo_does_nothing_where_a_snapshot_was_refused(machine: Machine, lvm: Path) -> None:
    (lvm / "mount").write_text("xfs / /dev/sda1\n")
    assert [machine.snapshot(act, "/") for act in ("revert", "drop")] == [Ran(0, [], "")] * 2
    assert machine.snapshot("revert", "/", kind="lvm").code == 1


def test_a_file_system_of_its_own_that_an_upgrade_changes_is_to_be_named(machine: Machine, lvm: Path) -> None:
    machine.shell("mount --bind /var /var")
    ran = machine.snapshot("take", "/")
    assert (ran.code, "/var is a file system of its own" in ran.err) == (1, True)
    assert asked(lvm) == []


# --- the playbooks ----------------------------------------------------------------------------------------------------------------


@pytest.mark.lab
def test_the_playbooks_take_go_back_and_drop_on_a_host(hand: Hand) -> None:
    refused = hand.play("gone", "snapshot")
    assert refused.code == 2
    assert "neither LVM nor Btrfs: take this step out of the plan" in refused.output
    assert hand.play("gone", "snapshot-revert", "snapshot-drop").changed == 0

    pretend(hand, "gone")
    boots = hand.lab.host("gone").boots
    taken = hand.play("gone", "snapshot", rollout_run="r-1")
    back = hand.play("gone", "snapshot-revert", rollout_run="r-1")

    assert (taken.code, taken.changed) == (0, 1), taken.output
    assert (back.code, hand.lab.host("gone").boots) == (0, boots + 1), back.output
    assert hand.read("gone", "cat /var/lib/pretended/log").splitlines() == [
        "lvcreate --yes --snapshot --name root.rollout-r-1 --size 2049m vg0/root",
        "lvconvert --yes --merge vg0/root.rollout-r-1",
    ]


def pretend(hand: Hand, host: str) -> None:
    """The same LVM on the host; it is not there before sshd, so its state is where a boot keeps it."""
    texts = {"findmnt": FINDMNT, "lvs": LVS, "vgs": VGS, "lvcreate": CHANGES, "lvconvert": CHANGES}
    hand.read(
        host,
        "mkdir -p /var/lib/pretended; cd /var/lib/pretended; echo 'ext4 / /dev/mapper/vg0-root' > mount; echo 5000 > free; touch log",
    )
    for name, text in texts.items():
        whole = text.replace("$PRETENDED", "/var/lib/pretended")
        hand.read(
            host,
            f"cat > /usr/local/bin/{name} <<'PRETENDED'\n{whole}PRETENDED\nchmod +x /usr/local/bin/{name}",
        )
