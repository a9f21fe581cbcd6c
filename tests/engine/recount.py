"""A run's events told again, one by one, to a count of their own: see `tests.engine.rules`."""

from collections.abc import Callable

from rollout.model.event import Event, Kind
from tests.engine.rules import COMBO, OUT, Rules, Seen


class Recount(Rules):
    """Told every event of a run, in order."""

    def see(self, event: Event) -> None:
        """Look at what the event claims, then believe it."""
        assert event.at >= self.at, "time went backwards"
        self.at = event.at
        if event.host is not None and event.host in self.hosts:
            _HOST[event.kind](self, event, self.hosts[event.host])
        elif event.host is None:
            _RUN[event.kind](self, event)

    def was_asked_first(self) -> bool:
        """Whether every host that begins has answered for itself before the run."""
        return any(gate.when.what == "run" for gate in self.graph.gates)

    def begins(self, event: Event, seen: Seen) -> None:
        name, step = event.host or "", event.step or ""
        node, walks_back = self.graph.nodes[name], step.startswith("undo-")
        assert seen.open is None, f"two steps at once: {event}"
        assert seen.status not in OUT, f"a host that is out of the run begins: {event}"
        assert event.attempt == seen.attempts + 1, f"an attempt was left out, or was there before: {event}"
        assert node.wave in self.opened, f"its wave is not open: {event}"
        if not walks_back:
            names = [link.name for link in self.chain(name)]
            after = names.index(seen.passed) + 1 if seen.passed else 0
            assert names.index(step) == after, f"a step was repeated or left out: {event}"
        if not seen.slot:
            self.may_begin(event, walks_back)
        if event.data["slots"]:
            assert not seen.slot, f"it takes what it has: {event}"
            assert list(node.slots) == event.data["slots"], f"it takes not all of its slots: {event}"
            if not walks_back:
                self.has_credit(event)
        if not seen.slot and not walks_back:
            self.has_time(event, seen)
        seen.slot, seen.took = seen.slot or bool(event.data["slots"]), bool(event.data["slots"])
        assert seen.slot or not self.is_disruptive(name, step), f"disrupted without a slot: {event}"
        if seen.took:
            self.has_room(event)
        if seen.status == "waiting" or walks_back:
            seen.status = "running"
        seen.open = seen.step = step
        seen.attempts, seen.began = event.attempt, event.at

    def opens(self, event: Event) -> None:
        wave = self.graph.waves[event.data["wave"]]
        assert wave.id not in self.opened, f"opened twice: {event}"
        assert not self.paused, f"in a pause: {event}"
        assert not self.aborted, f"after an abort: {event}"
        for need in wave.needs:
            assert self.is_met(need), f"{need} is not met: {event}"
        self.opened.add(wave.id)

    def passes(self, event: Event) -> None:
        wave = self.graph.waves[event.data["wave"]]
        statuses = {self.hosts[name].status for name in wave.hosts}
        assert not statuses & {"waiting", "running", "soaking"}, f"passed with work left: {event}"
        assert not wave.canary or "verified" in statuses, f"nothing was proven: {event}"
        self.passed.add(wave.id)


def _done(count: Recount, event: Event, seen: Seen) -> None:
    name, step = event.host or "", event.step or ""
    assert seen.open == step, f"nothing of the kind was in flight: {event}"
    seen.open = None
    if step.startswith("undo-"):
        seen.passed = count.before(name, step.removeprefix("undo-"))
        return
    seen.passed, seen.spent[step], seen.silent = step, event.at - seen.began, False
    chain = {link.name: link for link in count.chain(name)}
    if chain[step].once or chain[step].disruptive:
        seen.proofs.clear()
    if step == "verify":
        seen.proofs.append(step)


def _failed(_count: Recount, event: Event, seen: Seen) -> None:
    assert seen.open == event.step, f"nothing of the kind was in flight: {event}"
    seen.open, seen.silent = None, event.data["ending"] == "unreachable"


def _void(_count: Recount, event: Event, seen: Seen) -> None:
    seen.open = None
    if seen.took and event.data["ending"] == "never-began":
        seen.slot = False


def _answered(_count: Recount, event: Event, seen: Seen) -> None:
    seen.silent = False  # an imagined host always answers
    if event.data["value"] == "pass":
        assert event.data["samples"], f"it passed without a sample: {event}"
        seen.proofs.append(event.data["gate"])
    elif event.data["gate"] in seen.proofs:
        seen.proofs.remove(event.data["gate"])


def _retrying(_count: Recount, _event: Event, seen: Seen) -> None:
    seen.failed = seen.failed or seen.slot


def _soaking(count: Recount, event: Event, seen: Seen) -> None:
    count.is_healthy(event, seen)
    seen.status, seen.slot = "soaking", False


def _verified(count: Recount, event: Event, seen: Seen) -> None:
    count.is_healthy(event, seen)
    seen.status, seen.slot = "verified", False


