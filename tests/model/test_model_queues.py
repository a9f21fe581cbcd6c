"""Who is next: kept incrementally, and always what counting everything anew would give."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from rollout.model.queues import Domain, Group, Kin, Line, Queues
from rollout.model.slots import FLEET, Slots

ONE, TWO = (FLEET, "rack=1"), (FLEET, "rack=2")
KA: Kin = ("a", ())
KB: Kin = ("b", ())
A: Group = (KA, ONE, ("x",))
B: Group = (KA, TWO, ("x",))
C: Group = (KB, ONE, ("y",))
D: Group = (KA, ONE, ("z",))
GROUPS = (A, B, C, D)
COMBOS = {KA: 0.0, KB: 0.0}
CAPS = {FLEET: 3, "rack=1": 1, "rack=2": 2}


def a_queue(*hosts: tuple[Group, str, int]) -> Queues:
    queues = Queues()
    for group, host, rank in hosts:
        queues.add(group, host, rank)
    return queues


def test_the_domain_with_the_most_work_per_place_comes_first_then_by_name() -> None:
    queues = a_queue((A, "a", 0), (B, "b", 1), (C, "c", 2))
    slots = Slots(CAPS, (ONE, TWO), queues)
    assert list(queues.candidates(COMBOS)) == ["a", "c", "b"]
    slots.load(TWO, 300)
    slots.load(ONE, 100)
    slots.weigh()
    assert list(queues.candidates(COMBOS)) == ["b", "a", "c"]
    slots.load(ONE, 100)
    slots.weigh(ONE)
    assert list(queues.candidates(COMBOS)) == ["a", "c", "b"]


def test_only_the_combos_that_are_asked_for_have_candidates() -> None:
    queues = a_queue((A, "a", 0), (B, "b", 1), (C, "c", 2))
    assert list(queues.candidates({KB: 0.0, ("unknown", ()): 9.0})) == ["c"]
    assert sorted(queues.kins()) == [KA, KB]


def test_a_combo_that_may_have_few_hosts_in_flight_is_a_domain_of_its_own() -> None:
    queues = a_queue((A, "a", 0), (B, "b", 1), (C, "c", 2))
    slots = Slots(CAPS, (ONE, TWO), queues)
    slots.load(ONE, 100)
    slots.weigh()
    assert list(queues.candidates({KA: 0.0, KB: 50.0})) == ["a", "c", "b"]
    assert list(queues.candidates({KA: 0.0, KB: 500.0})) == ["c", "a", "b"]


def test_the_lowest_rank_is_next_whenever_it_came() -> None:
    queues = a_queue((A, "late", 7), (A, "early", 2))
    assert list(queues.candidates(COMBOS)) == ["early"]
    queues.remove(A, "early", 2)
    assert list(queues.candidates(COMBOS)) == ["late"]
    assert sorted(queues.hosts()) == ["late"]


def test_hosts_that_differ_in_a_factor_do_not_stand_behind_each_other() -> None:
    queues = a_queue((A, "suspect", 0), (D, "other", 1), (A, "suspect too", 2))
    assert list(queues.candidates(COMBOS)) == ["suspect", "other"]


def test_a_blocked_line_keeps_its_hosts() -> None:
    queues = Queues()
    queues.block(A[:2])
    queues.block(A[:2])
    queues.add(A, "a", 0)
    assert list(queues.candidates(COMBOS)) == []
    assert len(queues) == 1
    queues.unblock(A[:2])
    queues.unblock(A[:2])
    assert list(queues.candidates(COMBOS)) == ["a"]


def test_a_stopped_group_waits_and_holds_up_nobody_in_its_line() -> None:
    queues = a_queue((A, "suspect", 0), (D, "other", 1))
    queues.stop(A)
    queues.add(A, "suspect too", 2)
    queues.remove(A, "suspect", 0)
    assert list(queues.candidates(COMBOS)) == ["other"]
    assert sorted(queues.hosts()) == ["other", "suspect too"]
    queues.go(A)
    assert list(queues.candidates(COMBOS)) == ["other", "suspect too"]


def test_what_is_taken_back_over_the_limit_blocks_until_it_is_below_again() -> None:
    queues = a_queue((C, "c", 0))
    slots = Slots(CAPS, (ONE, TWO), queues)
    slots.take(ONE)
    slots.take(ONE)
    slots.release(ONE)
    assert list(queues.candidates(COMBOS)) == []
    slots.release(ONE)
    assert list(queues.candidates(COMBOS)) == ["c"]


moves = st.lists(
    st.one_of(
        st.tuples(st.just("take"), st.sampled_from([ONE, TWO])),
        st.tuples(st.just("give"), st.sampled_from([ONE, TWO])),
        st.tuples(
            st.sampled_from(["block", "unblock", "add", "remove", "stop", "go"]), st.sampled_from(GROUPS)
        ),
        st.tuples(st.just("load"), st.sampled_from([ONE, TWO])),
    ),
    max_size=60,
)


@given(moves)
def test_whatever_happens_the_candidates_are_what_counting_anew_gives(moves: list[tuple[str, Any]]) -> None:
    queues = Queues()
    slots = Slots(CAPS, (ONE, TWO), queues)
    held: list[Domain] = []
    blocked: set[Line] = set()
    stopped: set[Group] = set()
    lines: dict[Group, list[int]] = {group: [] for group in GROUPS}
    work: dict[Domain, int] = {ONE: 0, TWO: 0}
    for number, (move, what) in enumerate(moves):
        if move == "take":
            slots.take(what)
            held.append(what)
        elif move == "give" and what in held:
            slots.release(what)
            held.remove(what)
        elif move == "load":
            slots.load(what, number)
            slots.weigh(what)
            work[what] += number
        elif move == "block":
            queues.block(what[:2])
            blocked.add(what[:2])
        elif move == "unblock":
            queues.unblock(what[:2])
            blocked.discard(what[:2])
        elif move in {"stop", "go"} and (move == "stop") != (what in stopped):
            (queues.stop if move == "stop" else queues.go)(what)
            stopped ^= {what}
        elif move == "add":
            queues.add(what, f"h{number}", number)
            lines[what].append(number)
        elif move == "remove" and lines[what]:
            rank = lines[what].pop(0)
            queues.remove(what, f"h{rank}", rank)
        free = [
            (group, line[0])
            for group, line in lines.items()
            if line
            and group not in stopped
            and group[:2] not in blocked
            and held.count(group[1]) < CAPS[group[1][1]]
        ]
        first = {group[:2]: min(rank for other, rank in free if other[:2] == group[:2]) for group, _ in free}
        turns = sorted(
            (-work[domain] / CAPS[domain[1]], domain, first[combo, domain], combo, rank)
            for (combo, domain, _), rank in free
        )
        assert list(queues.candidates(COMBOS)) == [f"h{turn[-1]}" for turn in turns]
        assert slots.fleet_full == (len(held) >= CAPS[FLEET])
