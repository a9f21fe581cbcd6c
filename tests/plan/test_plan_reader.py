"""What a valid plan means: overrides, defaults, the gate that rollout adds, places."""

from dataclasses import replace
from pathlib import Path

import pytest

from rollout.model.chain import Step
from rollout.model.plan import (
    After,
    Amount,
    Approval,
    Budget,
    Failures,
    GateRule,
    Ladder,
    Limits,
    Moment,
    Plan,
    Soak,
)
from rollout.plan import read
from rollout.plan.scalars import duration, spoken

PLAN = """\
rollout: tokyo
inventory: [hosts.ini, "spare1,"]
hosts: "compute:!maintenance"
factors: {os: os_release, rack: rack}
combos:
  - name: old
    match: {os: [24.10, NO, 22.04]}
    to: {os: 26.04}
    guests: ignore
    reason: they are moved by hand
  - name: xen
    match: {os: "xen-*"}
    verdict: blocked
    reason: no target kernel
  - name: new
    match: {os: 0o17}
    to: {os: ["26.*", 27]}
    after: [old, {combo: xen, until: canaries}, {combo: old, until: 95%}]
    steps:
      stage: {playbook: b.yml, once: true}
      drain: {playbook: b.yml}
      verify: {timeout: 10m}
      restore: {drain: none}
steps:
  - {name: stage, playbook: a.yml}
  - {name: drain, drain: playbook, playbook: a.yml}
  - {name: reboot, playbook: a.yml, timeout: 1h30m, expect: 5m}
  - {name: verify, playbook: a.yml, retries: 2, backoff: 1m}
  - {name: restore, reopen: none}
"""


@pytest.fixture
def plan(tmp_path: Path) -> Plan:
    return _read(tmp_path, PLAN)


def _read(folder: Path, text: str) -> Plan:
    for name in ("hosts.ini", "a.yml", "b.yml"):
        (folder / name).touch()
    (folder / "plan.yml").write_text(text)
    return read(folder / "plan.yml")


def test_versions_keep_the_text_that_was_written(plan: Plan) -> None:
    assert plan.combos[0].match == {"os": ("24.10", "NO", "22.04")}
    assert plan.combos[2].match == {"os": ("0o17",)}
    assert plan.combos[2].to == {"os": ("26.*", "27")}


def test_edges_have_a_short_form(plan: Plan) -> None:
    assert plan.combos[2].after == (After("old"), After("xen", "canaries"), After("old", 0.95))


def test_overrides_are_laid_over_the_chain_by_name(plan: Plan) -> None:
    stage, drain, reboot, verify, restore = plan.combos[2].steps
    assert stage == Step("stage", "b.yml", once=True)
    assert drain == Step("drain", "b.yml", drain="playbook")
    assert reboot == Step("reboot", "a.yml", disruptive=True, timeout=5400.0, expect=300.0)
    assert verify == Step("verify", "a.yml", retries=2, backoff=60.0, timeout=600.0, expect=60.0)
    assert restore == Step("restore", drain="none")
    assert plan.combos[0].steps == plan.steps


def test_guests_are_ignored_with_a_reason_only(plan: Plan) -> None:
    assert plan.combos[0].guests_ignored == "they are moved by hand"
    assert plan.combos[1].guests_ignored is None
    assert plan.combos[1].verdict == "blocked"


def test_no_host_reboots_or_upgrades_under_guests(plan: Plan) -> None:
    assert [str(gate.when) for gate in plan.gates] == ["before stage", "before reboot"]
    assert {(gate.name, gate.kind) for gate in plan.gates} == {("no-guests", "guests")}


