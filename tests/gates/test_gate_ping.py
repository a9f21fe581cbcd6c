"""The gate `ping`: real senders on loopback, and what is made of their logs."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from rollout.gates import _watched
from rollout.gates.ping import SENDER, SOAK, Kind
from rollout.model.seams import Answer, Ran, Subject, Verdict
from tests.gates.any_connection import subject

ROOT = Path(__file__).parents[2]


def host(folder: Path, **more: Any) -> Subject:
    return subject(Ran(0, "", ""), folder=str(folder), gate="eye", run="r1", **more)


def senders(folder: Path) -> list[int]:
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = path.read_bytes().split(b"\0")
        except OSError:
            continue
        if os.fsencode(SENDER) in words and any(os.fsencode(folder) in word for word in words):
            found.append(int(path.parent.name))
    return found


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path / "kept"
    for pid in senders(tmp_path / "kept"):
        os.kill(pid, signal.SIGCONT)
        os.kill(pid, signal.SIGKILL)


class Service:
    """A port that accepts connections while it is up."""

    def __init__(self) -> None:
        self._socket = self._listen(0)
        self.port = self._socket.getsockname()[1]

    def _listen(self, port: int) -> socket.socket:
        one = socket.create_server(("127.0.0.1", port), backlog=100)
        self._thread = threading.Thread(target=self._serve, args=(one,), daemon=True)
        self._thread.start()
        return one

    def _serve(self, one: socket.socket) -> None:
        while True:
            try:
                one.accept()[0].close()
            except OSError:
                return

    def down(self) -> None:
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self._thread.join()

    def up(self) -> None:
        self._socket = self._listen(self.port)


@pytest.fixture
def service() -> Iterator[Service]:
    one = Service()
    yield one
    one.down()


def remembering(kind: Kind, folder: Path) -> Verdict:
    told = kind.remember(host(folder))
    assert told.value is Answer.PASS, told
    return told


def test_both_families_are_watched_by_echoes_and_a_pass_ends_the_sender_after_the_soak(folder: Path) -> None:
    kind = Kind(address=["127.0.0.1", "::1"])
    told = remembering(kind, folder)
    verdict = kind.check(host(folder, remembered=told.samples))
    assert verdict.value is Answer.PASS, verdict
    assert verdict.because.endswith("longest gap 0.0 s")
    assert all(its["sent"] > 2 and not its["lost"] for its in verdict.samples["addresses"].values())
    assert len(senders(folder)) == 1
    again = kind.check(host(folder, remembered=told.samples, moment=SOAK))
    assert again.value is Answer.PASS, again
    until = time.monotonic() + 20
    while senders(folder) and time.monotonic() < until:
        time.sleep(0.05)
    assert not senders(folder)


def test_a_gap_is_measured_and_a_controller_that_dies_changes_nothing(folder: Path, service: Service) -> None:
    kind = Kind.model_validate(
        {
            "address": "127.0.0.1",
            "via": "tcp",
            "port": service.port,
            "gap": "1s",
            "every": "0.05s",
            "loss": "100%",
        }
    )
    script = f"""
