"""Failures of one cause have one fingerprint, whatever host and try; the table keeps it so for every release."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from rollout.model.fingerprint import LONGEST, fingerprint, normalised, symptom_of
from rollout.model.symptom import shows

HOSTS = frozenset({"kvm-3", "kvm-17", "10.0.0.3"})
LOCK = "E: Could not get lock /var/lib/dpkg/lock-frontend. It is held by process {} (apt-get)"
LONG = (
    "{0}: The following packages have unmet dependencies: libvirt-daemon : Depends: libvirt0 (= 9.0.0-4) but 10.0.0-2 is to be installed "
    * 8
)

SAME = [
    (LOCK.format(4711), LOCK.format(99)),
    ("ssh: connect to host kvm-3 port 22: Connection timed out", "ssh: connect to host kvm-17 port 2222: Connection timed out"),
    ("on kvm-3.example.org: no route", "on KVM-17: no route"),
    ("connect to 192.0.2.7:443 failed", "connect to 198.51.100.12:8443 failed"),
    ("no answer from 2001:db8::1", "no answer from fe80::21b:21ff:fe00:1%eth0"),
    ("mlx5_core 0000:3b:00.0: firmware timeout", "mlx5_core 0000:af:00.1: firmware timeout"),
    ("NIC 52:54:00:12:34:56 has no link", "NIC 52:54:00:aa:bb:cc has no link"),
    ("job 9f8e7d6c5b4a3f2e is lost", "job 00ff00ff11223344 is lost"),
    ("fault at 0x7f3a21", "fault at 0xdeadbeef01"),
    ("volume 123e4567-e89b-12d3-a456-426614174000 is busy", "volume 00000000-e89b-12d3-a456-426614174999 is busy"),
    ("gave up after 30 s", "gave up after 1h30m"),
    ("gave up after 1.5 seconds", "gave up after 2 min 5 s"),
    ("at 2026-11-23T02:48:08.123Z the clock", "at 2027-01-01 00:00:00+00:00 the clock"),
    ("at Mon Nov 23 02:48:08 UTC 2026 the clock", "at 02:11:59 the clock"),
    ("12.3 MB of 4 GB are left (3%)", "800 kB of 32 GB are left (0.1%)"),
    ("[Errno 28] No space left: '/root/.ansible/tmp/ansible-tmp-1763.5-1-2/x.py'", "[Errno 28] No space left: '/var/tmp/y/z'"),
    ("exit code 1: run-20261123-1 is over", "exit code 1: run-20270101-2 is over"),
    ("E:  two   spaces\nand a line", "E: two spaces and a line"),
]  # fmt: skip
OTHER = [
    ("exit code 100, no output", "exit code 1, no output"),
    ("rc=1: no", "rc=2: no"),
    ("[Errno 28] cannot write", "[Errno 30] cannot write"),
    ("HTTP Error 404: it is", "HTTP Error 503: it is"),
    ("Status code was 500 and not [200]", "Status code was 401 and not [200]"),
    ("killed by signal 9", "killed by signal 15"),
    ("linux-image-6.1.0-18-amd64 cannot be configured", "linux-image-6.1.0-21-amd64 cannot be configured"),
    ("libc6 2.36-9+deb12u4 breaks it", "libc6 2.36-9+deb12u7 breaks it"),
    ("needs Python 3.11", "needs Python 3.9"),
    ("no partition sda1", "no partition sdb1"),
    ("mlx5_core: firmware timeout", "bnxt_en: firmware timeout"),
    ("mirror-1.example.org is down", "mirror-2.example.org is down"),
]

GOLDEN = {
    ("stage", "Fetch", LOCK.format(1)): "4d98bc9843",
    ("", "", "ssh: connect to host kvm-3 port 22: Connection timed out"): "fca6dd4395",
    ("upgrade", "Install", "exit code 100: E: Unable to correct problems, you have held broken packages."): "ed111a7bbb",
    ("verify", "", "gave up after 30 s at 2026-11-23T02:48:08Z on 10.0.0.3, /tmp/x, 0xff, 45%, 5 GB"): "ca59f5ad10",
}  # fmt: skip


@pytest.mark.parametrize(("one", "other"), SAME)
def test_what_differs_from_host_to_host_is_left_out(one: str, other: str) -> None:
    assert normalised(one, HOSTS) == normalised(other, HOSTS)


@pytest.mark.parametrize(("one", "other"), OTHER)
def test_what_happened_is_kept(one: str, other: str) -> None:
    assert normalised(one, HOSTS) != normalised(other, HOSTS)


@pytest.mark.parametrize("said", GOLDEN)
def test_fingerprints_are_the_same_in_every_release(said: tuple[str, str, str]) -> None:
    """They stand in tickets: one that changes is a failure that nobody finds again."""
    assert fingerprint(*said, HOSTS) == GOLDEN[said]


def test_step_and_task_are_a_part_of_it() -> None:
    words = "exit code 1, no output"
    assert len({fingerprint(step, task, words) for step in ("stage", "verify") for task in ("a", "b")}) == 4
    assert fingerprint("stage", "Fetch 12", words) == fingerprint("stage", "Fetch 7", words)


@pytest.mark.parametrize("hosts", [("a", "kvm-17.example.org"), ("kvm-3", "compute-17-rack-9")])
def test_a_sentence_that_was_cut_in_the_middle_groups_whatever_was_left_out(hosts: tuple[str, str]) -> None:
    def cut(host: str) -> str:
        whole = LONG.format(host) + "E: held broken packages"
        return f"{whole[:165]} ... {whole[-330:]}"

    one, other = (normalised(cut(host), {*HOSTS, *hosts, "kvm-17"}) for host in hosts)
    assert one == other
    assert "<cut>" in one


TEXTS = st.text(max_size=300) | st.lists(
    st.sampled_from([*SAME, *OTHER]).map(lambda pair: pair[0]) | st.text(" .:-<>0123456789abcdefx%/", max_size=40), max_size=9
).map(" ... ".join)  # fmt: skip


@given(TEXTS, st.frozensets(st.sampled_from(["a", "n", "<n>", "host", "cut", "0", "kvm-3"])))
@example("<" * 1999 + "n>", frozenset({"n"}))
@example("1 " * 3000, frozenset())
def test_it_comes_to_an_end_changes_nothing_when_done_again_and_stays_short(
    text: str, hosts: frozenset[str]
) -> None:
    once = normalised(text, hosts)
    assert normalised(once, hosts) == once
    assert len(once) <= LONGEST
    assert len(fingerprint(text, text, text, hosts)) == 10


@given(TEXTS)
@example("a\nline (with) [brackets] *?+^$|{}\\ and\x1fmore")
def test_the_symptom_of_a_failure_is_found_in_it(text: str) -> None:
    symptom = symptom_of(text, HOSTS)
    if symptom is not None:
        assert shows(symptom, text)
        assert not shows(symptom, "")


@pytest.mark.parametrize(("one", "other"), [pair for pair in SAME if "\n" not in pair[0]])
def test_the_symptom_of_one_failure_finds_the_others_of_its_cause(one: str, other: str) -> None:
    symptom = symptom_of(one, HOSTS)
    assert symptom is not None
    assert shows(symptom, other)


@pytest.mark.parametrize("text", ["", "5", "10.0.0.3", "rc=1", "?!", "«»", "exit code 1, no output"])
def test_words_that_say_nothing_make_no_symptom(text: str) -> None:
    assert symptom_of(text, HOSTS) is None


def test_a_number_at_the_end_of_a_symptom_ends_there() -> None:
    symptom = symptom_of("the disk says rc=1")
    assert symptom is not None
    assert shows(symptom, "the disk says rc=1; retry")
    assert not shows(symptom, "the disk says rc=12")
