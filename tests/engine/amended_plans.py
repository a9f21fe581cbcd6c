"""Plans that people work at in the middle of a run, and fleets that change meanwhile: all by dice."""

from dataclasses import replace
from random import Random

from rollout.model.chain import Step
from rollout.model.fleet import Fleet
from rollout.model.plan import EVIDENCE, After, Amount, GateRule, Limits, Moment, Plan, Soak
from tests.engine.ramps import Drawn


def another(dice: Random, was: Drawn, number: int) -> tuple[Drawn, dict[str, str]]:
    """The same plan after a person has worked at it, the fleet after a while, and the digests of the files. The graph is still to be made."""
    plan, fleet = was.plan, was.fleet
    parts = {"plan": f"{was.seed} {number}"}
    for change in dice.sample(_CHANGES, dice.randint(1, 3)):
        plan = change(dice, plan)
    if dice.random() < 0.4:
        fleet = _other_fleet(dice, fleet, number)
    if dice.random() < 0.5:
        parts[dice.choice(["upgrade.yml", "roles/x/tasks/main.yml", "precheck.yml"])] = str(number)
    return replace(was, plan=plan, fleet=fleet), parts


def _steps(dice: Random, plan: Plan) -> Plan:
    """A step more, a step that is another, or (to be refused once hosts have it behind them) one less."""
    what = dice.choice(["more", "others", "less", "mended"])
    rules = []
    for rule in plan.combos:
        steps = list(rule.steps)
        at = dice.randrange(len(steps))
        if what == "more":
            early = "reboot" in [
                step.name for step in steps[at:]
            ]  # the second opinion wants every gate after the last that disrupts
            more = Step(
                f"more-{dice.randrange(1000)}", playbook="more.yml", disruptive=early and dice.random() < 0.5
            )
            steps.insert(at, more)
        elif what == "others":
            steps[at] = replace(steps[at], playbook="other.yml")
        elif what == "mended":
            steps[at] = replace(steps[at], timeout=steps[at].timeout * 2, retries=0 if steps[at].once else 3)
        elif len(steps) > 3 and steps[at].name != "verify":
            del steps[at]
        rules.append(replace(rule, steps=tuple(steps)))
    return replace(plan, combos=tuple(rules))


def _waves(dice: Random, plan: Plan) -> Plan:
    sizes = (Amount(1), Amount(30, percent=True), Amount(100, percent=True))
    waves = dice.choice([None, sizes, sizes[::2], sizes[2:]])
    harm = plan.harm if waves is not None else plan.harm or 3.0
    return replace(plan, waves=waves, scope=dice.choice(["combo", "fleet"]), harm=harm)


def _order(dice: Random, plan: Plan) -> Plan:
    names = [rule.name for rule in plan.combos]
    rules = [
        replace(
            rule,
            after=(After(dice.choice(names[:at]), dice.choice(["canaries", 0.5, 1.0])),)
            if at and dice.random() < 0.6
            else (),
        )
        for at, rule in enumerate(plan.combos)
    ]
    return replace(plan, combos=tuple(rules))


def _limits(dice: Random, plan: Plan) -> Plan:
    per = {factor: Amount(dice.randint(1, 3)) for factor in ("rack", "site", "kind") if dice.random() < 0.4}
    return replace(plan, limits=Limits(Amount(dice.randint(1, 9)), per, controller=dice.choice([1, 100])))


def _gates(dice: Random, plan: Plan) -> Plan:
    gates = [gate for gate in plan.gates if dice.random() < 0.7]
    if dice.random() < 0.7:
        moments = [
            ("after", "verify"),
            ("before", "run"),
            ("before", "wave"),
            ("after", "wave"),
            ("before", "upgrade"),
        ]
        edge, what = dice.choice(moments)
        gates.append(GateRule(f"late-{dice.randrange(1000)}", "command", Moment(edge, what)))  # type: ignore[arg-type]
    return replace(plan, gates=tuple(gates))


def _combos(dice: Random, plan: Plan) -> Plan:
    """Some hosts are to be left out, or belong to another combo."""
    rules = list(plan.combos)
    at = dice.randrange(len(rules))
    what = dice.choice(["blocked", "narrow", "split", "target"])
    rule = rules[at]
    if what == "blocked":
        rules[at] = replace(rule, verdict="blocked", reason="a bad driver")
    elif what == "target":
        rules[at] = replace(rule, to={"os": ("newer",)})
    else:
        rules[at] = replace(rule, match={**rule.match, "kind": ("k0",)})
        if what == "split":
            rules.append(
                replace(rule, name=f"{rule.name}-rest", match={**rule.match, "kind": ("k[!0]",)}, after=())
            )
    return replace(plan, combos=tuple(rules), otherwise="exclude")


def _rest(dice: Random, plan: Plan) -> Plan:
    failures = replace(
        plan.failures,
        canary=dice.choice([0, 2]),
        combo=dice.choice([0, 2, EVIDENCE]),
        run=dice.choice([None, 3]),
    )
    return replace(plan, failures=failures, soak=Soak(dice.choice([0.0, 900.0]), dice.choice([0.0, 300.0])))


def _nothing(_dice: Random, plan: Plan) -> Plan:
    return plan


_CHANGES = (_steps, _waves, _order, _limits, _gates, _combos, _rest, _nothing)


def _other_fleet(dice: Random, fleet: Fleet, number: int) -> Fleet:
    hosts = [host for host in fleet.hosts if dice.random() < 0.95]
    hosts = [
        replace(host, factors={**host.factors, "os": "new" if dice.random() < 0.1 else host.factors["os"]})
        for host in hosts
    ]
    more = [
        replace(host, name=f"{host.name}-{number}")
        for host in dice.sample(hosts, min(len(hosts), dice.randint(0, 2)))
    ]
    return replace(fleet, hosts=(*hosts, *more))
