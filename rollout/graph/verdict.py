"""The verdict of a host: what is declared, required, known and waived."""

from collections.abc import Sequence

from rollout.model.fleet import Host
from rollout.model.plan import ComboRule, Plan
from rollout.model.verdict import Hop, Judgement, Toolchain, Wanted
from rollout.model.versions import fits


def judge(
    plan: Plan,  # noqa: ARG001  compatibility comes with its rows
    rule: ComboRule,
    host: Host,  # noqa: ARG001
    targets: Sequence[Wanted],  # noqa: ARG001
    today: str,  # noqa: ARG001
    toolchain: Toolchain,  # noqa: ARG001
    hops: Sequence[Hop] = (),  # noqa: ARG001
    *,
    allow_unknown: bool = False,  # noqa: ARG001
) -> Judgement:
    """The worst of all that speaks of the host on its way to the targets."""
    if rule.verdict == "supported":
        return Judgement()
    return Judgement(rule.verdict, (f"combo {rule.name} is {rule.verdict}: {rule.reason}",), "declared")


def meets(plan: Plan, host: Host, name: str, wanted: Sequence[str]) -> bool:
    """Whether the host has a factor or fact as it is required; what is not known is not met."""
    values = (host.factors[name],) if name in host.factors else host.facts.get(name, ())
    return fits(values, wanted, plan.orders.get(name, "dotted"))


def waived_by(plan: Plan, rule: ComboRule, host: Host, what: str, today: str) -> str | None:  # noqa: ARG001
    """The name of the waiver that lets it pass on that day."""
    return None
