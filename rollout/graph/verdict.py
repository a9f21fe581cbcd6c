"""The verdict of a host: what is declared, required, known, risked and waived. The worst wins."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase

from rollout.graph.known import PROBE, Known, speaks
from rollout.graph.rows import of_rows
from rollout.graph.shelves import Shelves
from rollout.graph.toolchain import of_toolchain
from rollout.model.fleet import Host
from rollout.model.plan import ComboRule, Plan, Risk
from rollout.model.verdict import Cause, Hop, Judgement, Toolchain, Waiver, Wanted, Word
from rollout.model.versions import fits

_RANK: Mapping[Word, int] = {"supported": 0, "waived": 1, "unknown": 2, "blocked": 3}


@dataclass(frozen=True, slots=True)
class _Finding:
    """One thing that speaks against touching the host. `waives`: the word with which a waiver lets it pass."""

    word: Word
    cause: Cause
    said: str
    waives: str


def judge(
    plan: Plan,
    rule: ComboRule,
    host: Host,
    targets: Sequence[Wanted],
    today: str,
    toolchain: Toolchain,
    hops: Sequence[Hop] = (),
    *,
    allow_unknown: bool = False,
    shelves: Shelves | None = None,
) -> Judgement:
    """The worst of all that speaks of the host on its way to the targets (where each leg leads, and the combo, in turn).

    With `allow_unknown` what is only unknown needs no waiver, and rests on none. `shelves`: the plan's compatibility rows, sorted once for many hosts.
    """
    known = Known.of(host, targets)
    risks = [(risk, speaks(known.now, plan.orders, risk.applies)) for risk in plan.risks if risk.applies]
    concerning = [(risk, answer) for risk, answer in risks if answer is not False]
    drifted = drift(plan, rule, host)
    findings = [
        *_declared(rule),
        *([_Finding("blocked", "drift", drifted, "drift")] if drifted else []),
        *_required(plan, rule, known, hops),
        *_compatible(plan, known, Shelves(plan.compat) if shelves is None else shelves),
        *(_Finding(word, "toolchain", said, "toolchain") for word, said in of_toolchain(known, toolchain)),
        *(_risked(plan, known, risk, answer) for risk, answer in concerning if _keeps(risk)),
    ]
    judgement = _weighed(findings, vouching(plan, rule, host), today, allow_unknown=allow_unknown)
    return replace(judgement, risks=tuple(risk.name for risk, _ in concerning))


def _weighed(
    findings: Sequence[_Finding], waivers: Sequence[Waiver], today: str, *, allow_unknown: bool
) -> Judgement:
    """What is not waived decides, and is said first."""
    standing: list[tuple[_Finding, str]] = []
    passed: list[tuple[_Finding, Waiver]] = []
    for finding in sorted(findings, key=lambda finding: -_RANK[finding.word]):
        is_allowed = allow_unknown and finding.word == "unknown"
        waiver = None if is_allowed else _waiver(waivers, finding.waives, today)
        if waiver is not None:
            passed.append((finding, waiver))
            continue
        standing.append((finding, "; ".join([finding.said, *expired(waivers, finding.waives, today)])))
    told = [said for _, said in standing]
    told += [
        f"{finding.said}; {waiver.owner} waives it until {waiver.expires} ({waiver.name}: {waiver.reason})"
        for finding, waiver in passed
    ]
    first = next((finding for finding, _ in (*standing, *passed)), None)
    return Judgement(
        word=standing[0][0].word if standing else "waived" if passed else "supported",
        because=tuple(dict.fromkeys(told)),
        cause=first.cause if first is not None else "",
        waivers=tuple(dict.fromkeys(waiver.name for _, waiver in passed)),
    )


def worse(told: Judgement, probed: Judgement) -> Judgement:
    """Of a host as its inventory tells it, and as a probe does: the worse of both, with the risks and waivers of both."""
    first, second = (probed, told) if _RANK[probed.word] > _RANK[told.word] else (told, probed)
    new = [f"by its probe: {said}" for said in probed.because if said not in told.because]
    because = [*new, *told.because] if first is probed else [*told.because, *new]
    return replace(
        first,
        because=tuple(because),
        waivers=tuple(dict.fromkeys((*first.waivers, *second.waivers))),
        risks=tuple(dict.fromkeys((*told.risks, *probed.risks))),
    )


def meets(plan: Plan, host: Host, name: str, wanted: Sequence[str]) -> bool:
    """Whether the host has a factor or fact as it is required; what is not known is not met."""
    return speaks(Known.of(host).now, plan.orders, {name: tuple(wanted)}) is True


def vouching(plan: Plan, rule: ComboRule, host: Host) -> list[Waiver]:
    """The waivers that are about the host, expired ones, too."""
    return [waiver for waiver in plan.waivers if _is_about(waiver, rule, host)]


def waived_by(plan: Plan, rule: ComboRule, host: Host, what: str, today: str) -> str | None:
    """The name of the waiver that lets it pass on that day."""
    waiver = _waiver(vouching(plan, rule, host), what, today)
    return waiver.name if waiver is not None else None


def expired(waivers: Sequence[Waiver], what: str, today: str) -> list[str]:
    """Sentences about those that would let it pass, if their last day were not over."""
    over = [one for one in waivers if what in one.waives and one.expires < today]
    return [f"waiver {one.name} of {one.owner} expired on {one.expires}" for one in over]


def drift(plan: Plan, rule: ComboRule, host: Host) -> str:
    """What a probe found instead of what the combo matches; empty if it found no other."""
    other = contradictions(plan, host, rule.match)
    return f"drift: by its probe {', '.join(other)}" if other else ""


def contradictions(plan: Plan, host: Host, wanted: Wanted) -> list[str]:
    """What a probe found that does not fit what is wanted, beside what the inventory says."""
    return [
        f"{factor} is {host.probed[factor]}, and {host.factors.get(factor, 'nothing')} in the inventory"
        for factor, texts in wanted.items()
        if factor in host.probed
        and not fits((host.probed[factor],), texts, plan.orders.get(factor, "dotted"))
    ]


def _is_about(waiver: Waiver, rule: ComboRule, host: Host) -> bool:
    combos, hosts = waiver.combos or ("*",), waiver.hosts or ("*",)
    return any(fnmatchcase(rule.name, glob) for glob in combos) and any(
        fnmatchcase(host.name, glob) for glob in hosts
    )


def _waiver(waivers: Sequence[Waiver], what: str, today: str) -> Waiver | None:
    """Of several the one that holds longest."""
    holding = [waiver for waiver in waivers if what in waiver.waives and waiver.expires >= today]
    return max(holding, key=lambda waiver: waiver.expires, default=None)


def _declared(rule: ComboRule) -> Iterator[_Finding]:
    if rule.verdict != "supported":
        said = f"combo {rule.name} is {rule.verdict}{f': {rule.reason}' if rule.reason else ''}"
        # a combo that leads nowhere is blocked for good
        yield _Finding(rule.verdict, "declared", said, rule.verdict if rule.to else "")


def _required(plan: Plan, rule: ComboRule, known: Known, hops: Sequence[Hop]) -> Iterator[_Finding]:
    """A leg's floor is looked at in what the host will be before that leg, as far as the legs before it tell."""
    asked = [(f"combo {rule.name}", rule.require, known.now)]
    asked += [
        (f"the hop to {hop.label}", hop.require, then) for hop, then in zip(hops, known.before, strict=False)
    ]
    for who, require, values in asked:
        for name, wanted in require.items():
            if speaks(values, plan.orders, {name: wanted}) is True:
                continue
            has = " and ".join(values[name]) if name in values else f"not known ({PROBE})"
            yield _Finding("blocked", "require", f"{who} requires {name} {' or '.join(wanted)}: it is {has}", "require")  # fmt: skip


def _compatible(plan: Plan, known: Known, shelves: Shelves) -> Iterator[_Finding]:
    for word, said in of_rows(plan, known, shelves):
        yield _Finding(word, "compat", said, word)


def _keeps(risk: Risk) -> bool:
    """Whether a person is needed when it shows, or nothing would show it."""
    return risk.then in {"hold", "halt"} or not risk.symptom


def _risked(plan: Plan, known: Known, risk: Risk, answer: bool | None) -> _Finding:
    told = f": {risk.because}" if risk.because else ""
    link = f" ({risk.link})" if risk.link else ""
    said = f"known risk {risk.name}{told}{link}"
    if answer is None:
        unclear = " and ".join(
            name
            for name in risk.applies
            if speaks(known.now, plan.orders, {name: risk.applies[name]}) is None
        )
        said = f"whether the known risk {risk.name} concerns it cannot be told without {unclear} ({PROBE}){told}{link}"
    return _Finding("blocked", "risk", said, risk.name)
