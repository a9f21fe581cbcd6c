"""The lab's own distribution: four small releases as a `file:` repository of real Debian packages.

Release 1 is where hosts begin, 2 is where they are upgraded to, 3 is broken: its base package fails to configure; 4 is where two hops lead.
A release is another `/etc/os-release`, another kernel (its name alone; see `files/uname.c`) and another hypervisor.
Debian's own releases have these packages too, but for `/etc/os-release`: that comes with Debian's.
"""

import hashlib
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from rollout.errors import LabError


@dataclass(frozen=True, slots=True)
class Release:
    """One release of the lab's distribution; `broken` ones cannot be configured, and no host begins with what is a `goal` alone."""

    number: int
    codename: str
    kernel: str
    hypervisor: str
    broken: bool = False
    goal: bool = False
    family: str = "labos"

    @property
    def is_installed(self) -> bool:
        """Whether hosts can begin with it."""
        return not (self.broken or self.goal)

    @property
    def name(self) -> str:
        """The word of the factor `os_release`, and `ID-VERSION_ID` of its `/etc/os-release`."""
        return f"{self.family}-{self.number}"


RELEASES = (
    Release(1, "amber", "6.1.0-1-lab", "7.2"),
    Release(2, "birch", "6.12.0-2-lab", "10.0"),
    Release(3, "cedar", "6.18.0-3-lab", "11.0", broken=True),
    Release(4, "dogwood", "6.19.0-4-lab", "12.0", goal=True),
)
# The real thing, in pairs: where hosts begin and where they are upgraded to.
DEBIAN = (
    Release(12, "bookworm", "6.1.0-12-lab", "9.0", family="debian"),
    Release(13, "trixie", "6.12.0-13-lab", "11.3", family="debian"),
)

_OS_RELEASE = """\
PRETTY_NAME="Lab OS {number} ({codename}), made of Debian"
NAME="Lab OS"
VERSION_ID="{number}"
VERSION="{number} ({codename})"
VERSION_CODENAME={codename}
ID=labos
ID_LIKE=debian
"""

_HYPERVISOR = """\
#!/bin/sh
case ${{1:-}} in
--version) echo "lab-hypervisor {version}" ;;
*) echo "usage: lab-hypervisor --version" >&2; exit 2 ;;
esac
"""

_QEMU = """\
#!/bin/sh
case ${{1:-}} in
--version) echo "QEMU emulator version {version}.0 (the lab's: it runs nothing)" ;;
*) echo "the lab's QEMU runs nothing" >&2; exit 2 ;;
esac
"""

_KERNEL_POSTINST = """\
#!/bin/sh
set -e
newest=$(cd /boot && ls vmlinuz-* | sort -V | tail -n 1)
ln -sfn "$newest" /boot/vmlinuz
touch /run/reboot-required
"""

_BASE_POSTINST = """\
#!/bin/sh
set -e
/usr/lib/lab/fault-point
"""

_BROKEN_POSTINST = (
    _BASE_POSTINST + 'echo "labos-base: cannot migrate the configuration of release 2" >&2\nexit 1\n'
)


@dataclass(frozen=True, slots=True)
class _Package:
    """One .deb; `files` maps a path in the host to (mode, content), `fields` are further control fields."""

    name: str
    version: str
    files: dict[str, tuple[int, str]] = field(default_factory=dict)
    fields: dict[str, str] = field(default_factory=dict)
    postinst: str = ""

    def control(self) -> str:
        """The control file, without the fields that only an index has."""
        fields = {
            "Package": self.name,
            "Version": self.version,
            "Architecture": "all",
            "Maintainer": "rollout lab <lab@localhost>",
            "Priority": "optional",
            "Section": "misc",
            **self.fields,
            "Description": f"{self.name} of the virtual data centre",
        }
        return "".join(f"{key}: {value}\n" for key, value in fields.items())


