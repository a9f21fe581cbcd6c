import threading
from collections.abc import Iterator

import pytest

from rollout.ssh import connect


@pytest.fixture(autouse=True)
def _no_thread_is_left() -> Iterator[None]:
    before = set(threading.enumerate())
    yield
    assert set(threading.enumerate()) <= before


def test_a_command_gives_its_code_and_both_streams(sshd):
    with connect("web1", sshd.variables()) as connection:
        ran = connection.run("echo out; echo err >&2; exit 3")
    assert (ran.code, ran.out, ran.err) == (3, "out\n", "err\n")
