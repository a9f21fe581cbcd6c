"""Worlds for the tests of deciding: a graph, what has happened so far, and what is decided then, in short words."""

from typing import Any, Self

from rollout.model.decision import Ask, Decision, Record, Start, Stop, Wait
from rollout.model.event import Event, Kind
from rollout.model.fold import apply
from rollout.model.graph import Graph
from rollout.model.seams import Answer, Ending
from rollout.model.state import HostState, State
from rollout.scheduler import decide

BEGIN = 1000.0
CHAIN = ("precheck", "upgrade", "reboot", "verify")


class Given:
    """A run at some point. Each method tells one fact, one second after the one before, unless `at` is given."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.state = State(graph)
        self.now = BEGIN
        self._seq = 0

    def tell(
        self,
        kind: Kind,
        host: str | None = None,
        step: str | None = None,
        because: str = "because",
        *,
        at: float | None = None,
        **data: Any,
    ) -> Self:
        self.now = self.now + 1 if at is None else at
        self._seq += 1
        attempt = self.state.hosts[host].attempt if host else 0
        if kind is Kind.INTENDED:
            attempt += 1
        apply(self.state, Event(kind, because, host, step, attempt, data, self._seq, self.now))
        return self

    def opened(self, *waves: str) -> Self:
        for wave in waves:
            self.tell(Kind.OPENED, wave=wave)
        return self

    def passed(self, *waves: str) -> Self:
        for wave in waves:
            self.tell(Kind.PASSED, wave=wave)
        return self

    def began(self, host: str, step: str) -> Self:
        """The intent is written, with the slots that it takes."""
        takes = self.state.combo_of(host).holds_slot(step) and not self.state.hosts[host].slot
        return self.tell(Kind.INTENDED, host, step, slots=list(self.graph.nodes[host].slots) if takes else [])

    def did(self, host: str, *steps: str) -> Self:
        for step in steps:
            self.began(host, step).tell(Kind.DONE, host, step)
        return self

    def failed(self, host: str, step: str, ending: Ending = Ending.FAILED, because: str = "no disk") -> Self:
        return self.began(host, step).tell(Kind.FAILED, host, step, because, ending=str(ending))

    def answered(
        self,
        host: str,
        gate: str,
        moment: str,
        value: Answer = Answer.PASS,
        because: str = "seen",
        **when: Any,
    ) -> Self:
        return self.tell(
            Kind.ANSWERED,
            host,
            None,
            because,
            gate=gate,
            moment=moment,
            value=str(value),
            samples={"n": 1},
            **when,
        )

    def verified(self, *hosts: str) -> Self:
        for host in hosts:
            self.did(host, *CHAIN).tell(Kind.VERIFIED, host)
        return self

    def held(self, host: str, step: str = "reboot", ending: Ending = Ending.UNREACHABLE) -> Self:
        """It walked up to that step, which failed."""
        self.did(host, *CHAIN[: CHAIN.index(step)]).failed(host, step, ending)
        return self.tell(Kind.HELD, host, step, "lost")

    def round(self, moment: str, wave: str | None = None) -> Self:
        data: dict[str, Any] = {"wave": wave} if wave else {}
        return self.tell(Kind.ROUND, moment=moment, **data)

    def asked(self, host: str, gate: str, moment: str, *, reserves: bool = False) -> Self:
        return self.tell(Kind.ASKED, host, gate=gate, moment=moment, reserves=reserves)

    def tripped(self, combo: str = "", because: str = "too many failed") -> Self:
        data: dict[str, Any] = {"combo": combo} if combo else {}
        return self.tell(Kind.TRIPPED, because=because, **data)

    def resolved(self, host: str, word: str, because: str = "because") -> Self:
        data: dict[str, Any] = {"as": word}
        return self.tell(Kind.RESOLVED, host, None, because, **data)

    def host(self, name: str) -> HostState:
        return self.state.hosts[name]

    def decide(self, after: float = 0.0, until: float | None = None) -> list[Decision]:
        return decide(self.graph, self.state, self.now + after, until)

    def decides(self, after: float = 0.0, until: float | None = None) -> list[str]:
        """What is decided, in short words."""
        return [short(decision) for decision in self.decide(after, until)]

    def why(self, after: float = 0.0) -> str:
        """The words of the only decision."""
        (decision,) = self.decide(after)
        return decision.because

    def carry_on(self) -> Self:
        """Write down what is only to be written down, until something is to be done."""
        for _ in range(100):
            records = [decision for decision in self.decide() if isinstance(decision, Record)]
            if not records:
                return self
            for record in records:
                event = record.event
                self.tell(event.kind, event.host, event.step, event.because, **event.data)
        raise AssertionError("it goes round in circles")


def short(decision: Decision) -> str:
    match decision:
        case Start():
            slots = f" [{' '.join(decision.slots)}]" if decision.slots else ""
            return f"start {decision.host} {decision.step} #{decision.attempt}{slots}"
        case Ask():
            keeps = " keeping its place" if decision.reserves else ""
            return f"ask {decision.host} {decision.gate.name} {decision.moment}{keeps}"
        case Record():
            event = decision.event
            what = event.host or event.data.get("wave") or event.data.get("combo") or "run"
            return f"write {event.kind} {what}"
        case Wait():
            return "wait" if decision.until is None else f"wait until {decision.until:g}"
        case Stop():
            return f"stop {decision.exit_code}"
