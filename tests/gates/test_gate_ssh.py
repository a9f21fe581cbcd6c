import pytest

from rollout import kinds
from rollout.errors import HostKeyRefused, HostUnreachable, SshUnsupported
from rollout.gates.ssh import Kind
from rollout.model.seams import Answer, Ran
from tests.gates.any_connection import subject

CASES = [
    (Ran(0, "", ""), "pass"),
    (Ran(1, "", "This account is not available.\n"), "fail"),
    (Ran(-1, "", ""), "fail"),
    (HostUnreachable("web1: cannot connect to 10.0.0.1 port 22: Connection refused"), "fail"),
    (HostKeyRefused("web1 shows an unknown host key"), "fail"),
    (SshUnsupported("web1: `-o X=y` in ansible_ssh_args cannot be honoured"), "error"),
]


@pytest.mark.parametrize(("answer", "expected"), CASES)
def test_what_the_connection_says_is_the_verdict(answer: Ran | Exception, expected: str) -> None:
    for verdict in (Kind().check(subject(answer)), Kind().remember(subject(answer))):
        assert verdict.value == expected
        assert (
            str(answer) in verdict.because
            if isinstance(answer, Exception)
            else verdict.samples["code"] == answer.code
        )


def test_a_refused_host_key_is_named_as_the_security_stop_that_it_is() -> None:
    verdict = Kind().check(subject(HostKeyRefused("web1 shows an unknown host key")))
    assert verdict.because == "security stop: web1 shows an unknown host key"
    assert verdict.samples["host_key"] == "refused"


def test_the_reason_for_a_refused_command_is_given() -> None:
    verdict = Kind().check(subject(Ran(1, "", "\x1b[1mThis account is not available.\n")))
    assert verdict.because == "it lets us in but cannot run `true`: [1mThis account is not available."


@pytest.mark.parametrize("kind", ["ssh", "command", "boot", "guests"])
@pytest.mark.parametrize(
    ("error", "expected"),
    [(HostUnreachable(), Answer.FAIL), (HostKeyRefused(), Answer.FAIL), (SshUnsupported(), Answer.ERROR)],
)
def test_no_gate_passes_a_host_that_it_could_not_ask(kind: str, error: Exception, expected: Answer) -> None:
    gate = kinds.load("gates", kind)(**({"run": "true"} if kind == "command" else {}))
    assert gate.check(subject(error)).value is expected
    assert gate.remember(subject(error)).value is expected
