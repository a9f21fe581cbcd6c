"""What was looked at to place and to judge one host, point by point: for the person who asks why."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from rollout.graph.known import Known, speaks
from rollout.graph.match import Matched, fits, match, targets_of, way_of
from rollout.graph.rows import is_about, place_of
from rollout.graph.toolchain import of_toolchain
from rollout.graph.verdict import vouching
from rollout.model.fleet import Fleet, Host
from rollout.model.plan import ComboRule, Plan, Risk
from rollout.model.verdict import Given, Hop, Judgement

ANY_HOST = "may come to any host"
"""What is said of a known risk without `applies`."""


@dataclass(frozen=True, slots=True)
class Point:
    """One thing that was looked at. `what`: requirement, compatibility, known risk, toolchain or waiver; `answer` in a few words."""

    what: str
    name: str
    answer: str
    because: str = ""


@dataclass(frozen=True, slots=True)
class Matching:
    """One factor that the combo asks for: the host's value, and what fits."""

    factor: str
    value: str
    wanted: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Account:
    """`combo` in the plan (empty: none matches); why it matches; the points; the verdict, unless the host was not judged.

    `silent`: how many rows of compatibility and risks do not speak of it.
    """

    combo: str = ""
    matching: tuple[Matching, ...] = ()
    points: tuple[Point, ...] = ()
    silent: int = 0
    judgement: Judgement | None = None


def account(plan: Plan, host: Host, given: Given) -> Account:
    """Of a host of a plan that can be compiled."""
    matched = match(plan, Fleet((host,)), given)
    rule = _rule(plan, matched)
    if rule is None:
        return Account()
    matching = tuple(
        Matching(factor, host.factors.get(factor, ""), wanted)
        for factor, wanted in {
            **rule.match,
            **({} if fits(plan, host.factors, rule.match) else rule.to),
        }.items()
    )
    placed = next(iter(matched.placed[rule.name]), None)
    judgement = placed.judgement if placed is not None else None
    points, silent = _points(plan, rule, host, given)
    if any(host.factors.get(factor) != value for factor, value in host.probed.items()):
        really = replace(host, factors={**host.factors, **host.probed}, probed={})
        probed, _ = _points(plan, rule, really, given)
        points += [replace(one, what=f"{one.what}, as probed") for one in probed if one not in points]
    points += _waivers(plan, rule, host, given.today, judgement)
    return Account(rule.name, matching, tuple(points), silent, judgement)


def _points(plan: Plan, rule: ComboRule, host: Host, given: Given) -> tuple[list[Point], int]:
    """And how many rows and risks do not speak of it."""
    found = way_of(plan, rule, host)
    known = Known.of(host, targets_of(rule, found))
    spoken = [*_rows(plan, known), *_risks(plan, known)]
    tools = of_toolchain(known, given.toolchain)
    points = [
        *_requirements(plan, rule, known, found.legs),
        *(point for point in spoken if point is not None),
        *(Point("toolchain", "ansible-core", word, said) for word, said in tools),
    ]
    return points, spoken.count(None)


def _rule(plan: Plan, matched: Matched) -> ComboRule | None:
    """The combo that took it in, or that says why it is not touched."""
    names = {name for name, placed in matched.placed.items() if placed}
    names |= {one.combo for one in matched.untouched if one.combo is not None}
    return next((rule for rule in plan.combos if rule.name in names), None)


def _requirements(plan: Plan, rule: ComboRule, known: Known, legs: tuple[Hop, ...]) -> Iterator[Point]:
    asked = [(f"combo {rule.name}", rule.require, known.now)]
    asked += [
        (f"the hop to {leg.label}", leg.require, then) for leg, then in zip(legs, known.before, strict=False)
    ]
    for who, require, values in asked:
        for name, wanted in require.items():
            has = f"it is {' and '.join(values[name])}" if name in values else "nobody knows it"
            answer = "met" if speaks(values, plan.orders, {name: wanted}) is True else "not met"
            yield Point("requirement", f"{name} {' or '.join(wanted)}", answer, f"{has} ({who})")


def _rows(plan: Plan, known: Known) -> Iterator[Point | None]:
    """None for a row that does not speak of the host."""
    for row in plan.compat:
        answer = is_about(plan, known, row)
        if answer is False:
            yield None
            continue
        said = row.verdict if answer else f"it cannot be told whether it is {row.verdict}"
        because = "; ".join(text for text in (row.reason, row.source) if text)
        yield Point("compatibility", place_of(plan, row), said, because)


def _risks(plan: Plan, known: Known) -> Iterator[Point | None]:
    for risk in plan.risks:
        answer = speaks(known.now, plan.orders, risk.applies) if risk.applies else True
        if answer is False:
            yield None
            continue
        concerns = "concerns it" if answer else "it cannot be told whether it concerns it"
        yield Point("known risk", risk.name, concerns if risk.applies else ANY_HOST, _answer(risk))


def _answer(risk: Risk) -> str:
    told = {
        "hold": "the host is held",
        "retry": "the step is begun again",
        "remedy": f"remedied by {risk.remedy.playbook if risk.remedy is not None else ''}",
        "halt": f"the host is held, and nothing more begins with the same {risk.halts}",
    }[risk.then]
    return "; ".join(text for text in (told, risk.because, risk.link) if text)


def _waivers(
    plan: Plan, rule: ComboRule, host: Host, today: str, judgement: Judgement | None
) -> Iterator[Point]:
    """Those that speak of the host, whether it rests on them or not."""
    for waiver in vouching(plan, rule, host):
        answer = "expired"
        if waiver.expires >= today:
            used = judgement is not None and waiver.name in judgement.waivers
            answer = "lets it pass" if used else "nothing rests on it"
        vouches = f"{' and '.join(waiver.waives)}, by {waiver.owner} until {waiver.expires}: {waiver.reason}"
        yield Point("waiver", waiver.name, answer, vouches)
