"""A host that has nothing to empty: no step is carried out."""

from collections.abc import Mapping
from typing import Any, ClassVar

from rollout.model.seams import Outcome, RunPlaybook, Subject


class Kind:
    """Does nothing."""

    needs_playbook: ClassVar[bool] = False
    looks: ClassVar[bool] = False

    def look(self, subject: Subject) -> Mapping[str, Any]:
        """Nothing to look at."""
        del subject
        return {}

    def close(self, subject: Subject, run_playbook: RunPlaybook) -> Outcome | None:
        """Nothing to close."""

    def empty(self, subject: Subject, run_playbook: RunPlaybook) -> Outcome | None:
        """Nothing to empty."""

    def reopen(self, subject: Subject, run_playbook: RunPlaybook) -> Outcome | None:
        """Nothing to reopen."""
