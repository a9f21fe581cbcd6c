"""Say here what is asked: an editor shows this paragraph."""

from pydantic import Field

from rollout.gates import FleetGate
from rollout.model.seams import Answer, Subject, Verdict


class Kind(FleetGate):
    """How many of the hosts that it is asked about have failed."""

    at_most: int = Field(default=0, ge=0, description="how many may have failed", examples=[0, 2])

    def check(self, subject: Subject) -> Verdict:
        """Look at the hosts: `subject.about` names them, and what cannot be found out is never a pass."""
        begun = subject.cohort.at("disrupted", "upgraded", "failed")
        failed = len(subject.cohort.at("failed"))
        samples = {"value": failed, "upgraded": len(begun), "controls": len(subject.cohort.at("untouched"))}
        if not subject.cohort.peers:
            return Verdict(Answer.INCONCLUSIVE, "there is no host to look at", samples)
        value = Answer.PASS if failed <= self.at_most else Answer.FAIL
        return Verdict(value, f"{failed} of {len(begun)} failed, at most {self.at_most} may", samples)
