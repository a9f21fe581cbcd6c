"""Whether the controller's ansible-core can drive a host: by the Python it has, and by those it will have."""

import re
from collections.abc import Iterator
from typing import Literal

from rollout.graph.known import Known
from rollout.model.verdict import Toolchain
from rollout.model.versions import is_pattern

PYTHON = "python"
"""The fact, or factor, that is a host's Python."""

Python = tuple[int, int]

DRIVES: dict[str, tuple[Python, Python]] = {
    "2.19": ((3, 8), (3, 13)),
    "2.20": ((3, 9), (3, 14)),
    "2.21": ((3, 9), (3, 14)),
    "2.22": ((3, 9), (3, 15)),
}
"""The oldest and newest Python on hosts by release of ansible-core, from the support matrix of its documentation. Modules refuse an older one."""

_EL: dict[str, Python] = {"7": (2, 7), "8": (3, 6), "9": (3, 9), "10": (3, 12)}
_UBUNTU: dict[str, Python] = {
    "18.04": (3, 6),
    "20.04": (3, 8),
    "22.04": (3, 10),
    "24.04": (3, 12),
    "24.10": (3, 12),
    "25.04": (3, 13),
    "25.10": (3, 13),
    "26.04": (3, 14),
}
_RELEASES: dict[str, dict[str, Python]] = {
    "debian": {"9": (3, 5), "10": (3, 7), "11": (3, 9), "12": (3, 11), "13": (3, 13)},
    "ubuntu": _UBUNTU,
    **dict.fromkeys(("rhel", "redhat", "alma", "almalinux", "rocky", "centos", "oraclelinux", "ol"), _EL),
}
"""The Python that a release brings as its own."""

_RELEASE = re.compile(r"([a-z]+)(?:-stream|stream)?[-_ ]?(\d+)(?:\.(\d+))?(?![0-9])")
_VERSION = re.compile(r"(\d+)\.(\d+)(?:[^0-9].*)?")


def of_toolchain(known: Known, toolchain: Toolchain) -> Iterator[tuple[Literal["unknown", "blocked"], str]]:
    """A sentence for each Python on the way that cannot be driven, or that nobody has tried. Of a Python that is not known nothing is said."""
    release = ".".join(toolchain.ansible_core.split(".")[:2])
    if release not in DRIVES:
        return
    oldest, newest = DRIVES[release]
    for python, whose in _on_the_way(known):
        drives = f"ansible-core {release} drives {_spelt(oldest)} to {_spelt(newest)} on hosts, and {whose} is {_spelt(python)}"
        if python < oldest:
            yield "blocked", drives
        elif python > newest:
            yield "unknown", drives


def _on_the_way(known: Known) -> Iterator[tuple[Python, str]]:
    """The Python of the host, then of each release that it comes to."""
    here = map(_python, known.now.get(PYTHON, ()))
    yield from ((python, "the host's Python") for python in here if python is not None)
    for target in known.targets:
        told = [text for text in target.get(PYTHON, ()) if not is_pattern(text)]
        if told:
            yield from (
                (python, "the Python that `to` names") for python in map(_python, told) if python is not None
            )
            continue
        for text in (text for name, texts in target.items() for text in texts):
            python = of_release(text)
            if python is not None:
                yield python, f"the Python of {text}"


def of_release(text: str) -> Python | None:
    """The Python of a release such as `debian-13`, `Rocky-9.4` or `ubuntu-24.04*`; None: not known."""
    found = _RELEASE.match(text.lower())
    releases = _RELEASES.get(found[1], {}) if found else {}
    if found is None:
        return None
    return releases.get(f"{found[2]}.{found[3]}", releases.get(found[2]))


def _python(text: str) -> Python | None:
    found = _VERSION.fullmatch(text.strip())
    return (int(found[1]), int(found[2])) if found else None


def _spelt(python: Python) -> str:
    return ".".join(map(str, python))
