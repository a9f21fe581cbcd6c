import re
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import ValidationError

from rollout.gates import _placeholders
from rollout.gates._promql import GET_UP_TO
from rollout.gates._readings import host_in
from rollout.gates._trouble import Trouble
from rollout.gates.prometheus import Kind
from rollout.model.cohort import Cohort
from rollout.model.seams import Subject, Verdict
from tests.gates.any_cohort import DATE, NOW, PEERS, fleet_subject, peer
from tests.gates.any_server import reply, serving

FAIL = {"fail": "> 0.01"}
BOTH = {"fail": "> 0.01", "pass": "< 0.005"}


def vector(*values: str, at: float = NOW, **more: Any) -> dict[str, Any]:
    names = ("web1:9100", "10.0.0.2:9100", "web3", "elsewhere")
    result = [
        {"metric": {"__name__": "up", "instance": names[number % 4]}, "value": [at, value]}
        for number, value in enumerate(values)
    ]
    return {"status": "success", "data": {"resultType": "vector", "result": result}, **more}


def matrix(*points: str, end: float = NOW) -> dict[str, Any]:
    values = [[end - 10 * (len(points) - number - 1), point] for number, point in enumerate(points)]
    result = [{"metric": {"instance": "web1"}, "values": values}]
    return {"status": "success", "data": {"resultType": "matrix", "result": result}}


def data(kind: str, result: Any) -> dict[str, Any]:
    return {"status": "success", "data": {"resultType": kind, "result": result}}


def checked(answer: Any, settings: Mapping[str, Any], about: Subject | None = None) -> Verdict:
    found = answer if isinstance(answer, bytes) else reply(answer, "200 OK", DATE)
    with serving(found) as served:
        kind = Kind.model_validate({"url": served.url, "query": "up", **settings})
        return kind.check(about or fleet_subject())


ANSWERS: list[tuple[Mapping[str, Any], Any, str, str]] = [
    (FAIL, vector("0", "0.01"), "pass", '2 values, the worst 0.01 of up{instance="10.0.0.2:9100"}: none is > 0.01'),
    (FAIL, vector("0", "0.02"), "fail", '0.02 of up{instance="10.0.0.2:9100"} is > 0.01 (1 of 2 values)'),
    (BOTH, vector("0.001"), "pass", '1 value, the worst 0.001 of up{instance="web1:9100"}: all are < 0.005'),
    (BOTH, vector("0.001", "0.007"), "inconclusive", '0.007 of up{instance="10.0.0.2:9100"} is neither > 0.01 nor < 0.005'),
    (BOTH, vector("0.007", "0.1"), "fail", '0.1 of up{instance="10.0.0.2:9100"} is > 0.01'),
    ({"pass": "== 1"}, vector("1", "0"), "fail", '0 of up{instance="10.0.0.2:9100"} is not == 1 (1 of 2 values)'),
    ({"fail": "< 1"}, vector("3", "2"), "pass", '2 values, the worst 2 of up{instance="10.0.0.2:9100"}'),
    (FAIL, data("scalar", [NOW, "0.5"]), "fail", "0.5 of {} is > 0.01"),
    (FAIL, matrix("0", "0"), "pass", '2 values, the worst 0 of {instance="web1"}: none is > 0.01'),
    (FAIL, vector(), "inconclusive", "the query found no series"),
    ({**FAIL, "empty": "pass"}, vector(), "pass", "the query found no series, which means pass"),
    ({**FAIL, "empty": "fail"}, vector(), "fail", "the query found no series, which means fail"),
    (FAIL, vector("0", "NaN"), "inconclusive", 'up{instance="10.0.0.2:9100"} is nan, which is no measurement'),
    (FAIL, vector("+Inf"), "inconclusive", 'up{instance="web1:9100"} is inf, which is no measurement'),
    ({"pass": "> 1"}, vector("+Inf"), "inconclusive", 'up{instance="web1:9100"} is inf, which is no measurement'),
    ({"fail": "!= 1"}, vector("NaN"), "inconclusive", 'up{instance="web1:9100"} is nan, which is no measurement'),
    (FAIL, vector("NaN", "2"), "fail", '2 of up{instance="10.0.0.2:9100"} is > 0.01 (1 of 2 values)'),
    (FAIL, vector("0", at=NOW - 301), "inconclusive", 'the last point of up{instance="web1:9100"} is 301 s old'),
    (FAIL, vector("0", at=NOW + 301), "inconclusive", 'the last point of up{instance="web1:9100"} is -301 s old'),
    ({**FAIL, "fresh": "10m"}, vector("0", at=NOW - 301), "pass", "1 value,"),
    (FAIL, vector("0", warnings=["one store\nis away"]), "inconclusive", "the answer may be a part of the whole: one store is away"),
    (FAIL, vector("0", infos=["not a counter"]), "pass", "1 value,"),
    (FAIL, reply(vector("0"), "200 OK", "Date: Fri, 15 Jan 2027 08:10:00 GMT"), "inconclusive", "the server's clock and ours are 600 s apart"),
    (FAIL, data("string", [NOW, "x"]), "inconclusive", "the query answers with a string, not with numbers"),
    (FAIL, data("vector", [{"metric": {}, "histogram": [NOW, {}]}]), "inconclusive", "the query answers with histograms, not with numbers"),
    (FAIL, {"status": "error", "error": "too\x1b many"}, "inconclusive", "SERVER: the query failed: too many"),
    (FAIL, reply({"status": "error", "error": "1:3: parse error"}, "400 Bad"), "error", "SERVER answers (400): 1:3: parse error"),
]  # fmt: skip


