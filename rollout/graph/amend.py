"""A run's graph and a plan that has changed since: what the run goes on with.

Hosts that have begun stay as planned, and take the new definitions of their steps by name. All others take what the new plan says. Nobody joins the run.
"""

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from hashlib import sha256

from rollout.graph import concerned
from rollout.graph.budgets import of_combos, of_run, of_values
from rollout.graph.compile import caps_of, compile_graph, digest_of, other_ways, own_parts, slots_of
from rollout.graph.passed import past, refused
from rollout.graph.questions import gates_of
from rollout.graph.recut import as_they_were, recut
from rollout.model.fleet import Fleet, Host
from rollout.model.graph import Combo, Graph, Node, Untouched, Wave
from rollout.model.ledger import begun as done
from rollout.model.plan import Plan
from rollout.model.progress import LEFT, HostState, RunState, Status
from rollout.model.verdict import Given, Waiver
from rollout.model.windows import Calendar
from rollout.model.zones import UTC, Zone


@dataclass(frozen=True, slots=True)
class Amended:
    """The graph that a run goes on with, and what that means for its hosts.

    `excluded`, `gone`: hosts that leave, and why. `new`: hosts that the plan would upgrade and the run does not know, or had left out. `credit`: by combo, the
    steps that are others; what was verified before earns it no credit. `past`: by combo and step, the hosts that are past a new step, which is not run on them.
    `kept`: combos that the plan has no more, and how many hosts go on in them. `refused`: why the run cannot go on so.
    """

    graph: Graph
    excluded: Mapping[str, str] = field(default_factory=dict)
    gone: Mapping[str, str] = field(default_factory=dict)
    new: tuple[str, ...] = ()
    credit: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    gates: tuple[str, ...] = ()
    past: Mapping[tuple[str, str], tuple[str, ...]] = field(default_factory=dict)
    kept: Mapping[str, int] = field(default_factory=dict)
    begun: int = 0
    refused: tuple[str, ...] = ()


def amend(
    old: Graph,
    plan: Plan,
    fleet: Fleet,
    parts: Mapping[str, str],
    given: Given,
    run: RunState,
    hosts: Mapping[str, HostState],
) -> Amended:
    """Compile the plan as it is now, and merge. `parts`: as of `compile_graph`. `hosts`: where those of the old graph stand. Raises PlanInvalid."""
    begun = dict.fromkeys(name for name in old.nodes if has_begun(hosts[name]))
    fleet = replace(fleet, hosts=tuple(_as_planned(host, old, begun) for host in fleet.hosts))
    whole = compile_graph(plan, fleet, parts, given, seed=old.seed)
    shut = {one.host for one in whole.untouched if one.word == "excluded" and (one.cause or not one.combo)}
    shut |= old.nodes.keys() - {host.name for host in fleet.hosts}
    for name in [name for name in begun if name in shut and may_leave(old.chain_of(name), hosts[name])]:
        del begun[name]
    new = tuple(name for name in whole.nodes if name not in old.nodes)
    graph, ours = whole, fleet
    while joining := graph.nodes.keys() - old.nodes.keys():  # without these, the waves may reach others
        ours = replace(ours, hosts=tuple(host for host in ours.hosts if host.name not in joining))
        graph = compile_graph(plan, ours, parts, given, seed=old.seed)
    return _Merging(old, graph, plan, fleet, run, hosts, begun, new).amended()


def has_begun(host: HostState) -> bool:
    """Whether any step was ever begun on it. A host that was held, left out or given up before is where a new plan may put it."""
    return host.attempt > 0 or host.status in {Status.RUNNING, Status.SOAKING, Status.VERIFIED}


def may_leave(combo: Combo, host: HostState) -> bool:
    """Whether nothing was done to it that would have to be finished or taken back: prechecks, say, or packages that were fetched.

    Such a host need not go on into an upgrade from which the plan keeps it now.
    """
    idle = not (host.open or host.lost or host.uncertain or host.slot or host.effects or host.back)
    early = host.status in {Status.WAITING, Status.RUNNING, Status.HELD}
    return idle and early and not any(step.needs_slot for step in done(combo, host))


def _as_planned(host: Host, old: Graph, begun: Collection[str]) -> Host:
    """What our own steps have changed on it meanwhile is no news: its place in the plan is what it was planned as."""
    if host.name not in begun:
        return host
    return replace(host, factors={**host.factors, **old.nodes[host.name].factors}, probed={})


