"""Whether a port accepts connections: from the controller, or from the host itself."""

import math
import re
import shlex
import socket
import time
from typing import Any, Literal

from pydantic import ConfigDict, Field

from rollout.gates import HostGate, _reading
from rollout.gates._addresses import Template, Unfilled, filled
from rollout.gates._settings import Positive
from rollout.model.seams import Answer, Ran, Subject, Verdict
from rollout.ssh.printable import printable

MOST = 4096
"""Bytes that are read of what a service says by itself."""

SCRIPT = """\
address={address} port={port} seconds={seconds} banner={banner}
if command -v bash >/dev/null && command -v timeout >/dev/null; then
    timeout $seconds bash -c '
        exec 3<>"/dev/tcp/$1/$2" || exit 1
        echo connected
        [ -z "$3" ] || dd bs={most} count=1 status=none <&3' bash "$address" "$port" "$banner"
elif command -v python3 >/dev/null; then
    python3 -c '
import socket, sys
one = socket.create_connection((sys.argv[1], int(sys.argv[2])), float(sys.argv[3]))
print("connected", flush=True)
if sys.argv[4]:
    sys.stdout.buffer.write(one.recv({most}))
' "$address" "$port" "$seconds" "$banner"
else
    echo 'the host has neither bash with timeout nor python3' >&2
    exit 64
fi
"""

NO_TOOL = 64
SLOW = 124
"""What `timeout` ends with when it had to end something."""


class Kind(HostGate):
    """Passes when the port accepts a connection, and the service says what `expect` wants. Samples: `address`, `port`, `seconds`, `said`."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    address: Template = Field(
        default="{{ address }}",
        description="A name or an address, a variable of the host or a factor; the host itself if left out.",
        examples=["{{ storage_ip }}", "vip.example.org"],
    )
    port: int = Field(ge=1, le=65535, description="The port.", examples=[443, 16509])
    expect: re.Pattern[str] | None = Field(
        default=None,
        description="A regular expression that what the service says by itself must hold.",
        examples=["^SSH-2"],
    )
    from_: Literal["controller", "host"] = Field(
        default="controller",
        alias="from",
        description="Who connects: host, for what it alone reaches.",
    )
    within: Positive = Field(default=5.0, description="How long a connection may take.", examples=["5s"])

    def check(self, subject: Subject) -> Verdict:
        """Several addresses, of a variable that is a list, must all accept."""
        try:
            addresses = filled(self.address, subject)
        except Unfilled as error:
            return Verdict(Answer.ERROR, str(error))
        if not addresses:
            return Verdict(Answer.INCONCLUSIVE, f"{printable(self.address, 80)} names no address")
        until = time.monotonic() + subject.timeout * _reading.SHARE
        verdicts = []
        for address in addresses:
            left = min(self.within, until - time.monotonic())
            if left <= 0:
                return Verdict(Answer.ERROR, f"no time is left to ask {printable(address, 80)}")
            verdicts.append(self._ask(subject, address, left))
            if verdicts[-1].value is not Answer.PASS:
                return verdicts[-1]
        named = ", ".join(printable(address, 80) for address in addresses)
        return (
            verdicts[0]
            if len(verdicts) == 1
            else Verdict(
                Answer.PASS,
                f"port {self.port} of {named} accepts connections",
                {**verdicts[0].samples, "address": named},
            )
        )

    def _ask(self, subject: Subject, address: str, seconds: float) -> Verdict:
        if self.from_ == "host":
            return self._from_host(subject, address, seconds)
        return self._from_here(address, seconds)

    def _from_here(self, address: str, seconds: float) -> Verdict:
        began = time.monotonic()
        try:
            with socket.create_connection((address, self.port), seconds) as one:
                took = round(time.monotonic() - began, 3)
                said = self._listen(one, began + seconds) if self.expect else ""
        except socket.gaierror as error:
            return Verdict(
                Answer.ERROR, f"the name {printable(address, 80)} cannot be looked up: {error.strerror}"
            )
        except (OSError, UnicodeError) as error:
            why = getattr(error, "strerror", None) or f"no answer within {seconds:.3g} s"
            return self._verdict(address, printable(str(why)), None, 0.0)
        return self._verdict(address, "", said, took)

    def _listen(self, one: socket.socket, until: float) -> str:
        said = b""
        while len(said) < MOST and (left := until - time.monotonic()) > 0:
            one.settimeout(left)
            try:
                data = one.recv(MOST - len(said))
            except OSError:
                break
            said += data
            if not data or self._fits(said.decode("utf-8", "replace")):
                break
        return said.decode("utf-8", "replace")

    def _from_host(self, subject: Subject, address: str, seconds: float) -> Verdict:
        script = SCRIPT.format(
            address=shlex.quote(address),
            port=self.port,
            seconds=math.ceil(seconds),
            banner="yes" if self.expect else "''",
            most=MOST,
        )
        began = time.monotonic()
        ran = _reading.ask(subject, script)
        if isinstance(ran, Verdict):
            return ran
        took = round(time.monotonic() - began, 3)
        first, _, said = ran.out.partition("\n")
        if first == "connected":
            return self._verdict(address, "", said, took)
        if ran.code == NO_TOOL:
            return Verdict(
                Answer.INCONCLUSIVE, f"could not ask: {_reading.last_words(ran)}", {"code": ran.code}
            )
        return self._verdict(address, _refusal(ran, seconds), None, took)

    def _verdict(self, address: str, refusal: str, said: str | None, took: float) -> Verdict:
        who = "the host" if self.from_ == "host" else "the controller"
        where = f"{printable(address, 80)} port {self.port}"
        samples: dict[str, Any] = {
            "address": printable(address, 80),
            "port": self.port,
            "from": who,
            "seconds": took,
        }
        if said is None:
            return Verdict(Answer.FAIL, f"{where} accepts no connection from {who}: {refusal}", samples)
        samples["said"] = printable(said)
        if self.expect is not None and not self._fits(said):
            told = f"says {printable(said, 80)!r}" if said else "says nothing"
            because = f"{where} {told}, without {printable(self.expect.pattern, 80)!r}"
            return Verdict(Answer.FAIL, because, samples)
        return Verdict(Answer.PASS, f"{where} accepts connections from {who}", samples)

    def _fits(self, said: str) -> bool:
        expect = self.expect
        return expect is None or bool(re.compile(expect.pattern, expect.flags | re.MULTILINE).search(said))


def _refusal(ran: Ran, seconds: float) -> str:
    return f"no answer within {seconds:.3g} s" if ran.code == SLOW else _reading.last_words(ran)