@pytest.mark.parametrize(("settings", "answer", "value", "because"), ANSWERS)
def test_an_answer_is_judged(settings: Mapping[str, Any], answer: Any, value: str, because: str) -> None:
    verdict = checked(answer, settings)
    assert (verdict.value, re.sub(r"http://127.0.0.1:\d+", "SERVER", verdict.because)[: len(because)]) == (
        value,
        because,
    )
    assert verdict.value != "pass" or verdict.samples["query"] == "up"


SHAPES: list[Any] = [
    {},
    [],
    None,
    3,
    "text",
    {"status": "success"},
    {"status": "success", "data": None},
    data("vector", None),
    data("vector", {"a": 1}),
    data("vector", [1]),
    data("vector", [{"metric": {}}]),
    data("vector", [{"metric": [], "value": [NOW, "1"]}]),
    data("vector", [{"metric": {}, "value": [NOW]}]),
    data("vector", [{"metric": {}, "value": [NOW, 1]}]),
    data("vector", [{"metric": {}, "value": [NOW, "one"]}]),
    data("vector", [{"metric": {}, "value": ["now", "1"]}]),
    data("vector", [{"metric": {}, "value": [True, "1"]}]),
    data("matrix", [{"metric": {}, "values": [[NOW, "1", "2"]]}]),
    data("matrix", [{"metric": {}, "values": 7}]),
    data("scalar", "1"),
]


@pytest.mark.parametrize("answer", SHAPES)
def test_what_is_no_answer_of_prometheus_is_inconclusive(answer: Any) -> None:
    verdict = checked(answer, FAIL)
    assert verdict.value == "inconclusive"
    assert verdict.because.endswith("it does not answer as Prometheus does")


def test_a_series_without_points_is_inconclusive() -> None:
    verdict = checked(data("matrix", [{"metric": {}, "values": []}]), FAIL)
    assert (verdict.value, verdict.because) == ("inconclusive", "{} has no points")


@pytest.mark.parametrize(
    ("reduce", "value", "worst"),
    [("each", "fail", 0.03), ("max", "fail", 0.03), ("min", "pass", 0), ("avg", "fail", 0.0125), ("last", "pass", 0.01)],
)  # fmt: skip
def test_a_window_is_asked_for_and_reduced(reduce: str, value: str, worst: float) -> None:
    settings = {**FAIL, "range": "10m", "reduce": reduce}
    with serving(reply(matrix("0", "0.03", "0.01", "0.01"))) as served:
        verdict = Kind.model_validate({"url": served.url, "query": "up", **settings}).check(fleet_subject())
    assert (verdict.value, verdict.samples["value"]) == (value, worst)
    assert verdict.samples["series"] == [0, 0.03, 0.01, 0.01]
    assert (verdict.samples["from"], verdict.samples["to"]) == (NOW - 600, NOW)
    assert served.asked[0].path == "/api/v1/query_range"
    assert served.asked[0].words == {
        "query": "up",
        "start": f"{NOW - 600:.3f}",
        "end": f"{NOW:.3f}",
        "step": "10.000",
    }
    assert verdict.link.endswith(
        "/graph?g0.expr=up&g0.tab=0&g0.range_input=600s&g0.end_input=2027-01-15+08%3A00%3A00"
    )


