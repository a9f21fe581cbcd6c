"""An Ansible playbook of the operator's that checks the host: it passes when Ansible ends well on it.

It runs as the playbooks of steps do, with their ansible.cfg and inventory, but by itself: no guard, no mark, and nobody takes it up. It is to change nothing.
"""

import time
from typing import Any, ClassVar

from pydantic import Field

from rollout.gates import HostGate
from rollout.model.seams import Answer, Ending, Outcome, Subject, Verdict
from rollout.ssh.printable import printable


class Kind(HostGate):
    """Samples: the `ending`, the failing `task`, `seconds`, and what the playbook hands on with `rollout_found` (`found`)."""

    patience: ClassVar[float] = 300.0

    playbook: str = Field(
        min_length=1,
        description="A playbook, relative to the plan. A task that fails fails the gate; it is to change nothing.",
        examples=["checks/health.yml"],
    )

    def check(self, subject: Subject) -> Verdict:
        """A host that Ansible cannot reach fails; whatever is not the host's doing is an error."""
        if subject.run_playbook is None:
            return Verdict(Answer.ERROR, "playbooks cannot be run here")
        began = time.monotonic()
        return _verdict(
            subject.run_playbook(self.playbook), round(time.monotonic() - began, 1), self.playbook
        )


def _verdict(outcome: Outcome, seconds: float, playbook: str) -> Verdict:
    samples: dict[str, Any] = {
        "ending": str(outcome.ending),
        "task": printable(outcome.task, 120),
        "seconds": seconds,
    }
    samples |= {"found": dict(outcome.found)} if outcome.found else {}
    because, name = printable(outcome.because), printable(playbook, 80)
    match outcome.ending:
        case Ending.DONE:
            return Verdict(Answer.PASS, f"{name} ended well after {seconds:g} s", samples)
        case Ending.FAILED:
            task = f" at {samples['task']!r}" if outcome.task else ""
            return Verdict(Answer.FAIL, f"{name} failed{task}: {because}", samples)
        case Ending.UNREACHABLE:
            return Verdict(Answer.FAIL, f"{name}: {because}", {**samples, "reached": False})
        case Ending.REFUSED:
            stop = {"reached": False, "host_key": "refused"}
            return Verdict(Answer.FAIL, f"security stop: {name}: {because}", {**samples, **stop})
    return Verdict(Answer.ERROR, f"{name} gave no answer: {because}", samples)
