"""What others do with the same hosts and the same luck: batches, each of which is carried out whole before it is judged.

That is Ansible's `serial` with a tolerance of 0, and what it becomes under most other tools: the next batch begins when no host of the one before has
failed. It is kinder than they are: a batch is never held up by racks, every failure is noticed, and nothing else of the tool costs time.
"""

from collections.abc import Callable, Iterator, Sequence
from hashlib import sha256

Batches = Sequence[Sequence[str]]


def cumulative(hosts: Sequence[str], shares: Sequence[float]) -> list[list[str]]:
    """`1, 5%, 25%, 100%` of the hosts, in their order: a share from 1 on is a number of hosts."""
    ends = [max(1, int(len(hosts) * share)) if share < 1 else int(share) for share in shares[:-1]] + [
        len(hosts)
    ]
    return [list(hosts[begin:end]) for begin, end in zip((0, *ends[:-1]), ends, strict=True) if begin < end]


def equal(hosts: Sequence[str], size: int) -> list[list[str]]:
    """Batches of so many, in order."""
    return [list(hosts[begin : begin + size]) for begin in range(0, len(hosts), size)]


def shuffled(hosts: Sequence[str], seed: int) -> list[str]:
    """By hash: as good a choice of canaries as one that knows nothing of them."""
    return sorted(hosts, key=lambda host: sha256(f"{seed}/{host}".encode()).digest())


def harmed(batches: Batches, breaks: Callable[[str], bool]) -> int:
    """Hosts that a defect broke before the run was stopped."""
    found = 0
    for batch in batches:
        found += sum(map(breaks, batch))
        if found:
            break
    return found


def makespan(batches: Batches, seconds: Callable[[str], float], soak: float) -> float:
    """Each batch takes as long as its slowest host, and is watched for its soak."""
    return sum(max(map(seconds, batch)) + soak for batch in batches)


def policies(hosts: Sequence[str], at_once: int, seed: int) -> Iterator[tuple[str, list[list[str]]]]:
    """Three of them, by name."""
    yield "percent_waves", cumulative(shuffled(hosts, seed), (1, 0.05, 0.25, 1))
    yield "tenths_in_order", equal(hosts, max(1, len(hosts) // 10))
    yield "serial_batches", equal(shuffled(hosts, seed), at_once)
