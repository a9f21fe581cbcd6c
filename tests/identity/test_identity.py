"""A token proves who approves, or nobody does."""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from rollout import identity
from rollout.errors import ApprovalMissing, RolloutError
from rollout.identity import TOKEN, person
from rollout.model.plan import Identity
from tests.identity.issuer import AUDIENCE, PROJECT, Issuer, serving


@pytest.fixture(scope="module")
def _server() -> Iterator[Issuer]:
    with serving() as issuer:
        yield issuer


@pytest.fixture
def issuer(_server: Issuer) -> Iterator[Issuer]:
    answers = dict(_server.answers)
    yield _server
    _server.answers = answers


def wanted(issuer: Issuer, **changed: Any) -> Identity:
    return Identity(**({"issuer": issuer.url, "audience": AUDIENCE, "project": PROJECT} | changed))


def test_a_job_of_the_project_is_its_user(issuer: Issuer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(TOKEN, issuer.token())
    found = person(wanted(issuer))
    assert (found.login, found.email) == ("ana", "ana@example.com")
    assert found.shown == f"ana ({issuer.url}, job 99)"
    assert found.claims["jti"] == "a-token"
    assert "ref_protected" not in found.claims


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"aud": "vault"}, "for another audience than rollout"),
        ({"aud": None}, 'missing the "aud" claim'),
        ({"exp": 1_700_000_000}, "past its time: run the job again"),
        ({"exp": None}, 'missing the "exp" claim'),
        ({"nbf": 4_000_000_000}, "not yet valid"),
        ({"iss": "https://evil.example.com"}, "of another issuer than http://127.0.0.1"),
        ({"iss": None}, 'missing the "iss" claim'),
        ({"project_path": "mallory/fleet"}, "of project mallory/fleet, not of infra/fleet"),
        ({"project_path": "infra/fleet-of-mine"}, "not of infra/fleet"),
        ({"project_path": None}, "of project unknown"),
        ({"ref_protected": "false", "ref": "topic"}, "of topic, which is not protected"),
        ({"ref_protected": None}, "which is not protected"),
        ({"pipeline_source": "schedule"}, "of a schedule pipeline, behind which nobody stands"),
        ({"pipeline_source": None}, "behind which nobody stands"),
        ({"pipeline_source": ["schedule"]}, "behind which nobody stands"),
        ({"user_login": None}, "it names no user"),
        ({"user_login": " "}, "it names no user"),
        ({"user_login": "ana\u202e"}, "it names no user"),
        ({"user_login": "project_42_bot_0af"}, "is no person"),
        ({"user_login": "group_7_bot"}, "is no person"),
        ({"project_path": "a\x1b[2Jb/c"}, r"of project a \[2Jb/c"),
    ],
)
def test_a_token_that_says_something_else_proves_nothing(
    issuer: Issuer, changed: dict[str, Any], said: str
) -> None:
    with pytest.raises(ApprovalMissing, match=said):
        person(wanted(issuer), issuer.token(**changed))


def test_the_key_must_be_the_servers(issuer: Issuer) -> None:
    other = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    with pytest.raises(ApprovalMissing, match="did not sign it"):
        person(wanted(issuer), issuer.token(key=other))
    with pytest.raises(ApprovalMissing, match="has no key two"):
        person(wanted(issuer), issuer.token(kid="two"))
    with pytest.raises(ApprovalMissing, match="has no key None"):
        person(wanted(issuer), issuer.token(kid=None))


def test_what_anybody_could_sign_is_refused_before_a_key_is_looked_for(issuer: Issuer) -> None:
    issuer.answers.clear()
    forged = jwt.encode(issuer.claims(), b"what the server tells everybody, " * 2, "HS256", {"kid": "one"})
    with pytest.raises(ApprovalMissing, match="signed by HS256, which proves nothing"):
        person(wanted(issuer), forged)
    with pytest.raises(ApprovalMissing, match="signed by none, which proves nothing"):
        person(wanted(issuer), jwt.encode(issuer.claims(), "", "none"))


@pytest.mark.parametrize("token", ["a", "a.b.c", "é", "eyJhbGciOiJSUzI1NiJ9..", "x" * 100_000])
def test_what_is_no_token_is_refused(issuer: Issuer, token: str) -> None:
    with pytest.raises(ApprovalMissing, match="does not prove who approves"):
        person(wanted(issuer), token)


