"""The fleet as the inventory tells it."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from rollout.model.windows import Key
from rollout.model.zones import Zone


@dataclass(frozen=True, slots=True)
class Host:
    """A host that the plan's pattern selects.

    `factors` maps each declared factor to its value as text. `digest` is over all its resolved variables,
    so that a change can be seen without keeping a secret. `guests` is how many the inventory says it carries. A `pilot` is preferred as a canary;
    what is `last` is touched after all others. `zones` are its own, for the windows of the plan that ask for them.

    `facts`: what else requirements, risks and compatibility ask for, by name; one value or several (PCI ids), and nothing for what is not known.
    `probed`: factors as a probe has found them, where it can tell.
    """

    name: str
    factors: Mapping[str, str]
    address: str = ""
    digest: str = ""
    guests: int | None = None
    pilot: bool = False
    last: bool = False
    zones: Key = ()
    facts: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    probed: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Fleet:
    """The selected hosts, in inventory order, and how large each failure domain is.

    `domain_sizes[factor][value]` counts all hosts of the inventory, not only the selected ones. `zones` are all that windows or hosts name.
    """

    hosts: tuple[Host, ...]
    domain_sizes: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    zones: Mapping[str, Zone] = field(default_factory=dict)
