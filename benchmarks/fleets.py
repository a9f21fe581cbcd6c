"""A large fleet as a benchmark needs it: three combos, racks of twenty hosts, sites of twenty racks, and a plan for it."""

from rollout.graph import compile_graph
from rollout.model.chain import Step
from rollout.model.fleet import Fleet, Host
from rollout.model.graph import Graph
from rollout.model.plan import Amount, ComboRule, Failures, GateRule, Limits, Moment, Plan, Soak

RACK, SITE = 20, 400
COMBOS = ("amber", "birch", "cedar")
CHAIN = (
    Step("precheck", playbook="precheck.yml", expect=20, retries=1),
    Step("stage", playbook="stage.yml", expect=120),
    Step("upgrade", playbook="upgrade.yml", once=True, expect=900),
    Step("reboot", playbook="reboot.yml", disruptive=True, expect=240),
    Step("verify", playbook="verify.yml", expect=30),
)
GATES = (
    GateRule("reachable", "ssh", Moment("before", "run")),
    GateRule("empty", "guests", Moment("before", "upgrade")),
    GateRule("booted", "boot", Moment("after", "reboot"), remembers=True),
    GateRule("well", "command", Moment("after", "verify")),
    GateRule("still-well", "command", Moment("after", "wave")),
)


def a_graph(size: int) -> Graph:
    """The compiled plan: a canary, a tenth, the rest; 5 % at once, one host of a rack, a tenth of a site."""
    hosts = tuple(
        Host(
            f"host-{number:05}",
            {
                "hardware": COMBOS[number % len(COMBOS)],
                "os": "old",
                "rack": f"r{number // RACK}",
                "site": f"s{number // SITE}",
            },
            digest="d",
        )
        for number in range(size)
    )
    sizes: dict[str, dict[str, int]] = {"rack": {}, "site": {}}
    for host in hosts:
        for factor, counts in sizes.items():
            value = host.factors[factor]
            counts[value] = counts.get(value, 0) + 1
    plan = Plan(
        name="benchmark",
        file="plan.yml",
        inventory=("hosts",),
        hosts="all",
        factors={factor: factor for factor in ("hardware", "os", "rack", "site")},
        combos=tuple(
            ComboRule(name, {"hardware": (name,), "os": ("old",)}, {"os": ("new",)}, steps=CHAIN)
            for name in COMBOS
        ),
        steps=CHAIN,
        waves=(Amount(1), Amount(10, percent=True), Amount(100, percent=True)),
        soak=Soak(600, 300),
        limits=Limits(Amount(5, percent=True), {"rack": Amount(1), "site": Amount(10, percent=True)}, 100),
        failures=Failures(0, size // 100, size // 50),
        gates=GATES,
    )
    return compile_graph(plan, Fleet(hosts, sizes), {"plan": "p"})
