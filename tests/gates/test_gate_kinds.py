"""Every kind of gate has a row: settings that are valid, an answer that passes, one that fails, one that cannot be found out.

A new kind without a row fails here. Each answer is a function that is given a maker of the gate: `make()` is the kind with the row's
settings, `make(url=...)` with others beside them.
"""

import json
import socket
import tempfile
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any

import pytest
from pydantic import ValidationError

from rollout import kinds
from rollout.errors import HostUnreachable, SshError
from rollout.gates import HostGate, _readings
from rollout.model.seams import Answer, Ending, Outcome, Ran, Subject, Verdict
from rollout.ssh.output import CUT
from tests.gates import fingerprints, restarting
from tests.gates import test_gate_boot as boots
from tests.gates import test_gate_error_budget as budgets
from tests.gates import test_gate_guests as guests
from tests.gates import test_gate_packages as packages
from tests.gates.any_alertmanager import FakeAlertmanager
from tests.gates.any_cohort import DATE, NOW, fleet_subject
from tests.gates.any_connection import subject
from tests.gates.any_server import reply, serving

Make = Callable[..., HostGate]
Ask = Callable[[Make], Verdict]


@dataclass(frozen=True)
class Row:
    settings: Mapping[str, Any]
    passes: Ask
    fails: Ask
    unknown: Ask
    wrong: Mapping[str, Any] = field(default_factory=lambda: {"no_such_setting": 1})
    """A setting, instead of those of the row, that is refused."""


def says(answer: Ran | Exception | str, **more: Any) -> Ask:
    """A host that gives this answer to every command; a text is the output of one that went well."""
    ran = Ran(0, answer, "") if isinstance(answer, str) else answer
    return lambda make: make().check(subject(ran, **more))


def served(answer: Any, about: Callable[[], Subject] = fleet_subject, name: str = "url") -> Ask:
    """A server that gives this answer to every question; the setting `name` says where it is."""

    def ask(make: Make) -> Verdict:
        with serving(answer) as server:
            return make(**{name: server.url}).check(about())

    return ask


def machine(**more: Any) -> Ask:
    return lambda make: make(settle="0.1s").check(restarting.Machine(**more).subject())


def here(**more: Any) -> Subject:
    return subject(Ran(0, "", ""), variables={"ansible_host": "127.0.0.1"}, timeout=4.0, **more)


def played(ending: Ending) -> Ask:
    return lambda make: make().check(
        subject(Ran(0, "", ""), run_playbook=lambda _playbook: Outcome("web1", "check", 1, ending, "ended"))
    )


def compared(now: Ran) -> Ask:
    """The fingerprint's answer about a host that is now so."""
    return lambda make: make().check(
        subject(now, remembered=make().remember(subject(fingerprints.host(), now=1.0)).samples)
    )


def listened(make: Make) -> Verdict:
    with closing(socket.create_server(("127.0.0.1", 0))) as one:
        return make(port=one.getsockname()[1]).check(here())


def nobody(make: Make) -> Verdict:
    with closing(socket.create_server(("127.0.0.1", 0))) as one:
        port = one.getsockname()[1]
    return make(port=port).check(here())


def watched(make: Make) -> Verdict:
    """By a sender of its own, which ends when its folder is gone."""
    with tempfile.TemporaryDirectory() as folder, serving(b"") as server:
        gate = make(via="tcp", port=int(server.url.rpartition(":")[2]))
        memory = gate.remember(here(folder=folder, gate="eye"))
        return gate.check(here(folder=folder, gate="eye", remembered=memory.samples))


def unwatched(make: Make) -> Verdict:
    with tempfile.TemporaryDirectory() as folder, closing(socket.create_server(("127.0.0.1", 0))) as one:
        port = one.getsockname()[1]
        one.close()
        return make(via="tcp", port=port).remember(here(folder=folder, gate="eye"))


def measured(value: str) -> bytes:
    result = [{"metric": {"instance": "web1"}, "value": [NOW, value]}] if value else []
    return reply({"status": "success", "data": {"resultType": "vector", "result": result}}, "200 OK", DATE)


def fired() -> FakeAlertmanager:
    manager = FakeAlertmanager()
    manager.fire("Down", "web1:9100", severity="page")
    return manager