def _packages(release: Release) -> Iterator[_Package]:
    version = f"{release.number}.0"
    os_release = (0o644, _OS_RELEASE.format(number=release.number, codename=release.codename))
    yield _Package(
        "labos-base",
        version,
        {"usr/lib/os-release": os_release} if release.family == "labos" else {},
        {"Replaces": "base-files"},
        _BROKEN_POSTINST if release.broken else _BASE_POSTINST,
    )
    image = f"labos-kernel-{release.kernel}"
    yield _Package(
        image,
        version,
        {f"boot/vmlinuz-{release.kernel}": (0o644, f"{release.kernel}\n")},
        postinst=_KERNEL_POSTINST,
    )
    yield _Package("labos-kernel", version, fields={"Depends": f"{image} (= {version})"})
    yield _Package(
        "lab-hypervisor",
        release.hypervisor,
        {
            "usr/bin/lab-hypervisor": (0o755, _HYPERVISOR.format(version=release.hypervisor)),
            "usr/bin/qemu-system-x86_64": (0o755, _QEMU.format(version=release.hypervisor)),
        },
    )
    needed = (
        f"labos-base (= {version}), labos-kernel (= {version}), lab-hypervisor (= {release.hypervisor})",
        "openssh-server",
        "python3",
    )
    yield _Package("labos", version, fields={"Depends": ", ".join(needed)})


def pool(repository: Path, release: Release) -> Path:
    """Where the packages of a release are."""
    return repository / "pool" / release.codename


def write_repository(repository: Path, releases: Sequence[Release]) -> None:
    """Add the packages of these releases and the indexes of all that their pools hold then."""
    for release in releases:
        found = [_stanza(deb, repository) for deb in sorted(pool(repository, release).glob("*.deb"))]
        made = [_stanza(_build(package, release, repository), repository) for package in _packages(release)]
        _index(repository, release, "\n".join(found + made))


def _build(package: _Package, release: Release, repository: Path) -> Path:
    """Make one .deb in the pool."""
    target = pool(repository, release) / f"{package.name}_{package.version}_all.deb"
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=repository) as scratch:
        root = Path(scratch, "root")
        _write(root / "DEBIAN/control", package.control())
        if package.postinst:
            _write(root / "DEBIAN/postinst", package.postinst, 0o755)
        for path, (mode, content) in package.files.items():
            _write(root / path, content, mode)
        for directory in (root, *(path for path in root.rglob("*") if path.is_dir())):
            directory.chmod(0o755)  # whatever the caller's umask
        made = subprocess.run(
            ["dpkg-deb", "--root-owner-group", "-Znone", "--build", str(root), str(target)],
            capture_output=True,
            text=True,
            check=False,
        )
    if made.returncode:
        raise LabError(f"the lab's package {package.name} cannot be built: {made.stderr.strip()}")
    return target


def _stanza(deb: Path, repository: Path) -> str:
    """What the Packages index says of a .deb."""
    control = subprocess.run(["dpkg-deb", "--field", str(deb)], capture_output=True, text=True, check=True)
    content = deb.read_bytes()
    return (
        f"{control.stdout.rstrip()}\nFilename: {deb.relative_to(repository)}\n"
        f"Size: {len(content)}\nSHA256: {hashlib.sha256(content).hexdigest()}\n"
    )


def _index(repository: Path, release: Release, packages: str) -> None:
    """Write Packages and Release for one codename; unsigned, the hosts' source line trusts it."""
    asked = subprocess.run(["dpkg", "--print-architecture"], capture_output=True, text=True, check=True)
    architecture = asked.stdout.strip()
    inner = f"main/binary-{architecture}/Packages"
    suite = repository / "dists" / release.codename
    _write(suite / inner, packages)
    digest = hashlib.sha256(packages.encode()).hexdigest()
    _write(
        suite / "Release",
        f"Origin: labos\nLabel: labos\nSuite: {release.codename}\nCodename: {release.codename}\n"
        f"Version: {release.number}\nArchitectures: {architecture}\nComponents: main\n"
        "Date: Thu, 01 Jan 2026 00:00:00 UTC\n"
        f"SHA256:\n {digest} {len(packages.encode())} {inner}\n",
    )


def _write(path: Path, content: str, mode: int = 0o644) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)
    path.chmod(mode)
