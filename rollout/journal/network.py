"""File systems of a network, where SQLite's locks and shared memory are not what it relies on.

Two machines that each see the file would each believe that they alone write it.
"""

from pathlib import Path

from rollout.errors import JournalError

MOUNTS = Path("/proc/self/mountinfo")

_NETWORK = frozenset(
    [
        "9p",
        "acfs",
        "afs",
        "beegfs",
        "ceph",
        "cifs",
        "coda",
        "davfs",
        "gfs",
        "gfs2",
        "glusterfs",
        "gpfs",
        "lustre",
        "ncpfs",
        "nfs",
        "nfs4",
        "ocfs2",
        "orangefs",
        "panfs",
        "pvfs2",
        "smb2",
        "smb3",
        "smbfs",
        "vboxsf",
    ]
)
_LOCAL_FUSE = frozenset(
    f"fuse.{name}"
    for name in [
        "bindfs",
        "cryfs",
        "encfs",
        "fuse-overlayfs",
        "gocryptfs",
        "lxcfs",
        "mergerfs",
        "ntfs-3g",
        "squashfuse",
    ]
)
"""What lies on a local disk although it goes through FUSE. Of any other nobody knows."""


def refuse_network(path: Path) -> None:
    """Raises JournalError when the path is on a network file system. A system that does not list its mounts is not asked."""
    try:
        mounts = MOUNTS.read_text(encoding="utf-8", errors="surrogateescape")
    except OSError:
        return
    kind = filesystem(path.resolve(), mounts)
    if kind in _NETWORK or (kind.partition(".")[0] == "fuse" and kind not in _LOCAL_FUSE):
        raise JournalError(
            f"the journal {path} would be on a network file system ({kind}), where SQLite cannot keep two controllers apart: "
            "give --journal a path on a local disk, or a PostgreSQL database (--journal postgresql://...)"
        )


def filesystem(path: Path, mounts: str) -> str:
    """The type of the file system that holds an absolute path, by the text of /proc/PID/mountinfo; empty if none does."""
    found, depth = "", -1
    for line in mounts.splitlines():
        mounted, _, rest = line.partition(" - ")
        fields = mounted.split(" ")
        point = Path(_unescaped(fields[4])) if len(fields) > 4 else None
        if point is None or not rest or not path.is_relative_to(point):
            continue
        if len(point.parts) >= depth:  # of two on the same point, the later one covers the other
            found, depth = rest.split(" ")[0], len(point.parts)
    return found


def _unescaped(text: str) -> str:
    for code, character in (("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")):
        text = text.replace(code, character)
    return text
