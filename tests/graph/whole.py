"""Plans and fleets of every shape, with all that verdicts, ways and waivers can come to; and a second opinion on who may be touched."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from typing import Any

from hypothesis import strategies as st

from rollout.graph import compile_graph
from rollout.model.chain import Step
from rollout.model.fleet import Fleet, Host
from rollout.model.graph import Graph
from rollout.model.plan import RUNGS, After, Amount, ComboRule, Ladder, Limits, Plan, Risk
from rollout.model.verdict import Compatibility, Given, Hop, Toolchain, Waiver, Wanted

TODAY = "2026-11-23"
DAYS = ("2026-11-22", TODAY, "2026-11-24")
"""Of waivers: over, the last one, one more."""

KINDS = ("a", "b", "c", "d")
RELEASES = ("r1", "r2", "r3", "r4")
TARGET = "r4"
NICS = ("mlx3", "e810", "x710")
CHAIN = (
    Step("drain", drain="none", expect=1),
    Step("upgrade", playbook="upgrade.yml", once=True, expect=10),
    Step("verify", playbook="verify.yml", retries=1, expect=1),
    Step("restore", reopen="none", closes=("drain",), expect=1),
)
ANY: Wanted = {}


@dataclass(frozen=True)
class Whole:
    """All that a graph is compiled of."""

    plan: Plan
    hosts: tuple[Host, ...]
    given: Given

    def __repr__(self) -> str:
        """What tells one from another."""
        plan = self.plan
        combos = [
            (rule.name, rule.match, rule.verdict, rule.require, rule.after, rule.waves)
            for rule in plan.combos
        ]
        hosts = [
            (host.name, host.factors, host.facts, host.probed, host.last, host.pilot) for host in self.hosts
        ]
        hops = [(hop.match, hop.to, hop.require) for hop in plan.hops]
        ways = (plan.waves, plan.scope, plan.ladder, plan.unlisted, self.given)
        return f"Whole{(combos, hosts, hops, plan.compat, plan.risks, plan.waivers, ways)}"

    def compiled(self, order: Sequence[int] = ()) -> Graph:
        """`order`: of the hosts in the inventory; empty: as they are."""
        hosts = tuple(self.hosts[index] for index in order) if order else self.hosts
        sizes: dict[str, dict[str, int]] = {factor: {} for factor in self.plan.factors}
        for host in hosts:
            for factor, value in host.factors.items():
                sizes[factor][value] = sizes[factor].get(value, 0) + 1
        return compile_graph(self.plan, Fleet(hosts, sizes), {"plan": "p"}, self.given)


def _hosts(draw: st.DrawFn) -> tuple[Host, ...]:
    host = st.fixed_dictionaries({
        "hardware": st.sampled_from((*KINDS, *KINDS, "stranger")),
        "os": st.sampled_from((*RELEASES, "r1")),
        "rack": st.sampled_from(("k1", "k2")),
        "bios": st.sampled_from((None, "1.2", "1.10", "2.0")),
        "nic": st.sampled_from((None, ("mlx3",), ("e810",), ("x710", "mlx3"))),
        "probed": st.sampled_from((*[None] * 6, "r1", "r2", TARGET, "odd")),
        "last": st.integers(0, 9).map(lambda number: number == 0),
        "pilot": st.integers(0, 9).map(lambda number: number == 0),
    })  # fmt: skip
    made = draw(st.lists(host, min_size=1, max_size=14))
    return tuple(_host(f"h{number:02}", **one) for number, one in enumerate(made))


def _host(name: str, **of: Any) -> Host:
    facts = {
        key: value for key, value in (("bios", of["bios"] and (of["bios"],)), ("nic", of["nic"])) if value
    }
    factors = {key: of[key] for key in ("hardware", "os", "rack")}
    probed = {"os": of["probed"]} if of["probed"] else {}
    return Host(name, factors, digest=name, last=of["last"], pilot=of["pilot"], facts=facts, probed=probed)


def _combos(draw: st.DrawFn) -> tuple[ComboRule, ...]:
    requires: Any = st.sampled_from((ANY, ANY, {"bios": (">=1.9",)}, {"nic": ("e810", "x7*")}))
    verdicts: Any = st.sampled_from(("supported", "supported", "supported", "unknown", "blocked"))
    until: Any = st.sampled_from(("canaries", 0.5, 1.0))
    found: list[ComboRule] = []
    for kind in KINDS:
        after = [After(rule.name, draw(until)) for rule in found if draw(st.integers(0, 4)) == 0]
        verdict = draw(verdicts)
        found.append(
            ComboRule(
                f"combo-{kind}",
                {"hardware": (kind,), "os": draw(st.sampled_from((("r[123]",), ("*",), ("r1", "r2"))))},
                {"os": (TARGET,)},
                verdict,
                "a reason",
                tuple(after),
                CHAIN,
                require=draw(requires),
                waves=draw(st.sampled_from((None, None, None, (Amount(1), Amount(100, percent=True))))),
            )
        )
    return tuple(found)


def _hops(draw: st.DrawFn) -> tuple[Hop, ...]:
    hop = st.tuples(
        st.sampled_from((*RELEASES, "r*")),
        st.sampled_from((*RELEASES, "")),
        st.sampled_from((ANY, ANY, {"bios": (">=1.9",)})),
    )
    rows = draw(st.one_of(st.just([]), st.lists(hop, min_size=1, max_size=5)))
    chains = dict.fromkeys((f"combo-{kind}" for kind in KINDS), CHAIN)
    return tuple(
        Hop(
            {"os": (begin,)},
            {"os": end} if end else {},
            floor if end else {},
            "" if end else "no more",
            chains,
        )
        for begin, end, floor in rows
    )


def _compat(draw: st.DrawFn) -> tuple[Compatibility, ...]:
    match: Any = st.sampled_from(
        ({"hardware": ("a",)}, {"hardware": ("[bc]",)}, {"nic": ("mlx3",)}, {"bios": ("<1.9",)})
    )
    to: Any = st.sampled_from((ANY, {"os": (TARGET,)}, {"os": ("r9",)}))
    verdict: Any = st.sampled_from(("supported", "unknown", "blocked"))
    rows = draw(st.lists(st.tuples(match, to, verdict), max_size=3))
    return tuple(
        Compatibility(match, to, verdict, "so it is known", place="compat.yml:1:1")
        for match, to, verdict in rows
    )


def _risks(draw: st.DrawFn) -> tuple[Risk, ...]:
    applies: Any = st.sampled_from(
        (ANY, {"nic": ("mlx3",)}, {"hardware": ("a",), "bios": ("1.2",)}, {"rack": ("k2",)})
    )
    then: Any = st.sampled_from(("hold", "halt", "retry", "remedy"))
    made = draw(st.lists(st.tuples(applies, then, st.booleans()), max_size=2))
    return tuple(
        Risk(
            f"risk-{number}",
            "it smokes" if shows or not concerned else "",
            answer,
            because="no way",
            applies=concerned,
            halts="rack" if answer == "halt" else "",
            remedy=Step(f"remedy-risk-{number}", playbook="mend.yml") if answer == "remedy" else None,
        )
        for number, (concerned, answer, shows) in enumerate(made)
    )


def _waivers(draw: st.DrawFn) -> tuple[Waiver, ...]:
    words = st.sampled_from(("unknown", "blocked", "require", "toolchain", "drift", "risk-0", "risk-1"))
    waiver = st.tuples(
        st.lists(words, min_size=1, max_size=3, unique=True),
        st.sampled_from(((), (), ("combo-a",), ("combo-[bc]",))),
        st.sampled_from(((), (), ("h0[0-4]",), ("h00", "h07"))),
        st.sampled_from(DAYS),
    )
    made = draw(st.lists(waiver, max_size=3))
    return tuple(
        Waiver(f"waiver-{number}", tuple(waives), "known to go well", "anna", day, combos, hosts)
        for number, (waives, combos, hosts, day) in enumerate(made)
    )


@st.composite
def wholes(draw: st.DrawFn) -> Whole:
    """Hosts that no combo matches are excluded; no person is asked and no window is closed, so that a run ends by itself."""
    way: Any = draw(st.sampled_from(("ladder", "ladder", "combo", "fleet")))
    sizes = None if way == "ladder" else (Amount(1), Amount(50, percent=True), Amount(100, percent=True))
    combos = _combos(draw)
    if way == "fleet":
        combos = tuple(replace(rule, waves=None) for rule in combos)
    compat = _compat(draw)
    is_strict = draw(st.booleans())
    plan = Plan(
        name="whole",
        file="plan.yml",
        inventory=("hosts.yml",),
        hosts="all",
        factors={"hardware": "hw", "os": "os", "rack": "rack"},
        combos=combos,
        steps=CHAIN,
        waves=sizes,
        scope="fleet" if way == "fleet" else "combo",
        ladder=Ladder(draw(st.sampled_from((RUNGS, RUNGS[1:], RUNGS[:1], RUNGS[3:]))), ("hardware", "os")),
        harm=3.0 if way == "ladder" else None,
        limits=Limits(Amount(3), {"rack": Amount(2)}),
        otherwise="exclude",
        risks=_risks(draw),
        probes={"os": "os_release"},
        compat=compat,
        unlisted="unknown" if is_strict else "supported",
        waivers=_waivers(draw),
        hops=_hops(draw),
    )
    given = Given(TODAY, Toolchain("2.19.4"), draw(st.booleans()))
    return Whole(plan, _hosts(draw), given)


def vouched(whole: Whole, rule: ComboRule, host: Host, what: str) -> bool:
    """Whether a waiver that has not expired lets it pass."""
    return any(
        what in waiver.waives
        and waiver.expires >= whole.given.today
        and _among(rule.name, waiver.combos)
        and _among(host.name, waiver.hosts)
        for waiver in whole.plan.waivers
    )


def _among(name: str, globs: Sequence[str]) -> bool:
    return not globs or any(fnmatchcase(name, glob) for glob in globs)


BIOS: Mapping[str, Mapping[str, bool]] = {
    ">=1.9": {"1.2": False, "1.10": True, "2.0": True},
    "<1.9": {"1.2": True, "1.10": False, "2.0": False},
}
"""Ranges are told by hand here, so that nothing of the product judges itself."""


def answers(host: Host, wanted: Wanted) -> bool | None:
    """Whether the host is so; None: nobody knows. It is not so as soon as one part of it is not."""
    each = [_answer(host, name, globs) for name, globs in wanted.items()]
    return False if False in each else None if None in each else True


def _answer(host: Host, name: str, globs: Sequence[str]) -> bool | None:
    values = (host.factors[name],) if name in host.factors else host.facts.get(name)
    if values is None:
        return None
    return any(
        BIOS[glob][value] if glob in BIOS else fnmatchcase(value, glob) for value in values for glob in globs
    )


def against(whole: Whole, rule: ComboRule, host: Host) -> set[str]:
    """All that speaks against beginning a host of that combo, and that nobody vouches for: a second opinion, without the way there."""
    plan, found = whole.plan, set[str]()
    words = {row.verdict for row in plan.compat if _leads(row.to) and answers(host, row.match)}
    doubts = {row.verdict for row in plan.compat if _leads(row.to) and answers(host, row.match) is None}
    if rule.verdict == "blocked" or "blocked" in words:
        found.add("blocked")
    if rule.verdict == "unknown" or "unknown" in words or (doubts - {"supported"}):
        found.add("unknown")
    if plan.unlisted == "unknown" and not words:
        found.add("unknown")
    if answers(host, rule.require) is not True:
        found.add("require")
    found |= {
        risk.name
        for risk in plan.risks
        if risk.applies
        and (risk.then in {"hold", "halt"} or not risk.symptom)
        and answers(host, risk.applies) is not False
    }
    if "os" in host.probed and not fnmatches(host.probed["os"], rule.match["os"]):
        found.add("drift")
    if whole.given.allow_unknown:
        found -= {"unknown"}
    return {what for what in found if not vouched(whole, rule, host, what)}


def fnmatches(value: str, globs: Sequence[str]) -> bool:
    return any(fnmatchcase(value, glob) for glob in globs)


def is_there(host: Host) -> bool:
    """By the inventory, or by its probe."""
    return TARGET in {host.factors["os"], host.probed.get("os")}


def has_a_way(whole: Whole, rule: ComboRule, host: Host) -> bool:
    """From what the inventory says of it, and from what its probe says, unless somebody vouches that the probe is wrong."""
    doubted = vouched(whole, rule, host, "drift")
    said = (
        {host.factors["os"]} if doubted else {host.factors["os"], host.probed.get("os", host.factors["os"])}
    )
    return all(_leads_on(whole, os) for os in said)


def _leads_on(whole: Whole, os: str) -> bool:
    """Over the hops of the plan, whatever their floors; without hops straight ahead."""
    reached, hops = {os}, [hop for hop in whole.plan.hops if hop.to]
    if not hops:
        return not whole.plan.hops or all(not hop.to for hop in whole.plan.hops)
    for _ in RELEASES:
        reached |= {hop.to["os"] for hop in hops for one in reached if fnmatches(one, hop.match["os"])}
    return TARGET in reached


def _leads(to: Wanted) -> bool:
    return all(fnmatchcase(TARGET, glob) for globs in to.values() for glob in globs)
