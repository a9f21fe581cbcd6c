"""The file systems that all hosts share, read-only, in a cache: built once, by renaming, under a lock.

Three layers: `base-*` (Debian, by mmdebstrap from the machine's own mirror), `kit-*/machinery` (what stands for firmware,
init and libvirt) and `kit-*/labos-N` (release N installed on them by real apt). A host's own disk lies over these.
"""

import fcntl
import hashlib
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from rollout.errors import LabError
from rollout.lab import apart, debian, flavours, packages
from rollout.lab.flavours import FLAVOURS, Flavour

Say = Callable[[str], None]

FILES = Path(__file__).parent / "files"
_UNUSED_SECONDS = 7 * 86400
_INCLUDE = "mount,openssh-server,python3,python3-apt,iproute2,procps,sudo"
_WITHOUT = ("/usr/share/man/*", "/usr/share/doc/*", "/usr/share/locale/*")


@dataclass(frozen=True, slots=True)
class Trees:
    """Where the shared file systems are."""

    base: Path
    kit: Path

    @property
    def machinery(self) -> Path:
        """What the lab adds to Debian."""
        return self.kit / "machinery"

    @property
    def repository(self) -> Path:
        """The packages of the lab's releases."""
        return self.kit / "repository"

    @property
    def fakes_kernels(self) -> bool:
        """Whether `uname -r` follows the lab's kernels; without a C compiler at building time it does not."""
        return (self.machinery / "usr/lib/lab/uname.so").exists()

    def release(self, name: str) -> Path:
        """The layer of an installed release."""
        return self.kit / name

    def hold(self) -> None:
        """Keep these trees from being pruned for as long as this process lives."""
        for tree in (self.base, self.kit):
            fcntl.flock(os.open(tree, os.O_RDONLY | os.O_DIRECTORY), fcntl.LOCK_SH)


def installable(engine: str) -> tuple[str, ...]:
    """The releases that a host can begin with; Debian's own need an init that starts the next release's sshd."""
    labos = tuple(release.name for release in packages.RELEASES if release.is_installed)
    return (*labos, packages.DEBIAN[0].name) if engine == "systemd" else labos


def cache_directory() -> Path:
    """Where trees are kept: under XDG_CACHE_HOME if set, else /var/cache."""
    home = os.environ.get("XDG_CACHE_HOME")
    return Path(home, "rollout", "lab") if home else Path("/var/cache/rollout-lab")


def ensure(say: Say, engine: str = "light", wanted: Collection[str] = ()) -> Trees:
    """The trees of an engine, building what the cache lacks: half a minute for Debian, seconds for the rest.

    `wanted` are releases that hosts begin with; Debian's next release is downloaded only for hosts of this one.
    """
    cache = cache_directory()
    cache.mkdir(parents=True, exist_ok=True)
    flavour = FLAVOURS[engine]
    base_key = _digest(",".join(flavour.packages), *_WITHOUT)
    compiler = shutil.which("gcc") or shutil.which("cc")
    mine = [path.read_text() for path in sorted(FILES.iterdir())]
    code = [
        Path(module).read_text()
        for module in (packages.__file__, flavours.__file__, debian.__file__, __file__)
    ]
    releases = (*packages.RELEASES, *(packages.DEBIAN if packages.DEBIAN[0].name in wanted else ()))
    names = [release.name for release in releases]
    kit_key = _digest(engine, base_key, str(bool(compiler)), *names, *mine, *code)
    trees = Trees(cache / f"base-{base_key}", cache / f"kit-{kit_key}")
    with _locked(cache):
        if not trees.base.exists():
            say(f"lab: building the shared Debian tree for {engine} hosts, once")
            with _renamed_into(trees.base) as scratch:
                _build_base(scratch, flavour, _sources())
        if not trees.kit.exists():
            say(f"lab: building {', '.join(names)}")
            with _renamed_into(trees.kit) as scratch:
                _build_kit(Trees(trees.base, scratch), flavour, releases, compiler)
        for tree in (trees.base, trees.kit):
            os.utime(tree)
        prune(cache)
    return trees


def prune(cache: Path) -> None:
    """Remove trees that no lab began with for a week and none holds; a newer version of the lab makes others."""
    for tree in (*cache.glob("base-*"), *cache.glob("kit-*")):
        if time.time() - tree.stat().st_mtime < _UNUSED_SECONDS:
            continue
        handle = os.open(tree, os.O_RDONLY | os.O_DIRECTORY)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # Never half of a tree under its own name; what a kill leaves of this the next one to come removes.
            shutil.rmtree(tree.rename(cache / f"building-{tree.name}"))
        except BlockingIOError:
            continue
        finally:
            os.close(handle)


def _digest(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:12]