def test_without_a_token_it_says_how_a_job_gets_one(issuer: Issuer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(TOKEN, raising=False)
    with pytest.raises(
        ApprovalMissing,
        match=r"a job of infra/fleet that has `id_tokens: \{ROLLOUT_ID_TOKEN: \{aud: rollout\}\}`",
    ):
        person(wanted(issuer))


def test_a_branch_without_protection_may_be_allowed(issuer: Issuer) -> None:
    assert person(wanted(issuer, protected=False), issuer.token(ref_protected="false")).login == "ana"


@pytest.mark.parametrize(
    ("path", "answer", "said"),
    [
        ("/.well-known/openid-configuration", (404, {}), "answers 404"),
        ("/.well-known/openid-configuration", (200, []), "no JSON object"),
        ("/.well-known/openid-configuration", (200, b"<html>"), "does not tell the keys"),
        ("/.well-known/openid-configuration", (200, {}), "does not say where its keys are"),
        ("/.well-known/openid-configuration", (200, {"jwks_uri": "http://198.18.0.1/keys"}), "by https"),
        ("/.well-known/openid-configuration", (200, {"jwks_uri": "http://[::1"}), "by https"),
        ("/.well-known/openid-configuration", (200, {"jwks_uri": "http://localhost:99999"}), "does not tell"),
        ("/oauth/keys", (302, {}), "answers 302"),
        ("/oauth/keys", (200, b"[" * 100_000), "does not tell the keys"),
        ("/oauth/keys", (500, {}), "answers 500"),
        ("/oauth/keys", (200, b" " * (1024 * 1024 + 1)), "more than 1048576 bytes"),
    ],
)
def test_a_server_without_keys_is_an_error_and_no_yes(
    issuer: Issuer, path: str, answer: tuple[int, Any], said: str
) -> None:
    issuer.answers[path] = answer
    with pytest.raises(RolloutError, match=said):
        person(wanted(issuer), issuer.token())


@pytest.mark.parametrize("keys", [{}, {"keys": "all"}, {"keys": [1, {"kid": "two"}]}])
def test_keys_that_hold_not_its_own_are_none(issuer: Issuer, keys: object) -> None:
    issuer.answers["/oauth/keys"] = (200, keys)
    with pytest.raises(ApprovalMissing, match="has no key one"):
        person(wanted(issuer), issuer.token())


def test_a_broken_key_is_refused(issuer: Issuer) -> None:
    issuer.answers["/oauth/keys"] = (200, {"keys": [{"kid": "one", "kty": "RSA", "n": "!", "e": "AQAB"}]})
    with pytest.raises(ApprovalMissing, match="does not prove"):
        person(wanted(issuer), issuer.token())


@pytest.mark.parametrize("changed", [{"alg": "none"}, {"alg": "HS256"}, {"use": "enc"}, {"d": "AQAB"}])
def test_a_key_that_verifies_nothing_is_none(issuer: Issuer, changed: dict[str, str]) -> None:
    (key,) = issuer.answers["/oauth/keys"][1]["keys"]
    issuer.answers["/oauth/keys"] = (200, {"keys": [{**key, **changed}]})
    with pytest.raises(ApprovalMissing, match="has no key one to verify by"):
        person(wanted(issuer), issuer.token())


@pytest.mark.parametrize(
    "answer", [b"HTTP/1.1 200 OK\r\nX: ", b"HTTP/1.1 102 Processing\r\n\r\n"], ids=["headers", "promises"]
)
def test_a_server_that_never_comes_to_an_end_is_left(
    issuer: Issuer, answer: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(identity, "LONGEST", 0.5)
    with socket.create_server(("127.0.0.1", 0)) as server:

        def trickle() -> None:
            connection, _ = server.accept()
            with connection, suppress(OSError):
                connection.recv(4096)
                connection.sendall(answer)
                while True:
                    connection.sendall(b"HTTP/1.1 102 Processing\r\n\r\n" if answer.endswith(b"\n") else b"x")
                    time.sleep(0.05)

        thread = threading.Thread(target=trickle)
        thread.start()
        slow = f"http://127.0.0.1:{server.getsockname()[1]}"
        with pytest.raises(RolloutError, match="it answered for more than"):
            person(Identity(slow, AUDIENCE, PROJECT), issuer.token())
        thread.join()


def test_a_server_that_cannot_be_reached_is_an_error(issuer: Issuer) -> None:
    with pytest.raises(RolloutError, match="does not tell the keys of tokens"):
        person(Identity("http://127.0.0.1:9", AUDIENCE, PROJECT), issuer.token())
