"""What takes a step back or makes it final: undo, commit, and the steps that close what others opened."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from rollout.model.chain import COMMIT, UNDO, Step
from rollout.plan import schema
from rollout.plan.words import expected, shown


def tied(written: Sequence[schema.Step], links: Sequence[Step]) -> tuple[Step, ...]:
    """The chain with each step's undo, commit and what it closes; `links` are the same steps without them.

    A `reopen` closes the drains of its kind before it. What is closed by a step without an undo of its own is undone by that
    step's action, and the closing of a drain by the drain's.
    """
    closing = [_closes(one, link, links[:number]) for number, (one, link) in enumerate(zip(written, links, strict=True))]  # fmt: skip
    found = []
    for one, link, closes in zip(written, links, closing, strict=True):
        final = one.commit is not None
        undo = (
            _side(UNDO, link, one.undo, final=final)
            if one.undo is not None
            else _implied(link, closes, links, closing)
        )
        commit = _side(COMMIT, link, one.commit) if one.commit is not None else None
        found.append(replace(link, undo=undo, commit=commit, closes=closes))
    return tuple(found)


def _closes(written: schema.Step, link: Step, before: Sequence[Step]) -> tuple[str, ...]:
    if written.closes is not None:
        return schema.globs(written.closes)
    return tuple(step.name for step in before if link.reopen is not None and step.drain == link.reopen)


def _side(prefix: str, link: Step, written: str | schema.Side, *, final: bool = False) -> Step:
    """`final`: the step has a commit, so its undo is destructive, as the revert of a snapshot is."""
    side = schema.Side(playbook=written) if isinstance(written, str) else written
    timeout = link.timeout if side.timeout is None else side.timeout
    return Step(
        name=prefix + link.name,
        playbook=side.playbook,
        drain=side.drain,
        reopen=side.reopen,
        once=prefix == UNDO and (link.once or final),
        retries=side.retries,
        backoff=side.backoff,
        timeout=timeout,
        expect=timeout * 0.1,
        of=link.name,
    )


def _implied(
    link: Step, closes: tuple[str, ...], links: Sequence[Step], closing: Sequence[tuple[str, ...]]
) -> Step | None:
    opposite = next((other for other, names in zip(links, closing, strict=True) if link.name in names), None)
    if opposite is None:
        drains = [step for step in links if step.name in closes and step.drain is not None]
        opposite = drains[0] if drains and link.drain is None else None
    if opposite is None:
        return None
    return replace(opposite, name=UNDO + link.name, of=link.name, once=False, disruptive=False)


def mistakes(
    step: schema.Step, before: Sequence[str], known: Sequence[str]
) -> Iterator[tuple[tuple[str | int, ...], str]]:
    """What is wrong with a step's undo, commit and closes, each with the path of the key that it is about."""
    for index, name in enumerate(schema.globs(step.closes) if step.closes is not None else ()):
        if name not in known:
            yield ("closes", index), f"unknown step {shown(name)}{expected(name, before)}"
        elif name not in before:
            yield (
                ("closes", index),
                f"step {step.name} cannot close {shown(name)}, which does not come before it",
            )
    if step.commit is not None and step.undo is None:
        yield ("commit",), f"step {step.name} has a commit and no undo: there is nothing to make final"
    for key, side in (("undo", step.undo), ("commit", step.commit)):
        if isinstance(side, schema.Side):
            yield from _side_mistakes(step, key, side)


def tangles(written: Sequence[schema.Step], links: Sequence[Step]) -> Iterator[tuple[str, str]]:
    """What is wrong with a whole chain: steps by name, with what they close that cannot be closed so."""
    own = {step.name for step in written if step.undo is not None}
    for step in links:
        closed = [link for link in links if link.name in step.closes]
        drains = [link.name for link in closed if link.drain is not None]
        if len(drains) > 1:
            yield (
                step.name,
                f"step {step.name} closes several drains ({', '.join(drains)}): have one step for each, and say which with `closes`",
            )
        for link in closed:
            if link.changes_host and link.name not in own:
                yield (
                    step.name,
                    f"step {step.name} closes {link.name}, which changes the host: give {link.name} an undo of its own",
                )


def _side_mistakes(step: schema.Step, key: str, side: schema.Side) -> Iterator[tuple[tuple[str, ...], str]]:
    if side.drain is not None and side.reopen is not None:
        yield (key,), f"the {key} of step {step.name} has both drain and reopen: give it one of them"
    if side.playbook is None and side.drain is None and side.reopen is None:
        yield (key,), f"the {key} of step {step.name} does nothing: give it one of playbook, drain, reopen"
    if key == "undo" and side.retries and (step.once or step.commit is not None):
        yield (
            (key, "retries"),
            f"the undo of step {step.name} is as destructive as the step, so it cannot have retries: it is never run again on a guess",
        )
