"""Whether the host's network comes back as it was when the service that manages it restarts. Disturbs the host; of canaries by default.

Routes, rules and addresses that nothing would make again pass any look after a boot, and are gone on the first restart of
the network service: by the next security update, say, on every host at once.
"""

import shlex
import time
import uuid
from typing import Any, ClassVar

from pydantic import Field

from rollout.errors import HostUnreachable
from rollout.gates import HostGate, _acting, _reading
from rollout.gates._settings import Seconds
from rollout.gates.fingerprint import Globs
from rollout.gates.fingerprint import Kind as Fingerprint
from rollout.model.seams import Answer, Connection, Subject, Verdict
from rollout.ssh.printable import printable

FIND = """\
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin
export PATH
if [ -d /run/systemd/system ]; then
    for unit in systemd-networkd NetworkManager networking network wicked; do
        systemctl is-active --quiet $unit.service && printf 'unit %s\\n' $unit
    done
else
    for name in networking network NetworkManager; do
        [ -x /etc/init.d/$name ] && printf 'init %s\\n' $name
    done
fi
echo end-of-managers
"""

RESTARTED = """\
sleep 1
( {act} ) </dev/null >{file}.out 2>&1
code=$?
printf '%s\\n' $code >{file}.new && mv {file}.new {file}"""

RESULT = (
    "[ -e {file} ] && cat {file} && tail -c 300 {file}.out && rm -f {file} {file}.out; echo end-of-restart"
)


class Kind(HostGate):
    """Restarts what manages the network, and compares a fingerprint of NICs, addresses, routes and rules with one taken just before.

    Samples: what was `restarted`, for how many seconds it was `away`, and those of kind fingerprint.
    """

    canaries: ClassVar[bool] = True
    acts: ClassVar[bool] = True
    patience: ClassVar[float] = 300.0

    command: str | None = Field(
        default=None,
        min_length=1,
        description="A POSIX shell script that restarts the network, run as root; what is found to manage it if left out.",
        examples=["systemctl restart systemd-networkd", "ifreload -a"],
    )
    settle: Seconds = Field(
        default=10.0,
        description="How long after the restart the host is looked at; what is missing then may take as long again.",
        examples=["10s", "30s"],
    )
    ignore: Globs = Field(
        default=[],
        description="Globs over SECTION/NAME of what does not count, as in kind fingerprint.",
        examples=[["routes/* dev wg0 *"]],
    )

    def check(self, subject: Subject) -> Verdict:
        """Nothing is restarted under guests, under a job of rollout's guard, or when what is there now cannot be read."""
        return _acting.guarded(lambda: self._restart(subject))

    def _restart(self, subject: Subject) -> Verdict:
        began = time.monotonic()
        until = began + subject.timeout * _reading.SHARE
        file = f"/run/rollout-restart.{uuid.uuid4().hex}"
        eye = Fingerprint(sections=["nics", "addresses", "routes", "rules"], ignore=self.ignore)
        before = eye.remember(subject)
        if before.value is not Answer.PASS:
            return before
        with subject.connect() as connection:
            acts = self._acts(connection)
            seen = _acting.boot_of(connection, 30.0)
            if isinstance(acts, Verdict):
                return acts
            if seen is None:
                return Verdict(Answer.INCONCLUSIVE, "its boot id cannot be read", {"boot_id": ""})
            act = RESTARTED.format(act="; ".join(acts), file=file)
            try:
                refused = _acting.begin(connection, subject, seen, act, subject.timeout / 2)
            except HostUnreachable:
                refused = None  # it may have begun: the host is looked at all the same
        if refused is not None:
            return refused
        ended = self._ended(subject, acts, file, until)
        if isinstance(ended, Verdict):
            return ended
        time.sleep(min(self.settle, max(0.0, until - time.monotonic())))
        until = min(until, time.monotonic() + max(self.settle, 1.0))
        return _acting.compare(
            subject, eye, before, ended, until, f"after {' and '.join(ended['restarted'])}"
        )

    def _acts(self, connection: Connection) -> list[str] | Verdict:
        if self.command is not None:
            return [self.command]
        ran = connection.run(FIND)
        said = _reading.lines(ran, "end-of-managers")
        found = [f"systemctl restart {name}" for key, name in said or () if key == "unit"]
        found += [f"/etc/init.d/{name} restart" for key, name in said or () if key == "init"]
        if not found:
            because = "nothing was found that manages its network: name it with `command`"
            return Verdict(
                Answer.INCONCLUSIVE, because, {"out": printable(ran.out), "err": printable(ran.err)}
            )
        return found

    def _ended(self, subject: Subject, acts: list[str], file: str, until: float) -> dict[str, Any] | Verdict:
        """What is known of the restart once it has ended well, and the host answers."""
        samples: dict[str, Any] = {"restarted": [printable(act, 120) for act in acts]}
        sent = time.monotonic()
        ended = _acting.await_host(subject, until, lambda connection: _result(connection, file))
        if isinstance(ended, Verdict):
            return ended
        samples["away"] = round(time.monotonic() - sent, 1)
        if isinstance(ended, str):
            if ended:
                because = f"it does not answer any more since its network was restarted, {samples['away']:g} s ago: {ended}"
                return Verdict(Answer.FAIL, because, {**samples, "back": False})
            because = f"the restart of its network has not ended after {samples['away']:g} s"
            return Verdict(Answer.FAIL, because, samples)
        code, words = ended
        samples |= {"code": code, "out": words}
        if code:
            said = f": {words}" if words else ""
            return Verdict(Answer.FAIL, f"restarting its network failed with exit code {code}{said}", samples)
        return samples


def _result(connection: Connection, file: str) -> tuple[int, str] | None:
    """Exit code and last words of the restart, once it has ended."""
    script = RESULT.format(file=shlex.quote(file))
    ran = connection.run(_acting.WRAP.format(shlex.quote(script)))
    code, _, words = ran.out.partition("\n")
    if not code.isdecimal() or not ran.out.rstrip().endswith("end-of-restart"):
        return None
    return int(code), printable(words.rpartition("end-of-restart")[0])