def test_every_default_is_the_careful_one_and_said(plan: Plan) -> None:
    assert (plan.waves, plan.ladder, plan.harm, plan.approval) == (None, Ladder(), 3.0, Approval())
    assert (plan.soak, plan.limits, plan.failures) == (Soak(), Limits(), Failures())
    assert plan.otherwise == "error"
    assert plan.defaults == (
        "waves.ladder: [one, factors, pairs, combos] (canaries, then the ramp)",
        "waves.factors: [os, rack] (all that no limit counts by)",
        "waves.harm: 3 (hosts that an unseen defect is expected to harm, at 95 %)",
        "waves.soak.canary: 10m",
        "waves.soak.ramp: 10m",
        "otherwise: error (a host that no combo matches is a mistake)",
        "limits.at_once: 1 (hosts disrupted at once)",
        "limits.controller: 100 (Ansible processes at once)",
        "failures.canary: 0 (failed canaries tolerated in a combo)",
        "failures.combo: 0 (failed hosts tolerated in a combo's other waves)",
        "failures.run: no limit of its own",
        "timeout: 1h for stage, drain, verify, restore",
    )


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("{combo: 0, run: 20}", Failures(0, 0, 20)),
        ("{combo: evidence, on_fault: halt}", Failures(0, "evidence", on_fault="halt")),
        ("{run: 2%}", Failures(run=Budget(Amount(2, percent=True)))),
        ("{combo: {of: 5%, at_least: 3}}", Failures(combo=Budget(Amount(5, percent=True), 3))),
        ("{per: {os: 2, rack: 3%}}", Failures(per={"os": 2, "rack": Budget(Amount(3, percent=True))})),
    ],
)
def test_how_many_failures_are_tolerated(tmp_path: Path, written: str, meant: Failures) -> None:
    assert _read(tmp_path, PLAN + f"failures: {written}\n").failures == meant


def test_what_is_given_is_no_default(tmp_path: Path) -> None:
    given = """\
waves: {sizes: [2, 50%], soak: 30m, scope: combo}
limits: {at_once: 5%, per: {rack: 1}, controller: 7}
failures: {canary: 1, combo: 2, run: 3}
otherwise: exclude
gates:
  - {name: kernel, kind: command, when: after reboot, run: uname -r, expect: "^6", retries: 3, interval: 5s, timeout: 2m}
  - {name: booted, kind: boot, when: before verify}
"""
    plan = _read(tmp_path, PLAN + given)
    assert plan.defaults == ("timeout: 1h for stage, drain, verify, restore",)
    assert plan.waves == (Amount(2), Amount(50, percent=True))
    assert plan.soak == Soak(1800.0, 1800.0)
    assert plan.limits == Limits(Amount(5, percent=True), {"rack": Amount(1)}, 7)
    assert plan.failures == Failures(1, 2, 3)
    settings = {"run": "uname -r", "expect": "^6"}
    assert plan.gates[2:] == (
        GateRule("kernel", "command", Moment("after", "reboot"), settings, False, 3, 5.0, 120.0),
        GateRule("booted", "boot", Moment("before", "verify"), remembers=True),
    )


def test_half_a_soak_says_the_other_half(tmp_path: Path) -> None:
    plan = _read(tmp_path, PLAN + "waves: {soak: {canary: 1d}}\n")
    assert plan.soak == Soak(86400.0, 600.0)
    assert "waves.soak.ramp: 10m" in plan.defaults
    assert "waves.soak.canary: 10m" not in plan.defaults


def test_places_are_found_by_the_path_of_a_key(plan: Plan) -> None:
    assert str(plan.place("combos", 0, "match")).endswith("plan.yml:7:5")
    assert str(plan.place("combos", 0, "match", "os", 1)).endswith("plan.yml:7:25")
    assert str(plan.place("combos", 0, "after")).endswith("plan.yml:6:5")
    assert str(plan.place("limits", "per")).endswith("plan.yml:1:1")


def test_a_repeated_value_by_alias(tmp_path: Path) -> None:
    text = PLAN.replace("{os: 26.04}", "&target {os: 26.04}").replace('{os: ["26.*", 27]}', "*target")
    plan = _read(tmp_path, text)
    assert plan.combos[2].to == plan.combos[0].to == {"os": ("26.04",)}


def test_reading_twice_gives_the_same(plan: Plan) -> None:
    assert replace(read(Path(plan.file))) == plan


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("30s", 30), ("20m", 1200), ("2h", 7200), ("1d", 86400), ("1h30m", 5400), ("1d2h3m4s", 93784)],
)
def test_durations(text: str, seconds: float) -> None:
    assert duration(text) == seconds
    assert spoken(seconds) == text


@pytest.mark.parametrize("text", ["", "h", "1", "1.5h", "30m1h", "1h 30m", "-1h", "1w", "٣s"])
def test_what_is_no_duration(text: str) -> None:
    with pytest.raises(ValueError, match="not a duration"):
        duration(text)
