"""The gates of a plan: what is wrong with one, and what it means."""

from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel

from rollout import kinds
from rollout.errors import Problem, RolloutError
from rollout.model.chain import Step
from rollout.model.plan import (
    DURING,
    IN_REACH,
    NO_GUESTS,
    PER_COMBO,
    PER_HOST,
    PER_RUN,
    PER_WAVE,
    ROLLBACK,
    GateRule,
    Moment,
)
from rollout.plan import chain, check, hops, schema
from rollout.plan.shape import validate
from rollout.plan.text import Node

NO_STEPS = {"run", "wave", ROLLBACK, ""}
"""What `when` names besides steps."""


def problems(draft: check.Draft) -> Iterator[Problem]:
    """Every mistake of meaning in the list of gates."""
    known = kinds.names("gates")
    for node in draft.items("gates"):
        yield from _moment(draft, node)
        kind = node.get("kind")
        if kind and kind.text:
            yield from check.unknown_word("kind of gate", kind.text, known, kind.at)
    for index, gate in draft.gates.items():
        if gate.kind in known:
            yield from _settings(draft, index, gate)[1]
            yield from check.there(draft, draft.root.find("gates", index).get("playbook"))
            yield from _remembers(draft, index, gate)
            yield from _about(draft, index, gate)
            yield from _acts(draft, index, gate)


def _moment(draft: check.Draft, gate: Node) -> Iterator[Problem]:
    name, when = gate.get("name"), gate.get("when")
    if name and name.text in {NO_GUESTS, IN_REACH}:
        yield Problem(name.at, f"{name.text} is the name of a gate that rollout itself adds")
    words = when.text.split() if when else []
    if (
        when
        and len(words) == 2
        and words[0] in {"before", "after"}
        and words[1] not in {"run", "wave", ROLLBACK}
    ):
        yield from check.unknown_word("step", words[1], draft.step_names, when.at)


def _remembers(draft: check.Draft, index: int, gate: schema.Gate) -> Iterator[Problem]:
    """A gate that compares needs a disruptive step between what it remembers and what it sees."""
    kind: Any = kinds.load("gates", gate.kind)
    if not getattr(kind, "remembers", False) or _is_unsure(draft):
        return
    late = [step.name for step in _disrupted(draft)]
    when = gate.when
    fits = when.what in (late[1:] if when.edge == "before" else late)
    if str(when) != "after wave" and when.what in {"run", "wave", *draft.step_names} and not fits:
        message = f"kind {gate.kind} compares with what it saw before the first disruptive step: ask it after that step"
        yield Problem(draft.at("gates", index, "when"), message)


def _disrupted(draft: check.Draft) -> list[Step]:
    """The steps of the plan's own chain from the first that needs a slot."""
    links = chain.chain_of(list(draft.steps.values()), {})
    first = next((number for number, step in enumerate(links) if step.needs_slot), len(links))
    return list(links[first:])


def _about(draft: check.Draft, index: int, gate: schema.Gate) -> Iterator[Problem]:
    """What one answer is about has to fit the moment, and the kind."""
    about = draft.root.find("gates", index)
    key, when = about.get("per") or about.get("when") or about, str(gate.when)
    if not _asks_fleet(gate):
        if gate.when.edge == DURING:
            message = f"kind {gate.kind} asks a host, and {DURING} is for gates about the fleet: ask it before or after a step"
            yield Problem(key.at, message)
        elif gate.per not in {None, PER_HOST}:
            yield Problem(
                key.at, f"kind {gate.kind} asks each host by itself: leave out `per`, or write `per: host`"
            )
        return
    allowed = _may_be_about(gate.when, draft.factors)
    if gate.per is not None and gate.per not in allowed:
        known = (PER_HOST, PER_WAVE, PER_RUN, PER_COMBO, *draft.factors)
        if gate.per not in known:
            yield from check.unknown_word("factor", gate.per, tuple(known), key.at)
        else:
            yield Problem(
                key.at, f"per: {gate.per} does not fit {when}: there it is one of {', '.join(allowed)}"
            )
    found = _settings(draft, index, gate)[2]
    if gate.when.edge == DURING and found is not None and found.asks_per_host():
        message = "its settings name one host, and `during` it is asked for many at once: leave the host out, and let the query group by it"
        yield Problem(key.at, message)
    elif found is not None:
        per = gate.per or (PER_HOST if found.asks_per_host() else allowed[0])
        for setting, wrong in found.objections(str(gate.when), per, draft.factors):
            yield Problem((about.get(setting) or about).at, wrong)


