"""Words of the plan language that this release does not carry out yet: said clearly, never silently ignored."""

from rollout.errors import Problem
from rollout.plan.text import Node

LATER = "is not carried out by this release yet"

KEYS: tuple[tuple[tuple[str, ...], str], ...] = (
    (("notify",), "follow the run with `rollout status` or its exit code"),
    (("gates", "*", "compare"), "use a fixed threshold"),
    (("gates", "*", "shadow"), "leave the gate out until it may decide"),
)
"""Keys, and what to do without each."""

VALUES: tuple[tuple[tuple[str, ...], tuple[str, ...], str, str], ...] = (
    (("gates", "*", "when"), ("during",), "before run", "ask it before or after a step"),
)
"""Values of known keys: the words, one that stands in for them while the rest is checked, and what to do instead."""

GATE_KINDS = {
    "fingerprint": "use kind command",
    "http": "use kind command",
    "tcp": "use kind command",
    "prometheus": "use kind command",
    "alertmanager": "use kind command",
}
DRAIN_KINDS = dict.fromkeys(
    ("nova", "libvirt", "kubernetes"), "use `drain: playbook` with a playbook of your own"
)


def set_apart(root: Node) -> list[Problem]:
    """Takes the words of later releases out of the tree, and says what to do without them."""
    problems: list[Problem] = []
    for path, advice in KEYS:
        for holder in _holders(root, path):
            node = holder.entries.pop(path[-1], None)
            if node is not None:
                named = ".".join(part for part in path if part != "*")
                problems.append(Problem(node.key or node.place, f"{named} {LATER}; without it, {advice}"))
    for path, words, stand_in, advice in VALUES:
        for holder in _holders(root, path):
            node = holder.entries.get(path[-1])
            if node is not None and node.kind == "scalar" and node.text in words:
                problems.append(Problem(node.at, f"{path[-1]}: {node.text} {LATER}; {advice}"))
                node.text, node.scalar = stand_in, int(stand_in) if stand_in.isdigit() else stand_in
    return problems


def _holders(root: Node, path: tuple[str, ...]) -> list[Node]:
    holders = [root]
    for part in path[:-1]:
        below: list[Node] = []
        for node in holders:
            found = node.entries.get(part)
            below += node.items if part == "*" else [found] if found else []
        holders = below
    return [node for node in holders if node.kind == "map"]