def test_samples_name_the_worst_hosts_and_stay_small() -> None:
    verdict = checked(vector("1", "5", "2", "9"), {**FAIL, "match": "host"})
    assert verdict.samples["hosts"] == {"web3": 2, "web1": 1}
    assert list(verdict.samples["values"].values()) == [9, 5, 2, 1]
    verdict = checked(vector("1", "5"), {**FAIL, "match": "address"})
    assert verdict.samples["hosts"] == {"web2": 5}
    many = data(
        "vector",
        [{"metric": {"instance": f"h{number}" * 100}, "value": [NOW, "0"]} for number in range(5000)],
    )
    verdict = checked(many, {**FAIL, "query": "up" + " " * 5000})
    assert verdict.value == "pass"
    assert verdict.samples["found"] == 5000
    assert len(str(verdict.samples)) < 4000
    assert verdict.link == "" or len(verdict.link) < 4100


def test_a_label_names_a_host_with_or_without_a_port() -> None:
    known = {"web1": "one", "10.0.0.1": "two", "fd00::4": "three", "odd:9": "four"}
    cases = {
        "web1": "one", "web1:9100": "one", "10.0.0.1:80": "two", "[fd00::4]:9100": "three", "fd00::4": "three",
        "odd:9": "four", "web": "", "web1:x": "", "": "", ":9100": "",
    }  # fmt: skip
    assert {label: host_in(label, known) for label in cases} == cases


def sent(query: str, about: Subject, **settings: Any) -> str:
    with serving(reply(vector("0"), "200 OK", DATE)) as served:
        kind = Kind.model_validate({"url": served.url, "query": query, **FAIL, **settings})
        kind.check(about)
        return served.asked[0].words["query"] if served.asked else ""


def test_placeholders_are_put_in() -> None:
    about = fleet_subject("web4")
    for query, settings, expected in (
        ('up{instance="{{ host }}:9100"}', {}, 'up{instance="web4:9100"}'),
        ("up{instance=~'{{host}}:.*'}", {}, "up{instance=~'web4:.*'}"),
        ('up{instance =~ "{{ address }}"}', {}, 'up{instance =~ "fd00::4"}'),
        ('up{site="{{ site }}", c!="{{ combo }}"}', {}, 'up{site="tokyo", c!="r650"}'),
        ('up{i=~"{{ upgraded }}"}', {}, 'up{i=~"(?:web1|web2)(?::[0-9]+)?"}'),
        (
            'up{i!~"{{ untouched }}"}',
            {"match": "address"},
            r'up{i!~"(?:10\\.0\\.0\\.3|\\[?fd00::4\\]?)(?::[0-9]+)?"}',
        ),
        ('# {up="\nup{a="b\\"#c",site="{{ site }}"}', {}, '# {up="\nup{a="b\\"#c",site="tokyo"}'),
    ):
        assert sent(query, about, **settings) == expected


def test_a_wave_that_has_ended_is_compared_with_others_of_its_combo() -> None:
    about = fleet_subject(peers=PEERS[:2], beside=Cohort((PEERS[2], peer("web5", "upgraded"))))
    assert sent('up{i=~"{{ untouched }}"}', about) == 'up{i=~"(?:web3)(?::[0-9]+)?"}'
    assert sent('up{i=~"{{ upgraded }}"}', about) == 'up{i=~"(?:web1|web2)(?::[0-9]+)?"}'


def test_a_long_query_is_posted() -> None:
    peers = tuple(peer(f"compute-{number:05}", "upgraded") for number in range(2000))
    with serving(reply(vector("0"), "200 OK", DATE)) as served:
        kind = Kind.model_validate({"url": served.url, "query": 'up{i=~"{{ upgraded }}"}', **FAIL})
        assert kind.check(fleet_subject(peers=peers)).value == "pass"
    assert served.asked[0].method == "POST"
    assert len(served.asked[0].words["query"]) > GET_UP_TO


