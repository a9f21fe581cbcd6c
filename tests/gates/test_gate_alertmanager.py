import re
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import ValidationError

from rollout.gates._matchers import Matcher, matchers
from rollout.gates.alertmanager import Kind
from rollout.model.cohort import Peer, Stage
from rollout.model.seams import Verdict
from tests.gates.any_alertmanager import FakeAlertmanager, seconds
from tests.gates.any_cohort import NOW, PEERS, fleet_subject, peer
from tests.gates.any_server import Respond, reply, serving

PAGES = {"match": ['severity="page"']}
SILENCE: dict[str, Any] = {
    "silence": {"match": ['instance=~"{{ address }}(:.*)?"'], "longest": "2h", "lease": "5m"}
}


def checked(server: Respond, peers: tuple[Peer, ...] = PEERS, host: str = "", **settings: Any) -> Verdict:
    more = {key: settings.pop(key) for key in ("moment", "run_began", "now") if key in settings}
    with serving(server) as served:
        kind = Kind.model_validate({"url": served.url, **PAGES, **settings})
        verdict = kind.check(fleet_subject(host, peers=peers, **more))
    return Verdict(
        verdict.value, verdict.because.replace(served.url, "SERVER"), verdict.samples, verdict.link
    )


def test_an_alert_that_fires_fails() -> None:
    manager = FakeAlertmanager()
    manager.fire("Down", "web1:9100", severity="page")
    manager.fire("Full", "web2:9100", severity="page", since=NOW - 60, mount="/\x1b[31mvar")
    manager.fire("Slow", "web2:9100", severity="ticket")
    verdict = checked(manager)
    assert (verdict.value, verdict.because) == (
        "fail",
        "2 alerts fire: Down of web1:9100 for 10 min, Full of web2:9100 for 1 min",
    )
    assert (verdict.samples["alerts"], verdict.samples["value"]) == (2, 2)
    assert verdict.samples["firing"][1]["labels"]["mount"] == "/ [31mvar"
    assert verdict.link.endswith("&filter=%7Bseverity%3D%22page%22%7D")


def test_what_does_not_fire_is_counted() -> None:
    manager = FakeAlertmanager()
    manager.fire("Down", "web1:9100", severity="page")
    manager.fire("Watchdog", severity="page")
    manager.fire("Full", "web2:9100", severity="page", inhibited=True)
    manager.silence("web1.*")
    verdict = checked(manager, ignore=["alertname=Watchdog", 'alertname=~"X.*"'])
    assert (verdict.value, verdict.because) == (
        "pass",
        'no alert fires of 3 that fit {severity="page"}, 1 silenced, 1 inhibited, 1 ignored',
    )


def test_an_alert_that_should_always_fire_proves_that_alerts_arrive() -> None:
    manager = FakeAlertmanager()
    verdict = checked(manager, alive="alertname=Watchdog")
    assert (verdict.value, verdict.because) == (
        "inconclusive",
        "alertname=Watchdog should always fire and does not: do alerts arrive here at all?",
    )
    manager.fire("Watchdog")
    assert checked(manager, alive="alertname=Watchdog").value == "pass"


def test_alerts_of_before_the_run_may_be_passed_over() -> None:
    manager = FakeAlertmanager()
    manager.fire("Old", severity="page", since=NOW - 600)
    assert checked(manager).value == "fail"
    assert checked(manager, since="run", run_began=NOW - 300).value == "pass"
    assert checked(manager, since="run", run_began=NOW - 700).value == "fail"
    assert checked(manager, since="run").value == "inconclusive"


def test_alerts_of_one_host_or_of_a_stage() -> None:
    manager = FakeAlertmanager()
    manager.fire("Down", "10.0.0.1:9100", severity="page")
    match = ['instance=~"{{ address }}(:.*)?"']
    assert checked(manager, host="web1", match=match).value == "fail"
    assert checked(manager, host="web2", match=match).value == "pass"
    assert checked(manager, match=['instance=~"{{ upgraded }}"'], by="address").value == "fail"
    assert checked(manager, match=['instance=~"{{ untouched }}"'], by="address").value == "pass"
    assert checked(manager, match=['instance=~"{{ upgraded }}"'], peers=PEERS[2:]).because.startswith(
        "no host is"
    )


ODD: list[tuple[Any, str]] = [
    ({}, "it does not answer as Alertmanager does"),
    (None, "it does not answer as Alertmanager does"),
    ([1], "it does not answer as Alertmanager does"),
    ([{"labels": {}, "startsAt": "yesterday", "status": {"silencedBy": []}}], "it does not answer as Alertmanager does"),
    ([{"labels": {}, "startsAt": "2026-01-01T00:00:00Z", "status": {}}], "it does not answer as Alertmanager does"),
    ([{"labels": [], "startsAt": "2026-01-01T00:00:00Z", "status": {"silencedBy": [], "inhibitedBy": []}}], "it does not answer as Alertmanager does"),
]  # fmt: skip


