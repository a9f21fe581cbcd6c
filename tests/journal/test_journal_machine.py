"""Who may hold a run and write it: a model in a dozen lines, and every journal beside it, in any order of events."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, initialize, invariant, multiple, rule

from rollout import journal
from rollout.errors import Behind, JournalError, LeaseLost, Locked
from rollout.journal import Journal, Lease, Owner
from rollout.journal.memory import MemoryJournal
from rollout.model.event import Event, Kind
from rollout.model.state import HostState, RunState, Status
from tests.journal import postgres_server
from tests.journal.journal_world import DEAD, ELSEWHERE, ME, Clock, graph

MEMORY = "/dev/shm" if Path("/dev/shm").is_dir() else None
FAR = (ELSEWHERE, replace(ELSEWHERE, machine="further", boot_id="a third boot"))
OWNERS = (ME, DEAD, *FAR)
WORLD = graph(("h1", "h2"))
_NUMBERS = count()


@dataclass
class Model:
    """What has to be true. `lease`: None is the rule of a file."""

    lease: float | None
    now: float = 1_000.0
    fence: int = 0
    holder: Owner | None = None
    renewed: float = 0.0
    seq: int = 0

    def may_claim(self, owner: Owner, *, force: bool) -> bool:
        if self.holder is None:
            return True
        if self.holder.boot_id == owner.boot_id:
            return self.holder == DEAD
        return force or (self.lease is not None and self.now - self.renewed > self.lease)

    def leads(self, lease: Lease) -> bool:
        return self.holder is not None and lease.fence == self.fence


class LeaseMachine(RuleBasedStateMachine):
    """Every act is done on all journals; each must answer as the model says."""

    lease: float | None
    leases = Bundle("leases")

    @initialize()
    def begin(self) -> None:
        self.clock = Clock()
        self.model = Model(self.lease)
        self.run = f"run-{next(_NUMBERS)}"
        self.folder = TemporaryDirectory(dir=MEMORY)
        self.journals: list[Journal] = [MemoryJournal(self.clock, self.lease)]
        where = f"{self.folder.name}/j" if self.lease is None else postgres_server.shared().url()
        self.journals.append(journal.open(where, self.clock))
        for opened in self.journals:
            opened.create(self.run, WORLD, plan_file="p", created_by="ada")

    @rule(seconds=st.sampled_from([0.5, 10.0, 30.0, 60.0, 60.5]))
    def time_passes(self, seconds: float) -> None:
        self.clock.now = self.model.now = self.model.now + seconds

    @rule(target=leases, owner=st.sampled_from(OWNERS), force=st.booleans())
    def claim(self, owner: Owner, force: bool) -> object:
        if not self.model.may_claim(owner, force=force):
            self._all(lambda opened: opened.claim(self.run, owner, force=force), Locked)
            return multiple()
        self.model.fence += 1
        self.model.holder, self.model.renewed = owner, self.model.now
        lease = Lease(self.run, self.model.fence, owner)
        assert self._all(lambda opened: opened.claim(self.run, owner, force=force), None) == [lease] * 2
        return lease

    @rule(lease=leases, reads=st.booleans(), host=st.sampled_from(["h1", "h2"]))
    def write(self, lease: Lease, reads: bool, host: str) -> None:
        seen = self.model.seq if reads else max(0, self.model.seq - 1)

        def act(opened: Journal) -> None:
            with opened.writing(lease, seen) as writing:
                written = writing.append(
                    Event(Kind.INTENDED, "", host, "upgrade", lease.fence), [("fleet", 2)]
                )
                running = HostState(host, Status.RUNNING, attempt=lease.fence, slot=True)
                writing.keep(RunState(seq=written.seq, at=written.at), [running])

        wanted = None if self.model.leads(lease) else LeaseLost
        self._all(act, wanted or (Behind if seen != self.model.seq else None))
        if wanted is None and seen == self.model.seq:
            self.model.seq, self.model.renewed = seen + 1, self.model.now

    @rule(lease=leases)
    def renew(self, lease: Lease) -> None:
        self._all(lambda opened: opened.renew(lease), None if self.model.leads(lease) else LeaseLost)
        if self.model.leads(lease):
            self.model.renewed = self.model.now

    @rule(lease=consumes(leases))
    def release(self, lease: Lease) -> None:
        self._all(
            lambda opened: opened.release(lease, 3, "x"), None if self.model.leads(lease) else LeaseLost
        )
        if self.model.leads(lease):
            self.model.holder = None

    @rule()
    def request(self) -> None:
        self._all(lambda opened: opened.request(self.run, Event(Kind.PAUSED, "lunch")).seq, None)
        self.model.seq += 1

    def _all(
        self, act: Callable[[Journal], object], wanted: type[JournalError | Locked] | None
    ) -> list[object]:
        """What the journals gave, once each has been compared with the model."""
        given: list[object] = []
        for opened in self.journals:
            if wanted is None:
                given.append(act(opened))
            else:
                with pytest.raises(wanted):
                    act(opened)
        return given

    @invariant()
    def they_stand_where_the_model_stands(self) -> None:
        for opened in self.journals:
            row = opened.run(self.run)
            assert (row.fence, row.owner, row.seq) == (self.model.fence, self.model.holder, self.model.seq)
            assert row.renewed_at == self.model.renewed

    def teardown(self) -> None:
        """They agree in everything."""
        views = [
            (list(opened.events(self.run)), opened.load(self.run, WORLD), opened.slots(self.run))
            for opened in self.journals
        ]
        for opened in self.journals:
            opened.close()
        self.folder.cleanup()
        assert views[0] == views[1]


class FileMachine(LeaseMachine):
    lease = None


class ServerMachine(LeaseMachine):
    lease = 60.0


FEW = settings(
    max_examples=40, stateful_step_count=25, deadline=None, suppress_health_check=list(HealthCheck)
)
TestFile = FileMachine.TestCase
TestFile.settings = FEW
TestServer = ServerMachine.TestCase
TestServer.settings = FEW
