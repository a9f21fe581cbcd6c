"""--explain: what is known of a host, what was looked at, and what is in store for it."""

import json
from dataclasses import replace

import pytest

from rollout.graph import compile_graph
from rollout.graph.account import account
from rollout.model.chain import Step
from rollout.model.fleet import Fleet, Host
from rollout.model.graph import Graph
from rollout.model.plan import Amount, GateRule, Limits, Moment, Plan, Risk
from rollout.model.verdict import Compatibility, Given, Hop, Waiver
from rollout.model.windows import Weekly, Window
from rollout.model.zones import UTC, Zone
from rollout.report import diagram, safeguards, story
from tests.fleet import CHAIN, a_combo, a_plan

NIGHT = 1_700_103_600.0
"""Thu 2023-11-16 03:00 UTC."""
GIVEN = Given("2023-11-16")
NIC = Risk("nic", "", "hold", because="see OPS-7", applies={"nic": ("mlx*",)}, link="https://ops/7")
LOCK = Risk("lock", "dpkg", "remedy", remedy=Step("remedy-lock", playbook="fix.yml"))
ROWS = (
    Compatibility({"hardware": ("a",)}, {"os": ("new",)}, "supported", "tried", "lab", "compat/a.yml:1:3"),
    Compatibility({"hardware": ("z",)}, {}, "blocked", "never", place="compat/a.yml:9:3"),
    Compatibility({"cpu": ("x1",)}, {}, "blocked", "no driver", place="compat/a.yml:5:3"),
)
WAIVERS = (
    Waiver("cpu", ("unknown",), "it is an x2", "Ada", "2023-12-01"),
    Waiver("old", ("risk",), "long ago", "Bob", "2023-01-01"),
    Waiver("others", ("unknown",), "not ours", "Eve", "2030-01-01", hosts=("z*",)),
)


def a_host(name: str, **facts: tuple[str, ...]) -> Host:
    factors = {"hardware": "a", "os": "old", "rack": "r1"}
    return Host(name, factors, "10.0.0.1", "d", facts={"bios": ("1.10",), "nic": ("i40e",), **facts})


def a_world() -> Plan:
    chain = (
        *CHAIN[:1],
        replace(CHAIN[1], undo=Step("undo-upgrade", playbook="undo.yml", of="upgrade")),
        *CHAIN[2:],
    )
    combo = replace(a_combo("a", steps=chain), require={"bios": (">=1.9",)})
    plan = a_plan(
        combo,
        limits=Limits(Amount(4), {"rack": Amount(1)}),
        gates=[
            GateRule("fresh", "ssh", Moment("after", "verify")),
            GateRule("quiet", "http", Moment("before", "upgrade")),
            GateRule("errors", "http", Moment("after", "wave")),
            GateRule("ready", "http", Moment("before", "run")),
        ],
    )
    night = Window(True, (Weekly((4,), 3600, 7200.0),), text="Fri 01:00 + 2h")
    return replace(
        plan, risks=(NIC, LOCK), compat=ROWS, waivers=WAIVERS, windows=(night,), deadline=NIGHT + 9e6
    )


def told(plan: Plan, hosts: tuple[Host, ...], name: str, given: Given = GIVEN) -> str:
    graph = compiled(plan, hosts, given)
    host = next(host for host in hosts if host.name == name)
    of = story.subject(plan, host, ("compute",), {"hw", "os"})
    return story.text(graph, of, account(plan, host, given), NIGHT)


def compiled(plan: Plan, hosts: tuple[Host, ...], given: Given = GIVEN) -> Graph:
    return compile_graph(plan, Fleet(hosts, zones={UTC: Zone(UTC)}), {"plan": "p"}, given)


