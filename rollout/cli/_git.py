"""What Git knows of the folder that a plan is in."""

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

SECONDS = 300.0
"""That one command may take: a large repository is written out slowly."""


def output(folder: Path, *words: str, environment: Mapping[str, str] | None = None) -> str | None:
    """What it prints, without blanks around it; None when it fails, or is not here. `environment` is added to ours."""
    try:
        done = subprocess.run(
            ["git", "-C", str(folder), *words],
            capture_output=True,
            text=True,
            errors="replace",
            timeout=SECONDS,
            check=False,
            env={**os.environ, **(environment or {})},
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None