import json
from rollout.gates.ping import Kind
from tests.gates.test_gate_ping import host, Path
kind = Kind.model_validate(json.loads({kind.model_dump_json(exclude_unset=True)!r}))
print(json.dumps(dict(kind.remember(host(Path({str(folder)!r}))).samples)), flush=True)
import time; time.sleep(60)
"""
    with subprocess.Popen(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, cwd=ROOT, text=True
    ) as controller:
        assert controller.stdout is not None
        remembered = json.loads(controller.stdout.readline())
        controller.kill()
    first = senders(folder)
    assert len(first) == 1
    assert kind.check(host(folder, remembered=remembered)).value is Answer.PASS
    remembering(kind, folder)
    assert senders(folder) == first
    began = time.monotonic()
    service.down()
    time.sleep(1.5)
    service.up()
    took = time.monotonic() - began
    time.sleep(0.5)
    verdict = kind.check(host(folder, remembered=remembered))
    assert verdict.value is Answer.FAIL
    assert verdict.samples["gap"] == pytest.approx(took, rel=0.25)
    assert "and 1 s are allowed" in verdict.because
    assert max(verdict.samples["series"]) == 100.0


def test_what_nobody_watched_is_never_counted_as_answered(folder: Path) -> None:
    kind = Kind.model_validate({"address": "127.0.0.1", "unwatched": "0.5s"})
    told = remembering(kind, folder)
    (sender,) = senders(folder)
    os.kill(sender, signal.SIGSTOP)
    time.sleep(1.8)
    os.kill(sender, signal.SIGCONT)
    verdict = kind.check(host(folder, remembered=told.samples))
    assert verdict.value is Answer.INCONCLUSIVE, verdict
    assert "nobody watched, and 0.5 s are allowed" in verdict.because
    assert verdict.samples["unwatched"] > 1
    assert verdict.samples["lost"] == 0
    os.kill(sender, signal.SIGKILL)
    later = kind.check(host(folder, remembered={**told.samples, "from": told.samples["from"] - 100}))
    assert later.value is Answer.INCONCLUSIVE
    assert later.samples["unwatched"] > 100


def test_an_address_that_never_answered_holds_before_anything_is_begun(
    folder: Path, service: Service
) -> None:
    service.down()
    kind = Kind(address=["127.0.0.1"], via="tcp", port=service.port)
    told = kind.remember(host(folder, timeout=3.0))
    assert (told.value, told.because) == (
        Answer.FAIL,
        "before anything was begun there is no answer from 127.0.0.1",
    )
    service.up()


def test_placeholders_are_filled_with_what_the_host_has(folder: Path) -> None:
    variables = {"guest_ips": ["127.0.0.1", "::1"], "templated": "{{ x }}", "ansible_host": "127.0.0.1"}
    about = host(folder, variables=variables)
    assert remembering_of("{{ guest_ips }}", about) == {"127.0.0.1": "127.0.0.1", "::1": "::1"}
    assert remembering_of("{{ address }}", about) == {"127.0.0.1": "127.0.0.1"}
    for wrong, why in (
        ("{{ nothing }}", "neither a factor nor a variable"),
        ("{{ templated }}", "not plain text"),
    ):
        told = Kind(address=[wrong]).remember(about)
        assert told.value is Answer.ERROR
        assert why in told.because


def remembering_of(address: str, about: Subject) -> Any:
    return Kind(address=[address]).remember(about).samples["addresses"]


@pytest.mark.parametrize(
    "wrong",
    [
        {"via": "tcp"},
        {"port": 80},
        {"address": "{{ x | y }}"},
        {"address": "{{ ansible_password }}"},
        {"loss": "101%"},
        {"every": "0.01s"},
        {"gap": "5"},
    ],
)
def test_settings_that_mean_nothing_are_mistakes(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Kind.model_validate(wrong)


def test_what_a_plan_keeps_of_the_settings_reads_as_the_same() -> None:
    kind = Kind.model_validate({"gap": "1m30s", "loss": "0.1%", "every": "0.25s"})
    assert Kind.model_validate(kind.model_dump(mode="json", by_alias=True, exclude_unset=True)) == kind


def test_without_a_memory_nothing_is_known(folder: Path) -> None:
    assert Kind().check(host(folder)).value is Answer.INCONCLUSIVE
    assert Kind().remember(subject(Ran(0, "", ""))).value is Answer.ERROR


def log(bits: str, interval: float = 0.2) -> list[str]:
    return [f"start 1000.0 500000 {round(interval * 1000)}\n", f"500000 0 {bits}\n"]


@given(st.text("01", min_size=1, max_size=300))
def test_the_longest_run_of_zeros_is_the_gap(bits: str) -> None:
    (seen,) = _watched.read(log(bits), 1, 1000.0, 1000.0 + 0.2 * len(bits), 1.0)
    longest = max(len(run) for run in bits.split("1"))
    assert seen.gap == pytest.approx(0.2 * longest, abs=0.001)
    assert (seen.sent, seen.lost) == (len(bits), bits.count("0"))
    assert seen.unwatched == 0.0


LOGS = [
    ([], 10.0),
    (log("11111"), 8.2),
    ([*log("11111"), "505000 0 11111\n", "509000 0 11"], 8.0),
    ([*log("11111"), "start 1005.0 7 200\n", "7 0 1111111111111111111111111\n"], 4.0),
    (["7 0 1111\n", "start x 1 200\n", "\x00\n", "start 1000.0 1 0\n", "1 0 11111\n"], 10.0),
]


@pytest.mark.parametrize(("lines", "unwatched"), LOGS)
def test_holes_in_the_sending_are_counted(lines: list[str], unwatched: float) -> None:
    (seen,) = _watched.read(lines, 1, 1000.0, 1010.0, 1.0)
    assert seen.unwatched == pytest.approx(unwatched, abs=1.3)
    assert seen.lost == 0
