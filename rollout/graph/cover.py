"""Greedy set cover: again and again the candidate that covers most of what is uncovered.

The greedy choice needs at most 1 + ln(n) times as many candidates as the least possible (Chvatal, Mathematics of Operations Research 4,
1979). What a candidate would add only ever falls, so a key that has grown stale is an upper bound: it is judged anew when it comes up, not before.
"""

from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from heapq import heapify, heappop, heappush

Preference = Callable[[int], tuple[int, ...]]
"""The rank of a candidate among those that cover as much, the lowest first; it may grow while candidates are chosen, never fall."""


def cover(
    sets: Sequence[Sequence[Hashable]], covered: Iterable[Hashable], preference: Preference
) -> Iterator[int]:
    """The numbers of the chosen candidates, in turn, until every item of every set is covered."""
    done = set(covered)
    holders: dict[Hashable, list[int]] = {}
    for number, items in enumerate(sets):
        for item in items:
            if item not in done:
                holders.setdefault(item, []).append(number)
    gains = [0] * len(sets)
    for numbers in holders.values():
        for number in numbers:
            gains[number] += 1
    heap = [(-gain, preference(number), number) for number, gain in enumerate(gains) if gain]
    heapify(heap)
    while heap:
        before = heappop(heap)
        number = before[-1]
        if not gains[number]:
            continue
        now = (-gains[number], preference(number), number)
        if now > before:
            heappush(heap, now)
            continue
        yield number
        for item in sets[number]:
            for holder in holders.pop(item, ()):
                gains[holder] -= 1
