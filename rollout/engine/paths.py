"""The path is suspected before the hosts: when a host has vanished, others on its way are asked before it is blamed."""

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from functools import partial
from itertools import count
from typing import Protocol, TypeVar

from rollout.engine.findings import Finding, Questioned
from rollout.engine.inbox import Message
from rollout.engine.ways import Ways
from rollout.errors import RolloutError, of_this_machine
from rollout.model.event import Event
from rollout.model.graph import Graph
from rollout.model.state import State
from rollout.model.suspicion import THIS_MACHINE
from rollout.scheduler.paths import witnesses

ASKED = 3
"""Hosts of a path that are asked at once."""

RECENT = 15.0
"""Seconds for which a path that did not answer is not asked again, whoever else is lost."""

FIRST_LOOK, LONGEST_LOOK = 5.0, 60.0
"""Seconds before a suspected path is asked again: at first, and at most."""

PostMessage = Callable[[Message, float], None]
_Answer = TypeVar("_Answer")


@dataclass(slots=True)
class _Known:
    """The last answer about a path; whoever holds the lock is asking. `proven` is the host that answered last."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    began: float = float("-inf")
    ended: float = float("-inf")
    finding: Finding | None = None
    proven: str | None = None


class Examiner:
    """Asks about paths, once for all hosts that vanish at the same time. Called from any thread; `now` is any clock that counts seconds."""

    def __init__(self, ways: Ways, now: Callable[[], float] = time.monotonic) -> None:
        self._ways, self._now = ways, now
        self._lock = threading.Lock()
        self._known: dict[str, _Known] = {}

    def doubt(self, host: str, others: Sequence[str]) -> Finding:
        """Whether it is the path of a host that has vanished just now."""
        since = self._now()
        try:
            path = self._ways.path(host)
            if path is None:
                return Finding()
            known = self._of(path)
            with known.lock:
                if known.finding is None or not self._still_holds(known, since):
                    known.began = self._now()
                    known.finding = self._ask(path, host, _first(known.proven, others))
                    known.proven = known.finding.answering or known.proven
                    known.ended = self._now()
                return known.finding
        except (RolloutError, OSError, RuntimeError, MemoryError) as error:
            return _unasked(error)

    def look_again(self, lost: Sequence[str], others: Sequence[str]) -> Finding:
        """Whether a suspected path works again. The hosts that wait for it are asked, too."""
        try:
            path = self._ways.path(lost[0]) if lost else None
            if path is None:
                return Finding()
            finding = self._ask(path, lost[0], others, lost[:ASKED])
        except (RolloutError, OSError, RuntimeError, MemoryError) as error:
            return _unasked(error)
        known = self._of(path)
        known.proven = next((name for name, why in finding.others.items() if not why), known.proven)
        return finding

    def _of(self, path: str) -> _Known:
        with self._lock:
            return self._known.setdefault(path, _Known())

    def _still_holds(self, known: _Known, since: float) -> bool:
        """That a path works is known only of what vanished before it was asked."""
        if known.finding is not None and known.finding.suspected:
            return self._now() - known.ended < RECENT
        return known.began >= since

    def _ask(self, path: str, host: str, others: Sequence[str], lost: Sequence[str] = ()) -> Finding:
        """All at the same time."""
        fellows = self._ways.fellows(host, others, ASKED)
        bastion = _aside(partial(self._ways.knock_at_bastion, host))
        answers = {name: _aside(partial(self._ways.knock, name)) for name in (*fellows, *lost)}
        name, refusal = bastion.result() or ("", "")
        said = {name: answer.result() for name, answer in answers.items()}
        return Finding(
            path, {name: said[name] for name in fellows}, {name: said[name] for name in lost}, name, refusal
        )


def _aside(ask: Callable[[], _Answer]) -> Future[_Answer]:
    """In a daemon thread, and not in a pool: a controller that ends does not wait for the threads of whoever does not answer."""
    answer: Future[_Answer] = Future()

    def work() -> None:
        try:
            answer.set_result(ask())
        except BaseException as error:  # noqa: BLE001  raised again where the answer is waited for
            answer.set_exception(error)

    threading.Thread(target=work, name="path-knock", daemon=True).start()
    return answer


def _unasked(error: Exception) -> Finding:
    """Nothing is known of the path; perhaps it is this machine that is in trouble."""
    return Finding(trouble=of_this_machine(error) or "")


class PathAsker(Protocol):
    """Posts exactly one answer to each question."""

    def doubt(self, host: str, others: Sequence[str], question: int, post: PostMessage) -> None: ...
    def look_again(
        self, lost: Sequence[str], others: Sequence[str], question: int, post: PostMessage
    ) -> None: ...


class InlinePaths:
    """Asks at once, in the engine's own thread: for ways that are only imagined."""

    def __init__(self, examiner: Examiner) -> None:
        self._examiner = examiner

    def doubt(self, host: str, others: Sequence[str], question: int, post: PostMessage) -> None:
        post(Questioned(question, self._examiner.doubt(host, others)), 0.0)

    def look_again(
        self, lost: Sequence[str], others: Sequence[str], question: int, post: PostMessage
    ) -> None:
        post(Questioned(question, self._examiner.look_again(lost, others)), 0.0)


