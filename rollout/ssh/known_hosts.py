"""Which key a host must show: the format of sshd(8), SSH_KNOWN_HOSTS FILE FORMAT, with hashed names and markers."""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Literal

from rollout.ssh.printable import printable

Marker = Literal["", "@revoked", "@cert-authority"]
MARKERS: tuple[Marker, ...] = ("", "@revoked", "@cert-authority")


@dataclass(frozen=True, slots=True)
class Line:
    """One key for some names; `place` is `file:line`."""

    place: str
    marker: Marker
    patterns: tuple[str, ...]
    algorithm: str
    blob: bytes

    def names(self, name: str) -> bool:
        """Whether this line is about `name` (lower case, `[name]:port` when the port is not 22)."""
        found = False
        for pattern in self.patterns:
            if pattern.startswith("!"):
                if fnmatchcase(name, _glob(pattern[1:])):
                    return False
            elif pattern.startswith("|1|"):
                found = found or _is_hash_of(pattern, name)
            else:
                found = found or fnmatchcase(name, _glob(pattern))
        return found


@dataclass(frozen=True, slots=True)
class Known:
    """What the files say about one host: its lines, best name first, and which files could be read."""

    lines: tuple[Line, ...]
    files: tuple[Path, ...]

    @property
    def algorithms(self) -> tuple[str, ...]:
        """The key types to ask the host for first."""
        return tuple(dict.fromkeys(line.algorithm for line in self.lines if not line.marker))

    def refusal(self, algorithm: str, blob: bytes) -> str | None:
        """Why this key is not the host's, as the end of a sentence that begins with the host; None if it is."""
        offer = f"it offers {printable(algorithm)} {fingerprint(blob)}"
        for line in self.lines:
            if line.marker == "@revoked" and line.blob == blob:
                return f"shows a host key that {line.place} revokes: {offer}"
        plain = [line for line in self.lines if not line.marker]
        if any(line.blob == blob for line in plain):
            return None
        looked = (
            " and ".join(printable(str(path)) for path in self.files) or "no file, for none could be read"
        )
        if plain:
            expected = next((line for line in plain if line.algorithm == algorithm), plain[0])
            return (
                f"shows a host key that has changed: {offer}, but {expected.place} says {expected.algorithm} "
                f"{fingerprint(expected.blob)}"
            )
        if any(line.marker == "@cert-authority" for line in self.lines):
            return (
                f"is known only by a certificate authority, which the gates' own connection cannot check: {offer} "
                f"(looked in {looked}); add its plain key"
            )
        return f"shows an unknown host key: {offer} (looked in {looked})"


def look_up(files: Iterable[Path], names: Iterable[str]) -> Known:
    """What the files say about a host by any of its names. A file that is missing or unreadable is left out."""
    read: list[Path] = []
    lines: list[Line] = []
    for path in files:
        try:
            text = path.read_text("utf-8", "replace")
        except OSError:
            continue
        read.append(path)
        lines += _lines(path, text)
    found = [line for name in names for line in lines if line.names(name)]
    return Known(tuple(found), tuple(read))


def fingerprint(blob: bytes) -> str:
    """As `ssh-keygen -l` shows it."""
    return "SHA256:" + base64.b64encode(hashlib.sha256(blob).digest()).decode().rstrip("=")


def _lines(path: Path, text: str) -> Iterator[Line]:
    for number, raw in enumerate(text.splitlines(), 1):
        words = raw.split()
        marker: Marker = ""
        if words and words[0].startswith("@"):
            marker = next((each for each in MARKERS if each == words[0]), "@cert-authority")
            words = words[1:]
        if len(words) < 3 or words[0].startswith("#"):
            continue
        try:
            blob = base64.b64decode(words[2], validate=True)
        except (binascii.Error, ValueError):
            continue
        yield Line(
            f"{printable(str(path))}:{number}",
            marker,
            tuple(words[0].lower().split(",")) if "|" not in words[0] else (words[0],),
            words[1],
            blob,
        )


def _glob(pattern: str) -> str:
    # ssh knows only * and ?; a [ is the beginning of [host]:port
    return pattern.replace("[", "[[]")


def _is_hash_of(pattern: str, name: str) -> bool:
    try:
        salt, digest = (base64.b64decode(part, validate=True) for part in pattern.split("|")[2:4])
    except (binascii.Error, ValueError):
        return False
    return hmac.compare_digest(hmac.new(salt, name.encode(), hashlib.sha1).digest(), digest)