def test_a_query_about_hosts_of_which_there_are_none() -> None:
    for query, peers, value, because in (
        ("upgraded", PEERS[2:], "pass", "no host is upgraded so far: there is nothing to ask about"),
        ("untouched", PEERS[:2], "inconclusive", "no host is untouched: there is nothing to compare with"),
        ("upgraded", (), "inconclusive", "no host is upgraded: there is nothing to compare with"),
    ):
        kind = Kind.model_validate(
            {"url": "http://127.0.0.1:1", "query": f'up{{i=~"{{{{ {query} }}}}"}}', **FAIL}
        )
        verdict = kind.check(fleet_subject(peers=peers))
        assert (verdict.value, verdict.because) == (value, because)
        assert verdict.samples["cohort"] == len(peers)


@pytest.mark.parametrize(
    ("query", "healthy_at", "empty", "value"),
    [
        ("upgraded", NOW - 300, "inconclusive", "inconclusive"),
        ("upgraded", NOW - 299, "inconclusive", "pass"),
        ("upgraded", NOW - 300, "pass", "pass"),
        ("untouched", NOW - 300, "inconclusive", "pass"),
    ],
)
def test_an_upgraded_host_that_says_nothing_is_no_pass(
    query: str, healthy_at: float, empty: str, value: str
) -> None:
    peers = (
        *PEERS[1:],
        peer("web1", "upgraded", healthy_at=NOW - 600),
        peer("web9", "upgraded", healthy_at=healthy_at),
    )
    settings = {**FAIL, "query": f'up{{i=~"{{{{ {query} }}}}"}}', "empty": empty}
    one = data(
        "vector", [{"metric": {"instance": f"{name}:9100"}, "value": [NOW, "0"]} for name in ("web1", "web2")]
    )
    verdict = checked(one, settings, fleet_subject(peers=peers))
    assert verdict.value == value
    assert (verdict.because == "no series is about web9, upgraded for longer than 300 s") is (value != "pass")
    summed = data("vector", [{"metric": {}, "value": [NOW, "0"]}])
    assert checked(summed, settings, fleet_subject(peers=peers)).value == "pass"


def test_a_placeholder_without_a_value_is_an_error() -> None:
    kind = Kind.model_validate(
        {"url": "http://127.0.0.1:1", "query": 'up{i="{{ host }}",r="{{ rack }}"}', **FAIL}
    )
    for about, because in (
        (fleet_subject(), "{{ host }} is not known of the whole run"),
        (fleet_subject("web1"), "{{ rack }} is not known of web1"),
    ):
        verdict = kind.check(about)
        assert (verdict.value, verdict.because) == ("error", because)


@given(st.text(min_size=1, max_size=30))
@example('"} or vector(0) #')
@example("\\")
@example(".*|.*")
@example("\n")
@example("\ud800")
def test_a_value_means_nothing_but_itself(value: str) -> None:
    for quote in "\"'":
        text = f"up{{a={quote}{{{{ site }}}}{quote},b=~{quote}x{{{{ site }}}}y{quote}}} == 1"
        known = _placeholders.values_of(fleet_subject(factors={"site": value}), ["site"])
        query = _placeholders.query_of(text, known)
        plain, pattern = re.fullmatch(
            rf"up{{a={quote}((?:\\.|[^{quote}\\\n])*){quote},b=~{quote}((?:\\.|[^{quote}\\\n])*){quote}}} == 1",
            query,
        ).groups()  # type: ignore[union-attr]
        clean = value.encode("utf-8", "replace").decode()
        assert unescaped(plain) == clean
        expression = re.compile(unescaped(pattern), re.DOTALL)
        assert expression.fullmatch(f"x{clean}y")
        assert not expression.fullmatch(f"x{clean}zy")


def unescaped(text: str) -> str:
    """What Go's string literals mean."""
    return re.sub(
        r"\\(?:u([0-9a-f]{4})|U([0-9a-f]{8})|(.))",
        lambda found: {"n": "\n"}.get(found[3]) or found[3] or chr(int(found[1] or found[2], 16)),
        text,
    )


@given(st.lists(st.text(st.characters(codec="ascii"), min_size=1, max_size=8), min_size=1, max_size=5))
def test_an_alternation_fits_its_hosts_and_no_other(hosts: list[str]) -> None:
    expression = re.compile(_placeholders.alternation(hosts), re.DOTALL)
    for host in hosts:
        assert expression.fullmatch(host)
        assert expression.fullmatch(f"{host}:9100")
        assert bool(expression.fullmatch(f"{host}x")) == (f"{host}x" in hosts)


