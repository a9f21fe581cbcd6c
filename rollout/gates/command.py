"""Whether a command on the host ends as it should, and says what it should."""

import re
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict, Field

from rollout.gates import _reading
from rollout.model.seams import Answer, Ran, Subject, Verdict
from rollout.ssh.output import CUT, is_cut
from rollout.ssh.printable import printable


class Kind(BaseModel):
    """A POSIX shell script, run as the inventory says (with sudo under `ansible_become`), with empty standard input.

    It passes when its exit code is `code`, its standard output holds `expect`, and neither stream holds `reject`;
    both are regular expressions, where ^ and $ are the ends of a line. Samples: `code`, and the beginnings of `out` and `err`.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    remembers: ClassVar[bool] = False

    run: str = Field(
        min_length=1, description="A POSIX shell script.", examples=["systemctl is-system-running"]
    )
    expect: re.Pattern[str] | None = Field(
        default=None, description="A regular expression that its output must hold.", examples=["^running$"]
    )
    reject: re.Pattern[str] | None = Field(
        default=None, description="A regular expression that no output may hold.", examples=["degraded"]
    )
    code: int = Field(default=0, ge=0, le=255, description="The exit code that it ends with.")

    def check(self, subject: Subject) -> Verdict:
        """Run it. Output that is longer than what is kept proves no absence: inconclusive."""
        ran = _reading.ask(subject, self.run)
        if isinstance(ran, Verdict):
            return ran
        value, because = self._judge(ran)
        samples: dict[str, Any] = {"code": ran.code, "out": printable(ran.out), "err": printable(ran.err)}
        return Verdict(value, because, samples)

    def remember(self, subject: Subject) -> Verdict:
        """Nothing is compared: the same question."""
        return self.check(subject)

    def _judge(self, ran: Ran) -> tuple[Answer, str]:
        wrong = self._wrong(ran)
        if wrong:
            return Answer.FAIL, wrong
        cut = is_cut(ran.out) or is_cut(ran.err)
        if cut and self.reject is not None:
            return Answer.INCONCLUSIVE, "the output is too long to know that `reject` is not in it"
        if self.expect is not None and not _find(self.expect, ran.out):
            if cut:
                return Answer.INCONCLUSIVE, "the output is too long to know whether `expect` is in it"
            expected = printable(self.expect.pattern, 80)
            return Answer.FAIL, f"the output does not hold `{expected}`: {_beginning(ran)}"
        return Answer.PASS, f"exit code {ran.code}: {_beginning(ran)}"

    def _wrong(self, ran: Ran) -> str | None:
        if ran.code == -1:
            return "a signal ended the command"
        if ran.code != self.code:
            return f"exit code {ran.code} instead of {self.code}: {_reading.last_words(ran)}"
        found = self.reject and (_find(self.reject, ran.out) or _find(self.reject, ran.err))
        return f"the output holds {printable(found[0], 80)!r}, which `reject` forbids" if found else None


def _find(pattern: re.Pattern[str], text: str) -> re.Match[str] | None:
    return re.compile(pattern.pattern, pattern.flags | re.MULTILINE).search(text.removesuffix(CUT))


def _beginning(ran: Ran) -> str:
    return printable(ran.out, 80) or "it printed nothing"
