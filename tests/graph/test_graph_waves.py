"""What each wave of the ladder waits for; sizes, stages, approvals, what is last, and sets of hosts that are kept apart."""

from dataclasses import replace

import pytest

from rollout.model.fleet import Host
from rollout.model.graph import Need
from rollout.model.plan import After, Amount, Approval, ComboRule, Ladder, Together
from tests.fleet import a_combo, a_plan
from tests.graph.ladders import ALL, a_host, canaries, compiled, on_ladder, rungs_of

HALF = Amount(50, percent=True)


def hosts_of(*hardware: str, each: int = 4, **more: object) -> list[Host]:
    return [
        a_host(f"{name}{number}", name, kind=f"k{number % 2}", **more)
        for name in hardware
        for number in range(1, each + 1)
    ]


def test_a_rung_waits_for_the_one_before_and_the_ramp_for_its_own_canaries_too() -> None:
    graph = compiled(on_ladder(a_combo("a"), a_combo("b")), hosts_of("a", "b"))
    assert list(graph.rungs) == ["one", "factors", "pairs", "ramp"]
    (one,), (factors,), pairs, ramp = graph.rungs.values()
    assert one.needs == ()
    assert factors.needs == (Need(rung="one"),)
    assert {wave.needs for wave in pairs} == {(Need(rung="factors"),)}
    for wave in ramp:
        own = [Need(wave=canary.id) for canary in graph.waves_of[wave.combo] if canary.canary]
        assert wave.needs == (Need(rung="pairs"), *own)
        assert not wave.canary
    assert all(wave.canary for rung in ("one", "factors", "pairs") for wave in graph.rungs[rung])
    assert [wave.id for wave in graph.waves_of["a"]] == [
        f"a/{number}" for number in range(1, len(graph.waves_of["a"]) + 1)
    ]
    assert (graph.harm, graph.nodes["a1"].expect) == (3.0, 180)


def test_soaks_are_those_of_canaries_and_of_the_ramp() -> None:
    plan = replace(on_ladder(), soak=replace(on_ladder().soak, canary=60.0, ramp=5.0))
    graph = compiled(plan, hosts_of("a"))
    assert {wave.soak for wave in graph.waves.values() if wave.canary} == {60.0}
    assert {wave.soak for wave in graph.waves.values() if not wave.canary} == {5.0}


# --- combos that wait --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("afters", "rung"),
    [
        ([After("a")], "combos-after-a"),
        ([After("a", "canaries")], "combos-after-canaries-of-a"),
        ([After("a", 0.955)], "combos-after-95.5%-of-a"),
        ([After("c"), After("a", 1.0)], "combos-after-a+c"),
    ],
)
def test_combos_that_wait_climb_a_ladder_of_their_own(afters: list[After], rung: str) -> None:
    plan = on_ladder(a_combo("b", after=afters), a_combo("a"), a_combo("c"), ladder=Ladder(("one", "combos")))
    graph = compiled(plan, hosts_of("a", "b", "c"))
    assert list(graph.rungs) == ["one", "combos", "ramp", rung]
    first, ramp = graph.waves_of["b"]
    assert first.needs[-1] == Need(rung="combos"), "the canaries of those it waits for come first"
    assert ramp.needs == (Need(rung=rung), Need(wave="b/1"))


def test_after_the_canaries_means_all_of_them() -> None:
    plan = on_ladder(a_combo("a"), a_combo("b", after=[After("a", "canaries")]))
    graph = compiled(plan, hosts_of("a", "b"))
    canary_waves = [wave.id for wave in graph.waves_of["a"] if wave.canary]
    assert len(canary_waves) == 2
    assert graph.waves["b/1"].needs[:2] == tuple(Need(wave=name) for name in canary_waves)


def test_combos_that_wait_for_the_same_share_their_rungs() -> None:
    plan = on_ladder(a_combo("a"), *(a_combo(name, after=[After("a")]) for name in ("b", "c")))
    graph = compiled(plan, hosts_of("a", "b", "c"))
    assert list(graph.rungs) == ["one", "factors", "ramp", "factors-after-a", "pairs-after-a"]
    assert len(graph.rungs["pairs-after-a"]) == 2


