"""Words of the plan language that this release does not carry out yet: said clearly, never silently ignored."""

from rollout.errors import Problem
from rollout.plan.text import Node

LATER = "is not carried out by this release yet"

KEYS = {"notify": "follow the run with `rollout status` or its exit code"}
"""Keys of the plan, and what to do without each."""

DRAIN_KINDS = dict.fromkeys(
    ("nova", "libvirt", "kubernetes"), "use `drain: playbook` with a playbook of your own"
)


def set_apart(root: Node) -> list[Problem]:
    """Takes the words of later releases out of the tree, and says what to do without them."""
    problems: list[Problem] = []
    for key, advice in KEYS.items() if root.kind == "map" else ():
        node = root.entries.pop(key, None)
        if node is not None:
            problems.append(Problem(node.key or node.place, f"{key} {LATER}; without it, {advice}"))
    return problems
