from collections.abc import Iterator
from pathlib import Path

import pytest

from rollout.lab import HostSpec, Lab
from rollout.lab.needs import missing

HOSTS = [
    HostSpec("a1"),
    HostSpec("a2", guests=("vm-one", "vm-two")),
    HostSpec("b1", os_release="labos-2", hypervisor="kvm-10.0", rack="r2", site="osaka"),
    HostSpec("b2"),
    HostSpec("b3"),
    HostSpec("b4"),
]


@pytest.fixture(scope="session")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """One lab for the tests that leave their host as good as they found it, or use one that no other test does."""
    if lacking := missing():
        pytest.skip(f"no lab here: it needs {lacking[0]}")
    lab = Lab(tmp_path_factory.mktemp("shared") / "lab")
    try:
        lab.up(HOSTS)
        yield lab
    finally:
        lab.down()


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return tmp_path / "lab"
