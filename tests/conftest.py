"""Property tests look for counter-examples longer with ROLLOUT_FULL=1."""

import os

import pytest
from hypothesis import HealthCheck, settings

settings.register_profile(
    "short", max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.register_profile("full", settings.get_profile("short"), max_examples=5000)
settings.load_profile("full" if os.environ.get("ROLLOUT_FULL") else "short")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """The table of the faults that were planted; it comes with the reports, whichever process ran the tests."""
    reports = [report for word in ("passed", "failed") for report in terminalreporter.getreports(word)]
    found = [value for report in reports for name, value in report.user_properties if name == "faults"]
    if not found:
        return
    from tests.end_to_end.invariants import Tally

    table = Tally()
    for value in found:
        table.merge(Tally.from_json(value))
    terminalreporter.section("faults")
    terminalreporter.write_line(table.text())
