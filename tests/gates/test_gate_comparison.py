"""Verdicts of `compare:` on values made up for each host."""

import math
from collections.abc import Callable
from dataclasses import replace

import pytest
from pydantic import ValidationError

from rollout.gates._comparison import Comparing
from rollout.model.cohort import Cohort, Peer
from rollout.model.seams import Answer, Connection, Subject, Verdict

WINDOW, DAY = 1800.0, 86400.0
BEGIN = 1_800_000.0 * 1000
Value = Callable[[str, float], float]
SAME = "same combo not yet upgraded"


def a_cohort(upgraded: int, controls: int, stage: str = "upgraded") -> Cohort:
    """One host after another, an hour apart, has been upgraded; without controls each of them is a combo of its own."""
    up = [
        Peer(
            f"u{n}", "c" if controls else f"combo{n}", "upgraded" if n or stage == "upgraded" else "failed",
            disrupted_at=BEGIN + 3600 * n, healthy_at=BEGIN + 3600 * n + 900,
        )
        for n in range(upgraded)
    ]  # fmt: skip
    return Cohort((*up, *(Peer(f"c{n}", "c", "untouched") for n in range(controls))))


def a_subject(cohort: Cohort, now: float, moment: str = "during") -> Subject:
    return Subject("", "", {}, {}, connect=nobody, now=now, cohort=cohort, moment=moment)


def nobody() -> Connection:
    raise AssertionError("no host is asked")


def told(
    gate: Comparing, value: Value, upgraded: int, controls: int, *, after: float = 7200, **more: str
) -> Verdict:
    stage, moment = more.get("stage", "upgraded"), more.get("moment", "during")
    cohort = a_cohort(upgraded, controls, stage)
    now = BEGIN + 3600 * max(0, upgraded - 1) + after
    readings = {
        end: {peer.host: value(peer.host, end) for peer in cohort.peers} for end in gate.instants(cohort, now)
    }
    return gate.judge(a_subject(cohort, now, moment), readings)


def healthy_at(host: str) -> float:
    return BEGIN + 3600 * int(host[1:]) + 900 if host[0] == "u" else math.inf


def level(host: str, end: float) -> float:
    """Daily load, a level of each host's own, and noise without chance."""
    own = 5.0 + int(host[1:]) % 7
    load = 1 + 0.5 * math.sin(2 * math.pi * end / DAY)
    noise = 0.005 * math.sin(1e4 * int(host[1:]) * (1 + host.startswith("c")) + end / 77)
    return own * load * (1 + noise)


def worse(times: float, below: int = 99) -> Value:
    def value(host: str, end: float) -> float:
        harmed = end - WINDOW >= healthy_at(host) and int(host[1:]) < below
        return level(host, end) * (times if harmed else 1.0)

    return value


def without(value: Value, *hosts: str) -> Value:
    return lambda host, end: math.nan if host in hosts else value(host, end)


def comparing(**settings: object) -> Comparing:
    return Comparing.model_validate({"compare": SAME, **settings})


METRIC, COUNTER = comparing(), comparing(counts=True)


def events(harmed: int, noisy: str = "") -> Value:
    def value(host: str, end: float) -> float:
        return 3.0 if host == noisy or (int(host[1:]) < harmed and end - WINDOW >= healthy_at(host)) else 0.0

    return value


