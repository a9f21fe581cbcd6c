"""Files that commands write for others: whole, or not at all."""

import os
from contextlib import suppress
from pathlib import Path

from rollout.errors import UsageError


def whole(path: Path, text: str, mode: int = 0o666) -> None:
    """By rename, so that nobody reads half of it. `mode` as of `open`. Raises UsageError when it cannot be written.

    A link stays a link; what is no file, such as /dev/null or a pipe, is written to and never replaced.
    """
    data = text.encode(errors="backslashreplace")
    try:
        if path.exists() and not path.is_file():
            path.write_bytes(data)
        else:
            _replace(Path(os.path.realpath(path)), data, mode)
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}") from error


def _replace(path: Path, data: bytes, mode: int) -> None:
    fresh = path.with_name(f".{path.name}.{os.getpid()}.new")
    try:
        with os.fdopen(
            os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, mode), "wb"
        ) as file:
            file.write(data)
        fresh.replace(path)
    except BaseException:
        with suppress(OSError):
            fresh.unlink()
        raise