class ThreadedPaths:
    """Asks in a thread for each question; those about the same path wait for each other."""

    def __init__(self, examiner: Examiner) -> None:
        self._examiner = examiner

    def doubt(self, host: str, others: Sequence[str], question: int, post: PostMessage) -> None:
        self._aside(lambda: self._examiner.doubt(host, others), question, post)

    def look_again(
        self, lost: Sequence[str], others: Sequence[str], question: int, post: PostMessage
    ) -> None:
        self._aside(lambda: self._examiner.look_again(lost, others), question, post)

    def _aside(self, ask: Callable[[], Finding], question: int, post: PostMessage) -> None:
        def work() -> None:
            finding = Finding()
            try:
                finding = ask()
            finally:  # whatever a bug may raise: the engine waits for an answer
                post(Questioned(question, finding), 0.0)

        try:
            threading.Thread(target=work, name=f"path-{question}", daemon=True).start()
        except RuntimeError as error:
            post(Questioned(question, _unasked(error)), 0.0)


class Doubts:
    """The engine's open questions about paths: what is to be written down if it is the host after all, and when to look again."""

    def __init__(self, graph: Graph, asker: PathAsker | None, post: PostMessage) -> None:
        self._graph, self._asker, self._post = graph, asker, post
        self._numbers = count(1)
        self._news: dict[int, Event] = {}
        self._looks: dict[int, str] = {}
        self._turns: Counter[str] = Counter()
        """How often a path was looked at, ever: other hosts are asked each time, also when it is suspected anew."""
        self._before: dict[str, int] = {}
        """The same when it was suspected."""
        self._due: dict[str, float] = {}

    def put(self, state: State, news: Event) -> bool:
        """Ask about the path of the host that the event is about; False when nobody can be asked."""
        if self._asker is None or news.host is None:
            return False
        question = next(self._numbers)
        self._news[question] = news
        self._asker.doubt(news.host, witnesses(self._graph, state, [news.host]), question, self._post)
        return True

    def news(self, question: int) -> Event | None:
        """The event that waited for the answer; None if the question was whether a path works again."""
        return self._news.pop(question, None)

    def looked_at(self, question: int) -> str:
        """The path that was asked again, to be called once for each answer."""
        return self._looks.pop(question)

    def next_look(self, state: State, now: float) -> float | None:
        """When a suspected path is to be asked again; None while none is, or while that is being asked."""
        if not (state.run.suspected or self._due):
            return None
        waiting = [path for path in state.run.suspected if path != THIS_MACHINE]
        for gone in self._due.keys() - set(waiting):
            del self._due[gone]
        for path in waiting:
            if path not in self._due:
                self._before[path] = self._turns[path]
                self._put_off(path, now)
        asked = set(self._looks.values())
        return min((at for path, at in self._due.items() if path not in asked), default=None)

    def look(self, state: State, now: float) -> None:
        """Ask again about every path whose time has come: other hosts than the last time, if there are more."""
        if self._asker is None or not self._due:
            return
        for path in [
            path for path, at in self._due.items() if at <= now and path not in self._looks.values()
        ]:
            lost = [name for name in state.stuck if state.hosts[name].suspect == path]
            others = list(_rotated(witnesses(self._graph, state, lost), ASKED * self._turns[path]))
            self._turns[path] += 1
            self._put_off(path, now)
            question = next(self._numbers)
            self._looks[question] = path
            self._asker.look_again(lost, others, question, self._post)

    def _put_off(self, path: str, now: float) -> None:
        looks = self._turns[path] - self._before[path]
        self._due[path] = now + min(FIRST_LOOK * 2 ** min(looks, 10), LONGEST_LOOK)


def _first(name: str | None, others: Sequence[str]) -> Sequence[str]:
    """Whoever is known to answer decides: the first few may be dead themselves, each for a reason of its own."""
    return sorted(others, key=lambda other: other != name)


def _rotated(names: Sequence[str], by: int) -> Iterator[str]:
    start = by % len(names) if names else 0
    yield from names[start:]
    yield from names[:start]
