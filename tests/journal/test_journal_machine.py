"""Who may hold a run and write it: a model in a dozen lines, and every journal beside it, in any order of events."""

import os
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
from rollout.errors import Behind, JournalError, LeaseLost, LimitReached, Locked
from rollout.journal import Journal, Lease, Life, Owner, Writing
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
    slots: frozenset[str] = frozenset()

    def may_claim(self, owner: Owner, *, force: bool) -> bool:
        if self.holder is None:
            return True
        if self.holder.boot_id == owner.boot_id:
            return self.holder == DEAD
        return force or (self.lease is not None and self.now - self.renewed > self.lease)

    def leads(self, lease: Lease) -> bool:
        return self.holder is not None and lease.fence == self.fence

    def life(self) -> Life | None:
        """Of the holder, as ME sees it."""
        if self.holder is None:
            return None
        if self.holder.boot_id == ME.boot_id:
            return Life.DEAD if self.holder == DEAD else Life.ALIVE
        lapsed = self.lease is not None and self.now - self.renewed > self.lease
        return Life.LAPSED if lapsed else Life.UNKNOWN


class LeaseMachine(RuleBasedStateMachine):
    """Every act is done on all journals; each must answer as the model says."""

    lease: float | None
    written: Event
    leases = Bundle("leases")

    @initialize()
    def begin(self) -> None:
        self.clock = Clock()
        self.model = Model(self.lease)
        self.run = f"run-{next(_NUMBERS)}"
        self.folder = TemporaryDirectory(dir=MEMORY)
        self.journals: list[Journal] = [MemoryJournal(self.clock, self.lease)]
        self.where = f"{self.folder.name}/j" if self.lease is None else postgres_server.shared().url()
        self.journals.append(journal.open(self.where, self.clock))
        for opened in self.journals:
            opened.create(self.run, WORLD, plan_file="p", created_by="ada")

    @rule(seconds=st.sampled_from([0.5, 10.0, 30.0, 60.0, 60.5]))
    def time_passes(self, seconds: float) -> None:
        self.clock.now = self.model.now = self.model.now + seconds

    @rule()
    def begin_anew(self) -> None:
        """Another process comes to the database, which remembers nothing of what it had read."""
        self.journals.pop().close()
        self.journals.append(journal.open(self.where, self.clock))

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

    @rule(target=leases, owner=st.sampled_from(OWNERS))
    def unlock(self, owner: Owner) -> object:
        """As the command does: whoever held the run is refused from then on, also once it is free again."""
        if not self.model.may_claim(owner, force=True):
            self._all(lambda opened: opened.claim(self.run, owner, force=True), Locked)
            return multiple()
        self.model.fence += 1
        lease = Lease(self.run, self.model.fence, owner)

        def act(opened: Journal) -> None:
            assert opened.claim(self.run, owner, force=True) == lease
            with opened.writing(lease, self.model.seq) as writing:
                written = writing.append(Event(Kind.TAKEN_UP, "unlocked", data={"fence": lease.fence}))
                writing.keep(RunState(seq=written.seq, at=written.at), [])
            opened.release(lease, 3, "unlocked")

        self._all(act, None)
        self.model.holder, self.model.renewed = None, self.model.now
        self.model.seq += 1
        return lease

    @rule(
        lease=leases,
        reads=st.booleans(),
        host=st.sampled_from(["h1", "h2"]),
        cap=st.integers(min_value=1, max_value=2),
    )
    def take_slot(self, lease: Lease, reads: bool, host: str, cap: int) -> None:
        """An intent, with the slot that it takes."""
        taken = self.model.slots | {host}
        full = host not in self.model.slots and len(taken) > cap

        def act(writing: Writing) -> list[HostState]:
            event = Event(Kind.INTENDED, "", host, "upgrade", lease.fence)
            self.written = writing.append(event, [("fleet", cap)])
            return [HostState(host, Status.RUNNING, attempt=lease.fence, slot=True)]

        if self._write(lease, reads, act, LimitReached if full else None):
            self.model.slots = taken

    @rule(lease=leases, reads=st.booleans(), host=st.sampled_from(["h1", "h2"]), held=st.booleans())
    def settle(self, lease: Lease, reads: bool, host: str, held: bool) -> None:
        """A host gives its slot back, or takes it back whatever the limit says."""

        def act(writing: Writing) -> list[HostState]:
            self.written = writing.append(Event(Kind.HELD if held else Kind.VERIFIED, "", host))
            return [HostState(host, Status.HELD if held else Status.VERIFIED, slot=held)]

        if self._write(lease, reads, act, None):
            self.model.slots = self.model.slots | {host} if held else self.model.slots - {host}

    def _write(
        self,
        lease: Lease,
        reads: bool,
        act: Callable[[Writing], list[HostState]],
        refused: type[JournalError] | None,
    ) -> bool:
        """Whether it was written; `refused`: what is said to one who leads, and has read everything."""
        seen = self.model.seq if reads else max(0, self.model.seq - 1)
        wanted = refused if seen == self.model.seq else Behind
        wanted = wanted if self.model.leads(lease) else LeaseLost

        def transact(opened: Journal) -> None:
            with opened.writing(lease, seen) as writing:
                hosts = act(writing)
                writing.keep(RunState(seq=self.written.seq, at=self.written.at), hosts)

        self._all(transact, wanted)
        if wanted is None:
            self.model.seq, self.model.renewed = seen + 1, self.model.now
        return wanted is None

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
            assert row.life(ME) == self.model.life()
            assert opened.slots(self.run).get("fleet", []) == sorted(self.model.slots)

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


FULL = bool(os.environ.get("ROLLOUT_FULL"))


def _as_many_as(examples: int) -> settings:
    return settings(
        max_examples=8 * examples if FULL else examples,
        stateful_step_count=50 if FULL else 25,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )


TestFile = pytest.mark.timeout(7200)(FileMachine.TestCase)
TestFile.settings = _as_many_as(40)
TestServer = pytest.mark.timeout(7200)(ServerMachine.TestCase)
TestServer.settings = _as_many_as(20)
