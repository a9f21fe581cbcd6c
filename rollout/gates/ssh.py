"""Whether the host takes a fresh connection, shows the right host key, and runs a command."""

import time
from typing import ClassVar

from pydantic import BaseModel, ConfigDict

from rollout.gates import _reading
from rollout.model.seams import Answer, Subject, Verdict


class Kind(BaseModel):
    """No settings. Samples: `seconds` from the first packet to the command's end, and its exit `code`."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    remembers: ClassVar[bool] = False

    def check(self, subject: Subject) -> Verdict:
        """Run `true`."""
        begun = time.monotonic()
        ran = _reading.ask(subject, "true")
        if isinstance(ran, Verdict):
            return ran
        samples = {"reached": True, "seconds": round(time.monotonic() - begun, 3), "code": ran.code}
        if ran.code:
            return Verdict(
                Answer.FAIL, f"it lets us in but cannot run `true`: {_reading.last_words(ran)}", samples
            )
        return Verdict(Answer.PASS, f"a fresh connection answered in {samples['seconds']} s", samples)

    def remember(self, subject: Subject) -> Verdict:
        """Nothing is compared: the same question."""
        return self.check(subject)
