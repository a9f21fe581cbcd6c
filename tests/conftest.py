"""Property tests look for counter-examples longer with ROLLOUT_FULL=1."""

import os
import signal
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

settings.register_profile(
    "short", max_examples=50, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.register_profile("full", settings.get_profile("short"), max_examples=5000)
settings.load_profile("full" if os.environ.get("ROLLOUT_FULL") else "short")

os.environ.pop("GITLAB_CI", None)  # what is printed is asked for as a shell sees it, in our own CI, too

for number in (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT):
    # under nohup, or in the background, they are ignored, here and in all that is started
    if signal.getsignal(number) is signal.SIG_IGN:
        signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)

LONG = ("test_kill_suite", "end_to_end", "lab", "guard", "executors", "playbooks")
"""Parts of the paths, below this folder, of files that take minutes, the longest first: begun last, one of them would run alone at the end."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The long ones first; the order within a file stays."""

    def turn(item: pytest.Item) -> int:
        path = str(item.path.relative_to(Path(__file__).parent))
        return next((number for number, part in enumerate(LONG) if part in path), len(LONG))

    items.sort(key=turn)


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
