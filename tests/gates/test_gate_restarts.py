"""The gates `network-restart` and `second-boot` on a host that is restarted only in name."""

from collections.abc import Callable

import pytest

from rollout.errors import HostKeyRefused, HostUnreachable
from rollout.gates import HostGate, network_restart, second_boot
from rollout.model.seams import Answer, Ran, Verdict
from tests.gates.any_connection import subject
from tests.gates.restarting import CLEAR, LINKS, ROUTES, Machine

Ask = Callable[..., Verdict]

LESS, MORE = (*LINKS, ROUTES[0]), (*LINKS, *ROUTES, "raw-rules ipv4 9: from all lookup 7")
GONE = "route 10.9.0.0/16 via 10.0.0.9 dev eth0 table main is gone"


def restarted(machine: Machine, timeout: float = 4.0, **settings: object) -> Verdict:
    settings = {"settle": "0.1s", **settings}
    return network_restart.Kind.model_validate(settings).check(machine.subject(timeout))


def booted(machine: Machine, timeout: float = 4.0) -> Verdict:
    return second_boot.Kind.model_validate({"settle": "0.1s"}).check(machine.subject(timeout))


@pytest.mark.parametrize("ask", [restarted, booted])
def test_a_host_that_comes_back_as_it_was_passes(ask: Ask) -> None:
    told = ask(Machine())
    assert told.value is Answer.PASS
    assert told.samples["compared"] == {"nics": 1, "addresses": 1, "rules": 1, "routes": 2}
    assert told.samples["failures"] == told.samples["others"] == 0


@pytest.mark.parametrize("ask", [restarted, booted])
def test_a_route_that_nothing_makes_again_fails_by_name(ask: Ask) -> None:
    told = ask(Machine(after=[LESS]))
    assert told.value is Answer.FAIL
    assert told.because.endswith(f": {GONE}")
    assert told.samples["failed"] == [GONE]


@pytest.mark.parametrize("ask", [restarted, booted])
def test_what_comes_a_moment_later_is_not_missing_and_what_is_new_is_told(ask: Ask) -> None:
    told = ask(Machine(after=[LESS, LESS, MORE]))
    assert told.value is Answer.PASS
    assert told.because.endswith("other, and no worse: rule ipv4 9: from all lookup 7 is new")


@pytest.mark.parametrize("ask", [restarted, booted])
def test_a_host_that_does_not_come_back_fails_and_no_path_is_suspected(ask: Ask) -> None:
    told = ask(Machine(silent=10**6), 0.5)
    assert told.value is Answer.FAIL
    assert "web1: no answer" in told.because
    assert told.samples["back"] is False
    assert "reached" not in told.samples


@pytest.mark.parametrize("ask", [restarted, booted])
def test_what_breaks_while_it_is_begun_may_have_begun(ask: Ask) -> None:
    told = ask(Machine(act=HostUnreachable("web1: the connection broke")))
    assert told.value is Answer.PASS


@pytest.mark.parametrize("ask", [restarted, booted])
def test_under_guests_nothing_is_begun(ask: Ask) -> None:
    machine = Machine(act=Ran(0, f"virsh 0\ndomain db1\n{CLEAR}refused guests\n", ""))
    told = ask(machine)
    assert (told.value, told.because) == (Answer.FAIL, "nothing was done: it carries 1 guest: db1")
    assert not machine.acted


@pytest.mark.parametrize("kind", [network_restart.Kind(), second_boot.Kind()])
@pytest.mark.parametrize(
    ("error", "reached"), [(HostUnreachable("gone"), False), (HostKeyRefused("another key"), False)]
)
def test_a_host_that_was_not_reached_before_fails(kind: HostGate, error: Exception, reached: bool) -> None:
    told = kind.check(subject(error))
    assert told.value is Answer.FAIL
    assert told.samples["reached"] is reached


@pytest.mark.parametrize("kind", [network_restart.Kind(), second_boot.Kind()])
@pytest.mark.parametrize("ran", [Ran(1, "", "no ip"), Ran(0, "", ""), Ran(0, "end-of-managers", "")])
def test_what_cannot_be_read_is_not_disturbed(kind: HostGate, ran: Ran) -> None:
    told = kind.check(subject(ran, timeout=2.0))
    assert told.value is Answer.INCONCLUSIVE


def test_a_restart_that_fails_says_what_it_said() -> None:
    told = restarted(Machine(ended="1\nFailed to restart\nend-of-restart\n"))
    assert (told.value, told.samples["code"]) == (Answer.FAIL, 1)
    assert told.because == "restarting its network failed with exit code 1: Failed to restart"


def test_a_restart_that_does_not_end_fails() -> None:
    told = restarted(Machine(ended="end-of-restart\n"), 0.5)
    assert told.value is Answer.FAIL
    assert told.because.startswith("the restart of its network has not ended after")


def test_the_command_of_the_plan_is_run_and_else_what_was_found() -> None:
    found, own = Machine(managers="unit systemd-networkd\nunit networking\nend-of-managers\n"), Machine()
    restarted(found)
    assert "systemctl restart systemd-networkd; systemctl restart networking" in found.acted[0]
    assert "ifreload -a" in restarted(own, command="ifreload -a").samples["restarted"]
    told = restarted(Machine(managers="end-of-managers\n"))
    assert (told.value, told.because) == (
        Answer.INCONCLUSIVE,
        "nothing was found that manages its network: name it with `command`",
    )


def test_what_may_vanish_is_named_by_globs() -> None:
    assert restarted(Machine(after=[LESS]), ignore=["routes/10.9.*"]).value is Answer.PASS


def test_a_host_that_only_claims_to_have_booted_fails() -> None:
    told = booted(Machine(uptime=4000.0))
    assert told.value is Answer.FAIL
    assert told.because.startswith("its boot id is new, but it has been up for 4000 s")
    told = booted(Machine(boots=False), 0.5)
    assert told.value is Answer.FAIL
    assert "it still runs the boot 0aaa-bbb" in told.because
