"""The guide and the example say what the code does."""

import re
from pathlib import Path

import pytest

from rollout.plan import later, read, schema
from rollout.plan.fleet import fleet
from rollout.plan.inventory import resolve

ROOT = Path(__file__).parents[2]
GUIDE = (ROOT / "docs" / "guides" / "plan-file.md").read_text()
WORDS = set(re.findall(r"[\w-]+", " ".join(re.findall(r"`([^`]*)`", GUIDE))))


def test_every_key_is_described() -> None:
    parts = (
        schema.PlanFile,
        schema.Combo,
        schema.Step,
        schema.Waves,
        schema.Limits,
        schema.Failures,
        schema.Gate,
        schema.Risk,
        schema.Examples,
    )
    assert {field.alias or key for part in parts for key, field in part.model_fields.items()} <= WORDS


def test_every_word_of_later_releases_is_listed() -> None:
    assert {*later.KEYS, *later.DRAIN_KINDS} <= WORDS


def test_the_guides_plan_is_valid(tmp_path: Path) -> None:
    (tmp_path / "playbooks").mkdir()
    for name in ("upgrade", "reboot", "verify"):
        (tmp_path / "playbooks" / f"{name}.yml").touch()
    (tmp_path / "inventory").touch()
    (tmp_path / "plan.yml").write_text(GUIDE.split("```yaml\n")[1].split("```")[0])
    assert read(tmp_path / "plan.yml").name == "tokyo-trixie"


def test_the_example_site_is_valid(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    plan = read(ROOT / "inventories" / "example" / "plan.yml")
    found = fleet(plan, resolve(plan, tmp_path))
    assert [host.name for host in found.hosts] == [
        "kvm-a1",
        "kvm-a2",
        "kvm-a3",
        "xen-a4",
        "kvm-b1",
        "kvm-b2",
        "kvm-b3",
    ]
    assert found.domain_sizes["rack"] == {"a": 4, "b": 4}
    assert found.hosts[3].factors == {
        "hardware": "HPE DL360 Gen9",
        "os": "debian-12",
        "hypervisor": "xen-4.17",
        "rack": "a",
    }
