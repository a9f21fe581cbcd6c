"""Every kind that asks a server, against every kind of broken server: never a pass, never a hang, a clear reason."""

import time
from typing import Any

import pytest

from rollout import kinds
from rollout.gates import FleetGate
from rollout.model.seams import Verdict
from tests.gates.any_cohort import fleet_subject
from tests.gates.any_server import BROKEN, Respond, reply, serving

SETTINGS: dict[str, dict[str, Any]] = {
    "prometheus": {"query": "up", "fail": "> 1"},
    "alertmanager": {"match": ["a=b"], "silence": {"match": ["a={{ host }}"]}},
    "error-budget": {"objective": "99.9%", "ratio": "a[{{ window }}]"},
    "webhook": {"secret_env": "HOOK"},
}
SERVERS = [(name, answer) for name, answer, _ in BROKEN] + [("empty", reply({})), ("a list", reply([1]))]


@pytest.fixture(autouse=True)
def _secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOOK", "0123456789abcdef")


def checked(kind: str, url: str, timeout: float = 60.0) -> Verdict:
    gate: Any = kinds.load("gates", kind)
    about = fleet_subject(timeout=timeout, moment="during")
    found: Verdict = gate.model_validate({"url": url, **SETTINGS[kind]}).check(about)
    return found


@pytest.mark.parametrize("kind", SETTINGS)
def test_nothing_broken_passes(kind: str) -> None:
    for name, answer in SERVERS:
        with serving(answer) as served:
            verdict = checked(kind, served.url)
        assert verdict.value in {"inconclusive", "error"}, name
        assert "http://127.0.0.1" in verdict.because, name
        assert verdict.because.isprintable()
        assert "secret" not in str(verdict)
        assert len(verdict.because) < 400
    assert checked(kind, "http://127.0.0.1:1").value == "error"


@pytest.mark.parametrize("kind", SETTINGS)
def test_a_server_that_hangs_is_given_up(kind: str) -> None:
    def hang(served_for: float) -> Respond:
        return lambda _: lambda _connection: time.sleep(served_for)

    with serving(hang(0.6)) as served:
        verdict = checked(kind, served.url, timeout=0.5)
    assert (verdict.value, verdict.because) == (
        "inconclusive",
        f"{served.url} did not answer within 0.4 s: it said nothing",
    )


def test_every_kind_that_asks_a_server_is_here() -> None:
    asking = {
        name
        for name in kinds.names("gates")
        if issubclass(kinds.load("gates", name), FleetGate)
        and {"url", "auth", "tls"} <= kinds.load("gates", name).model_fields.keys()  # type: ignore[attr-defined]
    }
    assert asking == SETTINGS.keys()