def _held(count: Recount, event: Event, seen: Seen) -> None:
    seen.late = seen.late or seen.status in {"soaking", "verified"}
    disrupted = seen.slot or (seen.passed is not None and count.is_disruptive(event.host or "", seen.passed))
    was_well = seen.passed is not None or count.was_asked_first()
    seen.away = not disrupted and seen.silent and was_well and not (seen.step or "").startswith("undo-")
    assert bool(event.data.get("away")) == seen.away, f"what others broke counts, and nothing else: {event}"
    seen.slot = disrupted or seen.away
    seen.status, seen.failed = "held", True


def _back(seen: Seen) -> None:
    """A host that was away has to show that it is back before it counts as one that may be broken."""
    seen.status = "running" if seen.attempts else "waiting"
    seen.slot, seen.away, seen.silent = seen.slot and not seen.away, False, False


def _retried(_count: Recount, _event: Event, seen: Seen) -> None:
    if seen.status == "held":
        _back(seen)
    elif seen.status in {"rolled-back", "excluded"}:
        seen.status = "waiting"
    if seen.status not in OUT:
        seen.failed = seen.late = False


def _resolved(count: Recount, event: Event, seen: Seen) -> None:
    """Its work is done, but what shows that is to be shown again."""
    if seen.status != "held" or event.data["as"] != "done":
        return
    name, step = event.host or "", seen.step or ""
    _back(seen)
    if step.startswith("undo-"):
        seen.passed = count.before(name, step.removeprefix("undo-"))
        return
    names = [link.name for link in count.chain(name)]
    known = [names.index(one) for one in (seen.passed, step) if one in names]
    reached = min(max(known, default=-1), names.index("verify") - 1)
    seen.passed = names[reached] if reached >= 0 else None


def _retired(_count: Recount, _event: Event, seen: Seen) -> None:
    if seen.open is None:
        seen.status, seen.slot = "retired", False


def _skipped(_count: Recount, _event: Event, seen: Seen) -> None:
    if seen.status == "waiting" and not seen.attempts:
        seen.status = "excluded"


def _rolled_back(_count: Recount, _event: Event, seen: Seen) -> None:
    seen.status, seen.slot, seen.passed, seen.step = "rolled-back", False, None, None


def _stuck(count: Recount, _event: Event, _seen: Seen) -> None:
    count.paused = True


def _nothing(_count: Recount, _event: Event, _seen: Seen) -> None:
    """It changes nothing that is counted here."""


_HOST: dict[Kind, Callable[[Recount, Event, Seen], None]] = {
    Kind.INTENDED: Recount.begins,
    Kind.DONE: _done,
    Kind.FAILED: _failed,
    Kind.VOID: _void,
    Kind.ANSWERED: _answered,
    Kind.RETRYING: _retrying,
    Kind.SOAKING: _soaking,
    Kind.VERIFIED: _verified,
    Kind.HELD: _held,
    Kind.RETRIED: _retried,
    Kind.RESOLVED: _resolved,
    Kind.RETIRED: _retired,
    Kind.SKIPPED: _skipped,
    Kind.ROLLED_BACK: _rolled_back,
    Kind.STUCK: _stuck,
    Kind.ASK_AGAIN: _nothing,
    Kind.PROMOTED: _nothing,
}


def _paused(count: Recount, _event: Event) -> None:
    count.paused = True


def _continued(count: Recount, _event: Event) -> None:
    count.paused = False


def _aborted(count: Recount, _event: Event) -> None:
    count.aborted = True


def _stopped(event: Event) -> dict[str, str]:
    """What the hosts have in common that a breaker stops; nothing, for the whole run."""
    combo = event.data.get("combo")
    return {COMBO: combo} if combo else dict(event.data.get("factors", {}))


def _tripped(count: Recount, event: Event) -> None:
    assert _stopped(event) not in count.tripped, f"tripped twice: {event}"
    count.tripped.append(_stopped(event))


def _reset(count: Recount, event: Event) -> None:
    count.tripped.remove(_stopped(event))


def _approved(count: Recount, event: Event) -> None:
    """Through a rung: those before it, too."""
    if event.data["digest"] == count.graph.digest:
        asked = count.graph.approvals
        count.approved.update(asked[: asked.index(event.data["through"]) + 1])


def _no_word(_count: Recount, _event: Event) -> None:
    """It changes nothing that is counted here."""


_RUN: dict[Kind, Callable[[Recount, Event], None]] = {
    Kind.TAKEN_UP: _no_word,
    Kind.ROUND: _no_word,
    Kind.ENDED: _no_word,
    Kind.PROMOTED: _no_word,
    Kind.OPENED: Recount.opens,
    Kind.PASSED: Recount.passes,
    Kind.TRIPPED: _tripped,
    Kind.RESET: _reset,
    Kind.PAUSED: _paused,
    Kind.CONTINUED: _continued,
    Kind.ABORTED: _aborted,
    Kind.APPROVED: _approved,
}
