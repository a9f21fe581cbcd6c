"""A connection that is lost at any moment, and a server that is killed: nothing is lost, doubled or assumed."""

import random
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from rollout import journal
from rollout.engine.inbox import VirtualInbox
from rollout.errors import JournalError, LeaseLost
from rollout.executors.rehearsal import World
from rollout.journal import Journal
from rollout.journal.address import Address
from rollout.journal.memory import MemoryJournal
from rollout.journal.postgresql import PostgresDatabase
from rollout.journal.tables import TableJournal
from rollout.model.event import Event, Kind
from rollout.model.graph import Graph
from rollout.model.state import HostState, Status
from tests.fleet import a_graph, an_engine
from tests.journal import postgres_server
from tests.journal.journal_world import ELSEWHERE, ME, RUN, Clock, Controller, begun, graph
from tests.journal.postgres_server import Server
from tests.journal.wire import Wire

DONE = Event(Kind.DONE, "the playbook finished", "h1", "stage", 1)
PAUSE = Event(Kind.PAUSED, "lunch")


@pytest.fixture
def server() -> Server:
    found = postgres_server.shared()
    found.fresh()
    return found


@pytest.fixture
def wire(server: Server) -> Iterator[Wire]:
    with Wire(server) as made:
        yield made


def _create(opened: Journal, controller: Controller) -> None:
    name = f"other-{controller.lease.run}"
    opened.create(name, graph(), plan_file="plan.yml", created_by="ada")
    assert (opened.run(name).fence, opened.graph(name)) == (0, graph())


def _claim(opened: Journal, controller: Controller) -> None:
    opened.release(controller.lease, 3, "handed on")
    assert opened.claim(controller.lease.run, ME).fence == 2


def _intend(_: Journal, controller: Controller) -> None:
    controller.start("h3", [("fleet", 2), ("rack=r1", 1)])


def _regress(_: Journal, controller: Controller) -> None:
    """A host takes its slots back by decree, which is written in another way than an intent."""
    controller.write(Event(Kind.HELD, "lost", "h2"), HostState("h2", Status.HELD, slot=True))


def _answer(_: Journal, controller: Controller) -> None:
    answer = {"gate": "ssh", "moment": "after verify", "value": "pass", "samples": {"up": 1}}
    controller.run.paused = "lunch"
    controller.write(Event(Kind.ANSWERED, "it answers", "h1", data=answer), HostState("h1"))


def _request(opened: Journal, controller: Controller) -> None:
    assert opened.request(controller.lease.run, PAUSE).seq == 2


def _renew(opened: Journal, controller: Controller) -> None:
    opened.renew(controller.lease)


def _read(opened: Journal, controller: Controller) -> None:
    assert [event.seq for event in opened.events(controller.lease.run)] == [1]
    assert opened.load(controller.lease.run, graph())[0].seq == 1


ACTS = [_create, _claim, _intend, _regress, _answer, _request, _renew, _read]


@pytest.mark.parametrize("heard", [False, True], ids=["unheard", "heard"])
@pytest.mark.parametrize("act", ACTS)
def test_cut_at_any_word_it_is_done_exactly_once(
    wire: Wire, act: Callable[[Journal, Controller], None], heard: bool
) -> None:
    uncut = MemoryJournal(Clock())
    with journal.open(wire.url, Clock()) as opened:
        cut, word = wire.cut(0, heard=heard), 0
        while not word or cut.reached:
            word += 1
            run = f"run-{word}"
            controller = _begun(opened, run)
            cut = wire.cut(word, heard=heard)
            act(opened, controller)
            wire.cut(0, heard=heard)
            act(uncut, _begun(uncut, run))
            assert _view(opened, run) == _view(uncut, run)
    assert word > 2, "nothing was cut"


def _begun(opened: Journal, run: str) -> Controller:
    opened.create(run, graph(), plan_file="plan.yml", created_by="ada")
    controller = Controller(opened, opened.claim(run, ME))
    controller.start("h1", [("fleet", 2), ("rack=r0", 1)])
    return controller


def _view(opened: Journal, run: str) -> tuple[object, ...]:
    return (
        opened.load(run, graph()),
        list(opened.events(run)),
        opened.answers(run),
        opened.slots(run),
        opened.hosts(run),
        opened.run(run)._replace(tool="", lease=None),
    )


def test_a_server_that_is_killed_and_started_again_doubles_and_loses_nothing(server: Server) -> None:
    spread = random.Random(1)
    written: list[Event] = []
    enough = threading.Event()

    def write() -> None:
        with journal.open(server.url()) as opened:
            controller = begun(opened)
            while not enough.is_set():
                event = Event(Kind.DONE, "", "h1", "stage", len(written) + 1)
                written.append(controller.write(event, HostState("h1")))

    writer = threading.Thread(target=write)
    writer.start()
    for _ in range(4):
        time.sleep(spread.uniform(0.1, 0.25))
        server.kill()
        server.start()
    enough.set()
    writer.join()
    with journal.open(server.url()) as opened:
        assert list(opened.events(RUN)) == written
        assert [event.seq for event in written] == list(range(1, len(written) + 1))
        assert len(written) > 4
        assert opened.run().fence == 1


