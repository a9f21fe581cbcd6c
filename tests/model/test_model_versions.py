"""Versions in three orders, against tables of what dpkg and rpm themselves say; ranges; and what must hold of every order."""

import re
import string
import subprocess
import sys
from fnmatch import translate
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rollout.model.verdict import Order
from rollout.model.versions import LONGEST, compare, compared, fits, is_pattern, mistake

DOTTED = [
    *("1.9.2rc1", "1.9.2", "1.9.2a", "1.9.2b", "1.9.2.1", "1.9.10", "1.10", "1.10.0.1", "2", "2.0.0.5"),
    *("7.2~rc1", "7.2", "7.2.15", "10.0.0-beta2", "10.0.0", "14.2", "14.2a", "14.3"),
]
"""From old to new."""

DEB = [
    *(
        "0-pre",
        "0-pree",
        "0.4-1",
        "0.4a6-2",
        "0.9.1",
        "1.0~rc1",
        "1.0",
        "1.0-0ubuntu1",
        "1.0-1",
        "1.0-1+deb11u1",
    ),
    *("1.0+b1-1", "1.0.1~", "1.0.1", "1.1.6r-1", "1.1.6r2-2", "1.2.2-2", "1.3", "1.3.1", "2.6b-2", "2.6b2-1"),
    *("6.1.0-13-amd64", "6.1.0-25-amd64", "7.6-0", "7.6p2-4", "1:0.9", "1:3.0.5-2", "1:3.0.5.1", "2:0"),
]
RPM = [
    *(
        "1.0~rc1~git123",
        "1.0~rc1",
        "1.0~rc1^git1",
        "1.0~rc2",
        "1.0",
        "1.0^git1~pre",
        "1.0^git1",
    ),
    *(
        "1.0^git2",
        "1.0^20160101",
        "1.0a",
        "1.0aa",
        "1.0.1",
        "2.0",
        "2.0.1",
        "2.0.1a",
        "4.999.9",
        "5.0",
        "5.5p1",
        "5.5p2",
        "5.5p10",
    ),
    *("5.6p1", "6.0", "6.0.rc1", "6.5p1", "10xyz", "10.1xyz", "20101121", "20101122", "1:0.1"),
]
SAME: list[tuple[Order, str, str]] = [
    ("dotted", "1.10", "1.10.0"),
    ("dotted", "v1.2", "1.2"),
    ("dotted", "A05", "a5"),
    ("dotted", "1.2-3", "1.2.3"),
    ("dotted", "10.0.0rc1", "10.0rc1"),
    ("dotted", "0", "0.0"),
    ("deb", "1.0", "1.0-0"),
    ("deb", "0:1.0", "1.0"),
    ("deb", "1.02", "1.2"),
    ("rpm", "10.0001", "10.1"),
    ("rpm", "2_0", "2.0"),
    ("rpm", "1.2-3.el9", "1.2"),
    ("rpm", "0:1.2-3", "1.2-3"),
]
ORDERS: tuple[Order, ...] = ("dotted", "deb", "rpm")
ALPHABETS = {"dotted": "019ab.-~ _", "deb": "019ab.+~-", "rpm": "019ab.~^_"}


def versions(order: Order) -> st.SearchStrategy[str]:
    return st.text(ALPHABETS[order], max_size=7).map(lambda rest: f"1{rest}")


def of_any_order(count: int) -> st.SearchStrategy[tuple[Order, list[str]]]:
    listed = [st.lists(versions(order), min_size=count, max_size=count) for order in ORDERS]
    return st.one_of([st.tuples(st.just(order), some) for order, some in zip(ORDERS, listed, strict=True)])


@pytest.mark.parametrize(("order", "sorted_"), [("dotted", DOTTED), ("deb", DEB), ("rpm", RPM)])
def test_known_versions_stand_in_their_order(order: Order, sorted_: list[str]) -> None:
    for older, newer in pairwise(sorted_):
        assert (compare(older, newer, order), compare(newer, older, order)) == (-1, 1), (older, newer)
    for number, older in enumerate(sorted_):
        assert all(compare(older, newer, order) == -1 for newer in sorted_[number + 1 :])


@pytest.mark.parametrize(("order", "one", "other"), SAME)
def test_versions_that_are_written_differently_are_the_same(order: Order, one: str, other: str) -> None:
    assert compare(one, other, order) == 0


@given(of_any_order(2))
def test_of_two_versions_one_is_older_or_they_are_the_same(drawn: tuple[Order, list[str]]) -> None:
    order, (one, other) = drawn
    sign = compare(one, other, order)
    assert sign is not None
    assert compare(other, one, order) == -sign
    assert compare(one, one, order) == 0


@given(of_any_order(3))
def test_what_is_older_than_the_older_is_older_still(drawn: tuple[Order, list[str]]) -> None:
    order, three = drawn
    for one in three:
        for two in three:
            for last in three:
                if compare(one, two, order) in {-1, 0} and compare(two, last, order) in {-1, 0}:
                    assert compare(one, last, order) in {-1, 0}


@given(of_any_order(2))
def test_the_parts_of_a_range_say_what_the_order_says(drawn: tuple[Order, list[str]]) -> None:
    order, (value, bound) = drawn
    sign = compare(value, bound, order)
    assert sign is not None
    holds = {op: fits([value], [f"{op}{bound}"], order) for op in ("<", "<=", "=", "==", ">=", ">", "!=")}
    assert holds == {
        "<": sign < 0,
        "<=": sign <= 0,
        "=": sign == 0,
        "==": sign == 0,
        ">=": sign >= 0,
        ">": sign > 0,
        "!=": sign != 0,
    }


