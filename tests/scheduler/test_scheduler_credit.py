"""The ramp begins no more than is proven; a rung is climbed when nothing more can come of it; time has to suffice."""

from dataclasses import replace

from rollout.model.decision import Stop
from rollout.model.event import Kind
from rollout.model.graph import Graph, Need
from rollout.model.plan import Amount, Failures, Limits, Soak
from rollout.model.state import Status
from tests.fleet import a_combo, a_graph, a_plan
from tests.scheduler.given import Given

ALL = Amount(100, percent=True)
WIDE = Limits(at_once=Amount(50))


def a_ramp(counts: dict[str, int], *, harm: float = 3.0, soak: float = 0.0) -> Graph:
    """Everything may begin at once, as far as limits and waves go."""
    combos = [a_combo(name) for name in counts]
    plan = a_plan(*combos, waves=[ALL], limits=WIDE, failures=Failures(50, 50), soak=Soak(soak, soak))
    return replace(a_graph(counts, plan), harm=harm)


def prepared(graph: Graph, *hosts: str) -> Given:
    """The hosts have done what needs no slot."""
    given = Given(graph).opened(*graph.waves)
    for host in hosts:
        given.did(host, "precheck")
    return given


def starts(given: Given, step: str = "upgrade") -> list[str]:
    """The hosts that take their slot now, one after the other, as the engine would let them."""
    begun: list[str] = []
    for _ in range(60):
        found = [words for words in given.decides() if words.startswith("start") and f" {step} " in words]
        if not found:
            return begun
        host = found[0].split()[1]
        given.began(host, step)
        begun.append(host)
    raise AssertionError("they never end")


def test_nothing_is_proven_so_one_host_is_in_flight() -> None:
    given = prepared(a_ramp({"a": 4}), "a1", "a2", "a3")
    assert starts(given) == ["a1"]


def test_as_many_are_in_flight_as_are_verified() -> None:
    given = prepared(a_ramp({"a": 9}), *(f"a{number}" for number in range(4, 10)))
    given.verified("a1", "a2", "a3")
    assert starts(given) == ["a4", "a5", "a6"]


def test_a_combo_that_has_proven_nothing_has_one_host_in_flight_whatever_the_others_proved() -> None:
    given = prepared(a_ramp({"a": 5, "b": 3}), "b1", "b2", "b3")
    given.verified("a1", "a2", "a3", "a4")
    assert starts(given) == ["b1"]


def test_the_whole_run_has_its_credit_too() -> None:
    graph = a_ramp({"a": 3, "b": 3, "c": 3})
    assert starts(prepared(graph, "a1", "b1", "c1")) == ["a1"]
    given = prepared(graph, "b1", "b2", "c1").verified("a1", "a2")
    assert starts(given) == ["b1", "c1"]


def test_a_soaking_host_has_proven_nothing_yet() -> None:
    given = prepared(a_ramp({"a": 5}, soak=600), "a3", "a4")
    given.verified("a1").did("a2", "precheck", "upgrade", "reboot", "verify")
    given.tell(Kind.SOAKING, "a2", until=given.now + 600)
    assert starts(given) == []
    given.tell(Kind.VERIFIED, "a2")
    assert starts(given) == ["a3", "a4"]


def test_a_held_host_is_not_in_flight_any_more_but_keeps_its_slot() -> None:
    given = prepared(a_ramp({"a": 5}), "a3", "a4").held("a1")
    assert given.state.slots.taken["fleet"] == 1
    assert starts(given) == ["a3"]


def test_a_late_failure_takes_credit_back() -> None:
    given = prepared(a_ramp({"a": 20}, soak=600), *(f"a{number}" for number in range(7, 20)))
    given.verified("a1", "a2", "a3", "a4", "a5").did("a6", "precheck", "upgrade", "reboot", "verify")
    given.tell(Kind.SOAKING, "a6", until=given.now + 600).tell(Kind.HELD, "a6", because="regressed")
    assert given.host("a6").late
    assert len(starts(given)) == 3  # 3 x 5 / 4.7
    given.tell(Kind.RETRIED, "a6")
    assert not given.host("a6").late


def test_no_harm_is_named_so_no_credit_is_asked_for() -> None:
    given = prepared(replace(a_ramp({"a": 3}), harm=None), "a1", "a2", "a3")
    assert len(starts(given)) == 3