@pytest.mark.parametrize(("data", "because"), ODD)
def test_what_is_no_answer_of_alertmanager_is_inconclusive(data: Any, because: str) -> None:
    verdict = checked(reply(data))
    assert (verdict.value, verdict.because) == ("inconclusive", f"SERVER: {because}")
    verdict = checked(reply(data), **SILENCE, moment="during")
    assert verdict.value == "inconclusive"


def one(stage: Stage, disrupted_at: float = NOW) -> tuple[Peer, ...]:
    return (
        peer("web1", stage, "10.0.0.1", disrupted_at=disrupted_at),
        peer("web12", "untouched", "10.0.0.12"),
    )


def during(manager: FakeAlertmanager, stage: Stage, **more: Any) -> Verdict:
    return checked(
        manager, peers=one(stage), moment="during", by="address", **{**SILENCE, "now": manager.now, **more}
    )


def test_a_host_is_silenced_while_it_has_its_slot() -> None:
    manager = FakeAlertmanager()
    manager.fire("Down", "10.0.0.1:9100", severity="page")
    assert during(manager, "untouched").value == "fail"
    assert manager.silences == {}
    verdict = during(manager, "disrupted")
    assert (verdict.value, verdict.samples["silences"]) == ("pass", 1)
    (silence,) = manager.active()
    assert silence["matchers"] == [
        {"name": "instance", "value": r"10\.0\.0\.1(:.*)?", "isRegex": True, "isEqual": True}
    ]
    assert (silence["createdBy"], silence["comment"]) == (
        "rollout",
        "web1 is being upgraded, run run-1 [rollout:run-1/errors/web1]",
    )
    assert seconds(silence["endsAt"]) == NOW + 300
    for _ in range(40):
        manager.now += 60
        assert during(manager, "disrupted").value == "pass"
        assert len(manager.active()) <= 2
        assert manager.now < max(seconds(one["endsAt"]) for one in manager.active()) <= manager.now + 300
    assert len(manager.silences) == 2  # one that was there at once, one that was extended in place
    assert during(manager, "upgraded").value == "fail"
    assert manager.active() == []


def test_after_the_longest_time_people_are_paged() -> None:
    manager = FakeAlertmanager()
    manager.fire("Down", "10.0.0.1:9100", severity="page")
    answers = []
    for _ in range(80):
        answers.append(during(manager, "failed").value == "pass")
        manager.now += 120
    assert answers == [True] * 60 + [False] * 20
    assert max(seconds(one["endsAt"]) for one in manager.silences.values()) == NOW + 7200
    held = (peer("web1", "failed", "10.0.0.1"),)
    before = FakeAlertmanager()
    checked(before, peers=held, moment="during", **SILENCE)
    assert before.silences == {}  # it failed before anything was done to it
    late = FakeAlertmanager()
    late.now += 7200
    during(late, "disrupted")
    assert late.silences == {}


def test_another_controller_finds_the_silences_and_a_dead_one_leaves_none_for_long() -> None:
    manager = FakeAlertmanager()
    manager.fire("Down", "10.0.0.1:9100", severity="page")
    for _ in range(2):  # another process each time: nothing is kept but in the server
        assert during(manager, "disrupted").value == "pass"
    assert len(manager.silences) == 1
    manager.now += 301
    assert manager.active() == []


def test_our_silence_hides_nothing_of_other_hosts() -> None:
    manager = FakeAlertmanager()
    manager.fire("Down", "10.0.0.12:9100", severity="page")
    loose = {"match": ['instance=~"{{ address }}[0-9]*(:.*)?"']}
    verdict = during(manager, "disrupted", silence=loose)
    assert (verdict.value, verdict.samples["silenced"]) == ("fail", 1)
    manager.silence("10.*", comment="a person knows of it")
    assert during(manager, "disrupted", silence=loose).value == "pass"


def test_a_silence_of_ours_that_is_for_nobody_hides_nothing() -> None:
    manager = FakeAlertmanager()
    manager.fire("Down", "10.0.0.12:9100", severity="page")
    manager.silence("10.*", comment="gone [rollout:run-1/errors/gone]", author="rollout")
    assert during(manager, "untouched").value == "fail"
    assert len(manager.active()) == 1  # it may be of a question about other hosts; it ends by itself
    assert checked(manager).value == "pass"  # a gate without silences honours all


def test_alertmanager_s_clock_counts() -> None:
    manager = FakeAlertmanager(now=NOW + 3000)
    manager.fire("Down", "10.0.0.1:9100", severity="page")
    assert during(manager, "disrupted", now=NOW).value == "pass"
    assert seconds(manager.active()[0]["endsAt"]) == NOW + 3300


