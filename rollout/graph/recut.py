"""The waves of a run whose plan is amended: hosts that have begun stay where they are, the others take what the new plan says.

A wave that keeps hosts which have begun is open already and waits for nothing any more. So every need of a wave that is cut anew leads to another one that is, as in
the graph that it comes from, or to one that waits for nothing: no wave can wait for itself.
"""

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass, replace

from rollout.model.graph import Graph, Need, Wave


def as_they_were(old: Graph, new: Graph, staying: Collection[str]) -> dict[str, Wave]:
    """Every wave as it was, without the hosts that leave; soaks are as the plan has them now."""
    soaks = {wave.canary: wave.soak for wave in new.waves.values()}
    left = {wave.id: tuple(name for name in wave.hosts if name in staying) for wave in old.waves.values()}
    return {
        wave.id: replace(wave, hosts=left[wave.id], soak=soaks.get(wave.canary, wave.soak))
        for wave in old.waves.values()
        if left[wave.id]
    }


def recut(old: Graph, new: Graph, begun: Collection[str], opened: Collection[str]) -> dict[str, Wave]:
    """Hosts that have begun in the waves that they were in, all others in those of the new graph; its hosts are all of the old one.

    A wave that holds the same hosts as before keeps its name; all others have numbers that no wave of their combo had. So has what is left of an open wave,
    if the plan has it wait for another combo or for an approval now.
    """
    return _Recut(old, new, begun, opened).waves()


@dataclass
class _Recut:
    old: Graph
    new: Graph
    begun: Collection[str]
    opened: Collection[str]

    def waves(self) -> dict[str, Wave]:
        self._ids = self._named()
        same = set(self._ids.values())
        found = {
            wave.id: replace(wave, hosts=self._begun(wave), needs=_approvals(wave))
            for wave in self.old.waves.values()
            if self._begun(wave) and wave.id not in same
        }
        cut = {ours: self.new.waves[theirs] for theirs, ours in self._ids.items()}
        members = {ours: self._members(ours, wave) for ours, wave in cut.items()}
        self._rungs = {wave.rung for wave in (*found.values(), *cut.values())}
        self._combos = {wave.combo for wave in (*found.values(), *cut.values())}
        self._combos |= {combo.name for combo in self.new.combos.values() if combo.current}
        for ours, wave in sorted(cut.items(), key=lambda one: one[0] not in self.opened):
            needs = _approvals(wave) if ours in self.opened else self._needs(wave)
            found[ours] = replace(wave, id=ours, hosts=members[ours], needs=needs)
        return found

    def _begun(self, wave: Wave) -> tuple[str, ...]:
        return tuple(name for name in wave.hosts if name in self.begun)

    def _rest(self, wave: Wave) -> tuple[str, ...]:
        return tuple(name for name in wave.hosts if name not in self.begun and name in self.new.nodes)

    def _named(self) -> dict[str, str]:
        """The waves of the new graph that hold anybody who has not begun, and what they are called."""
        numbers = Counter[str]()
        for identity in (*self.old.waves, *self.opened):
            combo, _, number = identity.rpartition("/")
            numbers[combo] = max(numbers[combo], int(number))
        ids = {}
        for wave in self.new.waves.values():
            rest = self._rest(wave)
            if not rest:
                continue
            before = self.old.waves[self.old.nodes[rest[0]].wave]
            if self._is_same(before, wave):
                ids[wave.id] = before.id
            else:
                numbers[wave.combo] += 1
                ids[wave.id] = f"{wave.combo}/{numbers[wave.combo]}"
        return ids

    def _is_same(self, before: Wave, wave: Wave) -> bool:
        alike = (before.combo, before.rung, before.canary) == (wave.combo, wave.rung, wave.canary)
        if before.id in self.opened and set(_asked_for(self.new, wave)) - set(_asked_for(self.old, before)):
            return False  # its hosts that have not begun are to wait for what the plan says now
        moved = set(self._begun(wave)) - set(before.hosts)
        return alike and not moved and set(self._rest(before)) == set(self._rest(wave))

    def _members(self, ours: str, wave: Wave) -> tuple[str, ...]:
        before = self._begun(self.old.waves[ours]) if ours in self.old.waves else ()
        return (*before, *self._rest(wave))

    def _needs(self, wave: Wave) -> tuple[Need, ...]:
        found: dict[Need, None] = {}
        for need in wave.needs:
            found.update(dict.fromkeys(self._mapped(need)))
        return tuple(found)

    def _mapped(self, need: Need) -> list[Need]:
        """A need of hosts that have all begun is one of the waves that these are in."""
        if need.wave is not None:
            known, wave = self._ids.get(need.wave), self.new.waves[need.wave]
            if known is not None:
                return [replace(need, wave=known)]
            earlier = [one for asked in _asked_for(self.new, wave) for one in self._mapped(asked)]
            return [*self._where(wave), *earlier]
        if need.rung is not None and need.rung not in self._rungs:
            return [one for wave in self.new.rungs[need.rung] for one in self._where(wave)]
        if need.combo is not None and need.combo not in self._combos:
            return [one for wave in self.new.waves_of[need.combo] for one in self._where(wave)]
        return [need]

    def _where(self, wave: Wave) -> list[Need]:
        return [
            Need(wave=identity)
            for identity in dict.fromkeys(self.old.nodes[name].wave for name in wave.hosts)
        ]


def _asked_for(graph: Graph, wave: Wave) -> list[Need]:
    """What people want it, and those of its combo before it, to wait for: their approval, or another combo."""
    found: list[Need] = []
    for need in wave.needs:
        if need.wave is not None and graph.waves[need.wave].combo == wave.combo:
            found += _asked_for(graph, graph.waves[need.wave])
        elif need.rung is None:
            found.append(need)
    return found


def _approvals(wave: Wave) -> tuple[Need, ...]:
    """A wave that is open waits for nothing; that somebody was asked before it stays to be seen."""
    return tuple(need for need in wave.needs if need.approved is not None)
