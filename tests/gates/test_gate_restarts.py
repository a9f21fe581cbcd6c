"""The gates `network-restart` and `second-boot` on a host that is restarted only in name."""

from collections.abc import Callable

import pytest

from rollout.errors import HostKeyRefused, HostUnreachable
from rollout.gates import HostGate, network_restart, second_boot
from rollout.gates._network import read, vanished
from rollout.model.seams import Answer, Ran, Verdict
from tests.gates.any_connection import subject
from tests.gates.restarting import CLEAR, LINKS, ROUTES, Machine

Ask = Callable[..., Verdict]

LESS, MORE = (*LINKS, ROUTES[0]), (*LINKS, *ROUTES, "rule4 9: from all lookup 7")
GONE = "route 10.9.0.0/16 via 10.0.0.9 dev eth0"


def restarted(machine: Machine, timeout: float = 4.0, **settings: object) -> Verdict:
    settings = {"settle": "0.1s", **settings}
    return network_restart.Kind.model_validate(settings).check(machine.subject(timeout))


def booted(machine: Machine, timeout: float = 4.0) -> Verdict:
    return second_boot.Kind.model_validate({"settle": "0.1s"}).check(machine.subject(timeout))


@pytest.mark.parametrize("ask", [restarted, booted])
def test_a_host_that_comes_back_as_it_was_passes(ask: Ask) -> None:
    told = ask(Machine())
    assert told.value is Answer.PASS
    assert told.samples["compared"] == 4
    assert told.samples["vanished"] == told.samples["appeared"] == []


@pytest.mark.parametrize("ask", [restarted, booted])
def test_a_route_that_nothing_makes_again_fails_by_name(ask: Ask) -> None:
    told = ask(Machine(after=[LESS]))
    assert told.value is Answer.FAIL
    assert told.because.endswith(f"this is missing: {GONE}")
    assert told.samples["vanished"] == [GONE]


@pytest.mark.parametrize("ask", [restarted, booted])
def test_what_comes_a_moment_later_is_not_missing_and_what_is_new_is_told(ask: Ask) -> None:
    told = ask(Machine(after=[LESS, LESS, MORE]))
    assert told.value is Answer.PASS
    assert told.because.endswith("; new: rule 9: from all lookup 7")


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
    assert restarted(Machine(after=[LESS]), ignore=["route 10.9.*"]).value is Answer.PASS


def test_a_host_that_only_claims_to_have_booted_fails() -> None:
    told = booted(Machine(uptime=4000.0))
    assert told.value is Answer.FAIL
    assert told.because.startswith("its boot id is new, but it has been up for 4000 s")
    told = booted(Machine(boots=False), 0.5)
    assert told.value is Answer.FAIL
    assert "it still runs the boot 0aaa-bbb" in told.because


LINES = [
    ("link 4: eth0@if3: <UP> mtu 1500 qdisc x master br0 state UP mode D", "link eth0 state UP mtu 1500 master br0"),
    ("address 4: eth0    inet 10.0.0.2/24 brd 10.0.0.255 scope global dynamic eth0\\ valid_lft 9sec", "address 10.0.0.2/24 on eth0"),
    ("address 4: eth0    inet6 fd00::2/64 scope global dadfailed tentative", "address fd00::2/64 on eth0 dadfailed"),
    ("address 4: eth0    inet6 fd00::3/64 scope global temporary dynamic", None),
    ("route4 local 10.0.0.2 dev eth0 table local proto kernel scope host", None),
    ("route4 default via 10.0.0.1 dev eth0 proto dhcp src 10.0.0.2 metric 100", "route default via 10.0.0.1 dev eth0 proto dhcp src 10.0.0.2 metric 100"),
    ("route6 default via fe80::1 dev eth0 proto ra metric 1024 expires 1780sec hoplimit 64 pref medium", "route IPv6 default via fe80::1 dev eth0 proto ra metric 1024"),
    ("rule4 0:\tfrom all lookup local", "rule 0: from all lookup local"),
    ("dns nameserver 10.0.0.1", "dns nameserver 10.0.0.1"),
]  # fmt: skip


@pytest.mark.parametrize(("said", "line"), LINES)
def test_a_line_says_what_stays_and_not_what_passes(said: str, line: str | None) -> None:
    assert read(Ran(0, f"{said}\nend-of-network\n", "")) == ((line,) if line else ())


def test_what_is_there_twice_and_then_once_has_vanished() -> None:
    assert vanished(["a", "a", "b"], ["a", "b", "c"]) == ["a"]