VERDICTS = [
    (METRIC, level, (0, 12), Answer.PASS, "nothing is upgraded yet; 12 hosts can be compared with"),
    (METRIC, level, (0, 1), Answer.PASS, "1 host can be compared with"),
    (METRIC, without(level, "c0", "c1", "c2"), (0, 4), Answer.INCONCLUSIVE, "only 1 of 4 hosts"),
    (METRIC, level, (1, 12), Answer.PASS, "1 host upgraded among 12 controls can show nothing at 1 % yet; 3 might"),
    (METRIC, level, (8, 40), Answer.PASS, "and 111 would stop"),
    (METRIC, worse(2.0), (1, 40), Answer.PASS, "can show nothing"),
    (METRIC, worse(2.0), (4, 40), Answer.FAIL, "and 111 stops; worst: u"),
    (METRIC, worse(1.05), (8, 40), Answer.PASS, "less than the +10% that matters"),
    (comparing(least="2%"), worse(1.05), (8, 40), Answer.FAIL, "8 hosts"),
    (comparing(least=0.1), worse(1.05), (8, 40), Answer.FAIL, "worse than theirs"),
    (comparing(worse="lower"), worse(2.0), (8, 40), Answer.PASS, "would stop"),
    (comparing(worse="lower"), worse(0.4), (8, 40), Answer.FAIL, "stops"),
    (METRIC, without(level, "u1"), (8, 40), Answer.INCONCLUSIVE, "no value of u1 before or after"),
    (METRIC, lambda host, end: -level(host, end), (8, 40), Answer.ERROR, "write `least` in the unit"),
    (METRIC, lambda host, end: level(host, end) if host[0] == "u" else math.nan, (8, 40), Answer.INCONCLUSIVE, "fewer than half"),
    (METRIC, level, (14, 0), Answer.PASS, "own history"),
    (METRIC, worse(3.0), (14, 0), Answer.FAIL, "against own history"),
    (METRIC, without(level, *(f"u{n}" for n in range(8))), (8, 0), Answer.INCONCLUSIVE, "fewer than half"),
    (COUNTER, events(0), (0, 12), Answer.PASS, "12 hosts can be compared with"),
    (COUNTER, events(0), (1, 12), Answer.PASS, "can show nothing"),
    (COUNTER, events(0, "u0"), (1, 12), Answer.PASS, "1 host showed events before the upgrade, too, and cannot tell"),
    (COUNTER, events(0), (8, 40), Answer.PASS, "0 of 8 hosts upgraded show events; 0 of 47"),
    (COUNTER, events(8), (8, 40), Answer.FAIL, "stops; worst: u0 (3), u1 (3), u2 (3)"),
    (COUNTER, events(1), (8, 40), Answer.PASS, "1 of 8 hosts upgraded show events"),
    (COUNTER, events(0, "c3"), (8, 40), Answer.PASS, "0 of 8"),
    (COUNTER, without(events(0), "u3"), (8, 40), Answer.INCONCLUSIVE, "no value of u3 in the newest window"),
    (COUNTER, lambda host, end: math.nan, (8, 40), Answer.INCONCLUSIVE, "fewer than half"),  # noqa: ARG005
]  # fmt: skip


@pytest.mark.parametrize(("gate", "value", "hosts", "answer", "words"), VERDICTS)
def test_verdicts(gate: Comparing, value: Value, hosts: tuple[int, int], answer: Answer, words: str) -> None:
    verdict = told(gate, value, *hosts)
    assert (verdict.value, words in verdict.because) == (answer, True), verdict.because
    if answer in {Answer.PASS, Answer.FAIL}:
        assert verdict.samples


def test_a_fail_shows_both_sides() -> None:
    verdict = told(METRIC, worse(2.0), 8, 40)
    samples = verdict.samples
    assert (samples["upgraded"], samples["controls"], samples["against"]) == (8, 47, SAME)
    assert samples["e"] >= samples["stops_at"] == pytest.approx(111.1)
    assert samples["after"] > 1.5 * samples["before"]
    assert samples["p"] < 1e-4
    assert len(samples["worst"]) == 3
    assert len(samples["series"]) == 8
    assert samples["from"] < BEGIN < samples["to"]
    assert {host for host, _ in samples["worst"]} <= {f"u{n}" for n in range(8)}


def test_what_is_not_known_yet_passes_while_it_goes_on_and_not_after_the_wave() -> None:
    assert "nothing is known yet" in told(METRIC, level, 1, 12, after=1000).because
    assert told(METRIC, level, 1, 12, after=1000).value is Answer.PASS
    for gate, value in ((METRIC, level), (COUNTER, events(0))):
        verdict = told(gate, value, 1, 12, after=1000, moment="after wave")
        assert (verdict.value, "watched for" in verdict.because) == (Answer.INCONCLUSIVE, True)
        assert told(gate, value, 1, 12, after=9000, moment="after wave").value is Answer.PASS


def test_before_a_window_is_full_a_counter_tells_nothing() -> None:
    verdict = told(COUNTER, events(1), 1, 12, after=1000)
    assert (verdict.value, verdict.because) == (
        Answer.PASS, "1 host upgraded, not watched for a whole window yet"
    )  # fmt: skip


