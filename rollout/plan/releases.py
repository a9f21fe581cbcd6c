"""What comes after a release, for a first draft of a plan: distributions upgrade to the next one, and none is skipped."""

import re

_DOTTED = re.compile(r"(?P<name>[A-Za-z][A-Za-z ]*?)(?P<gap>[-_ ]?)(?P<number>\d+(?:\.\d+)?)")

_RED_HAT = ("rhel", "redhat", "rocky", "almalinux", "ol", "oraclelinux")
_NEXT = {
    "debian": {"9": "10", "10": "11", "11": "12", "12": "13"},
    "ubuntu": {"18.04": "20.04", "20.04": "22.04", "22.04": "24.04", "24.04": "26.04"},
    **{name: {"7": "8", "8": "9", "9": "10"} for name in _RED_HAT},
}
_NEWEST = {"debian": "13", "ubuntu": "26.04", **dict.fromkeys(_RED_HAT, "10")}
_CODENAMES = {
    "stretch": "buster", "buster": "bullseye", "bullseye": "bookworm", "bookworm": "trixie",
    "bionic": "focal", "focal": "jammy", "jammy": "noble",
}  # fmt: skip


def next_release(release: str) -> str | None:
    """`debian-13` for `debian-12`, in the same spelling, and `debian-13.*` for `debian-12.7`; None when nothing is known."""
    word = release.lower()
    if word in _CODENAMES:
        return _CODENAMES[word].capitalize() if release[:1].isupper() else _CODENAMES[word]
    found = _DOTTED.fullmatch(release)
    if found is None:
        return None
    number = _NEXT.get(_plain(found["name"]), {}).get(_of(found))
    points = ".*" if "." in found["number"] and _of(found) != found["number"] else ""
    return None if number is None else f"{found['name']}{found['gap']}{number}{points}"


def is_newest(release: str) -> bool:
    """Whether no later one is known."""
    found = _DOTTED.fullmatch(release)
    return found is not None and _NEWEST.get(_plain(found["name"])) == _of(found)


def _plain(name: str) -> str:
    return name.lower().replace(" ", "")


def _of(found: re.Match[str]) -> str:
    """Point releases of Debian and of Red Hat's family are the same release."""
    return found["number"] if _plain(found["name"]) == "ubuntu" else found["number"].partition(".")[0]