def _may_be_about(when: Moment, factors: tuple[str, ...]) -> tuple[str, ...]:
    """The first is what is meant without `per`."""
    if when.edge == DURING:
        return (PER_RUN, PER_COMBO, *factors)
    if when.what == "run":
        return (PER_RUN, PER_HOST)
    return (PER_WAVE, PER_HOST) if when.what == "wave" else (PER_HOST,)


def _asks_fleet(gate: schema.Gate) -> bool:
    return getattr(kinds.load("gates", gate.kind), "about", PER_HOST) == "fleet"


def _acts(draft: check.Draft, index: int, gate: schema.Gate) -> Iterator[Problem]:
    """What disturbs a host is asked while it is empty and has its slot; who is a canary is a question about one host."""
    acts = getattr(kinds.load("gates", gate.kind), "acts", False)
    when = draft.root.find("gates", index, "when")
    if acts and gate.when.what in {*draft.step_names, *NO_STEPS}:
        late = {step.name for step in _disrupted(draft) if not step.reopen}
        if gate.when.edge != "after" or (gate.when.what not in late and not _is_unsure(draft)):
            message = f"kind {gate.kind} disturbs the host: ask it after a step at which the host has its slot, and before its guests come back"
            yield Problem(when.at, message)
    if gate.hosts is not None and gate.when.what in NO_STEPS:
        node = draft.root.find("gates", index, "hosts")
        yield Problem(
            node.at, f"hosts: {gate.hosts} is for gates before or after a step, and not for {gate.when}"
        )


def _is_unsure(draft: check.Draft) -> bool:
    """Whether some step has a mistake of its own, so that the chain is not known."""
    return len(draft.steps) < len(draft.step_names)


def _settings(draft: check.Draft, index: int, gate: schema.Gate) -> tuple[dict[str, Any], list[Problem], Any]:
    """The kind's own settings as it understood them, in JSON's types; what is wrong; and the gate itself, if nothing is."""
    kind: type[BaseModel] = kinds.load("gates", gate.kind)
    common = schema.GATE_KEYS
    whole = draft.root.find("gates", index)
    entries = {name: node for name, node in whole.entries.items() if name not in common}
    own = Node("map", whole.place, whole.key, entries=entries)
    found, wrong = validate(kind, own, common, f"gate {gate.name}")
    plain = found.model_dump(mode="json", by_alias=True, exclude_unset=True) if found else {}
    return plain, wrong, found


def gate_rules(draft: check.Draft) -> tuple[GateRule, ...]:
    """The plan's gates, and the one that keeps hosts with guests from `once` steps and reboots. Asked of a valid draft only."""
    rules = [_rule(draft, index, gate) for index, gate in draft.gates.items()]
    steps = list(draft.steps.values())
    chains = [
        chain.chain_of(steps, {}),
        *(chain.chain_of(steps, combo.steps) for combo in draft.combos.values()),
        *(
            hops.chain_on(steps, combo, hop)
            for hop in draft.hops.values()
            if hop.steps
            for combo in draft.combos.values()
        ),
    ]
    risky = {step.name for links in chains for step in links if step.endangers_guests}
    names = [step.name for step in steps if step.name in risky]
    names += dict.fromkeys(
        step.undo.name
        for links in chains
        for step in links
        if step.undo is not None and step.undo.endangers_guests
    )
    implicit = [GateRule(NO_GUESTS, "guests", Moment("before", name)) for name in names]
    if any(step.undo is not None for links in chains for step in links):
        implicit.append(GateRule(IN_REACH, "ssh", Moment("after", ROLLBACK), retries=30))
    return (*implicit, *rules)


def _rule(draft: check.Draft, index: int, gate: schema.Gate) -> GateRule:
    settings, wrong, found = _settings(draft, index, gate)
    if wrong:
        raise RolloutError(str(wrong[0]))
    kind: Any = kinds.load("gates", gate.kind)
    per = gate.per or PER_HOST
    if gate.per is None and _asks_fleet(gate) and not found.asks_per_host():
        per = _may_be_about(gate.when, ())[0]
    only_canaries = gate.hosts == "canaries" or (gate.hosts is None and getattr(kind, "canaries", False))
    patience = None if "timeout" in gate.model_fields_set else getattr(kind, "patience", None)
    return GateRule(
        gate.name,
        gate.kind,
        gate.when,
        settings,
        bool(getattr(kind, "remembers", False)),
        gate.retries,
        gate.interval,
        patience or gate.timeout,
        per=per,
        samples=gate.samples,
        lasts=gate.lasts,
        on_inconclusive=gate.on_inconclusive,
        shadow=gate.shadow,
        canaries=only_canaries,
        acts=bool(getattr(kind, "acts", False)),
        fleet=_asks_fleet(gate),
    )
