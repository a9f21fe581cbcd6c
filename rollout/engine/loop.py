"""The loop. Crash-only: every start is a resume.

The intention is committed before the act, the result after it, both under the lease; the journal refuses either if somebody else
has written meanwhile, so a pause or an abort is seen before every intention.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from itertools import count
from typing import Any, Protocol

from rollout.engine.answers import answer_event, news_about_fleet
from rollout.engine.asking import Asker, is_lost
from rollout.engine.findings import Finding, Questioned
from rollout.engine.inbox import Answered, Found, Message, StopAsked
from rollout.engine.paths import Doubts, PathAsker
from rollout.engine.steps import Steps
from rollout.engine.subjects import Subjects
from rollout.errors import Behind
from rollout.journal import Journal, Lease
from rollout.model.chain import Step
from rollout.model.decision import Ask, Decision, Record, Start, Stop, Wait
from rollout.model.event import UNWRITTEN, Event, Kind
from rollout.model.fold import apply
from rollout.model.graph import Combo, Graph
from rollout.model.seams import Ending, Order, Outcome
from rollout.model.state import HostState, State
from rollout.model.suspicion import BY_CONTROLLER, BY_PATH, THIS_MACHINE
from rollout.scheduler import decide

RENEW = 10.0
"""Seconds between two signs of life in the journal."""

DEATHS = 3
"""How often a step of a host goes on after its own process died under our eyes: what kills it each time needs a person."""

ITS_PATHS_PERHAPS = frozenset({Ending.UNREACHABLE, Ending.LOST, Ending.REFUSED})
"""Endings that may be the doing of what stands before the host; a refused key may be the bastion's."""


class Mailbox(Protocol):
    """`rollout.engine.inbox.Inbox`, or its virtual twin."""

    def now(self) -> float: ...
    def post(self, message: Message, after: float = 0.0) -> None: ...
    def get(self, until: float | None) -> Message | None: ...


Listener = Callable[[Event, State], None]
"""Told of every event that is written, after it is durable."""


