"""What a playbook hands on by `set_stats`, from a real Ansible to the journal's hands and to the next step."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rollout.executors._found import LIMIT, NAME, blotted, found_of
from rollout.executors._unit import Result
from rollout.model.seams import Ending, Outcome
from tests.executors.ansible_bench import LOCAL, Bench

SECRET = "correct-horse-battery"

WORLDS = {
    "handing": """
    - ansible.builtin.command: {argv: [printf, '%s', !unsafe '{{ 7 * 7 }} it''s "quoted"']}
      register: said
    - ansible.builtin.set_stats: {data: {rollout_found: {said: "{{ said.stdout }}", running: [ssh, cron], "off": false}}}
    - ansible.builtin.set_stats: {data: {rollout_found: "{{ {'rc': said.rc, service_token: service_token} }}", other: 1}}
""",
    "nothing": """
    - ansible.builtin.set_stats: {data: {others_business: {a: 1}}}
""",
    "failing": """
    - ansible.builtin.set_stats: {data: {rollout_found: {a: 1}}}
    - ansible.builtin.command: "false"
""",
    "a-list": """
    - ansible.builtin.set_stats: {data: {rollout_found: [1, 2]}}
""",
    "too-much": """
    - ansible.builtin.set_stats: {data: {rollout_found: {text: "{{ 'x' * 16384 }}"}}}
""",
}


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    bench = Bench(tmp_path_factory.mktemp("plan"))
    bench.variables = {host: LOCAL | {"service_token": SECRET} for host in WORLDS}
    return bench


@pytest.fixture(scope="module")
def outcomes(bench: Bench) -> dict[str, Outcome]:
    return bench.carry_out(*(bench.order(host, tasks, step=host) for host, tasks in WORLDS.items()))


FOUND = {
    "said": '{{ 7 * 7 }} it\'s "quoted"',
    "running": ["ssh", "cron"],
    "off": False,
    "rc": 0,
    "********": "********",
}


def test_what_a_step_hands_on_is_in_its_outcome_and_on_disk_without_secrets(
    bench: Bench, outcomes: dict[str, Outcome]
) -> None:
    assert outcomes["handing"] == Outcome("handing", "handing", 1, Ending.DONE, found=FOUND)
    kept = bench.unit(bench.order("handing", step="handing")).path / "result.json"
    assert json.loads(kept.read_text())["found"] == FOUND


def test_the_next_step_gets_it_as_data_and_never_as_a_template(
    bench: Bench, outcomes: dict[str, Outcome]
) -> None:
    asks = """
    - ansible.builtin.assert:
        that: [rollout_found.said == expected, rollout_found.rc == 0, not rollout_found.off, "'cron' in rollout_found.running"]
      vars: {expected: !unsafe '{{ 7 * 7 }} it''s "quoted"'}
"""
    order = bench.order("next", asks, step="next", variables={NAME: outcomes["handing"].found})
    assert bench.carry_out(order)["next"].ending is Ending.DONE


@pytest.mark.parametrize("host", ["nothing", "failing"])
def test_a_step_that_failed_and_one_that_says_nothing_hand_on_nothing(
    outcomes: dict[str, Outcome], host: str
) -> None:
    assert outcomes[host].found == {}


@pytest.mark.parametrize(
    ("host", "because"),
    [
        ("a-list", "rollout_found (set_stats) is a list, and must be a mapping of names to values"),
        ("too-much", "rollout_found (set_stats) has 16,396 bytes of JSON, and a step may hand on 16,384"),
    ],
)
def test_what_cannot_be_handed_on_is_a_failure_and_says_why(
    outcomes: dict[str, Outcome], host: str, because: str
) -> None:
    assert (outcomes[host].ending, outcomes[host].because) == (Ending.FAILED, because)
    assert outcomes[host].found == {}


def test_the_next_controller_reads_what_was_handed_on(bench: Bench, outcomes: dict[str, Outcome]) -> None:
    assert outcomes
    read = bench.carry_out(bench.order("handing", step="handing", taken_up=True))
    assert read["handing"].found == FOUND


def test_a_once_step_that_was_taken_for_lost_hands_on_what_it_found(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    first = bench.order("h", WORLDS["handing"], step="upgrade", once=True)
    unit = bench.unit(first)
    unit.enter()
    unit.make({"mark": first.mark, "once": True})
    unit.note_began(1.0)
    unit.note_result(Result(Ending.DONE, "", found={"a": 1}))
    again = bench.carry_out(bench.order("h", step="upgrade", once=True, attempt=2))
    assert (again["h"].ending, again["h"].found) == (Ending.DONE, {"a": 1})


def test_a_result_of_an_earlier_version_has_handed_on_nothing(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    unit = bench.unit(bench.order("h"))
    unit.enter()
    (unit.path / "result.json").write_text('{"ending": "done", "because": "", "task": ""}')
    assert unit.result() == Result("done", "")


def of(found: Any) -> tuple[Any, str]:
    return found_of({"artifact_data": {NAME: found}})


@pytest.mark.parametrize(
    ("found", "fault"),
    [
        (None, "is null"),
        ("x", "is text"),
        (3, "is a number"),
        (True, "is true or false"),
        ({"a": float("nan")}, "a number that JSON does not know"),
        ({"a": [{"__ansible_vault": "x"}]}, "takes for something else: __ansible_vault"),
    ],
)
def test_what_is_no_mapping_of_json_values_is_refused(found: Any, fault: str) -> None:
    assert of(found)[0] == {}
    assert fault in of(found)[1]


@pytest.mark.parametrize("stats", [{}, {"artifact_data": None}, {"artifact_data": {}}])
def test_stats_without_it_hand_on_nothing(stats: dict[str, Any]) -> None:
    assert found_of(stats) == ({}, "")


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=10,
)


@given(st.dictionaries(st.text(max_size=5), json_values, max_size=4))
def test_whatever_is_small_is_handed_on_as_it_is_and_no_secret_with_it(found: dict[str, Any]) -> None:
    if len(json.dumps(found)) <= LIMIT and "__ansible_" not in json.dumps(found):
        assert of(found) == (found, "")
    planted = {**found, f"x{SECRET}": [SECRET, {SECRET: f"{SECRET}!"}]}
    assert SECRET not in json.dumps(blotted(planted, (SECRET,)))
