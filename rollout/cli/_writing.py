"""Files that commands write for others: whole, or not at all."""

import os
from contextlib import suppress
from pathlib import Path

from rollout.errors import UsageError


def whole(path: Path, text: str, mode: int = 0o666) -> None:
    """By rename, so that nobody reads half of it. `mode` as of `open`. Raises UsageError when it cannot be written."""
    fresh = path.with_name(f".{path.name}.{os.getpid()}.new")
    try:
        handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
        fresh.replace(path)
    except OSError as error:
        with suppress(OSError):
            fresh.unlink()
        raise UsageError(f"{path}: {error.strerror}") from error
