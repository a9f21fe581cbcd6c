"""`rollout simulate`: what it prints of one seed and of many, and its mistakes."""

import json
from pathlib import Path

import pytest

from tests.cli.worlds import Typist, a_plan_folder

HONEST = "this simulates the policy over imagined hosts: it proves nothing about hardware, and no host was reached\n"

ONE = f"""simulation, seed 1: finished: 3 verified, 0 held, 0 not started (exit code 0)
  took 22m, 26 events
  hosts harmed by defects: 0
  VM-minutes of disruption: 0 (guests are known for 0 of 3 hosts)

waves, and when they had passed
  a/1  1 host  11m
  a/2  1 host  22m
  b/1  1 host  21m

{HONEST}"""


@pytest.fixture
def plan(tmp_path: Path) -> str:
    return str(a_plan_folder(tmp_path / "here"))


def test_one_seed_tells_what_happened(rollout: Typist, plan: str) -> None:
    said = rollout("simulate", plan, "--spread", "0", "--at", "2026-11-23 08:00")
    assert (said.code, said.err) == (0, "")
    assert said.out == ONE
    assert not Path(plan).with_name(".rollout").joinpath("journal.sqlite3").exists()


def test_a_defect_tells_what_it_stopped_and_why(rollout: Typist, plan: str) -> None:
    said = rollout("simulate", plan, "--spread", "0", "--defect", "hardware=a")
    assert said.code == 0, "the simulation itself went well"
    assert "(exit code 3)" in said.out.splitlines()[0]
    assert "hosts harmed by defects: 1 (a1)" in said.out
    assert "what stopped it\n  after 11m: a: 1 canary failed, 0 tolerated" in said.out
    assert "a/1  1 host  never" in said.out


def test_json_is_one_line_for_each_seed_and_one_for_all(rollout: Typist, plan: str) -> None:
    said = rollout("simulate", plan, "--seeds", "3", "--defect", "combo=a,q=50%", "--json")
    *seeds, spread = map(json.loads, said.out.splitlines())
    assert [one["seed"] for one in seeds] == [1, 2, 3]
    assert spread["seeds"] == 3
    assert spread["stopped"] == sum(one["exit_code"] == 3 for one in seeds) / 3
    assert spread["hosts_harmed"]["max"] == max(len(one["harmed"]) for one in seeds)
    assert (
        json.loads(rollout("simulate", plan, "--seed", "2", "--defect", "combo=a,q=50%", "--json").out)
        == seeds[1]
    )


def test_many_seeds_tell_how_they_are_spread(rollout: Typist, plan: str) -> None:
    said = rollout("simulate", plan, "--seeds", "20", "--defect", "all", "--jobs", "2")
    assert said.code == 0
    lines = said.out.splitlines()
    assert lines[0] == "simulation of 20 seeds: 100.0% stopped before their end"
    assert lines[2].split() == ["p50", "p90", "p95", "max"]
    assert lines[4].split() == ["hosts", "harmed", "1", "1", "1", "1"]
    assert "1 canary failed, 0 tolerated" in said.out
    assert said.out.endswith(HONEST)


@pytest.mark.parametrize(
    ("words", "mistake"),
    [
        ("hardwear=a", "there is no factor 'hardwear'; did you mean 'hardware'?"),
        ("hardware=c", "no host that the plan upgrades has hardware 'c'; there are a, b"),
        ("hardware=a&rack=r9", "no host that the plan upgrades has rack 'r9'; there are r1, r2"),
        ("hardware=b&rack=r2", "no host that the plan upgrades is all of that at once"),
        ("combo=aa", "there is no combo 'aa'; did you mean 'a'?"),
        ("a", "'a' is not FACTOR=VALUE, combo=NAME or all; there are hardware, os, rack"),
        ("all,p=0.3", "there is no option 'p'; there are q, step, late, ends"),
        ("all,q=2", "q=2 is not a share above 0, such as 0.3 or 30%"),
        ("all,q=0", "q=0 is not a share above 0, such as 0.3 or 30%"),
        ("all,step=upgrad", "there is no step 'upgrad'; did you mean 'upgrade'?"),
        ("all,late=2", '"2" is not a duration such as 30s, 20m, 2h, 1d or 1h30m'),
        (
            "all,late=2h,step=upgrade",
            "what is late shows in gates, and in no step: give one of step and late",
        ),
        ("all,ends=fail", "there is no ending 'fail'; did you mean 'failed'?"),
        ("all,ends=\x1b[2J", r"there is no ending '\x1b[2J'; there are failed, unreachable, late, unknown"),
    ],
)
def test_a_mistake_in_a_defect_is_one_clear_error(
    rollout: Typist, plan: str, words: str, mistake: str
) -> None:
    said = rollout("simulate", plan, "--defect", words)
    assert (said.code, said.out) == (64, "")
    assert said.err.endswith(f": {mistake}\n")
    assert "\x1b" not in said.err


@pytest.mark.parametrize(
    "words",
    [
        ("--base", "200%"),
        ("--gaps", "some"),
        ("--stragglers", "2%x0.5"),
        ("--stragglers", "x4"),
        ("--stragglers", "1.2.3"),
        ("--approval", "2"),
        ("--seed", "1", "--seeds", "2"),
        ("--at", "tomorrow"),
        ("--seeds", "0"),
    ],
    ids=" ".join,
)
def test_other_mistakes_are_those_of_the_command_line(
    rollout: Typist, plan: str, words: tuple[str, ...]
) -> None:
    said = rollout("simulate", plan, *words)
    assert (said.code, said.out) == (64, "")
    assert said.err


def test_stragglers_are_a_share_and_how_much_slower(rollout: Typist, plan: str) -> None:
    for words in ("100%x3", "1x3", "100% x 3"):
        said = rollout("simulate", plan, "--spread", "0", "--stragglers", words)
        assert "took 1h6m" in said.out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--defect", "hardware=a&hardware=b"], "hardware is there twice"),
        (["--defect", "hardware=a,q=0.3,q=0.4"], "q is there twice"),
        (["--defect", "hardware=a,late=1h,ends=late"], "fails no step"),
        (["--spread", "nan"], "nan is not a number"),
    ],
)
def test_what_cannot_be_meant_is_refused(rollout: Typist, plan: str, words: list[str], said: str) -> None:
    ended = rollout("simulate", plan, *words)
    assert ended.code == 64, ended.err
    assert said in ended.err
