"""Builders live in tests/fleet.py; this makes it importable from every folder."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