def test_stages_of_one_name_are_told_apart() -> None:
    named = a_combo("a"), a_combo("canaries-of-a")
    waiting = a_combo("x", after=[After("a", "canaries")]), a_combo("y", after=[After("canaries-of-a")])
    graph = compiled(
        on_ladder(*named, *waiting, ladder=Ladder(("combos",))), hosts_of("a", "canaries-of-a", "x", "y")
    )
    assert [rung for rung in graph.rungs if rung.startswith("combos-")] == [
        "combos-after-canaries-of-a",
        "combos-after-canaries-of-a-too",
    ]


# --- what is last ------------------------------------------------------------------------------------------------------------


def test_what_is_last_comes_after_every_ramp() -> None:
    hosts = [*hosts_of("a", "b"), a_host("a9", last=True, guests=0)]
    graph = compiled(on_ladder(a_combo("a"), a_combo("b")), hosts)
    (wave,) = graph.rungs["last"]
    assert wave.hosts == ("a9",)
    assert wave.needs[0] == Need(rung="ramp")
    assert not wave.canary


def test_a_combo_of_which_all_is_last_still_has_a_canary() -> None:
    hosts = [*hosts_of("a"), *hosts_of("b", last=True)]
    graph = compiled(on_ladder(a_combo("a"), a_combo("b")), hosts)
    canary, rest = graph.rungs["last"]
    assert (len(canary.hosts), len(rest.hosts)) == (1, 3)
    assert canary.canary
    assert canary.needs == (Need(rung="ramp"),)
    assert rest.needs == (Need(rung="ramp"), Need(wave="b/1"))


def test_what_others_wait_for_is_last_in_its_own_combo_alone() -> None:
    hosts = [*hosts_of("a"), a_host("a9", last=True), *hosts_of("b")]
    graph = compiled(on_ladder(a_combo("a"), a_combo("b", after=[After("a")])), hosts)
    assert graph.waves_of["a"][-1].hosts == ("a9",)
    assert graph.waves_of["a"][-1].rung == "ramp"
    assert "last" not in graph.rungs
    assert graph.notes == (
        "combo a: others wait for it, so the hosts that are to be last are so in that combo alone",
    )
    whole = [*hosts_of("a", last=True), *hosts_of("b")]
    graph = compiled(on_ladder(a_combo("a"), a_combo("b", after=[After("a", "canaries")])), whole)
    assert "last" not in graph.rungs
    assert graph.notes == ("combo a: all its hosts are to be last, but others wait for it, so they are not",)


# --- sizes -------------------------------------------------------------------------------------------------------------------


def test_sizes_take_pilots_first_and_what_is_last_at_the_end() -> None:
    hosts = hosts_of("a", each=6)
    hosts[0], hosts[4] = replace(hosts[0], last=True), replace(hosts[4], pilot=True)
    graph = compiled(replace(on_ladder(), waves=(Amount(1), HALF, ALL), harm=None), hosts)
    assert [wave.hosts for wave in graph.waves.values()] == [("a5",), ("a2", "a3"), ("a4", "a6", "a1")]
    assert [wave.rung for wave in graph.waves.values()] == ["1", "2", "3"]
    assert graph.harm is None


def _own(name: str, *sizes: Amount, after: tuple[After, ...] = ()) -> ComboRule:
    return replace(a_combo(name, after=after), waves=sizes)


def test_a_combo_with_sizes_of_its_own() -> None:
    listed = compiled(a_plan(a_combo("a"), _own("b", Amount(2), ALL)), hosts_of("a", "b"))
    assert [len(wave.hosts) for wave in listed.waves.values()] == [1, 3, 2, 2]
    graph = compiled(on_ladder(a_combo("a"), _own("b", Amount(2), HALF, ALL)), hosts_of("a", "b", each=8))
    first, second, third = graph.waves_of["b"]
    assert (first.rung, second.rung, third.rung) == ("combos", "ramp", "ramp")
    assert (first.canary, second.canary) == (True, False)
    assert first.needs == (Need(rung="factors"),), "it climbs in the place of its canaries"
    assert second.needs == (Need(rung="factors"), Need(wave="b/1"))
    assert third.needs == (Need(rung="factors"), Need(wave="b/2"))


