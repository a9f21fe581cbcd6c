"""What every journal promises of a run that is amended: the event, the graph and the places of its hosts are one thing, kept or not."""

from dataclasses import replace

import pytest

from rollout.errors import Amended, JournalError, LeaseLost
from rollout.journal import Journal
from rollout.model.event import Event, Kind
from rollout.model.graph import Graph
from rollout.model.state import HostState, Status
from tests.journal.journal_world import RUN, Controller, begun, graph

AMENDED = Event(Kind.AMENDED, "mended", data={"old": "digest", "new": "another"})


def another(names: tuple[str, ...] = ("h1", "h2", "h3")) -> Graph:
    """Without the last host; the second is in a wave of its own, and there are no racks any more, but a site."""
    was = graph(names)
    nodes = {
        name: replace(node, wave="kvm/3" if name == "h2" else node.wave, slots=("fleet", "site=s1"))
        for name, node in was.nodes.items()
    }
    waves = {
        "kvm/1": was.waves["kvm/1"],
        "kvm/2": replace(was.waves["kvm/2"], hosts=("h3",)),
        "kvm/3": replace(was.waves["kvm/2"], id="kvm/3", hosts=("h2",)),
    }
    return replace(was, digest="another", nodes=nodes, waves=waves, caps={"fleet": 1, "site=s1": 1})


def amend(opened: Journal, controller: Controller, to: Graph, *hosts: HostState) -> None:
    with opened.writing(controller.lease, controller.run.seq) as writing:
        writing.amend(to)
        written = writing.append(AMENDED)
        controller.run.seq, controller.run.at = written.seq, written.at
        writing.keep(controller.run, hosts)


def test_the_run_goes_on_with_the_new_graph(opened: Journal) -> None:
    controller = begun(opened)
    amend(opened, controller, another(), HostState("h4", Status.EXCLUDED, because="a bad driver"))
    assert opened.graph(RUN).to_json() == another().to_json()
    assert opened.run(RUN).digest == "another"
    assert [event.kind for event in opened.events(RUN)] == [Kind.AMENDED]
    places = {row.name: (row.wave, str(row.status)) for row in opened.hosts(RUN)}
    assert places == {
        "h1": ("kvm/1", "waiting"),
        "h2": ("kvm/3", "waiting"),
        "h3": ("kvm/2", "waiting"),
        "h4": ("kvm/2", "excluded"),
    }
    assert sum(opened.summary(RUN).values()) == 4
    _, hosts, tail = opened.load(RUN, another())
    assert (set(hosts), tail) == (set(), [])


def test_who_read_the_graph_before_is_told(opened: Journal) -> None:
    controller = begun(opened)
    amend(opened, controller, another())
    with pytest.raises(Amended, match="was amended meanwhile") as caught:
        opened.load(RUN, graph())
    assert caught.value.exit_code == 5


def test_a_host_holds_the_places_of_its_new_node_whatever_their_caps(opened: Journal) -> None:
    controller = begun(opened)
    controller.start("h1", [("fleet", 2), ("rack=r0", 1)])
    controller.start("h3", [("fleet", 2), ("rack=r1", 1)])
    amend(opened, controller, another())
    assert opened.slots(RUN) == {"fleet": ["h1", "h3"], "site=s1": ["h1", "h3"]}
    controller.write(Event(Kind.VERIFIED, "well", "h1"), HostState("h1", Status.VERIFIED))
    assert opened.slots(RUN) == {"fleet": ["h3"], "site=s1": ["h3"]}


def test_a_host_that_leaves_gives_its_places_back(opened: Journal) -> None:
    controller = begun(opened)
    controller.write(
        Event(Kind.HELD, "others broke it", "h4", data={"away": True}),
        HostState("h4", Status.HELD, slot=True),
    )
    amend(opened, controller, another(), HostState("h4", Status.EXCLUDED))
    assert opened.slots(RUN) == {}


def test_nothing_of_an_amendment_stays_that_is_not_committed(opened: Journal) -> None:
    controller = begun(opened)
    controller.start("h1", [("fleet", 2), ("rack=r0", 1)])
    before = _everything(opened)
    with pytest.raises(ZeroDivisionError):
        _break_off(opened, controller)
    assert _everything(opened) == before
    amend(opened, controller, another())
    assert opened.run(RUN).digest == "another"


def test_no_host_joins_a_run(opened: Journal) -> None:
    controller = begun(opened)
    before = _everything(opened)
    with pytest.raises(JournalError, match="no host 'h9'"):
        amend(opened, controller, replace(graph(("h1", "h9")), digest="another"))
    assert _everything(opened) == before


def test_only_who_holds_the_run_amends_it(opened: Journal) -> None:
    controller = begun(opened)
    opened.release(controller.lease, 3, "stopped")
    with pytest.raises(LeaseLost):
        amend(opened, controller, another())
    assert opened.run(RUN).digest == "digest"


def test_what_people_ask_of_a_host_that_has_left_is_still_taken(opened: Journal) -> None:
    """It was a host of the run: whoever reads the request knows that it changes nothing."""
    controller = begun(opened)
    amend(opened, controller, another(), HostState("h4", Status.EXCLUDED))
    assert opened.request(RUN, Event(Kind.RETRIED, "why not", "h4")).seq == 2


def _break_off(opened: Journal, controller: Controller) -> None:
    with opened.writing(controller.lease, 1) as writing:
        writing.amend(another())
        writing.append(AMENDED)
        writing.keep(controller.run, [HostState("h4", Status.EXCLUDED)])
        raise ZeroDivisionError


def _everything(opened: Journal) -> list[object]:
    row = opened.run(RUN)
    return [
        row.digest,
        row.seq,
        opened.graph(RUN).to_json(),
        opened.hosts(RUN),
        opened.slots(RUN),
        list(opened.events(RUN)),
        opened.state(RUN),
    ]