def a_climb(*, tolerated: int = 0) -> Graph:
    """Two canaries on one rung, and above it a ramp for each combo."""
    plan = a_plan(a_combo("a"), a_combo("b"), limits=WIDE, failures=Failures(tolerated, 0))
    graph = a_graph({"a": 2, "b": 2}, plan)
    waves = {
        name: replace(
            wave,
            rung="combos" if wave.canary else "ramp",
            needs=wave.needs if wave.canary else (*wave.needs, Need(rung="combos")),
        )
        for name, wave in graph.waves.items()
    }
    return replace(graph, waves=waves)


def test_a_rung_is_settled_when_its_waves_have_passed() -> None:
    given = Given(a_climb()).opened("a/1", "b/1").verified("a1").passed("a/1")
    assert "open a/2" not in " ".join(given.decides())
    given.verified("b1").carry_on()
    assert {"a/2", "b/2"} <= set(given.state.run.opened)


def test_a_combo_whose_breaker_tripped_holds_up_no_other() -> None:
    given = Given(a_climb()).opened("a/1", "b/1").verified("a1").held("b1").carry_on()
    assert "a/2" in given.state.run.opened
    assert "b/2" not in given.state.run.opened


def test_a_canary_that_failed_within_what_is_tolerated_holds_up_no_other_combo() -> None:
    given = Given(a_climb(tolerated=1)).opened("a/1", "b/1").verified("a1").held("b1").carry_on()
    assert "a/2" in given.state.run.opened
    assert "b/2" not in given.state.run.opened


def test_a_rung_without_a_verified_host_proves_nothing() -> None:
    given = Given(a_climb()).opened("a/1", "b/1").held("a1").held("b1").carry_on()
    assert not {"a/2", "b/2"} & set(given.state.run.opened)


def three_rungs() -> Graph:
    """One canary on each of three rungs: a1, b1, a2. Two of a combo may fail."""
    graph = a_graph(
        {"a": 3, "b": 2}, a_plan(a_combo("a"), a_combo("b"), limits=WIDE, failures=Failures(2, 2))
    )
    own = graph.waves
    rest = replace(
        own["a/2"],
        id="a/3",
        hosts=("a3",),
        rung="ramp",
        needs=(Need(rung="pairs"), Need(wave="a/1"), Need(wave="a/2")),
    )
    waves = {
        "a/1": replace(own["a/1"], rung="one"),
        "b/1": replace(own["b/1"], rung="factors", needs=(Need(rung="one"),)),
        "a/2": replace(own["a/2"], hosts=("a2",), rung="pairs", canary=True, needs=(Need(rung="factors"),)),
        "a/3": rest,
        "b/2": replace(own["b/2"], rung="ramp", needs=(Need(rung="pairs"), Need(wave="b/1"))),
    }
    nodes = {**graph.nodes, "a3": replace(graph.nodes["a3"], wave="a/3")}
    return replace(graph, nodes=nodes, waves=waves, harm=3.0)


def test_a_rung_whose_canaries_all_failed_holds_up_no_other_combo() -> None:
    given = Given(three_rungs()).opened("a/1").verified("a1").carry_on().held("b1").carry_on()
    assert "a/2" in given.state.run.opened
    given.verified("a2").carry_on()
    assert "a/3" in given.state.run.opened
    assert "b/2" not in given.state.run.opened


def test_a_failed_canary_on_a_rung_of_its_own_is_tolerated_like_any_other() -> None:
    given = Given(three_rungs()).opened("a/1").verified("a1").carry_on().verified("b1").carry_on()
    given.held("a2").carry_on()
    assert {"a/3", "b/2"} <= set(given.state.run.opened)
    assert "a/2" not in given.state.run.passed


def test_it_is_not_said_of_a_failed_canary_wave_that_it_has_passed() -> None:
    given = Given(three_rungs()).opened("a/1").verified("a1").carry_on().verified("b1").carry_on().held("a2")
    opens = next(words.because for words in given.decide() if words.because.startswith("a/3: "))
    assert opens == "a/3: rung pairs is settled and a/1 has passed and a/2 is settled"