@dataclass
class _Merging:
    old: Graph
    new: Graph
    plan: Plan
    fleet: Fleet
    run: RunState
    hosts: Mapping[str, HostState]
    begun: Collection[str]
    joining: tuple[str, ...]

    def _asks_less(self, waves: Mapping[str, Wave]) -> bool:
        """Whether questions are taken away that not everybody may answer."""
        asked = replace(self.new, waves=waves).approvals
        return bool(set(self.old.approvals) - set(asked)) and (
            self.old.four_eyes or self.old.identity is not None
        )

    def amended(self) -> Amended:
        old, new = self.old, self.new
        waves = self._waves()
        chains = self._chains()
        nodes = self._nodes(waves, chains)
        combos = self._combos(nodes, chains)
        excluded, gone = self._leaving(nodes)
        caps = caps_of(self.plan, self.fleet, nodes)
        own = own_parts(self.fleet, caps, waves, nodes, other_ways(self.plan, combos.values()))
        files = {name: digest for name, digest in new.parts.items() if name not in own}
        parts = {**files, **own, "amended": sha256(old.digest.encode()).hexdigest()}
        graph = replace(
            new,
            digest=digest_of(parts),
            # An amendment that wants no approval, or one that others prove, was not approved itself.
            approval_to_begin=new.approval_to_begin or old.approval_to_begin or self._asks_less(waves),
            four_eyes=new.four_eyes or old.four_eyes,
            identity=old.identity or new.identity,
            parts=parts,
            nodes=nodes,
            combos=combos,
            waves=waves,
            gates=gates_of(self.plan.gates, combos.values()),
            caps=caps,
            tolerated_combo=of_combos(self.plan.failures, combos),
            tolerated_run=of_run(self.plan.failures, len(nodes)),
            tolerated_per=of_values(self.plan.failures, nodes.values()),
            untouched=self._untouched(nodes, excluded | gone),
            calendar=self._calendar(),
            waivers=self._waivers(nodes),
            seed=old.seed or new.seed,
        )
        pairs = {name: (old.combos[name], combos[name]) for name in self._of_begun()}
        return Amended(
            graph,
            excluded,
            gone,
            self.joining,
            concerned.steps(old, graph, self.plan, pairs),
            concerned.gates(old, graph),
            past(old, combos, self._under_way()),
            {name: count for name, count in self._of_begun().items() if name not in new.combos},
            len(self.begun),
            tuple(refused(old, combos, self._under_way(), graph.risks)),
        )

    def _under_way(self) -> list[HostState]:
        return [self.hosts[name] for name in sorted(self.begun) if self.hosts[name].status not in LEFT]

    # --- waves -----------------------------------------------------------------------------------------------------------------

    def _waves(self) -> dict[str, Wave]:
        if self._may_stay():
            return as_they_were(self.old, self.new, {*self.begun, *self.new.nodes})
        return recut(self.old, self.new, self.begun, self.run.opened)

    def _may_stay(self) -> bool:
        """Whether waves are cut as before, nobody is in another combo, no canary is lost, and no wave is left without hosts."""
        old, new = self.old, self.new
        if old.shape != new.shape or any(
            name not in self.begun and node.combo != old.nodes[name].combo for name, node in new.nodes.items()
        ):
            return False
        for wave in old.waves.values():
            left = [name for name in wave.hosts if name not in new.nodes]
            lost = [name for name in left if name not in self.begun]
            unproven = [name for name in left if self.hosts[name].status is not Status.VERIFIED]
            if len(lost) == len(wave.hosts) or (wave.canary and unproven):
                return False
        return True

    # --- combos ----------------------------------------------------------------------------------------------------------------

    def _of_begun(self) -> Counter[str]:
        return Counter(self.old.nodes[name].combo for name in self.begun)

    def _chains(self) -> dict[str, Combo]:
        """The combos of the hosts that have begun. One that the plan has no more is as it was, but for a chain that a part of the same combo has."""
        alike = {(combo.of_rule, combo.hops): combo for combo in self.new.combos.values()}
        found = {}
        for name in self._of_begun():
            was = self.old.combos[name]
            other = alike.get((was.of_rule, was.hops))
            chain = other.chain if other is not None else was.chain
            found[name] = self.new.combos.get(name) or replace(was, chain=chain)
        return found

    def _combos(self, nodes: Mapping[str, Node], chains: Mapping[str, Combo]) -> dict[str, Combo]:
        """All of them, with their hosts counted: those that are there already, and that the run does not hold."""
        counts = Counter(node.combo for node in nodes.values())
        current = Counter(
            one.combo for one in self.new.untouched if one.word == "current" and one.host not in nodes
        )
        return {
            name: replace(
                combo,
                hosts=counts[name],
                current=current[name],
                learned=self.old.combos[name].learned if name in self.old.combos else {},
            )
            for name, combo in {**self.new.combos, **chains}.items()
        }

    # --- hosts -----------------------------------------------------------------------------------------------------------------

    def _nodes(self, waves: Mapping[str, Wave], chains: Mapping[str, Combo]) -> dict[str, Node]:
        """Those that have begun first, then all others in the order of the plan."""
        wave_of = {name: wave.id for wave in waves.values() for name in wave.hosts}
        known = {host.name: host for host in self.fleet.hosts}
        nodes = {
            name: self._begun_node(node, chains[node.combo], known.get(name))
            for name, node in self.old.nodes.items()
            if name in self.begun
        }
        for name, node in self.new.nodes.items():
            if name not in nodes:
                was = self.old.nodes[name]
                same = was.combo == node.combo and self._chain_is_same(node.combo)
                nodes[name] = replace(node, wave=wave_of[name], expect=was.expect if same else node.expect)
        return nodes

    def _chain_is_same(self, combo: str) -> bool:
        return self.old.combos[combo].chain == self.new.combos[combo].chain

    def _begun_node(self, node: Node, combo: Combo, host: Host | None) -> Node:
        """Its place and target are what they were; how it is reached and counted is as the inventory and the limits say now."""
        to = self.old.combos[node.combo].to
        node = replace(node, to=node.to or ({} if to == combo.to else to))
        if host is None:
            return replace(node, slots=slots_of(self.plan, node.name, node.factors), zones=self._zones(node))
        fresh = self.new.nodes.get(node.name, node)
        return replace(
            node,
            slots=slots_of(self.plan, node.name, host.factors),
            factors=host.factors,
            address=host.address,
            digest=host.digest,
            guests=host.guests,
            zones=host.zones,
            risks=fresh.risks,
            waivers=fresh.waivers,
        )

    def _zones(self, node: Node) -> tuple[str, ...]:
        """Of a host that has left the inventory: its own, unless the windows ask for others, which nobody can tell."""
        asked = self.new.calendar.templates if self.new.calendar else ()
        was = self.old.calendar.templates if self.old.calendar else ()
        return node.zones if asked == was else (UTC,) * len(asked)

    def _calendar(self) -> Calendar | None:
        if self.new.calendar is None:
            return None
        zones = {UTC: Zone(UTC), **(self.old.calendar.zones if self.old.calendar else {})}
        return replace(self.new.calendar, zones={**zones, **self.new.calendar.zones})

    def _waivers(self, nodes: Mapping[str, Node]) -> tuple[Waiver, ...]:
        """As they are now; and those by which hosts have begun that the plan would not touch any more."""
        used = {name for node in nodes.values() for name in node.waivers}
        known = {waiver.name for waiver in self.new.waivers}
        before = (one for one in self.old.waivers if one.name in used - known)
        return (*self.new.waivers, *before)

    def _leaving(self, nodes: Mapping[str, Node]) -> tuple[dict[str, str], dict[str, str]]:
        told = {one.host: one.because for one in self.new.untouched}
        excluded, gone = {}, {}
        for name in self.old.nodes:
            if name in nodes or self.hosts[name].status in LEFT:
                continue
            if name in told:
                excluded[name] = told[name]
            else:
                gone[name] = "the plan's host pattern no longer selects it from the inventory"
        return excluded, gone

    def _untouched(self, nodes: Mapping[str, Node], leaving: Mapping[str, str]) -> tuple[Untouched, ...]:
        """What the plan leaves out now, who leaves the run, and whom it left out from the beginning."""
        found = {one.host: one for one in self.new.untouched if one.host not in nodes}
        for name in self.old.nodes:
            if name not in nodes and name not in found:
                because = leaving.get(name) or self.hosts[name].because
                found[name] = Untouched(name, "excluded", because, self.old.nodes[name].combo)
        for one in self.old.untouched:
            found.setdefault(one.host, one)
        return tuple(found.values())
