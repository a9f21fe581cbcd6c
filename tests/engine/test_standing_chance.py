"""Drawn plans with gates about the fleet that flap, controllers that die, people who go on: nothing begins without a pass, and every run ends."""

from random import Random

import pytest

from rollout.model.event import Event, Kind
from rollout.model.fold import apply
from rollout.model.plan import DURING, Amount, Edge, Failures, GateRule, Limits, Moment, Soak
from rollout.model.question import about_of
from rollout.model.seams import Answer, Subject
from rollout.model.standing import patience
from rollout.model.state import State, Status
from tests.engine.dying import Died, DyingJournal
from tests.engine.test_standing import START, Says, Tried

MOMENTS: tuple[tuple[Edge, str, str], ...] = (
    ("during", "", "run"),
    ("during", "", "rack"),
    ("during", "", "combo"),
    ("before", "run", "run"),
    ("before", "wave", "wave"),
    ("after", "wave", "wave"),
    ("after", "verify", "host"),
    ("before", "upgrade", "host"),
)
CONTROLLERS = 60
TURNS = 60_000


def a_rule(dice: Random, number: int) -> GateRule:
    edge, what, per = dice.choice(MOMENTS)
    return GateRule(
        f"g{number}",
        "prometheus",
        Moment(edge, what),
        per=per,
        fleet=per != "host",
        retries=dice.randint(0, 3),
        interval=dice.choice([5.0, 10.0, 60.0]),
        samples=dice.choice([1, 1, 3]),
        lasts=dice.choice([0.0, 0.0, 40.0]),
        on_inconclusive=dice.choice(["pause", "fail"]),
        shadow=dice.random() < 0.1,
        canaries=per == "host" and dice.random() < 0.2,
    )


def flapping(dice: Random) -> Says:
    """Each question has its own beat; in the end everything passes."""
    period, share = dice.choice([50, 150, 400, 2000]), dice.choice([0.0, 0.1, 0.3, 0.6])
    bad, well_after = dice.choice([Answer.FAIL, Answer.ERROR, Answer.INCONCLUSIVE]), dice.choice([500, 5000])

    def says(subject: Subject) -> Answer:
        at = subject.now - START
        shift = sum(map(ord, f"{subject.gate}{subject.about}{subject.host}")) * 7
        return bad if at < well_after and (at + shift) % period < share * period else Answer.PASS

    return says


def a_try(seed: int) -> tuple[Tried, Random, list[GateRule]]:
    dice = Random(seed)
    rules = [a_rule(dice, number) for number in range(dice.randint(1, 3))]
    waves = [[Amount(1), Amount(100, percent=True)], [Amount(100, percent=True)]]
    tried = Tried(
        rules,
        flapping(dice),
        {"a": dice.randint(1, 8), "b": dice.randint(1, 5)},
        soak=Soak(dice.choice([0, 100]), dice.choice([0, 50])),
        limits=Limits(at_once=Amount(dice.randint(1, 5))),
        failures=Failures(dice.randint(0, 2), dice.randint(0, 5), None),
        waves=dice.choice(waves),
    )
    tried.inbox._left = TURNS
    return tried, dice, rules


def carried_to_its_end(tried: Tried, dice: Random, rules: list[GateRule]) -> None:
    for number in range(CONTROLLERS):
        if number:
            tried.inbox.forget()
        dies = dice.random() < 0.4
        book = DyingJournal(tried.journal, dice.randint(1, 30), committed=dice.random() < 0.5)
        try:
            stop, state = tried.carry(book if dies else None)
        except Died:
            continue
        kept, _, tail = tried.journal.load("run", tried.graph)
        again = State(tried.graph)
        for event in tried.events():
            apply(again, event)
        assert tail or again.run == kept
        if stop.exit_code == 0:
            return
        held = [host.name for host in state.hosts.values() if host.status is Status.HELD or host.harmed]
        tried.inbox.later(300.0)
        if dice.random() < 0.2:
            waived = {"gate": dice.choice(rules).name}
            tried.journal.request("run", Event(Kind.WAIVED, "known", data=waived))
        tried.journal.request("run", Event(Kind.CONTINUED, "go on"))
        for name in held:
            tried.journal.request("run", Event(Kind.RETRIED, "repaired", name))
    pytest.fail("it comes to no end")


def check_passes(tried: Tried, rules: list[GateRule], says: Says) -> None:
    """Whoever takes a slot does so on a fresh pass of each question that concerns it. What was asked at that very instant may have come after."""
    asked = [(one.now, one.gate, one.about, says(one)) for one in tried.oracle.asked if one.moment == DURING]
    waived: set[str] = set()
    for event in tried.events(Kind.WAIVED, Kind.INTENDED):
        if event.kind is Kind.WAIVED:
            waived.add(event.data["gate"])
        for rule in rules if event.data.get("slots") else ():
            if rule.when.edge != DURING or rule.shadow or rule.name in waived:
                continue
            about = about_of(rule, tried.graph.nodes[event.host or ""])
            known = [one for one in asked if one[1:3] == (rule.name, about) and one[0] <= event.at]
            while len(known) > 1 and known[-1][0] == event.at and known[-1][3] is not Answer.PASS:
                known.pop()
            assert known
            assert known[-1][3] is Answer.PASS
            assert event.at - known[-1][0] <= patience(rule)


def check(seeds: range) -> None:
    for seed in seeds:
        tried, dice, rules = a_try(seed)
        carried_to_its_end(tried, dice, rules)
        check_passes(tried, rules, tried.oracle.says)


def test_nothing_begins_without_a_pass_and_every_run_ends() -> None:
    check(range(60))


@pytest.mark.full
def test_nothing_begins_without_a_pass_in_a_thousand_runs() -> None:
    check(range(1000, 2000))
