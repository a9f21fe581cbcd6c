"""`compare` of the gate prometheus: what is asked of the server, and what becomes of its answers."""

from collections.abc import Callable
from typing import Any

import pytest
from pydantic import ValidationError

from rollout.gates import _readings
from rollout.gates.prometheus import Kind
from rollout.model.cohort import Peer
from rollout.model.seams import Subject, Verdict
from tests.gates.any_cohort import NOW, fleet_subject, peer
from tests.gates.any_server import Asked, Respond, reply, serving

WINDOW = 600.0
HEALTHY = NOW - 3600
COMPARE = {"compare": "same combo not yet upgraded", "window": "10m", "settle": "1m"}

Metric = Callable[[str, float], float]


@pytest.fixture(autouse=True)
def _nothing_is_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_readings, "_MEMORY", _readings._Memory())


def peers(upgraded: int = 8, untouched: int = 12) -> tuple[Peer, ...]:
    done = [
        peer(f"new{number}", "upgraded", disrupted_at=HEALTHY - 600, healthy_at=HEALTHY)
        for number in range(upgraded)
    ]
    return (*done, *(peer(f"old{number}", "untouched") for number in range(untouched)))


def serve(metric: Metric, hosts: tuple[Peer, ...], suffix: str = ":9100", **more: Any) -> Respond:
    """Prometheus, of which every host has a value at any time."""

    def respond(asked: Asked) -> bytes:
        at = float(asked.words.get("time", NOW))
        result = [
            {"metric": {"instance": one.host + suffix}, "value": [at, f"{metric(one.host, at):.6f}"]}
            for one in hosts
        ]
        return reply({"status": "success", "data": {"resultType": "vector", "result": result}, **more})

    return respond


def checked(respond: Respond, about: Subject, **settings: Any) -> tuple[Verdict, list[Asked]]:
    with serving(respond) as served:
        kind = Kind.model_validate({"url": served.url, "query": "errors", **COMPARE, **settings})
        return kind.check(about), served.asked


def worse(host: str, at: float) -> float:
    level = 10 + sum(map(ord, host)) % 7 / 10 + (int(at) // 60 % 5) / 100
    return level * 3 if host.startswith("new") and at > HEALTHY else level


def same(host: str, at: float) -> float:
    return worse("old" + host[3:], at)


def test_hosts_that_got_worse_than_their_like_stop_the_run() -> None:
    hosts = peers()
    verdict, asked = checked(serve(worse, hosts), fleet_subject(peers=hosts))
    assert verdict.value == "fail"
    assert (verdict.samples["upgraded"], verdict.samples["controls"]) == (8, 12)
    assert verdict.samples["query"] == "avg_over_time((errors)[600s:60s])"
    assert {one.words["query"] for one in asked} == {verdict.samples["query"]}
    assert "g0.expr=errors&" in verdict.link


def test_hosts_that_stay_as_they_were_pass() -> None:
    hosts = peers()
    verdict, _ = checked(serve(same, hosts), fleet_subject(peers=hosts))
    assert verdict.value == "pass"
    assert verdict.samples["e"] < verdict.samples["stops_at"]


def test_windows_that_have_ended_are_asked_for_once() -> None:
    hosts = peers()
    with serving(serve(same, hosts)) as served:
        kind = Kind.model_validate({"url": served.url, "query": "errors", **COMPARE})
        first = kind.check(fleet_subject(peers=hosts))
        many = len(served.asked)
        second = kind.check(fleet_subject(peers=hosts))
    assert first == second
    assert many > 1
    assert len(served.asked) == many


def test_a_threshold_beside_it_decides_first() -> None:
    hosts = peers()
    verdict, asked = checked(serve(same, hosts), fleet_subject(peers=hosts), fail="> 10.05")
    assert (verdict.value, len(asked)) == ("fail", 1)
    verdict, asked = checked(serve(same, hosts), fleet_subject(peers=hosts), fail="> 1000")
    assert verdict.value == "pass"
    assert "against" in verdict.samples
    assert len(asked) > 1


def test_before_the_first_host_the_query_has_to_know_them() -> None:
    hosts = peers(upgraded=0)
    verdict, _ = checked(serve(same, hosts), fleet_subject(peers=hosts))
    assert (verdict.value, verdict.because) == (
        "pass",
        "nothing is upgraded yet; 12 hosts can be compared with",
    )
    verdict, _ = checked(serve(same, hosts, suffix=".other"), fleet_subject(peers=hosts))
    assert verdict.value == "inconclusive"
    verdict, _ = checked(serve(same, hosts), fleet_subject(peers=hosts), match="address", label="instance")
    assert verdict.value == "pass"  # without an address in the inventory it is the name


BROKEN: list[tuple[Respond, str, str]] = [
    (serve(same, peers(), warnings=["one is away"]), "inconclusive", "the answer may be a part of the whole: one is away"),
    (serve(same, (*peers(), *peers())), "error", "several series are about 'new0:9100': let the query sum up `by (instance)`"),
    (reply({"status": "success", "data": {"resultType": "scalar", "result": [NOW, "1"]}}), "inconclusive", "{} does not answer for the instant"),
    (lambda asked: reply({"status": "success", "data": {"resultType": "vector", "result": [{"metric": {}, "value": [float(asked.words["time"]), "1"]}]}}), "error", "the query's answer has no label instance"),
    (reply(b"", "503 Oh"), "inconclusive", "SERVER answers (503)"),
    (serve(lambda _host, _at: float("nan"), peers()), "inconclusive", ""),
]  # fmt: skip


@pytest.mark.parametrize(("respond", "value", "because"), BROKEN)
def test_what_cannot_be_compared_never_passes(respond: Respond, value: str, because: str) -> None:
    verdict, asked = checked(respond, fleet_subject(peers=peers()))
    said = verdict.because.replace(f"http://{asked[0].headers['host']}", "SERVER")
    assert (verdict.value, said[: len(because)]) == (value, because)


def test_two_ports_of_one_host_are_not_guessed_about() -> None:
    hosts = peers()

    def respond(asked: Asked) -> bytes:
        at = float(asked.words["time"])
        result = [
            {"metric": {"instance": f"{one.host}:{port}"}, "value": [at, "1"]}
            for one in hosts
            for port in (9100, 9101)
        ]
        return reply({"status": "success", "data": {"resultType": "vector", "result": result}})

    verdict, _ = checked(respond, fleet_subject(peers=hosts))
    assert verdict.value == "error"
    assert "its label names it with two ports" in verdict.because


def test_memory_is_bounded() -> None:
    memory = _readings._Memory()
    values = {f"host{number}": 1.0 for number in range(10_000)}
    for number in range(50):
        memory.put(("url", "query", float(number)), values)
    assert memory.get(("url", "query", 0.0)) is None
    assert memory.get(("url", "query", 49.0)) is values
    assert memory._size <= _readings.KEPT
    memory.put(("url", "query", 49.0), {})
    assert memory._size <= _readings.KEPT - len(values)


def test_settings_of_a_comparison() -> None:
    kind = Kind.model_validate({"url": "http://a", "query": 'up{i="{{ host }}"}', **COMPARE})
    assert [key for key, _ in kind.objections("after verify", "host", ())] == ["query"]
    for settings in ({**COMPARE, "range": "10m"}, {**COMPARE, "empty": "pass"}, {"compare": "others"}):
        with pytest.raises(ValidationError):
            Kind.model_validate({"url": "http://a", "query": "up", **settings})
