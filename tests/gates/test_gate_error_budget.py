from typing import Any

import pytest
from pydantic import ValidationError

from rollout.gates import _readings
from rollout.gates.error_budget import Kind
from rollout.model.seams import Verdict
from tests.gates.any_cohort import DATE, NOW, PEERS, fleet_subject
from tests.gates.any_server import Asked, Respond, reply, serving

BUDGET: dict[str, Any] = {"objective": "99.9%", "ratio": "bad[{{ window }}]"}
SLICED = {**BUDGET, "slice": "10%"}
DAY = 86400.0
CALM = dict.fromkeys(("5m", "30m", "1h", "6h", "3d"), 0.0002)


@pytest.fixture(autouse=True)
def _nothing_is_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_readings, "_MEMORY", _readings._Memory())


def burning(shares: dict[str, Any], **more: Any) -> Respond:
    """Prometheus, which knows one number for each window; None is no series."""

    def respond(asked: Asked) -> bytes:
        window = asked.words["query"].rpartition("[")[2].partition("]")[0]
        value = shares[window]
        at = float(asked.words.get("time", NOW))
        values = value if isinstance(value, list) else [value]
        result = [{"metric": {}, "value": [at, str(one)]} for one in values if one is not None]
        return reply(
            {"status": "success", "data": {"resultType": "vector", "result": result}, **more}, "200 OK", DATE
        )

    return respond


def checked(respond: Respond, settings: dict[str, Any] = BUDGET, **about: Any) -> tuple[Verdict, list[Asked]]:
    with serving(respond) as served:
        kind = Kind.model_validate({"url": served.url, **settings})
        return kind.check(fleet_subject(**about)), served.asked


@pytest.mark.parametrize(
    ("shares", "because"),
    [
        ({"1h": 0.0145, "5m": 0.0146}, "the budget burns 14.5 times too fast over 1h and 14.6 times over 5m; 14.4 is the most"),
        ({"6h": 0.007, "30m": 0.008}, "the budget burns 7 times too fast over 6h and 8 times over 30m; 6 is the most"),
        ({"3d": 0.0011, "6h": 0.0012}, "the budget burns 1.1 times too fast over 3d and 1.2 times over 6h; 1 is the most"),
        ({"1h": 0.5, "30m": 0.5, "3d": 0.5}, ""),
        ({"5m": 0.5, "6h": 0.5}, ""),
        ({"1h": 0.0143, "5m": 0.0143}, ""),
        ({}, ""),
    ],
)  # fmt: skip
def test_both_windows_of_a_pair_have_to_burn(shares: dict[str, Any], because: str) -> None:
    verdict, asked = checked(burning({**CALM, **shares}))
    assert verdict.value == ("fail" if because else "pass")
    assert verdict.because.startswith(because or "the budget of 30 days at 99.9% burns at ")
    assert len(asked) == 5
    assert verdict.samples["burn"].keys() == CALM.keys()
    assert verdict.samples["query"] == "bad[5m]"


@pytest.mark.parametrize(
    ("share", "value", "because"),
    [
        (None, "inconclusive", "over 6h: the query found no series"),
        ("NaN", "inconclusive", "over 6h: {} is nan, which is no measurement"),
        ("1.7", "inconclusive", "over 6h: 1.7 is no share of events"),
        ("-0.5", "inconclusive", "over 6h: -0.5 is no share of events"),
        (["0", "0"], "error", "over 6h: the query gives 2 series: let it sum up to one number"),
    ],
)
def test_a_window_without_a_number_never_passes(share: Any, value: str, because: str) -> None:
    verdict, _ = checked(burning({**CALM, "6h": share}))
    assert (verdict.value, verdict.because) == (value, because)


def test_a_part_of_the_whole_never_passes() -> None:
    verdict, _ = checked(burning(CALM, warnings=["one is away"]))
    assert (verdict.value, verdict.because) == (
        "inconclusive",
        "over 1h: the answer may be a part of the whole: one is away",
    )


