"""Builders live in tests/fleet.py; this makes it importable from every folder. ROLLOUT_FULL=1 looks for counter-examples longer."""

import os
import sys
from pathlib import Path

from hypothesis import HealthCheck, settings

sys.path.insert(0, str(Path(__file__).parent))

settings.register_profile("short", max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("full", settings.get_profile("short"), max_examples=5000)
settings.load_profile("full" if os.environ.get("ROLLOUT_FULL") else "short")
