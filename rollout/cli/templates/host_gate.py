"""Whether the load of the host is low enough: say here what is asked, for an editor shows this paragraph."""

from pydantic import Field

from rollout.gates import HostGate
from rollout.model.seams import Answer, Subject, Verdict


class Kind(HostGate):
    """The load of the host, per minute."""

    at_most: float = Field(default=4.0, gt=0, description="the load that still passes", examples=[4, 0.5])

    def check(self, subject: Subject) -> Verdict:
        """Ask the host: what cannot be found out is inconclusive or error, never a pass."""
        with subject.connect() as connection:
            ran = connection.run("cut -d ' ' -f 1 /proc/loadavg", subject.timeout * 0.8)
        try:
            load = float(ran.out)
        except ValueError:
            return Verdict(Answer.INCONCLUSIVE, f"the host told no load (exit code {ran.code})")
        value = Answer.PASS if load <= self.at_most else Answer.FAIL
        return Verdict(value, f"the load is {load:g}, at most {self.at_most:g} passes", {"value": load})
