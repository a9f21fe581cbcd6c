"""Rows of compatibility files by what they ask for: of thousands, the few that could speak of a host."""

from collections import defaultdict
from collections.abc import Iterator, Sequence

from rollout.graph.known import Known
from rollout.model.verdict import Compatibility
from rollout.model.versions import canonical, is_pattern


class Shelves:
    """Each row stands under a fact of which it names literal values alone, if there is one: PCI ids, most of all.

    A host that has the fact is spoken of by no row that names none of its values; for a host of which the fact is not known, every row may matter.
    """

    def __init__(self, rows: Sequence[Compatibility]) -> None:
        self._rows = rows
        self._open: list[int] = []
        self._by_fact: dict[str, list[int]] = defaultdict(list)
        self._by_value: dict[tuple[str, str], list[int]] = defaultdict(list)
        for number, row in enumerate(rows):
            name = next((name for name, texts in row.match.items() if not any(map(is_pattern, texts))), None)
            if name is None:
                self._open.append(number)
                continue
            self._by_fact[name].append(number)
            for text in dict.fromkeys(row.match[name]):
                self._by_value[name, canonical(text)].append(number)

    def about(self, known: Known) -> Iterator[Compatibility]:
        """In the order of the files. What is known before any leg of the way counts."""
        found = set(self._open)
        for name, numbers in self._by_fact.items():
            for values in known.before or (known.now,):
                if name not in values:
                    found.update(numbers)
                    break
                for value in values[name]:
                    found.update(self._by_value.get((name, canonical(value)), ()))
        return (self._rows[number] for number in sorted(found))
