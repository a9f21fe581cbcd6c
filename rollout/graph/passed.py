"""What hosts have done already, by the chain as it was: whether they can go on by the chain as it is now."""

from collections.abc import Iterable, Iterator, Mapping, Sequence

from rollout.model.chain import REMEDY
from rollout.model.graph import Combo, Graph
from rollout.model.plan import Risk
from rollout.model.progress import HostState, Status

SHOWN = 5
"""Hosts that a refusal names."""

_NO_UNDO, _AGAIN, _LEFT_OUT = "no undo", "again", "left out"


def past(
    old: Graph, combos: Mapping[str, Combo], hosts: Iterable[HostState]
) -> dict[tuple[str, str], tuple[str, ...]]:
    """By combo and new step, the hosts that are past it: what is done, or precedes it, is not begun again (design, I4)."""
    found: dict[tuple[str, str], list[str]] = {}
    for host in hosts:
        combo = combos[old.nodes[host.name].combo]
        before = {step.name for step in old.combos[combo.name].chain}
        is_healthy = host.status is Status.SOAKING or host.status is Status.VERIFIED
        for step in combo.chain if is_healthy else combo.reached(_last(host)):
            if step.name not in before:
                found.setdefault((combo.name, step.name), []).append(host.name)
    return {key: tuple(names) for key, names in found.items()}


def refused(
    old: Graph, combos: Mapping[str, Combo], hosts: Iterable[HostState], risks: Sequence[Risk]
) -> list[str]:
    """Why hosts could not go on, or back: what they have done, do, or have left open has no name any more, or stands elsewhere."""
    remedies = {risk.remedy.name for risk in risks if risk.remedy is not None}
    found: dict[tuple[str, str, str], list[str]] = {}
    for host in hosts:
        name = old.nodes[host.name].combo
        for step, why in _missing(host, old.combos[name], combos[name], remedies):
            found.setdefault((name, step, why), []).append(host.name)
    return [_sentence(*key, names) for key, names in sorted(found.items())]


def _last(host: HostState) -> str | None:
    """The step that is, or will be, the last one done."""
    return host.step if host.open and not (host.step or "").startswith(REMEDY) else host.passed


def _missing(host: HostState, was: Combo, now: Combo, remedies: set[str]) -> Iterator[tuple[str, str]]:
    missing = [
        (step, why)
        for step, why in _must_have(host)
        if now.step(step) is None and not (step in remedies or (step.startswith(REMEDY) and not host.open))
    ]
    yield from missing
    for name in host.effects:
        step = now.step(name)
        if step is not None and step.undo is None:
            yield name, _NO_UNDO
    if missing:
        return
    done = {step.name for step in was.reached(_last(host))}
    known = {step.name for step in was.chain}
    before = [step.name for step in now.reached(_last(host))]
    yield from ((step.name, _AGAIN) for step in now.chain[len(before) :] if step.name in done)
    yield from ((name, _LEFT_OUT) for name in before if name in known - done)


def _must_have(host: HostState) -> list[tuple[str, str]]:
    """The steps that a host cannot go on, or back, without."""
    found = dict.fromkeys(host.effects, "what left something open")
    if host.tried is not None:
        found[host.tried] = "begun"
    if host.passed is not None:
        found[host.passed] = "the last one done"
    if host.failure:
        found[host.failure[0]] = "the one that failed"
    stays = host.open or host.lost or host.ending is not None or host.status is Status.HELD
    if host.step is not None and stays:
        found[host.step] = "in flight" if host.open else "the one last tried"
    return list(found.items())


def _sentence(combo: str, step: str, why: str, names: Sequence[str]) -> str:
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    hosts = f"{'host' if len(names) == 1 else f'{len(names)} hosts:'} {', '.join(names[:SHOWN])}{more}"
    if why == _NO_UNDO:
        return f"combo {combo}: step {step} has no undo any more, and left something open on {hosts}; give it its undo back"
    if why == _AGAIN:
        return f"combo {combo}: step {step} would be run again, for it stands later in the chain, and is done on {hosts}; put it back in its place"
    if why == _LEFT_OUT:
        return (
            f"combo {combo}: step {step} would never be run, for it stands earlier in the chain, and is not done on {hosts}; "
            "put it back in its place"
        )
    return f"combo {combo} has no step {step} any more, and it is {why} on {hosts}; keep the name, its playbook may be another"