@pytest.mark.parametrize(
    ("before", "since", "share", "value", "because"),
    [
        (0.0005, DAY, 0.0005, "pass", "the run has used 1.67% of the budget of 30 days at 99.9%, and may use 5.00%"),
        (0.0005, DAY, 0.0016, "fail", "the run has used 5.33% of the budget of 30 days at 99.9%, and may use 5.00%"),
        (0.0002, DAY, 0.0016, "pass", "the run has used 5.33% of the budget of 30 days at 99.9%, and may use 8.00%"),
        (0.002, DAY, 0.0, "fail", "the budget of 30 days at 99.9% was used up before the run began: 200% of it"),
        (0.0005, 10, 0.9, "pass", "the run has used 0.35% of the budget"),
    ],
)  # fmt: skip
def test_a_run_may_use_its_slice(before: float, since: float, share: float, value: str, because: str) -> None:
    window = f"{max(since, 300):.0f}s"
    shares = {**CALM, "2592000s": before, window: share}
    verdict, asked = checked(burning(shares), SLICED, run_began=NOW - since)
    assert verdict.value == value
    assert because in verdict.because
    begun = [one for one in asked if "2592000s" in one.words["query"]]
    assert [float(one.words["time"]) for one in begun] == [NOW - since]


def test_what_remained_at_the_beginning_is_asked_for_once_and_has_to_be_known() -> None:
    shares: dict[str, Any] = {**CALM, "2592000s": 0.0005, "1000s": 0.0005}
    with serving(burning(shares)) as served:
        kind = Kind.model_validate({"url": served.url, **SLICED})
        for _ in range(2):
            assert kind.check(fleet_subject(run_began=NOW - 1000)).value == "pass"
        assert sum("2592000s" in one.words["query"] for one in served.asked) == 1
    verdict, _ = checked(burning({**shares, "2592000s": None}), SLICED, run_began=NOW - 1000)
    assert (verdict.value, verdict.because) == ("inconclusive", "over the period: the query found no series")
    verdict, _ = checked(burning(shares), SLICED)
    assert (verdict.value, verdict.because[:30]) == ("inconclusive", "when the run began is not know")


def test_of_a_site() -> None:
    settings = {
        "objective": "99%",
        "errors": 'rate(e{site="{{ site }}"}[{{ window }}])',
        "total": 'sum(rate(t{i=~"{{ upgraded }}"}[{{ window }}]))',
    }
    verdict, asked = checked(burning(CALM), settings)
    assert verdict.value == "pass"
    assert asked[0].words["query"] == (
        '(rate(e{site="tokyo"}[1h])) / (sum(rate(t{i=~"(?:web1|web2)(?::[0-9]+)?"}[1h])))'
    )
    verdict, asked = checked(burning(CALM), settings, peers=PEERS[2:])
    assert (verdict.because, asked) == ("no host is upgraded so far: there is nothing to ask about", [])
    kind = Kind.model_validate({"url": "http://a", **settings})
    assert [key for key, _ in kind.objections("during", "run", ("site",))] == ["errors"]
    assert list(kind.objections("during", "site", ("site",))) == []
    assert not kind.asks_per_host()
    assert Kind.model_validate(kind.model_dump(mode="json", by_alias=True, exclude_unset=True)) == kind


@pytest.mark.parametrize(
    ("settings", "because"),
    [
        ({"objective": "99.9%"}, "needs `errors` and `total`, or `ratio`"),
        ({**BUDGET, "errors": "a[{{ window }}]"}, "needs `errors` and `total`, or `ratio`"),
        ({"objective": "99.9%", "errors": "a[{{ window }}]"}, "needs `errors` and `total`, or `ratio`"),
        ({**BUDGET, "errors": "a[{{ window }}]", "total": "a[{{ window }}]"}, "needs `errors` and `total`, or"),
        ({"objective": "99.9%", "ratio": "a[5m]"}, "needs {{ window }}"),
        ({"objective": "99.9%", "ratio": "{{ site }}[{{ window }}]"}, "must stand between quotes"),
        ({**BUDGET, "objective": "100%"}, "less than 1"),
        ({**BUDGET, "objective": 0.999}, "must be a percentage"),
        ({**BUDGET, "slice": 0}, "greater than 0"),
    ],
)  # fmt: skip
def test_settings_that_cannot_be_meant(settings: dict[str, Any], because: str) -> None:
    with pytest.raises(ValidationError, match=because):
        Kind.model_validate({"url": "http://a", **settings})
