"""Waves of the sizes that a plan lists: cumulative, of each combo or of the whole fleet."""

from collections.abc import Sequence

from rollout.graph.cut import Cut
from rollout.graph.stages import depths
from rollout.model.fleet import Host
from rollout.model.graph import Need
from rollout.model.plan import Amount, ComboRule


def slices(sizes: Sequence[Amount], hosts: Sequence[Host]) -> list[Sequence[Host]]:
    """The hosts between each cumulative size and the next; sizes that come to the same number collapse."""
    total = len(hosts)
    ends = sorted({min(size.of(total), total) for size in sizes}) if hosts else []
    return [hosts[begin:end] for begin, end in zip([0, *ends], ends, strict=False)]


def in_turn(hosts: Sequence[Host]) -> list[Host]:
    """In inventory order, pilots before all others, and what is to be last after them."""
    return sorted(hosts, key=lambda host: (host.last, not host.pilot))


def by_combo(cut: Cut, rules: Sequence[ComboRule], sizes: Sequence[Amount]) -> None:
    """Each combo for itself: a wave waits for the combo's wave before it. `sizes`: of the combos that list none."""
    for rule in rules:
        parts = slices(rule.waves or sizes, in_turn(cut.members[rule.name]))
        for number, hosts in enumerate(parts, 1):
            before = (Need(wave=f"{rule.name}/{number - 1}"),) if number > 1 else ()
            needs = (*before, *_approval(cut, number))
            cut.add(rule, hosts, str(number), needs, canary=number == 1)


def by_fleet(cut: Cut, rules: Sequence[ComboRule], sizes: Sequence[Amount]) -> None:
    """The whole fleet in one line; each size is a rung that the next one waits for, with a wave for each of its combos.

    Combos that wait for others stand after them in the line, so that no rung can wait for hosts of a later one.
    """
    depth = depths(rules, cut.reached)
    rule_of = {host.name: rule for rule in rules for host in cut.members[rule.name]}
    hosts = in_turn([host for host in cut.hosts if host.name in rule_of])
    hosts.sort(key=lambda host: depth[rule_of[host.name].name])
    for number, part in enumerate(slices(sizes, hosts), 1):
        before = (Need(rung=str(number - 1)),) if number > 1 else ()
        needs = (*before, *_approval(cut, number))
        own: dict[str, list[Host]] = {}
        for host in part:
            own.setdefault(rule_of[host.name].name, []).append(host)
        for rule in rules:
            cut.add(rule, own.get(rule.name, ()), str(number), needs, canary=rule.name not in cut.lines)


def _approval(cut: Cut, number: int) -> tuple[Need, ...]:
    before = str(number - 1)
    return (Need(approved=before),) if before in cut.plan.approval.after else ()