def test_the_story_of_a_host_in_a_wave() -> None:
    hosts = (a_host("h1"), a_host("h2"), a_host("h3"))
    text = told(a_world(), hosts, "h2")
    digest = compiled(a_world(), hosts).digest[:12]
    assert text.splitlines() == [
        f"host h2 (10.0.0.1): wave a/2 of plan plan, digest {digest}",
        "  groups: compute",
        "",
        "factors",
        "  hardware  a     hostvar hw",
        "  os        old   hostvar os",
        "  rack      r1    probe rack",
        "  bios      1.10  fact",
        "  nic       i40e  fact",
        "",
        "combo a",
        "  hardware  a    fits a",
        "  os        old  fits old",
        "",
        "verdict: waived",
        (
            "  because: cpu is not known (`rollout plan --probe` asks the hosts), and it may matter: no driver (compat/a.yml:5:3); "
            "Ada waives it until 2023-12-01 (cpu: it is an x2)"
        ),
        "  requirement    bios >=1.9        met                                      it is 1.10 (combo a)",
        "  compatibility  compat/a.yml:1:3  supported                                tried; lab",
        "  compatibility  compat/a.yml:5:3  it cannot be told whether it is blocked  no driver",
        "  known risk     lock              may come to any host                     remedied by fix.yml",
        "  waiver         cpu               lets it pass                             unknown, by Ada until 2023-12-01: it is an x2",
        "  waiver         old               expired                                  risk, by Bob until 2023-01-01: long ago",
        "  2 other rows and risks do not speak of it",
        "",
        "wave a/2: ramp, with h3",
        "  waits for: a/1",
        "  then health has to hold for 0s",
        "",
        "limits: it takes a place in each of these, from upgrade on",
        "  the run  4 hosts at once",
        "  rack=r1  1 host at once",
        "",
        "time: it may begin Fri 01:00 (UTC), and needs 3m as `expect` says",
        "  allow Fri 01:00 + 2h (UTC)",
        "  deadline Wed 2024-02-28 07:00",
        "",
        "steps",
        "    gates before the run: ready (http)",
        "  precheck: precheck.yml, usually 10s, at most 1m40s",
        "  upgrade: upgrade.yml, usually 1m40s, at most 16m40s, once: never begun again on a guess",
        "    gates before it: quiet (http)",
        "  reboot: reboot.yml, usually 1m, at most 10m",
        "  verify: verify.yml, usually 10s, at most 1m40s, tried again up to 2 times",
        "    gates after it: fresh (ssh)",
        "    gates after its wave: errors (http)",
        "",
        "a rollback undoes upgrade",
    ]


@pytest.mark.parametrize(
    ("facts", "lines"),
    [
        (
            {"bios": ("1.8",)},
            [
                "host h1 (10.0.0.1): excluded, and not touched by plan plan",
                "  way out: bring the host there and plan again, or a waiver of `require`",
                "  requirement    bios >=1.9        not met                                  it is 1.8 (combo a)",
            ],
        ),
        (
            {"bios": ()},
            [
                "  requirement    bios >=1.9        not met                                  nobody knows it (combo a)"
            ],
        ),
        (
            {"nic": ("mlx5",)},
            [
                "  why: a known risk stands in the way: known risk nic: see OPS-7 (https://ops/7); ",
                "  known risk     nic               concerns it                              the host is held; see OPS-7; https://ops/7",
            ],
        ),
        (
            {"nic": ()},
            [
                "  known risk     nic               it cannot be told whether it concerns it  the host is held; "
            ],
        ),
        (
            {"cpu": ("x1",)},
            [
                "  compatibility  compat/a.yml:5:3  blocked               no driver",
                "  waiver         cpu               nothing rests on it   unknown, by Ada",
            ],
        ),
    ],
    ids=["unmet", "unknown", "risk", "unclear risk", "row"],
)
def test_the_story_of_a_host_that_is_not_touched(facts: dict[str, tuple[str, ...]], lines: list[str]) -> None:
    text = " ".join(told(a_world(), (a_host("h1", **facts), a_host("h2")), "h1").split())
    for line in lines:
        assert " ".join(line.split()) in text, line
    assert "steps" not in text


def test_a_host_of_no_combo_and_one_that_is_there() -> None:
    plan = replace(a_world(), otherwise="exclude")
    other = Host("x", {"hardware": "q", "os": "old", "rack": "r1"})
    there = Host("y", {"hardware": "a", "os": "new", "rack": "r1"})
    hosts = (a_host("h1"), other, there)
    assert "combo: none matches it\n" in told(plan, hosts, "x")
    assert "host y: current, and not touched by plan plan\n" in told(plan, hosts, "y")
    assert "  os        new  fits new\n" in told(plan, hosts, "y")