def test_silences_that_cannot_be_kept_are_an_error() -> None:
    manager = FakeAlertmanager(refuses=True)
    verdict = during(manager, "disrupted")
    assert (verdict.value, verdict.because) == ("error", "SERVER answers (400): silence invalid")
    unnamed = {"match": ['instance="{{ host }}"', 'rack="{{ rack }}"']}
    verdict = during(manager, "disrupted", silence=unnamed)
    assert (verdict.value, verdict.because) == ("error", "{{ rack }} is not known of web1")
    manager.silence("x", author="rollout", comment="[rollout:x/y/z]")
    next(iter(manager.silences.values())).pop("endsAt")
    # at another moment than during the run nothing is silenced
    assert checked(FakeAlertmanager(refuses=True), peers=one("disrupted"), **SILENCE).value == "pass"


@given(st.text(min_size=1, max_size=30))
@example('"')
@example("\\")
@example("a\nb")
def test_a_value_means_nothing_but_itself(value: str) -> None:
    plain, pattern, quoted = matchers(
        ["a={{ v }}", "a=~{{ v }}(:.*)?", 'a!="x{{ v }}"'], {"v": value.encode("utf-8", "replace").decode()}
    )
    clean = value.encode("utf-8", "replace").decode()
    assert (plain.value, quoted.value) == (clean, f"x{clean}")
    assert pattern.fits({"a": clean})
    assert pattern.fits({"a": f"{clean}:9100"})
    assert not pattern.fits({"a": f"{clean}y"})
    assert re.fullmatch(r'a="(\\.|[^"\\\n])*"', str(plain))


@pytest.mark.parametrize(
    ("text", "labels", "fits"),
    [
        ("a=b", {"a": "b"}, True),
        ("a = b", {"a": "bb"}, False),
        ('a=""', {}, True),
        ("a!=b", {}, True),
        ("a!=b", {"a": "b"}, False),
        ('a=~"b|c"', {"a": "c"}, True),
        ('a=~"b|c"', {"a": "cc"}, False),
        ("a!~'b.*'", {"a": "bc"}, False),
        (r'a="x\"y\\d\n"', {"a": 'x"y\\d\n'}, True),
        (r'a=~"x\d"', {"a": "x1"}, True),
    ],
)
def test_a_matcher_is_read_as_alertmanager_reads_it(text: str, labels: dict[str, str], fits: bool) -> None:
    (matcher,) = matchers([text], {})
    assert matcher.fits(labels) is fits
    (again,) = matchers([str(matcher)], {})
    assert again == matcher


def test_a_matcher_is_sent_quoted() -> None:
    assert str(Matcher("a", "=~", 'x"\\.\n')) == r'a=~"x\"\\.\n"'


@pytest.mark.parametrize(
    ("settings", "because"),
    [
        ({"match": []}, "at least 1 item"),
        ({"match": ["severity"]}, "is not a matcher such as"),
        ({"match": ['a="b']}, "is not a matcher such as"),
        ({"match": ["a-b=c"]}, "is not a matcher such as"),
        ({"match": ["a="]}, "is not a matcher such as"),
        ({"match": ['a=~"(b"']}, "is not a regular expression"),
        ({"match": ['a="{{ upgraded }}"']}, "write =~ before it"),
        ({"match": ['a="{{ host }"']}, "a placeholder is written"),
        ({"match": ['a=~"{{ address }}.*"']}, "fits other hosts too"),
        ({"alive": "a={{ host }}"}, "it has no placeholders"),
        ({"silence": {"match": ["a=b"]}}, "it would silence every host"),
        ({"silence": {"match": ['a="{{ host }}"', 'b=~"{{ upgraded }}"']}}, "is about one host"),
        ({"silence": {"match": ['a="{{ host }}"'], "lease": "1m"}}, "greater than or equal to 120"),
        ({"since": "slot"}, "Input should be"),
    ],
)
def test_settings_that_cannot_be_meant(settings: dict[str, Any], because: str) -> None:
    with pytest.raises(ValidationError, match=because):
        Kind.model_validate({"url": "http://a", **PAGES, **settings})


def test_what_a_plan_can_know() -> None:
    def said(when: str, per: str, **settings: Any) -> list[str]:
        kind = Kind.model_validate({"url": "http://a", **PAGES, **settings})
        return [f"{key}: {words}" for key, words in kind.objections(when, per, ("site",))]

    assert said("during", "run", **SILENCE) == []
    assert said("after verify", "host", **SILENCE) == [
        "silence: silences are extended all the time: they need `when: during`"
    ]
    assert said("during", "run", match=["site={{ site }}"])[0].startswith(
        "match: {{ site }} is not known with"
    )
    assert said("during", "run", ignore=["site={{ size }}"])[0].startswith("ignore: there is no placeholder")
    odd = {"match": ["site={{ size }}", "instance={{ host }}"]}
    assert said("during", "run", silence=odd)[0].startswith("silence: there is no placeholder {{ size }}")
    kind = Kind.model_validate({"url": "http://a", **PAGES, **SILENCE})
    assert not kind.asks_per_host()
    assert Kind.model_validate(kind.model_dump(mode="json", by_alias=True, exclude_unset=True)) == kind
    assert Kind.model_validate({"url": "http://a", "match": ["instance={{ host }}"]}).asks_per_host()
