"""The verdict of one host: what is required, what files know, known risks, the controller's ansible-core, and who answers for it."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from rollout.graph import compile_graph
from rollout.graph.toolchain import DRIVES, of_release
from rollout.graph.verdict import judge, meets, waived_by
from rollout.model.fleet import Fleet, Host
from rollout.model.graph import Graph
from rollout.model.plan import ComboRule, Plan, Risk
from rollout.model.verdict import Compatibility, Given, Hop, Judgement, Toolchain, Waiver, Wanted
from tests.fleet import a_plan

TODAY = "2026-11-23"
RULE = ComboRule("r650", {"os": ("debian-12",)}, {"os": ("debian-13",)})
HOST = Host("h1", {"hardware": "R650", "os": "debian-12", "rack": "k1"}, digest="h1")
NEW = Toolchain("2.19.4")
PCI = Compatibility({"pci": ("15b3:1002", "15b3:1003")}, {"os": ("debian-13",)}, "blocked", "the driver is gone", "notes 5.3", "plans/compat/nics.yml:3:1")  # fmt: skip
ASKS = "`rollout plan --probe` asks the hosts"


def a_risk(name: str = "nic", then: Any = "hold", symptom: str = "", **applies: str) -> Risk:
    return Risk(
        name, symptom, then, because="it hangs", applies={key: (text,) for key, text in applies.items()}
    )


def a_waiver(*waives: str, expires: str = TODAY, name: str = "w", **of: tuple[str, ...]) -> Waiver:
    return Waiver(name, waives, "tested in the lab", "jane", expires, **of)


def judged(
    *,
    rule: ComboRule = RULE,
    facts: Mapping[str, tuple[str, ...]] | None = None,
    targets: tuple[Wanted, ...] = ({"os": ("debian-13",)},),
    hops: tuple[Hop, ...] = (),
    toolchain: Toolchain = Toolchain(),  # noqa: B008  frozen
    allow_unknown: bool = False,
    host: Host = HOST,
    **of_plan: Any,
) -> Judgement:
    plan = replace(a_plan(rule), file="plans/plan.yml", **of_plan)
    there = replace(host, facts=facts or {})
    return judge(plan, rule, there, targets, TODAY, toolchain, hops, allow_unknown=allow_unknown)


def test_of_what_nothing_is_said_is_supported() -> None:
    assert judged() == Judgement()
    assert judged(toolchain=NEW, facts={"python": ("3.11.2",)}) == Judgement()


@pytest.mark.parametrize("verdict", ["unknown", "blocked"])
def test_what_is_declared_counts(verdict: Any) -> None:
    found = judged(rule=replace(RULE, verdict=verdict, reason="no kernel"))
    assert found == Judgement(verdict, (f"combo r650 is {verdict}: no kernel",), "declared")


def test_what_is_declared_without_a_reason_needs_no_colon() -> None:
    assert judged(rule=replace(RULE, verdict="unknown")).because == ("combo r650 is unknown",)


@pytest.mark.parametrize(
    ("facts", "said"),
    [
        ({"bios": ("1.10",)}, None),
        ({"bios": ("1.9.1",)}, "combo r650 requires bios >=1.9.2: it is 1.9.1"),
        ({"bios": ("not told",)}, "combo r650 requires bios >=1.9.2: it is not told"),
        ({}, f"combo r650 requires bios >=1.9.2: it is not known ({ASKS})"),
    ],
)
def test_what_is_required_must_be_known_to_be_so(facts: dict[str, tuple[str, ...]], said: str | None) -> None:
    found = judged(rule=replace(RULE, require={"bios": (">=1.9.2",)}), facts=facts)
    assert found == (Judgement("blocked", (said,), "require") if said else Judgement())


def test_the_floor_of_a_later_hop_is_held_against_what_the_host_will_be_then() -> None:
    hops = (
        Hop({"os": ("debian-11",)}, {"os": "debian-12"}),
        Hop({"os": ("debian-12",)}, {"os": "debian-13"}, {"os": (">=debian-12",), "free": (">=5",)}),
    )
    targets: tuple[Wanted, ...] = ({"os": ("debian-12",)}, {"os": ("debian-13",)})
    host = replace(HOST, factors={**HOST.factors, "os": "debian-11"})
    found = judged(hops=hops, targets=targets, host=host, facts={"free": ("4.5",)})
    assert found.because == ("the hop to debian-13 requires free >=5: it is 4.5",)
    assert judged(hops=hops, targets=targets, host=host, facts={"free": ("5.1",)}).word == "supported"


def test_a_row_speaks_of_hosts_that_match_on_the_way_where_it_says() -> None:
    facts = {"pci": ("8086:1572", "15b3:1003")}
    found = judged(facts=facts, compat=(PCI,))
    assert found == Judgement(
        "blocked", ("pci 15b3:1003: the driver is gone (notes 5.3; compat/nics.yml:3:1)",), "compat"
    )
    assert judged(facts={"pci": ("8086:1572",)}, compat=(PCI,)) == Judgement()
    assert judged(facts=facts, compat=(PCI,), targets=({"os": ("debian-14",)},)) == Judgement()


def test_a_row_whose_fact_nobody_knows_is_unknown() -> None:
    found = judged(compat=(PCI,))
    assert (found.word, found.cause) == ("unknown", "compat")
    assert found.because == (
        f"pci is not known ({ASKS}), and it may matter: the driver is gone (notes 5.3; compat/nics.yml:3:1)",
    )
    assert judged(compat=(replace(PCI, verdict="supported"),)) == Judgement()


def test_a_version_that_cannot_be_compared_is_unknown() -> None:
    row = Compatibility({"bios": ("<1.9",)}, {}, "blocked", "it hangs", place="b.yml:1:1")
    found = judged(facts={"bios": ("A05",)}, compat=(row,))
    assert found.word == "unknown"
    assert "bios is A05, which cannot be compared" in found.because[0]


@pytest.mark.parametrize(
    ("target", "row", "word"),
    [
        ("debian-13", "debian-*", "blocked"),
        ("debian-13", "debian-14", "supported"),
        ("debian-13*", "debian-13", "blocked"),
        ("debian-13*", "debian-13*", "blocked"),
        ("rhel-9.*", "rhel-9*", "blocked"),
        ("rhel-9*", "ubuntu-*", "supported"),
        ("rhel-*", "rhel-9*", "unknown"),
        ("debian-13", ">=debian-12,<debian-14", "blocked"),
        (">=debian-12", "debian-13", "blocked"),
        (">=debian-13", ">=debian-14", "unknown"),
    ],
)
def test_where_patterns_lead(target: str, row: str, word: str) -> None:
    known = Compatibility({"hardware": ("R*",)}, {"os": (row,)}, "blocked", "it is known", place="c.yml:1:1")
    assert judged(compat=(known,), targets=({"os": (target,)},)).word == word


def test_what_the_target_does_not_name_stays_if_it_is_a_factor_and_is_not_known_if_not() -> None:
    stays = Compatibility({"hardware": ("R650",)}, {"rack": ("k1",)}, "blocked", "it is known")
    elsewhere = replace(stays, to={"rack": ("k2",)})
    kernel = replace(stays, to={"kernel": (">=6.12",)})
    assert judged(compat=(stays,)).word == "blocked"
    assert judged(compat=(elsewhere,)).word == "supported"
    found = judged(compat=(kernel,), facts={"kernel": ("6.1",)})
    assert found.word == "unknown"
    assert found.because[0].startswith("`to` does not say which kernel the host will have")


def test_a_row_about_a_release_on_the_way_speaks_of_the_host() -> None:
    on_the_way: tuple[Wanted, ...] = ({"os": ("debian-13",)}, {"os": ("debian-14",)})
    late = Compatibility({"os": ("debian-13",)}, {"os": ("debian-14",)}, "blocked", "not from there")
    assert judged(compat=(late,), targets=on_the_way).word == "blocked"
    assert judged(compat=(late,), targets=({"os": ("debian-14",)},)).word == "supported"
    assert judged(compat=(PCI,), facts={"pci": ("15b3:1003",)}, targets=on_the_way).word == "blocked"


def test_the_worst_row_wins() -> None:
    rows = [
        Compatibility({"hardware": ("R650",)}, {}, word, f"so {word}")
        for word in ("supported", "blocked", "unknown")
    ]
    found = judged(compat=tuple(rows))
    assert found.word == "blocked"
    assert [said.split(" (")[0] for said in found.because] == ["so blocked", "so unknown"]


def test_a_host_of_which_no_row_speaks_is_what_the_plan_says() -> None:
    known = Compatibility({"hardware": ("R650",)}, {"os": ("debian-13",)}, "supported", "certified")
    other = replace(known, match={"hardware": ("DL360",)})
    assert judged(compat=(other,)).word == "supported"
    assert judged(compat=(known, other), unlisted="unknown").word == "supported"
    found = judged(compat=(other,), unlisted="unknown")
    assert found == Judgement(
        "unknown", ("no compatibility file says anything of it on its way to os debian-13",), "compat"
    )


@pytest.mark.parametrize(("then", "symptom"), [("hold", "it smokes"), ("halt", "it smokes"), ("retry", "")])
def test_a_risk_that_needs_a_person_keeps_the_host_from_being_begun(then: str, symptom: str) -> None:
    risk = a_risk("nic", then, symptom, nic_firmware="<14.2")
    found = judged(facts={"nic_firmware": ("14.1",)}, risks=(risk,))
    assert found == Judgement("blocked", ("known risk nic: it hangs",), "risk", risks=("nic",))
    assert judged(facts={"nic_firmware": ("14.2a",)}, risks=(risk,)) == Judgement()
    unknown = judged(risks=(risk,))
    assert (unknown.word, unknown.risks) == ("blocked", ("nic",))
    assert unknown.because == (
        f"whether the known risk nic concerns it cannot be told without nic_firmware ({ASKS}): it hangs",
    )


@pytest.mark.parametrize("then", ["retry", "remedy"])
def test_a_risk_that_is_answered_when_it_shows_keeps_nobody(then: str) -> None:
    risks = (
        a_risk("lock", then, "lock", os="debian-*"),
        a_risk("else", then, "lock", os="ubuntu-*"),
        a_risk("any", "hold", "x"),
    )
    assert judged(risks=risks) == Judgement(risks=("lock",))


@pytest.mark.parametrize(
    ("core", "before", "to", "said"),
    [
        ("2.19.4", "3.6.8", "rocky-9", "the host's Python is 3.6"),
        ("2.19.4", "3.11.2", "debian-13", None),
        ("2.19.4", "3.12.3", "ubuntu-26.04", "the Python of ubuntu-26.04 is 3.14"),
        ("2.20.0", "3.8.10", "debian-13", "the host's Python is 3.8"),
        ("2.20.0", "", "Rocky-8.10", "the Python of Rocky-8.10 is 3.6"),
        ("2.22.0", "3.14.1", "ubuntu-26.04", None),
        ("2.99.0", "2.7", "rhel-7", None),
        ("", "2.7", "rhel-7", None),
        ("2.19.4", "", "slackware-15", None),
        ("2.19.4", "/usr/bin/python3", "debian-1", None),
    ],
)
def test_a_python_that_the_controller_cannot_drive_is_a_verdict(
    core: str, before: str, to: str, said: str | None
) -> None:
    facts = {"python": (before,)} if before else {}
    found = judged(facts=facts, toolchain=Toolchain(core), targets=({"os": (to,)},))
    assert found.word == ("supported" if said is None else "unknown" if to == "ubuntu-26.04" else "blocked")
    if said is not None:
        assert found.cause == "toolchain"
        assert found.because[0].endswith(said)


def test_a_target_may_name_its_python() -> None:
    named: Wanted = {"os": ("rhel-8",), "python": ("3.12",)}
    assert judged(toolchain=NEW, targets=({"os": ("rhel-8",)},)).word == "blocked"
    assert judged(toolchain=NEW, targets=(named,)).word == "supported"
    assert judged(toolchain=NEW, targets=({**named, "python": ("3.7.1",)},)).word == "blocked"


@pytest.mark.parametrize(
    ("release", "python"),
    [
        ("debian-13", (3, 13)),
        ("Debian-12.7", (3, 11)),
        ("debian-13*", (3, 13)),
        ("debian 11", (3, 9)),
        ("debian-1*", None),
        ("debian-130", None),
        ("ubuntu-24.04", (3, 12)),
        ("ubuntu-24", None),
        ("rhel-9.*", (3, 9)),
        ("centos-stream-10", (3, 12)),
        ("AlmaLinux-8.10", (3, 6)),
        ("oraclelinux-9", (3, 9)),
        (">=debian-12", None),
        ("kvm-10", None),
        ("", None),
    ],
)
def test_the_python_of_a_release(release: str, python: tuple[int, int] | None) -> None:
    assert of_release(release) == python


def test_newer_controllers_do_not_drive_older_hosts() -> None:
    rows = [DRIVES[release] for release in sorted(DRIVES, key=lambda release: int(release.split(".")[1]))]
    assert rows == sorted(rows)
    assert next(iter(DRIVES)) == "2.19"  # the oldest that rollout runs with


@pytest.mark.parametrize(
    ("waives", "passes"),
    [
        (("require",), {"require"}),
        (("blocked",), {"blocked"}),
        (("nic",), {"nic"}),
        (("toolchain",), {"toolchain"}),
        (("unknown",), {"unknown"}),
        (
            ("require", "blocked", "nic", "toolchain", "unknown"),
            {"require", "blocked", "nic", "toolchain", "unknown"},
        ),
    ],
)
def test_a_waiver_lets_pass_what_it_names_and_nothing_else(waives: tuple[str, ...], passes: set[str]) -> None:
    waiver = a_waiver(*waives)
    facts = {"pci": ("15b3:1003",), "nic_firmware": ("14.1",), "python": ("3.6",)}
    rows = (PCI, Compatibility({"hardware": ("R650",)}, {}, "unknown", "not tested"))
    found = judged(
        rule=replace(RULE, require={"bios": (">=2",)}),
        facts=facts,
        compat=rows,
        risks=(a_risk(nic_firmware="<14.2"),),
        toolchain=NEW,
        waivers=(waiver,),
    )
    let = [said for said in found.because if "jane waives it until" in said]
    assert len(let) == len(passes)
    assert found.because[-len(let) :] == tuple(let)
    assert found.waivers == ("w",)
    assert found.word == ("waived" if len(passes) == 5 else "blocked")


@pytest.mark.parametrize(
    ("waiver", "holds"),
    [
        (a_waiver("unknown"), True),
        (a_waiver("unknown", expires="2026-11-22"), False),
        (a_waiver("unknown", expires="2027-01-01"), True),
        (a_waiver("unknown", combos=("r6*", "x")), True),
        (a_waiver("unknown", combos=("dl360",)), False),
        (a_waiver("unknown", hosts=("h[12]",)), True),
        (a_waiver("unknown", hosts=("H1",)), False),
        (a_waiver("unknown", combos=("r650",), hosts=("h2",)), False),
        (a_waiver("blocked"), False),
    ],
)
def test_a_waiver_holds_for_its_combos_and_hosts_until_its_last_day(waiver: Waiver, holds: bool) -> None:
    rule = replace(RULE, verdict="unknown", reason="new")
    found = judged(rule=rule, waivers=(waiver,))
    assert found.word == ("waived" if holds else "unknown")
    assert found.waivers == (("w",) if holds else ())
    assert waived_by(replace(a_plan(rule), waivers=(waiver,)), rule, HOST, "unknown", TODAY) == (
        "w" if holds else None
    )


def test_an_expired_waiver_is_as_if_it_were_not_there_and_is_named() -> None:
    found = judged(
        rule=replace(RULE, verdict="unknown", reason="new"),
        waivers=(a_waiver("unknown", expires="2026-11-22"),),
    )
    assert found.because == ("combo r650 is unknown: new; waiver w of jane expired on 2026-11-22",)


def test_of_several_waivers_the_one_that_holds_longest_counts() -> None:
    waivers = (
        a_waiver("unknown", name="a"),
        a_waiver("unknown", name="b", expires="2027-01-01"),
        a_waiver("unknown", name="c"),
    )
    assert judged(rule=replace(RULE, verdict="unknown"), waivers=waivers).waivers == ("b",)


def test_whoever_allows_the_unknown_rests_on_no_waiver() -> None:
    found = judged(rule=replace(RULE, verdict="unknown"), waivers=(a_waiver("unknown"),), allow_unknown=True)
    assert (found.word, found.waivers) == ("unknown", ())


def test_a_blocked_combo_that_leads_nowhere_cannot_be_waived() -> None:
    rule = replace(RULE, to={}, verdict="blocked", reason="no kernel")
    assert judged(rule=rule, targets=({},), waivers=(a_waiver("blocked"),)).word == "blocked"


def test_drift_that_is_waived_is_named() -> None:
    host = replace(HOST, probed={"os": "debian-11"})
    assert judged(host=host).cause == "drift"
    found = judged(host=host, waivers=(a_waiver("drift"),))
    assert (found.word, found.cause, found.waivers) == ("waived", "drift", ("w",))


def test_a_requirement_by_itself() -> None:
    plan = replace(a_plan(RULE), orders={"kernel": "deb"})
    host = replace(HOST, facts={"kernel": ("6.1.0-25-amd64",), "pci": ("a", "b")})
    assert meets(plan, host, "kernel", (">=6.1.0-9",))
    assert meets(plan, host, "pci", ("b",))
    assert meets(plan, host, "os", (">=debian-12",))
    assert not meets(plan, host, "bios", ("*",))


def a_graph_of(plan: Plan, *hosts: Host, today: str = TODAY) -> Graph:
    return compile_graph(plan, Fleet(hosts), {"plan": "p"}, Given(today, NEW))


def test_in_the_graph_the_waiver_of_drift_is_one_that_the_host_rests_on() -> None:
    waiver = a_waiver("drift")
    plan = replace(a_plan(replace(RULE, steps=a_plan().steps)), waivers=(waiver,))
    drifted = replace(HOST, probed={"os": "debian-11"})
    graph = a_graph_of(plan, drifted)
    assert graph.nodes["h1"].waivers == ("w",)
    assert graph.waivers == (waiver,)
    assert {one.cause for one in a_graph_of(plan, drifted, today="2026-11-24").untouched} == {"drift"}


def test_in_the_graph_a_declared_block_that_is_waived_is_upgraded() -> None:
    rule = replace(RULE, verdict="blocked", reason="old firmware", steps=a_plan().steps)
    blocked = a_plan(rule)
    waived = replace(blocked, waivers=(a_waiver("blocked"),))
    there = replace(HOST, name="h2", factors={**HOST.factors, "os": "debian-13"})
    assert [one.word for one in a_graph_of(blocked, HOST).untouched] == ["excluded"]
    graph = a_graph_of(replace(waived, combos=(replace(rule, match={"os": ("debian-1*",)}),)), HOST, there)
    assert list(graph.nodes) == ["h1"]
    assert [(one.host, one.word) for one in graph.untouched] == [("h2", "current")]


def test_who_is_there_by_the_inventory_alone_has_drifted() -> None:
    (target,) = RULE.to["os"]
    rule = replace(RULE, steps=a_plan().steps)
    there = replace(HOST, factors={**HOST.factors, "os": target})
    assert [one.word for one in a_graph_of(a_plan(rule), there).untouched] == ["current"]
    (found,) = a_graph_of(a_plan(rule), replace(there, probed={"os": "debian-11"})).untouched
    assert (found.word, found.cause) == ("excluded", "drift")
    assert "by its probe os is debian-11" in found.because
