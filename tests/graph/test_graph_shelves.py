"""Thousands of rows cost no more than the few that speak of a host; which rows those are is no other than without shelves."""

from collections.abc import Mapping

from hypothesis import given
from hypothesis import strategies as st

from rollout.graph import rows
from rollout.graph.known import Known
from rollout.graph.shelves import Shelves
from rollout.model.fleet import Host
from rollout.model.plan import ComboRule
from rollout.model.verdict import Compatibility, Wanted
from tests.fleet import a_plan

VALUES = st.sampled_from(["8086:1572", "14e4:16d8", "14E4:16D8", "1.9", "2.0", "kvm-7"])
TEXTS = st.lists(st.one_of(VALUES, st.sampled_from(["8086:*", ">=1.9", "*"])), min_size=1, max_size=2).map(
    tuple
)
NAMES = st.sampled_from(["pci", "bios", "os"])
WANTED: st.SearchStrategy[Wanted] = st.dictionaries(NAMES, TEXTS, min_size=1, max_size=2)
ROWS = st.builds(
    Compatibility,
    WANTED,
    st.just({}),
    st.sampled_from(["supported", "unknown", "blocked"]),
    st.just("why"),
    st.just(""),
)
FACTS: st.SearchStrategy[Mapping[str, tuple[str, ...]]] = st.dictionaries(
    st.sampled_from(["pci", "bios"]), st.lists(VALUES, max_size=2).map(tuple)
)


@given(st.lists(ROWS, max_size=12), FACTS, VALUES)
def test_what_is_left_on_the_shelves_says_nothing(
    found: list[Compatibility], facts: Mapping[str, tuple[str, ...]], os: str
) -> None:
    plan = a_plan(ComboRule("a", {"os": ("*",)}, {"os": ("2.0",)}))
    known = Known.of(Host("h", {"os": os}, facts=facts), [{"os": ("2.0",)}])
    speaking = [row for row in found if rows.is_about(plan, known, row) is not False]
    assert [
        row for row in Shelves(found).about(known) if rows.is_about(plan, known, row) is not False
    ] == speaking


def test_rows_that_ask_for_other_values_are_not_looked_at() -> None:
    many = [Compatibility({"pci": (f"id-{number}",)}, {}, "blocked", "why") for number in range(1000)]
    known = Known.of(Host("h", {}, facts={"pci": ("id-7", "id-9", "none")}), [{}])
    assert list(Shelves(many).about(known)) == [many[7], many[9]]


def test_what_is_not_known_is_said_once() -> None:
    many = tuple(
        Compatibility({"pci": (f"id-{number}",)}, {}, "blocked", "why", "source") for number in range(1000)
    )
    told = list(rows.of_rows(a_plan(), Known.of(Host("h", {}), [{}]), Shelves(many)))
    assert len(told) == 1
    assert told[0][0] == "unknown"
    assert "999 more such rows" in told[0][1]