def test_sizes_of_the_whole_fleet() -> None:
    plan = replace(a_plan(a_combo("a"), a_combo("b"), waves=(Amount(1), HALF, ALL)), scope="fleet")
    mixed = [host for pair in zip(hosts_of("a"), hosts_of("b"), strict=True) for host in pair]
    graph = compiled(plan, mixed)
    assert {wave.id: wave.hosts for wave in graph.waves.values()} == {
        "a/1": ("a1",),
        "a/2": ("a2",),
        "b/1": ("b1", "b2"),
        "a/3": ("a3", "a4"),
        "b/2": ("b3", "b4"),
    }
    assert {wave.id: wave.needs for wave in graph.waves.values()} == {
        "a/1": (),
        "a/2": (Need(rung="1"),),
        "b/1": (Need(rung="1"),),
        "a/3": (Need(rung="2"),),
        "b/2": (Need(rung="2"),),
    }
    assert canaries(graph) == ["a1", "b1", "b2"], "the first wave of each combo"


def test_in_a_fleet_that_waits_the_later_combos_stand_behind() -> None:
    combos = a_combo("b", after=[After("a")]), a_combo("a")
    plan = replace(a_plan(*combos, waves=(Amount(1), HALF, ALL)), scope="fleet")
    graph = compiled(plan, [replace(host, pilot=True) for host in hosts_of("b")] + hosts_of("a"))
    assert rungs_of(graph) == {"1": ["a1"], "2": ["a2", "a3", "a4"], "3": ["b1", "b2", "b3", "b4"]}


# --- approvals ---------------------------------------------------------------------------------------------------------------


def _asked(graph_needs: tuple[Need, ...]) -> list[str]:
    return [need.approved for need in graph_needs if need.approved]


def test_a_person_is_asked_before_every_wave_of_the_next_rung() -> None:
    plan = replace(
        on_ladder(a_combo("a"), a_combo("b")), approval=Approval(("one", "combos"), four_eyes=True)
    )
    graph = compiled(plan, hosts_of("a", "b"))
    assert {wave.id: _asked(wave.needs) for wave in graph.waves.values() if _asked(wave.needs)} == {
        graph.rungs["factors"][0].id: ["one"],
        graph.rungs["ramp"][0].id: ["combos"],
        graph.rungs["ramp"][1].id: ["combos"],
    }, "after combos, too, although no host stands there"
    assert graph.approvals == ("one", "combos")
    assert graph.four_eyes


def test_each_stage_asks_for_itself() -> None:
    plan = on_ladder(a_combo("a"), a_combo("b", after=[After("a")]))
    graph = compiled(replace(plan, approval=Approval(("one", "combos"))), hosts_of("a", "b"))
    assert graph.approvals == ("one", "combos", "combos-after-a")


def test_what_is_last_may_be_asked_for_and_so_may_sizes() -> None:
    hosts = [*hosts_of("a"), a_host("a9", last=True)]
    graph = compiled(replace(on_ladder(), approval=Approval(("ramp",))), hosts)
    assert _asked(graph.rungs["last"][0].needs) == ["ramp"]
    sizes = replace(a_plan(waves=(Amount(1), HALF, ALL)), approval=Approval(("1", "2")))
    assert [_asked(wave.needs) for wave in compiled(sizes, hosts_of("a")).waves.values()] == [
        [],
        ["1"],
        ["2"],
    ]
    fleet = replace(sizes, scope="fleet")
    assert [_asked(wave.needs) for wave in compiled(fleet, hosts_of("a")).waves.values()] == [
        [],
        ["1"],
        ["2"],
    ]


# --- sets of hosts -----------------------------------------------------------------------------------------------------------


def test_a_set_that_is_kept_apart_is_one_more_limit() -> None:
    sets = (Together("db", ("a1", "a2"), 1), Together("odd", ("a[13]",), 2), Together("none", ("z*",), 1))
    plan = a_plan()
    graph = compiled(replace(plan, limits=replace(plan.limits, together=sets)), hosts_of("a"))
    assert graph.nodes["a1"].slots == ("fleet", "together=db", "together=odd")
    assert graph.nodes["a4"].slots == ("fleet",)
    assert (graph.caps["together=db"], graph.caps["together=odd"]) == (1, 2)
    assert "together=none" not in graph.caps
    assert graph.notes == ("limit together none holds no selected host",)


# --- the digest --------------------------------------------------------------------------------------------------------------


def test_guests_that_move_a_canary_change_the_digest() -> None:
    hosts = hosts_of("a", guests=3)
    before = compiled(on_ladder(), hosts)
    moved = [replace(host, guests=0 if host.name == "a2" else 3) for host in hosts]
    after = compiled(on_ladder(), moved)
    assert canaries(before) != canaries(after)
    assert before.digest != after.digest
    assert before.parts["waves"] != after.parts["waves"]
