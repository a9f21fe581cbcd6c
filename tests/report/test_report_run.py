"""The report of ten thousand hosts, all of which failed with much to say, stays within what GitLab takes."""

import json

import pytest

from rollout.model.event import Event, Kind
from rollout.model.state import Status
from rollout.report import run_html, run_junit, run_report
from rollout.report.run_report import HostTold, Refused, RunReport, counts_of, read_events
from tests.fleet import a_graph

HOSTS = 10_000
MEGABYTE = 1_000_000


@pytest.fixture(scope="module")
def report() -> RunReport:
    graph = a_graph({"a": HOSTS})
    said = "the disk is full: " + "x" * 5000
    hosts = [
        HostTold(name, node.wave, Status.HELD, "upgrade", said, 600.0, 1.0)
        for name, node in graph.nodes.items()
    ]
    turns = [Event(Kind.HELD, said, host.name) for host in hosts]
    refused = [
        Refused(
            "errors", "after verify", host.name, "fail", said, f"https://prometheus.example/{host.name}", 1.0
        )
        for host in hosts
    ]
    return RunReport("run", graph, ["run"], ["cause"], hosts, turns, refused, [], counts_of(hosts))


def test_markdown_and_page_say_how_much_they_leave_out(report: RunReport) -> None:
    for text in (run_report.markdown(report), run_html.html(report)):
        assert len(text.encode()) < 4 * MEGABYTE
        assert f"And {HOSTS - run_report.HOSTS_SHOWN} more" in text
        assert f"({HOSTS - run_report.TURNS_SHOWN} earlier ones left out: `rollout events`)" in text


def test_junit_stays_below_gitlabs_limit_of_a_report(report: RunReport) -> None:
    text = run_junit.junit(report)
    assert text.count("<testcase") == HOSTS
    assert len(text.encode()) < 30 * MEGABYTE


def test_links_are_few(report: RunReport) -> None:
    text = run_junit.annotations(report)
    assert len(json.loads(text)["rollout"]) == run_junit.LINKS
    assert len(text) < MEGABYTE


def test_a_gate_that_passed_later_is_not_told() -> None:
    def answered(value: str) -> Event:
        return Event(
            Kind.ANSWERED, value, data={"gate": "errors", "moment": "during", "about": "", "value": value}
        )

    assert read_events([answered("fail"), answered("pass")]) == ([], [])
    _, refused = read_events([answered("pass"), answered("fail")])
    assert [one.value for one in refused] == ["fail"]
