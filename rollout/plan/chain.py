"""The chain of steps: what a person wrote for all combos, with one combo's overrides laid over it."""

from collections.abc import Iterator, Mapping
from typing import Any

from rollout import kinds
from rollout.model.chain import REBOOT, Step
from rollout.plan import later, schema, sides
from rollout.plan.words import expected, shown

_ACTIONS = ("playbook", "drain", "reopen")
_EXPECT = 0.1
"""Until something is learned, a step is expected to take this share of its timeout."""


def laid_over(step: schema.Step, override: schema.Action | None) -> schema.Step:
    """The step with the overridden keys.

    An override with `drain` or `reopen` replaces all that the step does. One with `playbook` alone replaces the playbook
    alone, so that it can never take the draining out of a step unsaid.
    """
    if override is None:
        return step
    written = {key: getattr(step, key) for key in step.model_fields_set}
    new = {key: getattr(override, key) for key in override.model_fields_set}
    if "drain" in new or "reopen" in new:
        written = {key: value for key, value in written.items() if key not in {*_ACTIONS, "undo", "commit"}}
    merged: dict[str, Any] = {**written, **new}
    return schema.Step.model_construct(_fields_set=set(merged), **merged)


def step_of(written: schema.Step) -> Step:
    """The step as it was meant."""
    return Step(
        name=written.name,
        playbook=written.playbook,
        drain=written.drain,
        reopen=written.reopen,
        once=written.once,
        disruptive=written.disruptive or (written.name == REBOOT and written.playbook is not None),
        retries=written.retries,
        backoff=written.backoff,
        timeout=written.timeout,
        expect=written.timeout * _EXPECT if written.expect is None else written.expect,
    )


def chain_of(steps: list[schema.Step], overrides: Mapping[str, schema.Action]) -> tuple[Step, ...]:
    """A combo's whole chain."""
    written = [laid_over(step, overrides.get(step.name)) for step in steps]
    return sides.tied(written, [step_of(one) for one in written])


def mistakes(step: schema.Step) -> Iterator[tuple[str, str]]:
    """What is wrong with a step, each with the key that it is about ("" for the step as a whole)."""
    actions = [action for action in _ACTIONS if getattr(step, action) is not None]
    if not actions:
        yield "", f"step {step.name} does nothing: give it one of playbook, drain, reopen"
    if step.once and step.retries:
        yield (
            "retries",
            f"step {step.name} is `once`, so it cannot have retries: it is never run again on a guess",
        )
    if step.name == REBOOT and "disruptive" in step.model_fields_set and not step.disruptive:
        yield "disruptive", "a step called reboot is always disruptive"
    if step.expect is not None and step.expect > step.timeout:
        yield "expect", f"step {step.name} cannot be expected to take longer than its timeout"
    if step.drain is not None and step.reopen is not None:
        yield "reopen", f"step {step.name} has both drain and reopen: make them two steps"
    for action in ("drain", "reopen"):
        kind = getattr(step, action)
        if kind is not None:
            yield from drain_mistakes(f"step {step.name}", action, kind, step.playbook)


def drain_mistakes(what: str, action: str, kind: str, playbook: str | None) -> Iterator[tuple[str, str]]:
    """What is wrong with a kind of drain, and with a playbook beside it; `what` uses it."""
    known = kinds.names("drains")
    if kind in later.DRAIN_KINDS and kind not in known:
        yield action, f"{action}: {kind} {later.LATER}; {later.DRAIN_KINDS[kind]}"
    elif kind not in known:
        yield action, f"unknown kind of {action} {shown(kind)}{expected(kind, known)}"
    elif _needs_playbook(kind) and playbook is None:
        yield action, f"{what} needs a playbook, because of `{action}: {kind}`"
    elif not _needs_playbook(kind) and playbook is not None:
        yield "playbook", f"{what} has both a playbook and `{action}: {kind}`: make them two steps"


def _needs_playbook(kind: str) -> bool:
    found: Any = kinds.load("drains", kind)
    return bool(found.needs_playbook)
