"""One run, carried out by one controller after the other: the property that all crashes must keep."""

from rollout.engine import Engine
from rollout.engine.steps import Steps
from rollout.errors import HALTED
from rollout.executors.rehearsal import World
from rollout.journal import Journal
from rollout.model.event import Kind
from rollout.model.seams import Ending, Outcome
from rollout.model.state import Status
from tests.engine import shelves
from tests.engine.dying import Died, DyingJournal, DyingRehearsal
from tests.engine.worlds import Case, Death, Patience, Told, a_world, check_end, check_events, check_kept
from tests.fleet import CHAIN, an_engine


def carry_out(case: Case, deaths: list[Death], *, power: bool = True, kind: shelves.Kind = "memory") -> Told:
    """One run, its controller dying as told, a new one taking it up each time. Without `power` the machine dies with it."""
    inbox = Patience(start=1000.0)
    world, shelf = a_world(case, inbox), shelves.Shelf(kind, case.graph, inbox.now)
    for death in deaths:
        inbox.forget()
        with shelf.opened() as book:
            try:
                engine = _mortal(case, book, world, inbox, shelf.run, death)
                return Told(engine.run(), list(book.events(shelf.run)), world, engine.state)
            except Died:
                if not power:
                    lose_power(world)
    inbox.forget()
    with shelf.opened() as book:
        engine = an_engine(case.graph, book, world, inbox, run=shelf.run)
        stop = engine.run()
        check_kept(case, book, engine.state, shelf.run)
        return Told(stop, list(book.events(shelf.run)), world, engine.state)


def _mortal(case: Case, book: Journal, world: World, inbox: Patience, run: str, death: Death) -> Engine:
    if death.acted:
        dying = Steps(DyingRehearsal(world, death.write), {})
        return an_engine(case.graph, book, world, inbox, run=run, steps=dying)
    mortal = DyingJournal(book, death.write, committed=death.committed)
    return an_engine(case.graph, mortal, world, inbox, run=run)


def lose_power(world: World) -> None:
    """What was running here is cut short; the hosts live on, and nothing of it runs there any more."""
    for job in world.jobs.values():
        if job.until > world.now():
            order, job.until = job.order, world.now()
            world.done[order.host, order.step.name] -= job.outcome.ending is Ending.DONE
            world.busy_until.pop(order.host)
            job.outcome = Outcome(
                order.host, order.step.name, order.attempt, Ending.INTERRUPTED, "the power was cut"
            )


def check_rules(case: Case, told: Told) -> None:
    """What must be true of every run."""
    check_events(case, told.events)
    check_end(case, told)
    assert told.world.overlaps == []
    for step in CHAIN:
        for name in case.graph.nodes:
            assert told.world.done[name, step.name] <= 1, "a finished step was repeated"
            if step.once:
                assert told.world.began[name, step.name] <= 1, "I7: a `once` step was begun twice"


def was_stopped(told: Told) -> bool:
    """Whether anything kept hosts from beginning, so that what came first made a difference."""
    return told.stop.exit_code == HALTED or any(
        event.kind in {Kind.TRIPPED, Kind.STUCK} for event in told.events
    )


def ends(told: Told, among: Told) -> dict[str, Status]:
    """How each host ended. Once something was stopped, or stalled, only hosts that are settled in both runs can be compared.

    Which of two things that happen in the same instant comes first may change with a death, and so may who still began.
    """
    stopped = was_stopped(told) or was_stopped(among)
    aside = {Status.WAITING, Status.RUNNING, Status.SOAKING}
    begun = {name for name, host in among.state.hosts.items() if host.status not in aside}
    return {
        name: host.status
        for name, host in told.state.hosts.items()
        if not stopped or (name in begun and host.status not in aside)
    }
