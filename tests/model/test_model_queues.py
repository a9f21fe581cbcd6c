"""Who is next: kept incrementally, and always what counting everything anew would give."""

from hypothesis import given
from hypothesis import strategies as st

from rollout.model.queues import Group, Queues
from rollout.model.slots import FLEET, Slots

A: Group = ("a", (FLEET, "rack=1"))
B: Group = ("a", (FLEET, "rack=2"))
C: Group = ("b", (FLEET, "rack=1"))
PLACES = {A: 1, B: 2, C: 1}
CAPS = {FLEET: 3, "rack=1": 1, "rack=2": 2}


def test_most_hosts_per_place_first_then_by_name() -> None:
    queues = Queues(PLACES)
    for number in range(2):
        queues.add(A, f"a{number}", number)
    for number in range(5):
        queues.add(B, f"b{number}", number)
    queues.add(C, "c", 0)
    assert list(queues.open_groups()) == [B, A, C]
    queues.add(C, "c2", 1)
    assert list(queues.open_groups()) == [B, A, C]
    queues.remove(B, "b0", 0)
    queues.remove(B, "b1", 1)
    assert list(queues.open_groups()) == [A, C, B]


def test_the_lowest_rank_is_next_whenever_it_came() -> None:
    queues = Queues(PLACES)
    queues.add(A, "late", 7)
    queues.add(A, "early", 2)
    assert queues.first(A) == "early"
    queues.remove(A, "early", 2)
    assert queues.first(A) == "late"
    assert sorted(queues.hosts()) == ["late"]


def test_a_blocked_group_keeps_its_hosts() -> None:
    queues = Queues(PLACES)
    queues.block(A)
    queues.add(A, "a", 0)
    assert list(queues.open_groups()) == []
    assert len(queues) == 1
    queues.unblock(A)
    queues.unblock(A)
    assert list(queues.open_groups()) == [A]


def test_a_full_domain_blocks_every_group_that_shares_it() -> None:
    queues = Queues(PLACES)
    slots = Slots(CAPS, PLACES, queues)
    for group in PLACES:
        queues.add(group, f"host-{group}", 0)
    slots.take(A[1])
    assert list(queues.open_groups()) == [B]
    assert slots.full(C[1]) == ["rack=1"]
    slots.release(A[1])
    assert list(queues.open_groups()) == [A, C, B]


def test_what_is_taken_back_over_the_limit_blocks_until_it_is_below_again() -> None:
    queues = Queues(PLACES)
    slots = Slots(CAPS, PLACES, queues)
    queues.add(C, "c", 0)
    slots.take(A[1])
    slots.take(C[1])
    slots.release(A[1])
    assert list(queues.open_groups()) == []
    slots.release(C[1])
    assert list(queues.open_groups()) == [C]


moves = st.lists(st.tuples(st.sampled_from([A, B, C]), st.booleans()), max_size=60)


@given(moves)
def test_groups_are_open_exactly_while_none_of_their_domains_is_full(moves: list[tuple[Group, bool]]) -> None:
    queues = Queues(PLACES)
    slots = Slots(CAPS, PLACES, queues)
    for group in PLACES:
        queues.add(group, f"host-{group}", 0)
    held: list[Group] = []
    for group, takes in moves:
        if takes:
            slots.take(group[1])
            held.append(group)
        elif group in held:
            slots.release(group[1])
            held.remove(group)
        domains = [slot for kept in held for slot in kept[1]]
        free = {each for each in PLACES if all(domains.count(slot) < CAPS[slot] for slot in each[1][1:])}
        assert set(queues.open_groups()) == free
        assert slots.fleet_full == (len(held) >= CAPS[FLEET])