def test_the_very_first_host_has_to_prove_something() -> None:
    given = Given(three_rungs()).opened("a/1").held("a1").carry_on()
    assert set(given.state.run.opened) == {"a/1"}
    assert "a/1 has no verified canary (1 held), so the rest of a does not begin" in given.why()
    assert "b/1 cannot open: no host of rung one is verified" in given.why()


def test_a_person_may_be_asked_after_a_rung_on_which_no_host_stands() -> None:
    """What the rung would cover, earlier ones do already."""
    graph = a_climb()
    waves = {
        name: wave if wave.canary else replace(wave, needs=(*wave.needs, Need(approved="pairs")))
        for name, wave in graph.waves.items()
    }
    given = Given(replace(graph, waves=waves)).opened("a/1", "b/1").verified("a1", "b1").carry_on()
    (stop,) = given.decide()
    assert isinstance(stop, Stop)
    assert stop.exit_code == 7
    assert (
        "after pairs waits for an approval: 2 of 2 hosts up to there are verified, 2 come after"
        in stop.because
    )


def test_what_a_person_is_to_approve_waits_for_it() -> None:
    graph = a_climb()
    waves = {
        name: wave if wave.canary else replace(wave, needs=(*wave.needs, Need(approved="combos")))
        for name, wave in graph.waves.items()
    }
    given = Given(replace(graph, waves=waves)).opened("a/1", "b/1").verified("a1", "b1").carry_on()
    assert not {"a/2", "b/2"} & set(given.state.run.opened)
    given.state.run.approved["combos"] = "seen"
    given.carry_on()
    assert {"a/2", "b/2"} <= set(given.state.run.opened)


def test_a_host_that_would_outlast_its_controller_does_not_begin() -> None:
    given = Given(a_graph({"a": 2}, a_plan(waves=[ALL]))).opened("a/1")
    chain = sum(step.expect for step in given.graph.combos["a"].chain)
    assert given.decides(until=given.now + chain - 1) != ["start a1 precheck #1"]
    assert given.decides(until=given.now + chain) == ["start a1 precheck #1"]


def test_how_long_a_host_takes_is_learned_from_those_of_its_combo() -> None:
    graph = a_graph({"a": 12}, a_plan(waves=[ALL], limits=WIDE))
    given = Given(graph).opened("a/1")
    for number in range(1, 11):
        for step in ("precheck", "upgrade", "reboot", "verify"):
            given.began(f"a{number}", step)
            given.tell(Kind.DONE, f"a{number}", step, at=given.now + (1000 if number > 8 else 10))
        given.tell(Kind.VERIFIED, f"a{number}")
    assert given.host("a11").status is Status.WAITING
    assert given.decides(until=given.now + 3_999) != ["start a11 precheck #1"]
    assert given.decides(until=given.now + 4_000) == ["start a11 precheck #1"]


def test_a_canary_in_a_rack_that_a_dead_host_fills_holds_up_no_other_combo() -> None:
    """Its wave has not passed; what comes after it begins as far as credit goes, and the canary when the dead host is released."""
    plan = a_plan(
        a_combo("a"), a_combo("b"), limits=Limits(Amount(50), {"rack": Amount(1)}), failures=Failures(1, 1)
    )
    graph = a_graph({"a": 2, "b": 4}, plan, racks=1)
    first = replace(graph.waves["b/1"], hosts=("b1", "b2"), rung="combos")
    rest = replace(graph.waves["b/2"], hosts=("b3", "b4"), needs=(Need(rung="combos"), Need(wave="b/1")))
    one = replace(graph.waves["a/1"], rung="combos")
    nodes = {**graph.nodes, "b2": replace(graph.nodes["b2"], wave="b/1")}
    graph = replace(
        graph, harm=3.0, nodes=nodes, waves={**graph.waves, "a/1": one, "b/1": first, "b/2": rest}
    )
    given = Given(graph).opened("a/1", "b/1").verified("b1").held("a1").carry_on()
    assert "b/2" in given.state.run.opened
    assert "b/1" not in given.state.run.passed
    assert starts(given) == []
    given.tell(Kind.RETIRED, "a1").carry_on()
    assert given.host("b2").status is Status.WAITING
    given.verified("b2").carry_on()
    assert "b/1" in given.state.run.passed