@contextmanager
def _locked(cache: Path) -> Iterator[None]:
    with (cache / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        for left in cache.glob(
            "building-*"
        ):  # of a builder that was killed: the lock is ours, so nobody uses it
            shutil.rmtree(left)
        yield


@contextmanager
def _renamed_into(target: Path) -> Iterator[Path]:
    """A scratch directory that becomes `target` if all goes well, and nothing if not."""
    scratch = Path(tempfile.mkdtemp(prefix="building-", dir=target.parent))
    try:
        tree = scratch / "tree"
        tree.mkdir()
        yield tree
        tree.rename(target)
    finally:
        shutil.rmtree(scratch)


def _sources() -> list[str]:
    """The machine's own Debian mirror and suite, as source lines; what is not Debian's stays out."""
    wanted = ("$(REPO_URI)", "$(CODENAME)", "$(COMPONENT)")
    asked = subprocess.run(
        ["apt-get", "indextargets", "--format", " ".join(wanted), "Created-By: Packages", "Origin: Debian"],
        capture_output=True,
        text=True,
        check=False,
    )
    found = sorted({line for line in asked.stdout.splitlines() if line.split()[2:] == ["main"]})
    if not found:
        raise LabError(
            "the lab builds its hosts from this machine's Debian mirror, and apt knows none: run apt-get update"
        )
    return [f"deb {line}" for line in found]


def _suite(sources: list[str]) -> str:
    """The plain codename among bookworm, bookworm-updates, bookworm-security."""
    return min((line.split()[2] for line in sources), key=len)


def _build_base(tree: Path, flavour: Flavour, sources: list[str]) -> None:
    options = [f"--dpkgopt=path-exclude={pattern}" for pattern in _WITHOUT]
    quiet = ["--quiet", "--mode=root", "--variant=apt", '--aptopt=APT::Install-Recommends "false"']
    apart.run(
        [
            "mmdebstrap",
            *quiet,
            *options,
            f"--include={','.join(flavour.packages)}",
            _suite(sources),
            str(tree),
            *sources,
        ],
        "the shared Debian tree cannot be built",
    )
    # A host knows the lab's repository and no other, and nothing of the machine's way to the outside.
    for left in (tree / "etc/apt/sources.list", *(tree / "etc/apt/sources.list.d").iterdir()):
        left.unlink(missing_ok=True)
    for setting in (tree / "etc/apt/apt.conf.d").iterdir():
        if "proxy" in setting.read_text().lower():
            setting.unlink()
    (tree / "etc/resolv.conf").write_text("")
    for key in (tree / "etc/ssh").glob("ssh_host_*"):
        key.unlink()
    tree.chmod(0o755)


def _build_kit(
    made: Trees, flavour: Flavour, releases: Sequence[packages.Release], compiler: str | None
) -> None:
    made.repository.mkdir()
    made.kit.chmod(0o755)
    for release in releases:
        if release is packages.DEBIAN[1]:
            debian.download(made.base, _sources(), packages.pool(made.repository, release))
    packages.write_repository(made.repository, releases)
    _lay_machinery(made.machinery, flavour, compiler)
    for release in releases:
        if release is not packages.DEBIAN[1] and release.is_installed:
            _install(made, release)


def _lay_machinery(tree: Path, flavour: Flavour, compiler: str | None) -> None:
    for name, path in flavour.programs.items():
        _place(FILES / name, tree / path, 0o755)
    for name, path in flavour.settings.items():
        _place(FILES / name, tree / path, 0o644)
    for path, target in flavour.links.items():
        (tree / path).parent.mkdir(parents=True, exist_ok=True)
        (tree / path).symlink_to(target)
    (tree / "srv/labos").mkdir(parents=True)
    if compiler:
        library = tree / "usr/lib/lab/uname.so"
        apart.run(
            [compiler, "-O2", "-shared", "-fPIC", "-o", str(library), str(FILES / "uname.c")],
            "the library that shows a host's kernel cannot be compiled",
        )
        (tree / "etc/ld.so.preload").write_text("/usr/lib/lab/uname.so\n")
    for directory in (tree, *(path for path in tree.rglob("*") if path.is_dir())):
        directory.chmod(0o755)


def _place(source: Path, target: Path, mode: int) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, target)
    target.chmod(mode)


def _install(trees: Trees, release: packages.Release) -> None:
    layer = trees.release(release.name)
    layer.mkdir()
    layer.chmod(0o755)
    with tempfile.TemporaryDirectory(dir=trees.kit.parent) as scratch:
        apart.run(
            ["sh", str(FILES / "install-release.sh")],
            f"release {release.name} cannot be installed in the shared tree",
            {
                "LAB_BASE": str(trees.base),
                "LAB_MACHINERY": str(trees.machinery),
                "LAB_LAYER": str(layer),
                "LAB_SCRATCH": scratch,
                "LAB_REPOSITORY": str(trees.repository),
                "LAB_CODENAME": release.codename,
            },
        )
