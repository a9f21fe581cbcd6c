"""What a gate saw before the first disruptive step comes back to it, from whichever controller asks."""

from typing import Any, ClassVar

import pytest

from rollout.executors.rehearsal import World
from rollout.journal.memory import MemoryJournal
from rollout.model.chain import Step
from rollout.model.plan import GateRule, Moment
from rollout.model.seams import Answer, Subject, Verdict
from rollout.model.state import Status
from tests.engine.dying import Died, DyingJournal
from tests.engine.worlds import Patience
from tests.fleet import a_combo, a_graph, a_plan, an_engine

STEPS = (Step("precheck"), Step("upgrade", playbook="upgrade.yml", once=True), Step("verify"))
GATE = GateRule("print", "fingerprint", Moment("after", "upgrade"), remembers=True)
GRAPH = a_graph({"a": 1}, a_plan(a_combo("a", steps=STEPS), gates=[GATE]))


class Print:
    """Remembers the host's name, and notes what it is given to compare with."""

    remembers: ClassVar[bool] = True

    def __init__(self) -> None:
        self.given: dict[str, Any] = {}

    def check(self, subject: Subject) -> Verdict:
        self.given[subject.host] = subject.remembered
        return Verdict(Answer.PASS, "", {"now": 1})

    def remember(self, subject: Subject) -> Verdict:
        return Verdict(Answer.PASS, "", {"nics": [subject.host]})


@pytest.mark.parametrize("writes", range(2, 9))
def test_what_was_seen_before_comes_back_whichever_controller_asks(writes: int) -> None:
    gate, inbox = Print(), Patience(start=1000.0)
    journal = MemoryJournal(inbox.now)
    journal.create("run", GRAPH, plan_file="", created_by="")
    world = World(inbox.now)
    mortal: Any = DyingJournal(journal, writes, committed=True)
    with pytest.raises(Died):
        an_engine(GRAPH, mortal, world, inbox, gate=lambda _world: gate).run()
    inbox.forget()
    an_engine(GRAPH, journal, world, inbox, gate=lambda _world: gate).run()
    assert gate.given == {"a1": {"nics": ["a1"]}}
    (host,) = journal.load("run", GRAPH)[1].values()
    assert host.status is Status.VERIFIED
    assert list(host.remembered) == ["print"]
    assert journal.samples("run", host.remembered["print"]) == {"nics": ["a1"]}