def test_a_gap_that_is_over_is_no_doubt_for_ever() -> None:
    def gap(host: str, end: float) -> float:
        return math.nan if host == "u1" and end < BEGIN + 5 * 3600 else level(host, end)

    assert told(METRIC, gap, 12, 40).value is Answer.PASS
    assert told(METRIC, gap, 8, 40).value is Answer.INCONCLUSIVE


def test_a_dead_host_alone_tells_nothing() -> None:
    for gate, value in ((METRIC, level), (COUNTER, events(0))):
        verdict = told(gate, without(value, "u0"), 1, 12, stage="failed")
        assert (verdict.value, "no upgraded host" in verdict.because) == (Answer.INCONCLUSIVE, True)


def test_of_a_host_that_failed_nobody_expects_a_value() -> None:
    assert told(METRIC, without(level, "u0"), 8, 40, stage="failed").value is Answer.PASS
    assert told(COUNTER, without(events(0), "u0"), 8, 40, stage="failed").value is Answer.PASS


def test_neither_controls_nor_history() -> None:
    def today(host: str, end: float) -> float:
        return level(host, end) if end > BEGIN - DAY / 2 else math.nan

    for gate in (METRIC, COUNTER):
        verdict = told(gate, today, 8, 0)
        assert (verdict.value, "nothing to compare" in verdict.because) == (Answer.INCONCLUSIVE, True)


def test_a_wave_is_judged_with_those_before_it_and_a_site_is_not() -> None:
    whole = a_cohort(8, 40)
    now = BEGIN + 7 * 3600 + 7200
    site, beside = Cohort(whole.peers[7:12]), Cohort((*whole.peers[:7], *whole.peers[12:]))
    for moment, answer, upgraded in (("after wave", Answer.FAIL, 8), ("during", Answer.PASS, 1)):
        subject = METRIC.among(replace(a_subject(site, now, moment), beside=beside))
        readings = {
            end: {peer.host: worse(2.0)(peer.host, end) for peer in whole.peers}
            for end in METRIC.instants(subject.cohort, now)
        }
        verdict = METRIC.judge(subject, readings)
        assert (verdict.value, verdict.samples["upgraded"]) == (answer, upgraded)
        assert verdict.samples["controls"] >= 39


def test_no_answer_at_all_is_never_a_pass() -> None:
    for upgraded, controls in ((0, 5), (5, 5), (5, 0)):
        for gate in (METRIC, COUNTER):
            cohort = a_cohort(upgraded, controls)
            verdict = gate.judge(a_subject(cohort, BEGIN + 40_000), {})
            assert verdict.value is Answer.INCONCLUSIVE


def test_a_name_from_elsewhere_cannot_harm_a_terminal() -> None:
    peers = [Peer("evil\x1b[31m", "c", "upgraded", disrupted_at=BEGIN, healthy_at=BEGIN + 60)]
    cohort = Cohort((*peers, *(Peer(f"c{n}", "c", "untouched") for n in range(9))))
    subject = a_subject(cohort, BEGIN + 9000)
    ends = METRIC.instants(cohort, subject.now)
    because = METRIC.judge(subject, {end: {f"c{n}": 1.0 for n in range(9)} for end in ends}).because
    assert "no value of evil" in because
    assert "\x1b" not in because


def test_the_query_is_read_over_the_window() -> None:
    assert METRIC.over_window("rate(x[5m])") == "avg_over_time((rate(x[5m]))[1800s:60s])"
    assert comparing(counts=True, window="20s").over_window("errors") == "increase((errors)[20s:2s])"


@pytest.mark.parametrize(
    "settings",
    [
        {"compare": "yesterday"}, {"least": "many"}, {"least": True}, {"least": "-3"}, {"worse": "other"}, {"window": "0s"},
        {"compare": None, "window": "1h"}, {"counts": True, "worse": "lower"}, {"counts": True, "least": "10%"}, {"counts": True, "least": 0},
        {"false_stops": "50%"}, {"false_stops": "0%"}, {"counts": "perhaps"},
    ],
)  # fmt: skip
def test_settings_that_mean_nothing_are_mistakes(settings: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Comparing.model_validate({"compare": SAME, **settings})
