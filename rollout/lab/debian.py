"""Debian's next release, for real upgrades: what a host of this one needs of it, downloaded once from this machine's mirror.

apt on this machine solves the upgrade of the shared tree and downloads the result; nothing is installed here.
"""

import shutil
import tempfile
from pathlib import Path

from rollout.errors import LabError
from rollout.lab import apart
from rollout.lab.packages import DEBIAN

_KEYRING = Path("usr/share/keyrings/debian-archive-keyring.gpg")


def download(base: Path, sources: list[str], pool: Path) -> None:
    """Put the packages into `pool` that upgrade the tree `base`; `sources` are the lines that it was built from."""
    here, there = (release.codename for release in DEBIAN)
    if not any(line.split()[2] == here for line in sources):
        raise LabError(f"hosts begin with {DEBIAN[0].name} only where the machine's own Debian is {here}")
    with tempfile.TemporaryDirectory(dir=base.parent, prefix="building-") as name:
        scratch = Path(name)
        archives = scratch / "cache/archives"
        for directory in (archives / "partial", scratch / "lists/partial"):
            directory.mkdir(parents=True)
        (scratch / "sources.list").write_text("".join(_next(line, base, here, there) for line in sources))
        for command in (["update"], ["--yes", "--download-only", "full-upgrade"]):
            _apt(base, scratch, command)
        pool.mkdir(parents=True)
        for deb in archives.glob("*.deb"):
            shutil.copyfile(deb, pool / deb.name)


def _next(line: str, base: Path, here: str, there: str) -> str:
    kind, address, suite, *components = line.split()
    words = (kind, f"[signed-by={base / _KEYRING}]", address, suite.replace(here, there), *components)
    return " ".join(words) + "\n"


def _apt(base: Path, scratch: Path, command: list[str]) -> None:
    """The machine's apt and its way to the mirror, but the tree's state and directories of our own."""
    settings = {
        "Dir::State::status": base / "var/lib/dpkg/status",
        "Dir::State::extended_states": base / "var/lib/apt/extended_states",
        "Dir::State::lists": scratch / "lists",
        "Dir::Cache": scratch / "cache",
        "Dir::Etc::sourcelist": scratch / "sources.list",
        "Dir::Etc::sourceparts": "/dev/null",
        "Dir::Etc::preferences": "/dev/null",
        "Dir::Etc::preferencesparts": "/dev/null",
        "APT::Install-Recommends": "false",
        "Acquire::Languages": "none",
    }
    options = [word for key, value in settings.items() for word in ("-o", f"{key}={value}")]
    apart.run(["apt-get", "--quiet=2", *options, *command], f"{DEBIAN[1].name} cannot be downloaded")