CALM = dict.fromkeys(("5m", "30m", "1h", "6h", "3d"), 0.0002)
BURNING = {**CALM, "1h": 0.5, "5m": 0.5}
KINDS: Mapping[str, Row] = {
    "alertmanager": Row(
        {"url": "http://127.0.0.1:9", "match": ['severity="page"']},
        passes=served(FakeAlertmanager()),
        fails=served(fired()),
        unknown=served(reply(b"", "503 Busy")),
    ),
    "boot": Row(
        {},
        passes=says(boots.facts(), remembered=boots.BEFORE, now=1300.0),
        fails=says(boots.facts(boot_id=boots.OLD), remembered=boots.BEFORE, now=1300.0),
        unknown=says(boots.facts()),
        wrong={"kernel": []},
    ),
    "command": Row(
        {"run": "cat state", "expect": "^fine$"},
        passes=says("fine\n"),
        fails=says("ill\n"),
        unknown=says("".join(["x" * 70, CUT])),
        wrong={"run": ""},
    ),
    "error-budget": Row(
        {"url": "http://127.0.0.1:9", **budgets.BUDGET},
        passes=served(budgets.burning(CALM)),
        fails=served(budgets.burning(BURNING)),
        unknown=served(budgets.burning({**CALM, "5m": None, "1h": None})),
        wrong={"url": "http://127.0.0.1:9", **budgets.BUDGET, "objective": "100%"},
    ),
    "fingerprint": Row(
        {},
        passes=compared(fingerprints.host()),
        fails=compared(fingerprints.other("routes", "10.9.0.0/16", None)),
        unknown=compared(Ran(0, "cut off", "")),
    ),
    "guests": Row(
        {},
        passes=says(guests.host()),
        fails=says(guests.host("virsh 0", "domain db1")),
        unknown=says(guests.host("libvirt libvirtd")),
    ),
    "http": Row(
        {"url": "http://127.0.0.1:9"},
        passes=served(reply(b"well"), here),
        fails=served(reply(b"ill", "503 Busy"), here),
        unknown=lambda make: make(url="http://{{ nowhere }}/").check(here()),
        wrong={"url": "ftp://web1"},
    ),
    "network-restart": Row(
        {"settle": "1s"},
        passes=machine(),
        fails=machine(after=[(*restarting.LINKS, restarting.ROUTES[0])]),
        unknown=machine(managers=""),
        wrong={"settle": "soon"},
    ),
    "packages": Row(
        {"expect": {"bash": ">=5.2"}},
        passes=says(packages.says()),
        fails=says(packages.says("package ceph\t19\thi ")),
        unknown=says("cut off"),
        wrong={"unattended": "perhaps"},
    ),
    "ping": Row(
        {"address": "127.0.0.1", "every": "0.05s"},
        passes=watched,
        fails=unwatched,
        unknown=lambda make: make().check(here()),
        wrong={"via": "tcp"},
    ),
    "playbook": Row(
        {"playbook": "checks/health.yml"},
        passes=played(Ending.DONE),
        fails=played(Ending.FAILED),
        unknown=played(Ending.LATE),
        wrong={"playbook": ""},
    ),
    "prometheus": Row(
        {"url": "http://127.0.0.1:9", "query": "up", "fail": "> 1"},
        passes=served(measured("0.5")),
        fails=served(measured("1.5")),
        unknown=served(measured("")),
        wrong={"url": "http://127.0.0.1:9", "query": "up"},
    ),
    "second-boot": Row(
        {"settle": "1s"},
        passes=machine(),
        fails=machine(after=[(*restarting.LINKS, restarting.ROUTES[0])]),
        unknown=machine(act=Ran(0, "cut off", "")),
    ),
    "ssh": Row({}, says(""), says(HostUnreachable("gone")), says(SshError("no key is known here"))),
    "tcp": Row(
        {"port": 22},
        passes=listened,
        fails=nobody,
        unknown=lambda make: make(address="{{ x }}").check(here()),
    ),
    "webhook": Row(
        {"url": "http://127.0.0.1:9", "secret_env": "HOOK"},
        passes=served(reply({"verdict": "pass", "because": "open"})),
        fails=served(reply({"verdict": "fail", "because": "shut"})),
        unknown=served(reply({"verdict": "perhaps"})),
        wrong={"url": "http://127.0.0.1:9", "secret_env": ""},
    ),
}


@pytest.fixture(autouse=True)
def _alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing that another test has read is remembered."""
    monkeypatch.setenv("HOOK", "0123456789abcdef-secret")
    monkeypatch.setattr(_readings, "_MEMORY", _readings._Memory())


def test_every_kind_has_a_row() -> None:
    assert set(KINDS) == set(kinds.names("gates")), "a kind is one file in rollout/gates and one row here"


def maker(word: str) -> Make:
    kind: Any = kinds.load("gates", word)

    def make(**more: Any) -> HostGate:
        gate: HostGate = kind.model_validate({**KINDS[word].settings, **more})
        return gate

    return make


def is_well_said(verdict: Verdict) -> bool:
    """One harmless sentence, and samples that JSON can hold."""
    json.dumps(dict(verdict.samples), allow_nan=False)
    return verdict.because.isprintable() and 0 < len(verdict.because) < 2000 and verdict.link.isprintable()


@pytest.mark.parametrize("word", KINDS)
def test_it_passes_with_samples(word: str) -> None:
    verdict = KINDS[word].passes(maker(word))
    assert verdict.value is Answer.PASS, verdict
    assert verdict.samples
    assert is_well_said(verdict)


@pytest.mark.parametrize("word", KINDS)
def test_it_fails(word: str) -> None:
    verdict = KINDS[word].fails(maker(word))
    assert verdict.value is Answer.FAIL, verdict
    assert is_well_said(verdict)


@pytest.mark.parametrize("word", KINDS)
def test_what_cannot_be_found_out_is_no_pass_and_blames_nobody(word: str) -> None:
    verdict = KINDS[word].unknown(maker(word))
    assert verdict.value in {Answer.INCONCLUSIVE, Answer.ERROR}, verdict
    assert is_well_said(verdict)


@pytest.mark.parametrize("word", KINDS)
def test_its_settings_are_told_to_editors_kept_as_json_and_refused_when_wrong(word: str) -> None:
    kind: Any = kinds.load("gates", word)
    gate: Any = maker(word)()
    plain = gate.model_dump(mode="json", by_alias=True, exclude_unset=True)
    assert kind.model_validate(json.loads(json.dumps(plain))) == gate
    assert all(setting.description for setting in kind.model_fields.values())
    with pytest.raises(ValidationError):
        kind.model_validate({"no_such_setting": 1, **KINDS[word].settings})
    with pytest.raises(ValidationError):
        kind.model_validate(dict(KINDS[word].wrong))
