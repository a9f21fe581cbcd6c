"""Faults of every kind at random moments, on hosts of the lab with the real guard and playbooks; journals on SQLite and PostgreSQL by turns.

Nothing finished is repeated, nothing that must happen once happens twice, no host is lost, no limit is exceeded, every resume ends.
"""

import random
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from rollout.lab import HostSpec
from rollout.lab.needs import missing
from tests.end_to_end import besieged
from tests.end_to_end.fault_kinds import KINDS, POSTGRESQL
from tests.end_to_end.faults_by_chance import Round
from tests.end_to_end.invariants import Tally
from tests.end_to_end.operating import Operator
from tests.journal.postgres_server import Server

pytestmark = [pytest.mark.lab, pytest.mark.timeout(3600)]

PER_ROUND, LANES = 9, 4


@dataclass(slots=True)
class Lane:
    """Rounds one after the other, on hosts of their own. `dealt`: the kinds of faults to come."""

    operator: Operator
    number: int
    chance: random.Random
    dealt: list[str]
    server: Server | None
    lapses: bool
    rounds: int = 0
    tally: Tally = field(default_factory=Tally)
    wrong: list[str] = field(default_factory=list)

    def besiege(self) -> None:
        """One round. What found nothing to strike comes again in the next."""
        kinds, self.dealt = self.dealt[:PER_ROUND], self.dealt[PER_ROUND:]
        siege = Round(
            self.operator, f"lane{self.number}-{self.rounds}", hosts_of(self.number, self.rounds), random.Random(self.chance.random()),
            server=self.server, shipped=(self.rounds + self.number) % LANES == 0, lapses=self.lapses,
        )  # fmt: skip
        try:
            record = siege.carry_out({kind: KINDS[kind] for kind in kinds})
        except Exception as error:
            error.add_note(siege.said())
            raise
        struck = [fault.kind for fault in record.planted]
        self.dealt = [*(kind for kind in kinds if kind not in struck), *self.dealt]
        violations = record.violations()
        self.tally.add(record, violations)
        self.rounds += 1
        found = [*map(str, violations), *siege.notes]
        self.wrong += [f"{siege.name}: {one}" for one in found] + ([siege.said()] if found else [])


def hosts_of(lane: int, number: int) -> list[str]:
    return [f"l{lane}r{number:02}h{host}" for host in range(besieged.HOSTS)]


def deal(chance: random.Random, kinds: Sequence[str], rounds: int) -> tuple[list[str], list[str]]:
    """To two lanes, so that between them all come equally often."""
    cards: list[str] = []
    while len(cards) < 2 * rounds * PER_ROUND:
        cards += chance.sample(kinds, len(kinds))
    return cards[::2], cards[1::2]


def besiege(
    operator: Operator,
    record: Callable[[str, object], None],
    seed: int,
    faults: int,
    *,
    rounds: int,
    lapses: bool,
    lanes_each: int = LANES // 2,
) -> None:
    """So many faults. `record` is told the table. Half of the lanes have their journals in files, half in databases; all lanes go at once."""
    names = [
        name for lane in range(2 * lanes_each) for number in range(rounds) for name in hosts_of(lane, number)
    ]
    operator.lab.up([HostSpec(name, variables={"rollout_to_suite": "birch"}) for name in names])
    chance = random.Random(seed)
    with ExitStack() as servers, ThreadPoolExecutor(LANES) as pool:
        lanes: list[Lane] = []
        for kinds in (sorted(KINDS.keys() - POSTGRESQL), sorted(KINDS)):
            for dealt in deal(chance, kinds, rounds)[:lanes_each]:
                server = Server() if kinds == sorted(KINDS) else None
                if server:
                    servers.callback(server.remove)
                lanes.append(
                    Lane(operator, len(lanes), random.Random(chance.random()), dealt, server, lapses)
                )
        while sum(lane.tally.planted for lane in lanes) < faults and lanes[0].rounds < rounds:
            going = [pool.submit(lane.besiege) for lane in lanes]
            wait(going)  # a server dies with the thread that started it last, so none ends before the others
            for future in going:
                future.result()
    tally = Tally()
    for lane in lanes:
        tally.merge(lane.tally)
    record("faults", tally.to_json())
    assert not (wrong := [text for lane in lanes for text in lane.wrong]), "\n".join([f"seed {seed}", *wrong])
    assert tally.planted >= faults


@pytest.fixture
def operator(tmp_path: Path) -> Iterator[Operator]:
    if lacking := missing():
        pytest.skip(f"no lab here: it needs {lacking[0]}")
    operator = Operator(tmp_path)
    try:
        operator.copy_playbooks()
        besieged.write_playbooks(operator)
        yield operator
    finally:
        operator.close()


def test_ten_faults(operator: Operator, record_property: Callable[[str, object], None]) -> None:
    besiege(operator, record_property, 1, 10, rounds=2, lapses=False, lanes_each=1)


@pytest.mark.full
@pytest.mark.parametrize("seed", range(101, 111))
def test_five_hundred_faults(
    operator: Operator, record_property: Callable[[str, object], None], seed: int
) -> None:
    besiege(operator, record_property, seed, 50, rounds=4, lapses=True)