def test_hops_are_walked_one_after_the_other() -> None:
    steps = tuple(replace(step) for step in CHAIN)
    legs = (
        Hop({"os": ("old",)}, {"os": "mid"}, {"bios": (">=1.0",)}, chains={"a": steps}),
        Hop({"os": ("mid",)}, {"os": "new"}, {"disk": (">=9",)}, chains={"a": steps}),
    )
    plan = replace(
        a_world(), hops=legs, compat=(), waivers=(Waiver("disk", ("require",), "big", "Ada", "2024-01-01"),)
    )
    text = " ".join(told(plan, (a_host("h1"),), "h1").split())
    for line in (
        "requirement bios >=1.0 met it is 1.10 (the hop to mid)",
        "requirement disk >=9 not met nobody knows it (the hop to new)",
        "waiver disk lets it pass require, by Ada until 2024-01-01: big",
        "upgrade-to-mid: upgrade.yml, leads to os mid, usually 1m40s",
    ):
        assert line in text, line


def test_the_story_as_json_says_the_same() -> None:
    hosts = (a_host("h1"), a_host("h2"), a_host("h3", bios=("1.0",)))
    graph = compiled(a_world(), hosts)

    def told_of(host: Host) -> dict[str, object]:
        of = story.subject(a_world(), host, (), ())
        value = json.loads(story.as_json(graph, of, account(a_world(), host, GIVEN), NIGHT))
        assert isinstance(value, dict)
        return value

    first = told_of(hosts[0])
    assert (first["wave"], first["canary"], first["verdict"]) == ("a/1", True, "waived")
    assert first["slots"] == {"fleet": 4, "rack=r1": 1}
    assert first["may_begin"] == NIGHT + 22 * 3600
    held = told_of(hosts[2])
    assert (held["word"], held["cause"], "wave" in held) == ("excluded", "require", False)


def test_a_host_that_no_step_disrupts_takes_no_place_and_a_deadline_can_be_too_near() -> None:
    plan = a_plan(a_combo("a", steps=CHAIN[:1]))
    text = told(replace(plan, deadline=NIGHT + 1), (a_host("h1"),), "h1")
    assert "limits: it takes no slot, for no step disrupts it\n" in text
    assert "time: it may begin never, by its windows and the deadline (UTC), and needs 10s" in text
    assert text.endswith("no step names an undo: a rollback undoes nothing\n")


def test_drift_shows_beside_the_factor() -> None:
    host = replace(a_host("h1"), probed={"os": "older", "hardware": "a"})
    text = told(a_world(), (host, a_host("h2")), "h1")
    assert "  os        old   hostvar os  a probe found older\n" in text
    assert "  hardware  a     hostvar hw  as probed\n" in text
    assert "the host is not what the inventory says" in text


def test_what_a_probe_found_is_looked_at_too() -> None:
    row = Compatibility({"rack": ("r9",)}, {}, "blocked", "no power", place="compat/a.yml:7:3")
    host = replace(a_host("h1"), probed={"rack": "r9"})
    text = told(replace(a_world(), compat=(row,), waivers=()), (host, a_host("h2")), "h1")
    assert "  compatibility, as probed  compat/a.yml:7:3  blocked " in text
    assert "  why: compatibility forbids it: by its probe: no power (compat/a.yml:7:3)" in text


def test_gates_about_the_fleet_are_told_with_whom_and_how_often_they_ask() -> None:
    during = GateRule(
        "errors", "prometheus", Moment("during", ""), per="rack", fleet=True, samples=3, lasts=300
    )
    calm = GateRule("calm", "prometheus", Moment("before", "wave"), per="wave", fleet=True, shadow=True)
    holds = GateRule("holds", "network-restart", Moment("after", "upgrade"), canaries=True, acts=True)
    plan = replace(a_plan(a_combo("a")), gates=(during, calm, holds))
    fleet = Fleet((a_host("a1"),), {"hardware": {"a": 1}, "os": {"old": 1}, "rack": {"r1": 1}})
    graph = compile_graph(plan, fleet, {})
    said = story.text(
        graph, story.Subject(fleet.hosts[0], (), {}), account(plan, fleet.hosts[0], GIVEN), NIGHT
    )
    assert "    gates all the time: errors (prometheus, for each rack, 3 passes in a row, for 5m)\n" in said
    assert "    gates before its wave: calm (prometheus, shadow: decides nothing)\n" in said
    assert "    gates after it: holds (network-restart, of canaries, disturbs the host)\n" in said
    (row,) = [line for line in safeguards.gates(graph) if "errors" in line]
    assert row.split(maxsplit=2)[2] == "during, for each rack, 3 passes in a row, for 5m"
    drawn = diagram.picture(graph, diagram.LEVELS[0])
    assert any("gates all the time" in line for box in drawn.boxes for line in box.lines)