class Engine:
    """Carries a run on until it ends, stands still, or is asked to stop.

    `poll` is how often, in seconds, the journal is read for the requests of people while nothing happens; None: never.
    `gone` maps hosts that have left the inventory to a sentence about it. `paths` is asked before a host that has vanished is
    blamed for it. `until` is when this controller has to end, by the inbox's clock: no host begins that would take longer. `unattended`: a schedule, not a
    person, has started it: what a gate has stopped stays stopped.
    """

    def __init__(
        self,
        journal: Journal,
        lease: Lease,
        graph: Graph,
        steps: Steps,
        asker: Asker,
        subjects: Subjects,
        inbox: Mailbox,
        *,
        listener: Listener = lambda _event, _state: None,
        poll: float | None = 1.0,
        gone: Mapping[str, str] | None = None,
        paths: PathAsker | None = None,
        until: float | None = None,
        unattended: bool = False,
    ) -> None:
        self._journal, self._lease, self._graph = journal, lease, graph
        self._steps, self._asker, self._subjects, self._inbox = steps, asker, subjects, inbox
        self._listener, self._poll, self._gone, self._until = listener, poll, gone or {}, until
        self._doubts = Doubts(graph, paths, inbox.post)
        self._unkept: dict[str, None] = {}
        self._questions = count(1)
        self._asked: dict[str, tuple[int, Ask]] = {}
        self._taken_up: set[tuple[str, int]] = set()
        self._stopping: StopAsked | None = None
        self._unattended = unattended
        self._ahead = 0.0
        self._renewed = inbox.now()
        run, hosts, tail = journal.load(lease.run, graph)
        self.state = State(graph, run, hosts)
        for event in tail:
            self._fold(event)

    def run(self) -> Stop:
        """Until the end of this controller; the lease is given back. Raises LeaseLost, LimitReached, JournalFull, JournalError."""
        self._take_up()
        while True:
            until = None if self._until is None else self._until + self._ahead
            decisions = decide(self._graph, self.state, self._now(), until)
            if self._stopping is not None:
                decisions = [self._stop_safely(self._stopping, decisions)]
            for decision in decisions:
                if isinstance(decision, Stop):
                    if self._end(decision):
                        return decision
                    break
                if isinstance(decision, Wait):
                    self._wait(decision.until)
                elif not self._perform(decision):
                    break

    def _now(self) -> float:
        """The journal's time: what is decided is compared with what is written there."""
        return self._inbox.now() + self._ahead

    # --- deciding is done; this is doing -------------------------------------------------------------------------------------

    def _take_up(self) -> None:
        """Make the run ours, and ask what became of every step that was in flight."""
        data: dict[str, object] = {"fence": self._lease.fence, "owner": str(self._lease.owner)}
        data |= {"unattended": True} if self._unattended else {}
        self._must_record(Event(Kind.TAKEN_UP, f"taken up by {self._lease.owner}", data=data))
        self._ahead = self.state.run.at - self._inbox.now()
        for name, because in self._gone.items():
            if name in self.state.hosts:
                self._must_record(Event(Kind.GONE, because, name))
        for name in tuple(self.state.open):
            host = self.state.hosts[name]
            self._taken_up.add((name, host.attempt))
            self._carry_out(name, host.step or "", host.attempt, taken_up=True)

    def _perform(self, decision: Decision) -> bool:
        """False: someone else has written, or a limit is full after all; decide again."""
        if isinstance(decision, Start):
            return self._start(decision)
        if isinstance(decision, Ask):
            self._ask(decision)
            return True
        if isinstance(decision, Record):
            return self._record(decision.event)
        return True

    def _start(self, start: Start) -> bool:
        take = tuple((slot, self._graph.caps[slot]) for slot in start.slots)
        data = {"slots": list(start.slots), "fence": self._lease.fence}
        event = Event(Kind.INTENDED, start.because, start.host, start.step, start.attempt, data)
        if not self._record(event, take):
            return False
        self._carry_out(start.host, start.step, start.attempt, taken_up=False)
        return True

    def _carry_out(self, name: str, step_name: str, attempt: int, *, taken_up: bool) -> None:
        combo, host = self.state.combo_of(name), self.state.hosts[name]
        step = self._graph.step_of(name, step_name)
        if step is None:
            gone = f"the plan has no step {step_name} any more"
            self._inbox.post(Outcome(name, step_name, attempt, Ending.UNKNOWN, gone))
            return
        target = {factor: list(globs) for factor, globs in self._graph.target_of(name, step).items()}
        variables = {
            "rollout_target": target,
            "rollout_combo": combo.name,
            "rollout_last_step": _is_last(combo, host, step),
            "rollout_found": host.all_found,
        }
        order = Order(
            self._lease.run, name, step, attempt, self._lease.fence, taken_up, variables, lost=host.lost
        )
        now = self._now()
        looked = step_name in host.found
        subject = partial(self._subjects.of, name, {}, now, step.timeout, host.all_found, step_name)
        self._steps.run(order, subject, self._inbox.post, looked=looked)

    def _ask(self, ask: Ask) -> None:
        question = next(self._questions)
        data = {"gate": ask.gate.name, "moment": ask.moment, "reserves": ask.reserves}
        data |= {} if ask.host else {"about": ask.about}
        self._fold(Event(Kind.ASKED, ask.because, ask.host or None, data=data))
        self._asked[ask.subject] = (question, ask)
        kept = self.state.hosts[ask.host].remembered.get(ask.gate.name, 0) if ask.host else 0
        remembered = self._journal.samples(self._lease.run, kept) if kept else {}
        subject = self._subjects.asked(ask, self.state, remembered, self._now())
        self._asker.ask(ask, subject, question, self._inbox.post)

    def _wait(self, until: float | None) -> None:
        """For the next report; look at the journal for requests, and show that we live, at least every `poll` seconds."""
        now = self._inbox.now()
        look = self._doubts.next_look(self.state, now)
        wake = until - self._ahead if until is not None else None
        poll = now + self._poll if self._poll is not None else None
        message = self._inbox.get(min((end for end in (wake, poll, look) if end is not None), default=None))
        if message is not None:
            self._hear(message)
        self._doubts.look(self.state, self._inbox.now())
        if self._poll is not None:
            self._look_around(quiet=message is None)

    def _look_around(self, *, quiet: bool) -> None:
        now = self._inbox.now()
        if now - self._renewed >= RENEW:
            self._journal.renew(self._lease)
            self._renewed = now
        if quiet:
            self._catch_up()

    def _hear(self, message: Message) -> None:
        if isinstance(message, StopAsked):
            self._stopping = message
        elif isinstance(message, Answered):
            self._hear_answer(message)
        elif isinstance(message, Found):
            self._hear_found(message)
        elif isinstance(message, Questioned):
            self._hear_finding(message.question, message.finding)
        else:
            self._hear_outcome(message)

    def _hear_answer(self, answered: Answered) -> None:
        question, ask = self._asked.get(answered.subject, (0, None))
        if ask is None or question != answered.question:
            return  # an answer that came after its time-out
        del self._asked[answered.subject]
        verdict = answered.verdict
        news = answer_event(ask, verdict, waived=ask.gate.name in self.state.run.waived)
        if not ask.host:
            self._must_record(news_about_fleet(self.state, ask, news, self._now()))
            return
        tries = self.state.hosts[ask.host].gate_tries.get(f"{ask.moment}/{ask.gate.name}", 0)
        if not (is_lost(verdict) and tries >= ask.gate.retries and self._doubts.put(self.state, news)):
            self._must_record(news)

    def _hear_outcome(self, outcome: Outcome) -> None:
        if not self._is_open(outcome.host, outcome.step, outcome.attempt):
            return  # e.g. a late step that came to an end after all
        kind, ending = self._meaning(outcome)
        data: dict[str, Any] = {"ending": str(ending), "task": outcome.task}
        if not outcome.begun:
            data["begun"] = False
        if (outcome.host, outcome.attempt) in self._taken_up:
            data["taken_up"] = True
        if outcome.found:
            data["found"] = dict(outcome.found)
        news = Event(kind, outcome.because, outcome.host, outcome.step, outcome.attempt, data)
        if outcome.ending is Ending.CONTROLLER:
            self._strand(news, THIS_MACHINE, f"{THIS_MACHINE}: {outcome.because}", by=BY_CONTROLLER)
        elif not (outcome.ending in ITS_PATHS_PERHAPS and self._doubts.put(self.state, news)):
            self._must_record(news)
        if kind is Kind.DONE:
            self._steps.forget(self._lease.run, outcome.host, outcome.step, outcome.attempt)

    def _hear_finding(self, question: int, finding: Finding) -> None:
        """The path is in doubt, and the host waits; or it is the host itself that has vanished. Or a path works again."""
        news = self._doubts.news(question)
        if news is None:
            path = self._doubts.looked_at(question)
            if path in self.state.run.suspected and not finding.suspected and not finding.trouble:
                because = f"the path {path} works again: {finding.works}"
                self._must_record(Event(Kind.RESTORED, because, data={"path": path}))
        elif news.kind is not Kind.ANSWERED and not self._is_open(news.host or "", news.step, news.attempt):
            return
        elif finding.trouble:
            self._strand(news, THIS_MACHINE, f"{THIS_MACHINE}: {finding.trouble}", by=BY_CONTROLLER)
        elif finding.suspected:
            self._strand(news, finding.path, finding.because, by=BY_PATH, asked=list(finding.others))
        else:
            self._must_record(news)

    def _strand(self, news: Event, path: str, because: str, **data: Any) -> None:
        """What the news is about is not the host's doing: it waits until that is mended."""
        if path not in self.state.run.suspected:
            self._must_record(Event(Kind.SUSPECTED, because, data={"path": path, **data}))
        said = news.because if path == THIS_MACHINE else f"{news.because}; its path is suspected"
        about = {"path": path, "begun": news.data.get("begun", True)}
        self._must_record(Event(Kind.STRANDED, said, news.host, news.step, news.attempt, about))

    def _hear_found(self, found: Found) -> None:
        """How a host was is in the journal before its drain changes anything."""
        if not self._is_open(found.host, found.step, found.attempt):
            return
        data = {"found": dict(found.found)}
        because = f"{found.step} looked at it before it began"
        self._must_record(Event(Kind.FOUND, because, found.host, found.step, found.attempt, data))
        taken_up = (found.host, found.attempt) in self._taken_up
        self._carry_out(found.host, found.step, found.attempt, taken_up=taken_up)

    def _is_open(self, name: str, step: str | None, attempt: int) -> bool:
        host = self.state.hosts[name]
        return host.open and (host.step, host.attempt) == (step, attempt)

    def _meaning(self, outcome: Outcome) -> tuple[Kind, Ending]:
        """What dies under our eyes has failed, but a few times where the host's guard keeps it; what dies with a controller begins again."""
        ending = outcome.ending
        if ending is Ending.DONE:
            return Kind.DONE, ending
        step = self._graph.step_of(outcome.host, outcome.step)
        if ending is Ending.LOST:
            return Kind.FAILED, Ending.UNREACHABLE if step is not None and not step.once else Ending.UNKNOWN
        if ending is Ending.INTERRUPTED and (step is None or step.once):
            return Kind.FAILED, Ending.UNKNOWN
        died_with_us = (outcome.host, outcome.attempt) in self._taken_up
        if ending is Ending.RESUMABLE and self.state.hosts[outcome.host].deaths < DEATHS:
            return Kind.VOID, ending
        if died_with_us and ending in {Ending.INTERRUPTED, Ending.NEVER_BEGAN, Ending.RESUMABLE}:
            return Kind.VOID, ending
        return Kind.FAILED, Ending.UNKNOWN if ending is Ending.RESUMABLE else ending

    # --- writing -------------------------------------------------------------------------------------------------------------

    def _record(self, event: Event, take: tuple[tuple[str, int], ...] = ()) -> bool:
        if event.kind in UNWRITTEN:
            self._fold(event)
            return True
        try:
            self._write(event, take)
        except Behind:
            self._catch_up()
            return False
        return True

    def _must_record(self, event: Event) -> None:
        """A fact stays a fact, whatever others have written meanwhile."""
        while not self._record(event):
            pass

    def _write(self, event: Event, take: tuple[tuple[str, int], ...]) -> None:
        with self._journal.writing(self._lease, self.state.run.seq) as writing:
            if take and self._unkept:  # a request that was read meanwhile may have freed the very slot
                writing.keep(self.state.run, [self.state.hosts[name] for name in self._unkept])
            written = writing.append(event, take)
            self._fold(written)
            writing.keep(self.state.run, [self.state.hosts[name] for name in self._unkept])
        self._unkept.clear()
        self._listener(written, self.state)

    def _fold(self, event: Event) -> None:
        if not event.at:
            event = replace(event, at=self._now())
        touched = apply(self.state, event)
        if event.kind not in UNWRITTEN:
            for name in touched:
                self._unkept[name] = None

    def _catch_up(self) -> None:
        for event in self._journal.events(self._lease.run, after=self.state.run.seq):
            self._fold(event)
            self._listener(event, self.state)

    # --- the end -------------------------------------------------------------------------------------------------------------

    def _stop_safely(self, asked: StopAsked, decisions: list[Decision]) -> Decision:
        """Begin nothing; write down what is due; end when nothing is in flight."""
        for decision in decisions:
            if isinstance(decision, Record):
                return decision
        if self.state.open or self.state.asking:
            return Wait(None, "the steps in flight end first")
        return Stop(asked.exit_code, asked.because)

    def _end(self, stop: Stop) -> bool:
        """False: a request came in the last moment, and may be a reason to go on."""
        if not self._record(Event(Kind.ENDED, stop.because, data={"exit_code": stop.exit_code})):
            return False
        self._journal.release(self._lease, stop.exit_code, stop.because)
        self._steps.close()
        return True


def _is_last(combo: Combo, host: HostState, step: Step) -> bool:
    """Whether the host may be let go after it: the end of the chain, of what is made final after it, or of the way back."""
    if step.of is None:
        return combo.chain[-1].name == step.name
    if host.back is None:
        others = (combo.step(name) for name in host.effects if name != step.of)
        return all(other is None or other.commit is None for other in others)
    undone = combo.step(step.of)
    return host.effects == [step.of] and not (undone is not None and undone.closes)
