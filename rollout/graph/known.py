"""What is known of a host: now, before each leg of its way, and at the end of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rollout.model.fleet import Host
from rollout.model.verdict import Order, Wanted
from rollout.model.versions import compared, is_pattern

PROBE = "`rollout plan --probe` asks the hosts"
"""The way out for what is not known."""

Values = Mapping[str, tuple[str, ...]]
"""Factor or fact -> its values; what is not known is absent."""


@dataclass(frozen=True, slots=True)
class Known:
    """`now`: factors and facts. `before`: by leg, what the host is when the leg begins; one for each target, in turn.

    `after`: by target, its factors then: those that the target names, and those of which it does not speak. Facts may have changed, and are not known.
    `targets`: as wanted.
    """

    now: Values
    before: tuple[Values, ...] = ()
    after: tuple[Values, ...] = ()
    targets: tuple[Wanted, ...] = ()

    @classmethod
    def of(cls, host: Host, targets: Sequence[Wanted] = ()) -> "Known":
        """A pattern in a target says nothing that could be looked up later: `before` knows only literal values."""
        factors: Values = {name: (value,) for name, value in host.factors.items() if value}
        now: Values = {**{name: values for name, values in host.facts.items() if values}, **factors}
        before, after, reached = [now], [], dict(factors)
        for target in targets:
            reached = {**reached, **target}
            after.append(reached)
            literal = {name: texts for name, texts in target.items() if not any(map(is_pattern, texts))}
            before.append({**{name: v for name, v in before[-1].items() if name not in target}, **literal})
        return cls(now, tuple(before[: len(targets)]), tuple(after), tuple(targets))


def speaks(values: Values, orders: Mapping[str, Order], wanted: Wanted) -> bool | None:
    """Whether all that is wanted fits. None: nothing speaks against it, but something is not known or cannot be compared."""
    unclear = False
    for name, texts in wanted.items():
        answer = compared(values[name], texts, orders.get(name, "dotted")) if name in values else None
        if answer is False:
            return False
        unclear = unclear or answer is None
    return None if unclear else True
