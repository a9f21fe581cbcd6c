import base64
import hashlib
import hmac
import json
import time
from typing import Any

import pytest
from pydantic import ValidationError

from rollout.gates.webhook import Kind, signed
from rollout.model.seams import Verdict
from tests.gates.any_cohort import NOW, fleet_subject, peer
from tests.gates.any_server import Respond, reply, serving

SECRET = "0123456789abcdef-secret"
WHOLE = {"verdict": "pass", "because": "the change is open"}


@pytest.fixture(autouse=True)
def _secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOOK", SECRET)


def checked(respond: Respond, **more: Any) -> Verdict:
    with serving(respond) as served:
        kind = Kind.model_validate({"url": f"{served.url}/hook/hidden?token=hidden", "secret_env": "HOOK"})
        verdict = kind.check(fleet_subject(**more))
    assert "hidden" not in str(verdict)
    assert SECRET not in str(verdict)
    return Verdict(
        verdict.value, verdict.because.replace(served.url, "SERVER"), verdict.samples, verdict.link
    )


def test_the_question_is_signed_and_says_what_it_is_about() -> None:
    hosts = tuple(peer(f"web{number}", "upgraded") for number in range(150))
    with serving(reply(WHOLE)) as served:
        kind = Kind.model_validate({"url": f"{served.url}/hook?a=b", "secret_env": "HOOK"})
        about = fleet_subject(
            "web1", peers=hosts, moment="after verify", variables={"ansible_password": "secret"}
        )
        assert kind.check(about).value == "pass"
        kind.check(about)
    first, second = served.asked
    assert (first.method, first.path, first.query) == ("POST", "/hook", [("a", "b")])
    assert first.headers["content-type"] == "application/json"
    name, at = first.headers["webhook-id"], first.headers["webhook-timestamp"]
    word = hmac.new(SECRET.encode(), f"{name}.{at}.".encode() + first.body, hashlib.sha256).digest()
    assert first.headers["webhook-signature"] == f"v1,{base64.b64encode(word).decode()}"
    assert abs(int(at) - time.time()) < 300
    assert name != second.headers["webhook-id"]
    body = json.loads(first.body)
    assert (body["run"], body["gate"], body["moment"], body["host"], body["combo"], body["asked"]) == (
        "run-1", "errors", "after verify", "web1", "r650", NOW,
    )  # fmt: skip
    assert (body["factors"], body["counts"]["upgraded"], len(body["hosts"]["upgraded"])) == (
        {"site": "tokyo"}, 150, 100,
    )  # fmt: skip
    assert b"secret" not in first.body


def test_the_signature_is_that_of_standard_webhooks() -> None:
    """The example of the specification's reference libraries."""
    key = base64.b64decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    headers = signed(key, b'{"test": 2432232314}', "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330)
    assert headers["webhook-signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


ANSWERS: list[tuple[Any, str, str]] = [
    (reply(WHOLE), "pass", "the change is open"),
    (reply({"verdict": "fail", "because": "the change\x1b is closed"}), "fail", "the change is closed"),
    (reply({"verdict": "inconclusive", "because": "who knows"}), "inconclusive", "who knows"),
    (reply({"verdict": "error", "because": "no database"}), "error", "no database"),
    (reply(b"", "202 Accepted"), "inconclusive", "SERVER has not decided yet"),
    (reply({"because": "ask again"}, "202 Accepted"), "inconclusive", "ask again"),
    (reply({**WHOLE}, "202 Accepted"), "inconclusive", "the change is open"),
    (reply(b""), "error", "SERVER answers in a shape that is not understood: it is no JSON object"),
    (reply([]), "error", "SERVER answers in a shape that is not understood: it is no JSON object"),
    (reply({}), "error", "SERVER answers in a shape that is not understood: `verdict` is none of pass, fail, inconclusive, error"),
    (reply({**WHOLE, "verdict": "ok"}), "error", "SERVER answers in a shape that is not understood: `verdict` is none of"),
    (reply({**WHOLE, "verdict": ["pass"]}), "error", "SERVER answers in a shape that is not understood: `verdict` is none of"),
    (reply({"verdict": "pass"}), "error", "SERVER answers in a shape that is not understood: `because` is missing"),
    (reply({**WHOLE, "because": " "}), "error", "SERVER answers in a shape that is not understood: `because` is missing"),
    (reply({**WHOLE, "samples": [1]}), "error", "SERVER answers in a shape that is not understood: `samples` is no JSON object"),
    (reply({**WHOLE, "link": "javascript:x"}), "error", "SERVER answers in a shape that is not understood: `link` is no address"),
    (reply({**WHOLE, "link": 3}), "error", "SERVER answers in a shape that is not understood: `link` is no address"),
    (reply({**WHOLE, "verdikt": 3}), "error", "SERVER answers in a shape that is not understood: unknown key 'verdikt'"),
    (reply(b"pass"), "inconclusive", "SERVER did not answer with JSON: 'pass'"),
    (reply(b"", "404 No"), "error", "SERVER has nothing there (404): is the url right?"),
    (reply(b"", "302 Found", "Location: /hook/hidden/"), "error", "SERVER redirects to nowhere (302)"),
]  # fmt: skip


@pytest.mark.parametrize(("answer", "value", "because"), ANSWERS)
def test_the_answer_is_a_verdict(answer: bytes, value: str, because: str) -> None:
    verdict = checked(answer)
    assert (verdict.value, verdict.because[: len(because)]) == (value, because)


def test_samples_and_link_are_kept_small_and_harmless() -> None:
    samples = {
        "number": 1.5,
        "text": "a\x1b[31m" + "b" * 1000,
        "huge": int("9" * 400),
        "list": list(range(1000)),
        "deep": {"a": {"b": {"c": {"d": 1}}}},
        "none": None,
        "yes": True,
    }
    verdict = checked(reply({**WHOLE, "samples": samples, "link": "https://a/b"}))
    assert verdict.link == "https://a/b"
    assert (verdict.samples["status"], verdict.samples["number"], verdict.samples["huge"]) == (200, 1.5, None)
    assert len(verdict.samples["list"]) == 50
    assert verdict.samples["deep"] == {"a": {"b": {"c": "…"}}}
    assert len(str(verdict.samples)) < 1500
    wide = {str(one): list(map(str, range(10_000, 10_100))) for one in range(100)}
    assert checked(reply({**WHOLE, "samples": wide})).samples == {
        "status": 200,
        "samples": "too many to keep",
    }


def test_a_secret_that_is_of_no_use(monkeypatch: pytest.MonkeyPatch) -> None:
    for secret, because in (
        ("short", "secret: it is shorter than 16 bytes"),
        ("whsec_!", "secret: what follows whsec_ is not base64"),
        ("whsec_" + base64.b64encode(b"short").decode(), "secret: it is shorter than 16 bytes"),
        ("", "secret: the environment variable HOOK is not set or is empty"),
    ):
        monkeypatch.setenv("HOOK", secret)
        verdict = checked(reply(WHOLE))
        assert (verdict.value, verdict.because) == ("error", because)
    monkeypatch.setenv("HOOK", "whsec_" + base64.b64encode(b"0123456789abcdef").decode())
    assert checked(reply(WHOLE)).value == "pass"


@pytest.mark.parametrize("settings", [{}, {"secret_file": "/a", "secret_env": "A"}, {"secret_file": "a"}])
def test_a_question_is_always_signed(settings: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Kind.model_validate({"url": "http://a", **settings})
