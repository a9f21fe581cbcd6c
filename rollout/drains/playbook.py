"""A host that the operator's own playbook empties and refills: the `playbook:` of the step that names this drain."""

from collections.abc import Mapping
from typing import Any, ClassVar

from rollout.model.seams import Outcome, RunPlaybook, Subject


class Kind:
    """Emptying and refilling are whatever the step's playbook does; it closes the host itself."""

    needs_playbook: ClassVar[bool] = True
    looks: ClassVar[bool] = False

    def look(self, subject: Subject) -> Mapping[str, Any]:
        """What the playbook should remember it hands on itself, by `set_stats` in an earlier step."""
        del subject
        return {}

    def close(self, subject: Subject, run_playbook: RunPlaybook) -> Outcome | None:
        """The playbook closes the host before it empties it."""

    def empty(self, subject: Subject, run_playbook: RunPlaybook) -> Outcome | None:
        """Run it."""
        del subject
        return run_playbook()

    def reopen(self, subject: Subject, run_playbook: RunPlaybook) -> Outcome | None:
        """Run it."""
        del subject
        return run_playbook()
