"""Builders of plans, fleets and graphs for tests: say what matters, the rest is filled in."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from rollout.engine import Engine
from rollout.engine.inbox import VirtualInbox
from rollout.engine.paths import PathAsker
from rollout.engine.rehearsal import rehearsed_engine
from rollout.engine.steps import Steps
from rollout.executors.rehearsal import RehearsedGate, World
from rollout.graph import compile_graph
from rollout.journal import Journal, Owner
from rollout.model.chain import Step
from rollout.model.fleet import Fleet, Host
from rollout.model.graph import Graph
from rollout.model.plan import After, Amount, ComboRule, Failures, GateRule, Limits, Plan, Soak
from rollout.model.seams import Gate

CHAIN = (
    Step("precheck", playbook="precheck.yml", expect=10, timeout=100),
    Step("upgrade", playbook="upgrade.yml", once=True, expect=100, timeout=1000),
    Step("reboot", playbook="reboot.yml", disruptive=True, expect=60, timeout=600),
    Step("verify", playbook="verify.yml", retries=2, backoff=5, expect=10, timeout=100),
)


def a_combo(
    name: str, *, after: Sequence[After] = (), steps: Sequence[Step] = CHAIN, verdict: str = "supported"
) -> ComboRule:
    """Matches the hosts whose factor `hardware` is the combo's name."""
    return ComboRule(
        name,
        match={"hardware": (name,), "os": ("old",)},
        to={"os": ("new",)},
        after=tuple(after),
        steps=tuple(steps),
        verdict="blocked" if verdict == "blocked" else "supported",
        reason="a reason",
    )


def a_plan(
    *combos: ComboRule,
    waves: Sequence[Amount] = (Amount(1), Amount(100, percent=True)),
    limits: Limits = Limits(at_once=Amount(4)),  # noqa: B008  frozen
    failures: Failures = Failures(),  # noqa: B008  frozen
    soak: Soak = Soak(0, 0),  # noqa: B008  frozen
    gates: Sequence[GateRule] = (),
) -> Plan:
    return Plan(
        name="plan",
        file="plan.yml",
        inventory=("hosts.yml",),
        hosts="all",
        factors={"hardware": "hw", "os": "os", "rack": "rack"},
        combos=combos or (a_combo("a"),),
        steps=CHAIN,
        waves=tuple(waves),
        limits=limits,
        failures=failures,
        soak=soak,
        gates=tuple(gates),
    )


def a_fleet(counts: Mapping[str, int], *, racks: int = 4, os: str = "old") -> Fleet:
    """`{"a": 3}` gives hosts a1..a3 of hardware a, spread over the racks in turn."""
    hosts = tuple(
        Host(
            f"{hardware}{number}", {"hardware": hardware, "os": os, "rack": f"r{number % racks}"}, digest="d"
        )
        for hardware, count in counts.items()
        for number in range(1, count + 1)
    )
    sizes: dict[str, dict[str, int]] = {"hardware": {}, "os": {}, "rack": {}}
    for host in hosts:
        for factor, value in host.factors.items():
            sizes[factor][value] = sizes[factor].get(value, 0) + 1
    return Fleet(hosts, sizes)


def a_graph(counts: Mapping[str, int], plan: Plan | None = None, *, racks: int = 4) -> Graph:
    """The graph of a plan (by default: one combo per hardware) over such a fleet."""
    plan = plan or a_plan(*(a_combo(name) for name in counts))
    return compile_graph(plan, a_fleet(counts, racks=racks), {"plan": "p"})


def an_owner(number: int = 1) -> Owner:
    """A controller that only the test knows."""
    return replace(Owner.current(), pid=number)


def an_engine(
    graph: Graph,
    journal: Journal,
    world: World,
    inbox: VirtualInbox,
    *,
    run: str = "run",
    owner: Owner | None = None,
    force: bool = False,
    steps: Steps | None = None,
    gate: Callable[[World], Gate] = RehearsedGate,
    poll: float | None = None,
    paths: PathAsker | None = None,
    until: float | None = None,
    unattended: bool = False,
) -> Engine:
    """A controller over an imagined world, in virtual time, on a run that the journal has.

    Its owner is no living process: the next one takes over from it, as after a kill. `steps`: instead of those of the world.
    """
    return rehearsed_engine(
        journal,
        journal.claim(run, owner or an_owner(), force=force),
        graph,
        world,
        inbox,
        gates={rule.name: gate(world) for rule in graph.gates},
        steps=steps,
        poll=poll,
        paths=paths,
        until=until,
        unattended=unattended,
    )
