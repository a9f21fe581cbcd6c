"""What keeps a gate from an answer, as the verdict that it becomes."""

from collections.abc import Mapping
from typing import Any

from rollout.model.seams import Answer, Verdict


class Trouble(Exception):
    """`value` is inconclusive where the server does not say, and error where the fault is ours or our access's."""

    def __init__(self, value: Answer, because: str) -> None:
        super().__init__(because)
        self.value = value
        self.because = because

    def verdict(self, samples: Mapping[str, Any] | None = None, link: str = "") -> Verdict:
        """The same, as a gate answers it."""
        return Verdict(self.value, self.because, samples or {}, link)
