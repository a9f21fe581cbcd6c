"""Property tests look for counter-examples longer with ROLLOUT_FULL=1."""

import os

from hypothesis import HealthCheck, settings

settings.register_profile(
    "short", max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.register_profile("full", settings.get_profile("short"), max_examples=5000)
settings.load_profile("full" if os.environ.get("ROLLOUT_FULL") else "short")