@given(
    st.text(string.printable + "\x00äⅧ²", max_size=12),
    st.text("<>=!,*1.a [", max_size=8),
    st.sampled_from(ORDERS),
)
def test_no_text_is_too_odd(value: str, wanted: str, order: Order) -> None:
    said = mistake(wanted, order)
    assert said is None or said.strip()
    if said is not None:
        assert compared([value], [wanted], order) is None
    elif not is_pattern(wanted):
        assert fits([value], [wanted], order) == (value == wanted)
    assert compare(value, value, order) in {0, None}


@given(st.text("ab*?[]!-", max_size=6), st.text("ab*", max_size=6))
def test_a_glob_is_a_glob(glob: str, value: str) -> None:
    if not glob.startswith("!"):
        assert fits([value], [glob]) == (re.match(translate(glob), value) is not None)


@pytest.mark.parametrize(
    ("values", "wanted", "order", "answer"),
    [
        (["1.10"], [">=1.9.2,<2"], "dotted", True),
        (["1.9.1"], [">=1.9.2,<2"], "dotted", False),
        (["2.0"], [" >= 1.9.2 , < 2 "], "dotted", False),
        (["1.5"], ["!=1.5.0"], "dotted", False),
        (["debian-12"], [">=debian-11"], "dotted", True),
        (["ubuntu-24.04"], [">=debian-11"], "dotted", False),  # another series: it is known not to be that
        (["ubuntu-24.04"], ["!=debian-12"], "dotted", True),
        (["ubuntu-24.04"], [">=debian-11,!=debian-12"], "dotted", False),
        (["12"], ["!=debian-12"], "dotted", None),
        (["1:7.2+dfsg-7"], [">=7.0,<7.3"], "dotted", None),  # an epoch: nobody knows
        (["2.72 (09/29/2022)"], ["<=2.72"], "dotted", True),  # as DMI tells the day of a BIOS
        (["U30 v2.72 (09/29/2022)"], ["=U30 v2.72"], "dotted", True),
        (["A07"], [">=A05"], "dotted", True),
        (["1.2"], [">=A05"], "dotted", None),  # the maker changed its scheme: nobody knows
        (["A05"], [">=1.2"], "dotted", None),
        (["not told"], [">=1.2"], "dotted", None),
        (["not told"], ["!=1.2"], "dotted", None),
        (["not told", "1.3"], [">=1.2"], "dotted", True),
        (["not told"], [">=1.2", "not*"], "dotted", True),
        ([], [">=1.2"], "dotted", False),
        (["1" * 300], [">=1.2"], "dotted", None),
        (["8086:1572", "15b3:1003"], ["15b3:1002", "15b3:1003"], "dotted", True),
        (["2:1.0-1"], [">=1.9"], "deb", True),
        (["1.2-3.el9"], ["<=1.2"], "rpm", True),
        (["1.2-3.el9"], ["<=1.2-2"], "rpm", False),
        (["dell R650"], ["Dell R650"], "dotted", False),
    ],
)
def test_what_fits(values: list[str], wanted: list[str], order: Order, answer: bool | None) -> None:
    assert compared(values, wanted, order) is answer
    assert fits(values, wanted, order) is (answer is True)


@pytest.mark.parametrize(
    ("text", "order", "said"),
    [
        (">=", "dotted", "no version stands behind >="),
        ("=>1", "dotted", "=> is no comparison"),
        ("!1", "dotted", "begins with none of"),
        (">=1,", "dotted", "is empty"),
        (">=1,2", "dotted", "begins with none of"),
        (">=1.*", "dotted", "is a pattern"),
        (">new", "dotted", "has no number in it"),
        (">=1:7.2", "dotted", "`versions: deb`"),
        (">new", "deb", "no version of a Debian package"),
        (">=1 2", "rpm", "no version of an RPM package"),
        (">=2,<1", "dotted", "no version fits"),
        ("=2,<2", "dotted", "no version fits"),
        (">=debian-11,<ubuntu-24", "dotted", "several series"),
        (">" + "1" * (LONGEST + 1), "dotted", "has no number"),
    ],
)
def test_a_range_that_is_none_says_why(text: str, order: Order, said: str) -> None:
    assert said in (mistake(text, order) or "")


@pytest.mark.parametrize("text", [">=2,<=2", "=2", "!=1,!=2", ">=1,<2,!=1.5", "kvm-7.*", "Dell R650", ""])
def test_a_text_that_is_right_has_no_mistake(text: str) -> None:
    assert mistake(text) is None


def test_only_who_compares_packages_pays_for_it() -> None:
    code = (
        "import sys; from rollout.model.versions import fits; assert fits(['1.10'], ['>=1.9']); "
        "assert 'univers' not in sys.modules; assert fits(['1.10'], ['>=1.9'], 'deb'); assert 'univers.debian' in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


@pytest.mark.parametrize("wanted", ["8086:10fb", "8086:10FB", "8086:10F*", "8086:*"])
def test_pci_ids_are_numbers_however_they_are_written(wanted: str) -> None:
    assert fits(["8086:10fb"], [wanted])
    assert fits(["8086:10FB"], [wanted])
    assert not fits(["8086:10ab"], ["8086:10FB"])