@pytest.mark.parametrize(
    ("query", "because"),
    [
        ("{{ host }}_up", r'must stand between quotes, as in {instance=~"{{ host }}"}'),
        ('up{i="a"} + {{ host }}', "must stand between quotes"),
        ("up{i=`{{ host }}`}", "must stand between quotes"),
        ('up{i="{{ host }}', "must stand between quotes"),
        ('up # "\n {{ host }}', "must stand between quotes"),
        ("up # {{ host }}", "must stand between quotes"),
        ('up{i="{{ upgraded }}"}', "{{ upgraded }} stands for several hosts: write =~ before it"),
        ('up{i="{{ a b }}"}', "a placeholder is written {{ NAME }}"),
        ('up{i="{{ host }"}', "a placeholder is written {{ NAME }}"),
    ],
)
def test_a_placeholder_that_could_change_the_query_is_a_mistake(query: str, because: str) -> None:
    with pytest.raises(ValidationError, match=re.escape(because)):
        Kind.model_validate({"url": "http://a", "query": query, **FAIL})


@pytest.mark.parametrize(
    ("settings", "because"),
    [
        ({}, "needs `fail`, `pass` or both"),
        ({"fail": "0.01"}, "is not a comparison such as '> 0.01'"),
        ({"fail": "> 1e999"}, "pattern|not a comparison"),
        ({"fail": "> NaN"}, "not a comparison"),
        ({**FAIL, "reduce": "avg"}, "of use only with range"),
        ({**FAIL, "step": "1s"}, "of use only with range"),
        ({**FAIL, "range": "1h", "step": "1s"}, "more than 1000 points"),
        ({**FAIL, "range": "0s"}, "greater than 0"),
        ({**FAIL, "link": "javascript:alert(1)"}, "must begin with http"),
        ({**FAIL, "url": "http://me:secret@a"}, "must not hold credentials"),
        ({**FAIL, "querry": "x"}, "Extra inputs"),
    ],
)
def test_settings_that_cannot_be_meant(settings: dict[str, Any], because: str) -> None:
    with pytest.raises(ValidationError, match=because):
        Kind.model_validate({"url": "http://a", "query": "up", **settings})


def test_settings_survive_a_saved_plan() -> None:
    written = {
        "url": "http://a",
        "query": "up",
        **BOTH,
        "range": "10m",
        "fresh": "1m30s",
        "auth": {"bearer_env": "T"},
    }
    kind = Kind.model_validate(written)
    assert Kind.model_validate(kind.model_dump(mode="json", by_alias=True, exclude_unset=True)) == kind


def test_a_link_of_one_s_own() -> None:
    link = "https://grafana/d/x?h={{ host }}&from={{ from }}&to={{ to }}&q={{ query }}"
    verdict = checked(vector("0"), {**FAIL, "link": link}, fleet_subject("web1"))
    assert verdict.link == (
        f"https://grafana/d/x?h=web1&from={(NOW - 3600) * 1000:.0f}&to={NOW * 1000:.0f}&q=up"
    )
    odd = fleet_subject("a&b=c d/\x1b")
    assert "h=a%26b%3Dc%20d%2F%1B&" in checked(vector("0"), {**FAIL, "link": link}, odd).link


def test_what_a_plan_can_know_of_placeholders() -> None:
    def wrong(name: str, per: str) -> str:
        return _placeholders.objection(name, per, ("site", "rack"))

    assert (
        wrong("host", "host")
        == wrong("site", "site")
        == wrong("combo", "wave")
        == wrong("upgraded", "run")
        == ""
    )
    assert (
        wrong("site", "run")
        == "{{ site }} is not known with per: run; there is upgraded, untouched, disrupted"
    )
    assert wrong("rack", "site").startswith("{{ rack }} is not known with per: site; there is site, upgraded")
    assert wrong("sit", "host").startswith(
        "there is no placeholder {{ sit }}: it may be host, address, combo, "
    )
    with pytest.raises(Trouble):
        _placeholders.values_of(fleet_subject(), ("host",))


def test_who_is_asked_about() -> None:
    def kind(query: str) -> Kind:
        return Kind.model_validate({"url": "http://a", "query": query, **FAIL})

    assert kind('up{i="{{ address }}"}').asks_per_host()
    assert not kind('up{i=~"{{ upgraded }}"}').asks_per_host()
    said = kind('up{i="{{ site }}"}').objections("during", "run", ("site",))
    assert [key for key, _ in said] == ["query"]
