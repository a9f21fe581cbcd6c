"""Whatever is written, in whatever order and with whatever refusals: slot rows are held slots, and all journals agree."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import given, settings
from hypothesis import strategies as st

from rollout.errors import LimitReached
from rollout.journal import Journal
from rollout.model.event import Event, Kind
from rollout.model.state import HostState, Status
from tests.journal.journal_world import MAKERS, ME, RUN, Clock, Controller, begun, graph

MEMORY = "/dev/shm" if Path("/dev/shm").is_dir() else None
"""Hundreds of synced commits: about order, not about disks."""

NAMES = ("h1", "h2", "h3", "h4", "h5")
WORLD = graph(NAMES)


@dataclass(frozen=True)
class Act:
    """What one transaction does: hosts that take slots against the caps, or change without asking; then it may break off."""

    takes: tuple[str, ...] = ()
    becomes: tuple[tuple[str, Status, bool], ...] = ()
    request: bool = False
    taken_over: bool = False
    breaks_off: bool = False


names = st.sampled_from(NAMES)
acts = st.builds(
    Act,
    takes=st.lists(names, max_size=2).map(tuple),
    becomes=st.lists(st.tuples(names, st.sampled_from(Status), st.booleans()), max_size=2).map(tuple),
    request=st.booleans(),
    taken_over=st.booleans(),
    breaks_off=st.booleans(),
)


class Model:
    """The rule in three lines: who holds slots, by the caps when they ask, and by decree when they change."""

    def __init__(self) -> None:
        self.held: set[str] = set()
        self.kept: dict[str, HostState] = {}

    def after(self, act: Act) -> "Model":
        """Raises LimitReached where the journal must."""
        new = Model()
        new.held, new.kept = set(self.held), dict(self.kept)
        for name in act.takes:
            for slot in WORLD.nodes[name].slots:
                others = {host for host in new.held if slot in WORLD.nodes[host].slots}
                if name not in others and len(others) >= WORLD.caps[slot]:
                    raise LimitReached
            new.held.add(name)
            new.kept[name] = HostState(name, Status.RUNNING, slot=True)
        for name, status, held in act.becomes:
            new.kept[name] = HostState(name, status, slot=held)
            (new.held.add if held else new.held.discard)(name)
        if act.breaks_off:
            raise ZeroDivisionError
        return new

    def slots(self) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        for name in sorted(self.held):
            for slot in WORLD.nodes[name].slots:
                found.setdefault(slot, []).append(name)
        return found


@settings(max_examples=60, deadline=None)
@given(st.lists(acts, max_size=12))
def test_slot_rows_are_the_held_slots_in_every_journal(plan: Sequence[Act]) -> None:
    with TemporaryDirectory(dir=MEMORY) as folder:
        clock = Clock()
        journals = [make(Path(folder), clock) for make in MAKERS.values()]
        controllers = [begun(opened, WORLD) for opened in journals]
        model = Model()
        for act in plan:
            clock.now += 1
            wanted: type[Exception] | None = None
            try:
                model = model.after(act)
            except (LimitReached, ZeroDivisionError) as error:
                wanted = type(error)
            for controller in controllers:
                assert _act(controller, act) is wanted
                assert controller.journal.slots(RUN) == model.slots()
                assert controller.journal.load(RUN, WORLD)[1] == model.kept
        assert _view(journals[0]) == _view(journals[1]) == _view(journals[2])
        for opened in journals:
            opened.close()


def _act(controller: Controller, act: Act) -> type[Exception] | None:
    if act.request:
        controller.run.seq = controller.journal.request(RUN, Event(Kind.PAUSED, "lunch")).seq
    if act.taken_over:
        controller.journal.release(controller.lease, 3, "handed on")
        controller.lease = controller.journal.claim(RUN, ME)
    seen = controller.run.seq
    try:
        with controller.journal.writing(controller.lease, seen) as writing:
            for name in act.takes:
                take = [(slot, WORLD.caps[slot]) for slot in WORLD.nodes[name].slots]
                controller.run.seq = writing.append(Event(Kind.INTENDED, "", name, "upgrade", 1), take).seq
                writing.keep(controller.run, [HostState(name, Status.RUNNING, slot=True)])
            for name, status, slot in act.becomes:
                controller.run.seq = writing.append(Event(Kind.HELD, "", name)).seq
                writing.keep(controller.run, [HostState(name, status, slot=slot)])
            _ = 1 / (0 if act.breaks_off else 1)
    except (LimitReached, ZeroDivisionError) as error:
        controller.run.seq = seen
        return type(error)
    return None


def _view(opened: Journal) -> tuple[object, ...]:
    return (
        opened.load(RUN, WORLD),
        list(opened.events(RUN)),
        opened.hosts(RUN),
        opened.summary(RUN),
        opened.run()._replace(tool="", lease=None),
    )
