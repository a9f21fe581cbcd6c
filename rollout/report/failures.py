"""Causes of failures in words and in JSON, and the draft of a risk for one that nobody knew."""

import json
import re
from collections.abc import Collection, Iterator
from typing import Any

from rollout.model.fingerprint import symptom_of
from rollout.report.causes import Cause, Shared
from rollout.report.plain import counted, listed, plain, stamp

PLACEHOLDER = "EDIT: nobody has said yet what is to be done about this"
"""In place of the words that only a person can write."""

LONGEST_NAME = 40


def text(causes: list[Cause], next_of: "dict[str, str]") -> Iterator[str]:
    """Lines; `next_of`: by fingerprint, the command to type next."""
    tries = sum(len(cause.failures) for cause in causes)
    hosts = len({(one.run, one.host) for cause in causes for one in cause.failures})
    if not causes:
        yield "no failure"
        return
    yield f"{counted(tries, 'failure')} on {counted(hosts, 'host')}, {counted(len(causes), 'cause')}"
    for cause in causes:
        yield ""
        yield from _cause(cause, next_of.get(cause.fingerprint, ""))


def _cause(cause: Cause, then: str) -> Iterator[str]:
    known = f"known: {plain(', '.join(cause.risks))}" if cause.risks else "known to no risk"
    stand = f"{len(cause.open)} of them there now" if cause.open else "none of them there now"
    tries = counted(len(cause.failures), "try", "tries")
    yield f"{cause.fingerprint}  {counted(len(cause.hosts), 'host')} ({stand}, {tries}), {known}"
    example = cause.example
    tasks = dict.fromkeys(one.task for one in cause.failures if one.task)
    task = f", task {listed((repr(one) for one in tasks), 2)}" if tasks else ""
    where = listed(dict.fromkeys(one.what for one in cause.failures), 4)
    yield f"  {where}{task}: {plain(example.says, 600)}"
    first, last = stamp(cause.failures[0].at), stamp(cause.failures[-1].at)
    when = f"at {first}" if first == last else f"first at {first}, last at {last}"
    runs = list(dict.fromkeys(one.run for one in cause.failures))
    among = f"; in {counted(len(runs), 'run')} ({listed(runs, 3)})" if len(runs) > 1 else ""
    yield f"  for example {plain(example.host)}; {when}{among}"
    if cause.combos:
        combos = (f"{name} {number}" for name, number in cause.combos.items())
        yield f"  combos: {listed(combos)}{_spread(cause.shared)}"
    yield f"  hosts: {listed(cause.open or cause.hosts, 8)}"
    if then:
        yield f"  next: {then}"


def _spread(shared: tuple[Shared, ...]) -> str:
    """What all of them have: first what none of the healthy ones has."""
    if not shared:
        return ""
    telling = [one for one in shared if one.of and not one.healthy]
    others = [one for one in shared if one not in telling]
    said = []
    if telling:
        them = " and ".join(f"{plain(one.factor)}={plain(one.value)}" for one in telling)
        healthy = counted(telling[0].of, "host")
        said.append(f"all have {them}, and none of the {healthy} that came through does")
    if others:
        also = ", ".join(
            f"{plain(one.factor)}={plain(one.value)}"
            + (f" (so do {one.healthy} of {one.of} that came through)" if one.of else "")
            for one in others
        )
        said.append(f"{'they share' if telling else 'all have'} {also}")
    return "; " + "; ".join(said)


def as_json(cause: Cause, then: str) -> str:
    """One line."""
    example = cause.example
    value: dict[str, Any] = {
        "type": "cause",
        "fingerprint": cause.fingerprint,
        "steps": list(cause.kinds),
        "where": list(dict.fromkeys(one.what for one in cause.failures)),
        "tasks": list(dict.fromkeys(one.task for one in cause.failures if one.task)),
        "says": example.says,
        "example": example.host,
        "open": list(cause.open),
        "hosts": list(cause.hosts),
        "tries": len(cause.failures),
        "combos": dict(cause.combos),
        "shared": {one.factor: {"value": one.value, "healthy": one.healthy, "of": one.of} for one in cause.shared},
        "risks": list(cause.risks),
        "runs": list(dict.fromkeys(one.run for one in cause.failures)),
        "first": round(cause.failures[0].at, 3),
        "last": round(cause.failures[-1].at, 3),
    }  # fmt: skip
    return json.dumps(value | ({"next": then} if then else {}))


def draft(cause: Cause, names: Collection[str], taken: Collection[str]) -> str | None:
    """A risk file for the cause, valid as it is, for a person to edit; None if its words say too little for a symptom.

    `names`: of hosts, in lower case; `taken`: names of risks that there are.
    """
    says = cause.example.says
    symptom = symptom_of(says, names)
    if symptom is None or not cause.kinds:
        return None
    example = "".join(char if char.isprintable() else " " for char in says)
    steps = ", ".join(_quoted(kind) for kind in cause.kinds)
    return "\n".join([
        f"# Drafted from {counted(len(cause.failures), 'failure')} on {counted(len(cause.hosts), 'host')} (fingerprint {cause.fingerprint}).",
        "# `hold` is to be edited, or replaced by `retry: 3`, `remedy: playbooks/NAME.yml` or `halt: FACTOR`; `link:` names a ticket.",
        "# A step that is `once` is begun again only with `repeatable: true`. `rollout risks test` tries the symptom.",
        f"name: {name_of(cause, symptom, taken)}",
        f"symptom: {_quoted(symptom)}",
        f"steps: [{steps}]",
        f"hold: {_quoted(PLACEHOLDER)}",
        "examples:",
        "  matches:",
        f"    - {_quoted(example)}",
        "",
    ])  # fmt: skip


def name_of(cause: Cause, symptom: str, taken: Collection[str]) -> str:
    """The step and the first words of the symptom, as a name that no other risk has."""
    words = re.findall(r"[a-z0-9]+", symptom.lower())
    words = [word for word in words if word not in {"e", "the", "a", "s"}]
    name = "-".join([*re.findall(r"[a-z0-9]+", cause.kinds[0].lower())[:3], *words[:5]])[:LONGEST_NAME].strip(
        "-"
    )
    numbered = (f"{name}-{number}" for number in range(2, len(taken) + 3))
    return next(one for one in (name, *numbered) if one not in taken)


def _quoted(text: str) -> str:
    """As YAML reads it in double quotes."""
    return json.dumps(text, ensure_ascii=False)