def test_a_request_in_between_is_never_overruled(server: Server) -> None:
    """What was folded cannot be decided again in place: the controller ends, and the next one reads on."""
    with journal.open(server.url()) as opened, journal.open(server.url()) as other:
        controller = begun(opened)

        def meanwhile() -> None:
            _let_go(server)
            other.request(RUN, PAUSE)

        with pytest.raises(JournalError, match="nothing was begun; `rollout resume` reads on"):
            _start_with_a_gap(controller, meanwhile)
        assert [event.kind for event in opened.events(RUN)] == [Kind.PAUSED]
        assert opened.slots(RUN) == {}


def test_who_was_taken_over_while_the_connection_was_lost_is_told_so(server: Server) -> None:
    with journal.open(server.url()) as opened, journal.open(server.url()) as other:
        controller = begun(opened, owner=ELSEWHERE)

        def meanwhile() -> None:
            _let_go(server)
            other.claim(RUN, ME, force=True)

        with pytest.raises(LeaseLost, match="taken over by"):
            _start_with_a_gap(controller, meanwhile)
        assert list(opened.events(RUN)) == []


def _start_with_a_gap(controller: Controller, meanwhile: Callable[[], None]) -> None:
    with controller.journal.writing(controller.lease, 0) as writing:
        writing.append(Event(Kind.INTENDED, "", "h1", "upgrade", 1), [("fleet", 2)])
        meanwhile()
        writing.keep(controller.run, [HostState("h1", slot=True)])


def test_a_transaction_that_froze_is_written_again_if_nobody_took_over(server: Server) -> None:
    database = PostgresDatabase(Address.of(server.url()))
    with TableJournal(database) as opened:
        controller = begun(opened)
        with opened.writing(controller.lease, 0) as writing:
            writing.append(DONE)
            _let_go(server)
            writing.append(DONE)
        assert [event.seq for event in opened.events(RUN)] == [1, 2]


def test_the_lock_of_a_frozen_transaction_is_let_go_by_the_server(server: Server) -> None:
    database = PostgresDatabase(Address.of(server.url()))
    with TableJournal(database) as opened:
        begun(opened)
        (found,) = database.read(
            "SELECT current_setting('idle_in_transaction_session_timeout'), current_setting('lock_timeout')"
        )
    assert found == ("15s", "30s")


def test_without_a_server_it_gives_up_after_a_while_and_says_what_that_means(server: Server) -> None:
    with TableJournal(PostgresDatabase(Address.of(server.url()), patience=0.3)) as opened:
        controller = begun(opened)
        server.stop()
        try:
            with pytest.raises(
                JournalError, match=r"did not come back within 0 s .*; nothing was begun meanwhile"
            ):
                controller.write(DONE)
        finally:
            server.start()
        assert controller.write(DONE).seq == 1


def test_a_journal_that_was_put_back_is_not_written_on(server: Server) -> None:
    with journal.open(server.url()) as opened:
        controller = begun(opened)
        controller.write(DONE)
        controller.run.seq = 2
        with pytest.raises(
            JournalError, match="events up to 1, and this controller has read 2: the journal was put back"
        ):
            controller.write(DONE)


_ENDS_SESSIONS = "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND state = 'idle in transaction'"


def _let_go(server: Server) -> None:
    """What the server does to a session whose client is silent inside a transaction."""
    server.admin(_ENDS_SESSIONS)


def test_a_whole_run_over_a_wire_that_breaks_ends_as_without(wire: Wire) -> None:
    """Every 29th word of the controller is lost, in turn before and after it was heard."""
    fleet = a_graph({"a": 4, "b": 3})
    inbox, other = VirtualInbox(1_000.0), VirtualInbox(1_000.0)
    uncut = MemoryJournal(other.now)
    with journal.open(wire.url, inbox.now) as opened:
        cut = wire.cut(29, heard=False, every=True)
        found = _carried_out(opened, fleet, inbox)
        wire.cut(0, heard=False)
        assert found == _carried_out(uncut, fleet, other)
        assert cut.made > 10
        assert opened.hosts("run") == uncut.hosts("run")
        assert {row.status for row in opened.hosts("run")} == {Status.VERIFIED}


def _carried_out(opened: Journal, fleet: Graph, inbox: VirtualInbox) -> list[tuple[object, ...]]:
    opened.create("run", fleet, plan_file="plan.yml", created_by="ada")
    an_engine(fleet, opened, World(inbox.now), inbox).run()
    return [(event.seq, event.at, event.kind, event.host, event.step) for event in opened.events("run")]