def test_with_sizes_of_its_own_and_no_credit_every_canary_is_waited_for() -> None:
    plan = a_plan(
        waves=[Amount(2), ALL], limits=Limits(Amount(50), {"rack": Amount(1)}), failures=Failures(1, 1)
    )
    given = Given(a_graph({"a": 6}, plan, racks=1)).opened("a/1").verified("a1")
    given.did("a2", "precheck")
    given.state.dead["rack=r0"] = 1
    assert given.state.kept("a2")
    assert given.carry_on().state.run.opened.keys() == {"a/1"}


def test_no_more_hosts_get_ready_than_may_be_in_flight() -> None:
    given = Given(a_ramp({"a": 9})).opened("a/1")
    assert starts(given, "precheck") == ["a1"]
    given.verified("a2", "a3", "a4", "a5")
    assert len(starts(given, "precheck")) == 3  # besides a1


def test_what_got_ready_and_a_breaker_keeps_is_no_longer_ahead_of_others() -> None:
    given = Given(a_ramp({"a": 3, "b": 3})).opened("a/1", "b/1").did("a1", "precheck").did("b1", "precheck")
    assert starts(given, "precheck") == []
    given.tripped("a")
    assert given.state.may_prepare(("a", ()))
    rebuilt = type(given.state)(given.graph, given.state.run, given.state.hosts)
    assert rebuilt.may_prepare(("a", ()))
    assert not rebuilt.may_prepare(("b", ()))


def test_a_first_canary_that_failed_stops_the_run_until_a_person_has_answered_for_it() -> None:
    plan = a_plan(a_combo("a"), a_combo("b"), limits=WIDE)
    graph = a_graph({"a": 2, "b": 2}, plan)
    one = replace(graph.waves["a/1"], rung="one")
    next_one = replace(graph.waves["b/1"], rung="combos", needs=(Need(rung="one"),))
    graph = replace(graph, harm=3.0, waves={**graph.waves, "a/1": one, "b/1": next_one})
    given = Given(graph).opened("a/1").held("a1").carry_on()
    assert given.state.run.opened.keys() == {"a/1"}
    given.tell(Kind.RETIRED, "a1").carry_on()
    assert "b/1" in given.state.run.opened


def test_a_ready_host_whose_rack_a_dead_one_fills_keeps_none_of_its_combo_from_getting_ready() -> None:
    plan = a_plan(
        a_combo("a"),
        a_combo("b"),
        waves=[ALL],
        limits=Limits(Amount(50), {"rack": Amount(1)}),
        failures=Failures(9, 9),
    )
    given = Given(replace(a_graph({"a": 8, "b": 4}, plan, racks=4), harm=3.0)).opened("a/1", "b/1")
    given.verified("a4", "b4").did("a1", "precheck").held("b1").tell(Kind.RETIRED, "b2").tell(
        Kind.RETIRED, "b3"
    )
    assert given.carry_on().decides() == ["start a2 precheck #1"]
    rebuilt = type(given.state)(given.graph, given.state.run, given.state.hosts)
    assert rebuilt.may_prepare(("a", ())) == given.state.may_prepare(("a", ()))
    given.tell(Kind.RETRIED, "b1")
    assert not given.state.may_prepare(("a", ())), "a1 may go on, and is ahead of the others again"


def test_nobody_gets_ready_in_a_rack_that_a_dead_host_fills() -> None:
    plan = a_plan(waves=[ALL], limits=Limits(Amount(50), {"rack": Amount(1)}), failures=Failures(9, 9))
    given = Given(a_graph({"a": 6}, plan, racks=1)).opened("a/1").held("a1").carry_on()
    assert given.decides() == ["stop 3"]


def test_what_is_last_begins_although_the_ramp_has_nobody_to_show() -> None:
    plan = a_plan(a_combo("a"), a_combo("b"), limits=WIDE)
    graph = a_graph({"a": 2, "b": 2}, plan)
    waves = {
        **graph.waves,
        "a/1": replace(graph.waves["a/1"], rung="one"),
        "a/2": replace(graph.waves["a/2"], rung="ramp"),
        "b/1": replace(graph.waves["b/1"], rung="last", needs=(Need(rung="ramp"),)),
    }
    given = (
        Given(replace(graph, harm=3.0, waves=waves))
        .opened("a/1")
        .verified("a1")
        .carry_on()
        .held("a2")
        .carry_on()
    )
    assert "a" in given.state.run.tripped
    assert "b/1" in given.state.run.opened
