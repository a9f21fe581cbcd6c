"""The HTTP client of the fleet's gates, against servers that are broken in every way."""

import resource
import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel, ValidationError

from rollout.gates._http import LONGEST, Reply, Session
from rollout.gates._server import Access, AnyUrl, Auth, Basic, Tls, Url
from rollout.gates._trouble import Trouble
from tests.gates.any_certificate import authority, server_side
from tests.gates.any_server import BROKEN, Asked, Respond, reply, serving

NOBODY = "http://127.0.0.1:1"
LONG = 30.0


def asked(url: str, access: Access | None = None, seconds: float = LONG) -> Reply:
    with Session(url, access or Access(), seconds) as session:
        return session.get("/api/v1/query", [("query", "up")])


def trouble(answer: Respond, seconds: float = LONG, **access: Any) -> str:
    """The verdict and its sentence, without the server's port."""
    with serving(answer) as served, pytest.raises(Trouble) as raised:
        asked(served.url, Access(**access), seconds)
    return f"{raised.value.value}: {raised.value.because}".replace(served.url, "SERVER")


@pytest.mark.parametrize(("answer", "expected"), [row[1:] for row in BROKEN], ids=[row[0] for row in BROKEN])
def test_each_kind_of_brokenness_is_one_sentence(answer: Respond, expected: str) -> None:
    said = trouble(answer)
    assert said.startswith(expected)
    assert "secret" not in said
    assert said.isprintable()


def test_nobody_there() -> None:
    for url, expected in (
        (NOBODY, f"{NOBODY} refuses the connection: nothing listens there"),
        ("http://nobody.invalid", "the name of http://nobody.invalid cannot be resolved: "),
    ):
        with pytest.raises(Trouble) as raised:
            asked(url)
        assert raised.value.value == "error"
        assert raised.value.because.startswith(expected)


def drip(head: bytes, body: bytes) -> Callable[[socket.socket], None]:
    def send(connection: socket.socket) -> None:
        connection.sendall(head)
        while True:
            connection.sendall(body)
            time.sleep(0.05)

    return send


@pytest.mark.parametrize(
    ("head", "heard"),
    [(b"", "it said nothing"), (b"HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n", "it sent ")],
)
def test_a_server_that_drips_holds_us_no_longer_than_the_deadline(head: bytes, heard: str) -> None:
    begun = time.monotonic()
    said = trouble(lambda _: drip(head, b"H"), seconds=0.6)
    assert said.startswith(f"inconclusive: SERVER did not answer within 0.6 s: {heard}")
    assert time.monotonic() - begun < LONG


def test_one_deadline_for_all_that_is_asked() -> None:
    with serving(reply({})) as served, Session(served.url, Access(), 0.0) as session:
        with pytest.raises(Trouble, match="did not answer within 0 s"):
            session.get("/")
        assert served.asked == []


def test_an_answer_of_100_mb_is_dropped_early() -> None:
    sent = []

    def endless(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 104857600\r\n\r\n")
        for _ in range(100):
            connection.sendall(b" " * 2**20)
            sent.append(1)

    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    said = trouble(lambda _: endless)
    assert said == "inconclusive: the answer of SERVER is longer than 8 MB: let the query sum up more"
    assert len(sent) < 100
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert grown < 60_000  # KB: what was read, twice over, and the threads of the server


def test_the_longest_answer_is_read() -> None:
    body = b'"' + b"x" * (LONGEST - 2) + b'"'
    with serving(reply(body)) as served:
        assert len(asked(served.url).data) == LONGEST - 2


def test_a_token_is_read_at_each_question_and_never_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = tmp_path / "token"
    access = Access(auth=Auth(bearer_file=str(token)))

    def echo(ask: Asked) -> bytes:
        return reply({"error": f"no such {ask.headers['authorization']}"}, "401 Unauthorized")

    with serving(echo) as served:
        for word in ("first-secret\n", "second-secret"):
            token.write_text(word)
            with pytest.raises(Trouble) as raised:
                asked(served.url, access)
            assert raised.value.because.endswith("refuses our credentials (401): no such Bearer ***")
            assert served.asked[-1].headers["authorization"] == f"Bearer {word.strip()}"
        token.write_text("two\nlines")
        with pytest.raises(Trouble, match="holds letters that cannot be sent"):
            asked(served.url, access)
        token.unlink()
        with pytest.raises(Trouble, match="cannot be read: No such file"):
            asked(served.url, access)
        monkeypatch.setenv("PASSWORD", "third-secret")
        basic = Access(auth=Auth(basic=Basic(user="me", password_env="PASSWORD")))
        with pytest.raises(Trouble) as raised:
            asked(served.url, basic)
        assert raised.value.because.endswith("no such Basic ***")
        monkeypatch.delenv("PASSWORD")
        with pytest.raises(Trouble, match="the environment variable PASSWORD is not set or is empty"):
            asked(served.url, basic)


def test_neither_cookies_nor_the_environment_s_proxy_are_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", NOBODY)
    monkeypatch.setenv("ALL_PROXY", NOBODY)
    with serving(reply({}, "200 OK", "Set-Cookie: a=b")) as served:
        with Session(served.url, Access(), LONG) as session:
            session.get("/")
            session.get("/")
        assert [ask.headers.get("cookie") for ask in served.asked] == [None, None]
        with Session("http://unknown.invalid", Access(proxy=served.url), LONG) as session:
            assert session.get("/x").data == {}
        assert served.asked[-1].headers["host"] == "unknown.invalid"


def test_tls_is_what_it_says(tmp_path: Path) -> None:
    ours = authority(tmp_path)
    (tmp_path / "others").mkdir()
    others = authority(tmp_path / "others")
    known = Tls(ca=str(ours.file))
    cases = (
        (ours.issue("good"), Tls(), "certificate"),
        (ours.issue("good"), Tls(ca=str(others.file)), "certificate"),
        (ours.issue("elsewhere", address="127.0.0.9"), known, "IP address mismatch"),
        (ours.issue("expired", days=-1), known, "certificate has expired"),
    )
    for shown, tls, expected in cases:
        with serving(reply({}), server_side(shown)) as served:
            with pytest.raises(Trouble, match=rf"^TLS with {served.url} failed: .*{expected}") as raised:
                asked(served.url, Access(tls=tls))
            assert raised.value.value == "error"
            assert served.asked == []
    with serving(reply({"fine": 1}), server_side(ours.issue("good"))) as served:
        assert asked(served.url, Access(tls=known)).data == {"fine": 1}
    with (
        serving(b"", greets=b"SSH-2.0-OpenSSH\r\n") as served,
        pytest.raises(Trouble, match=r"^TLS with .* failed: wrong version number"),
    ):
        asked(served.url.replace("http:", "https:"), Access(tls=known))


def test_a_server_may_want_our_certificate(tmp_path: Path) -> None:
    ours = authority(tmp_path)
    mine = ours.issue("me")
    with serving(reply({"fine": 1}), server_side(ours.issue("server"), clients=ours.file)) as served:
        assert asked(served.url, Access(tls=Tls(ca=str(ours.file), cert=str(mine)))).data == {"fine": 1}
        with pytest.raises(Trouble, match="handshake failure") as raised:
            asked(served.url, Access(tls=Tls(ca=str(ours.file))))
        assert raised.value.value == "error"


def test_files_of_tls_that_are_of_no_use(tmp_path: Path) -> None:
    ours = authority(tmp_path)
    empty = tmp_path / "empty.pem"
    empty.write_text("")
    for tls, expected in (
        (Tls(ca=str(empty)), "empty.pem cannot be used: it holds no certificate"),
        (Tls(ca=str(tmp_path / "none")), "none cannot be used: No such file or directory"),
        (Tls(cert=str(ours.file)), "ca.pem cannot be used: no certificate and key that belong together"),
        (Tls(cert=str(tmp_path / "none")), "none cannot be used: No such file or directory"),
    ):
        with pytest.raises(Trouble, match=expected):
            asked("https://127.0.0.1:1", Access(tls=tls))


class Addresses(BaseModel):
    url: Url = "http://a"
    hook: AnyUrl = "http://a"


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("prometheus:9090", "must be a URL such as"),
        ("ftp://a", "must be a URL such as"),
        ("http://", "must be a URL such as"),
        ("http://a:99999", "is no URL: Port out of range"),
        ("http://me:secret@a", "must not hold credentials"),
        ("http://a/?x=1", "must end before the ?"),
        ("http://a/#b", "without spaces, a #"),
        ("http://a/\n", "without spaces, a #"),
    ],
)
def test_an_address_that_cannot_be_meant(url: str, expected: str) -> None:
    with pytest.raises(ValidationError, match=expected.replace("?", r"\?")):
        Addresses(url=url)


def test_an_address_for_a_hook_may_have_a_query() -> None:
    assert Addresses(hook="http://a/?x=1").hook == "http://a/?x=1"
    assert Addresses(url="http://[::1]:9090/prometheus/").url == "http://[::1]:9090/prometheus"


@pytest.mark.parametrize(
    "settings",
    [
        {"auth": {}},
        {"auth": {"bearer_file": "/a", "bearer_env": "A"}},
        {"auth": {"bearer_file": "a"}},
        {"auth": {"bearer_env": "A B"}},
        {"auth": {"basic": {"user": "me"}}},
        {"tls": {"key": "/a"}},
        {"proxy": "socks5://a"},
    ],
)
def test_settings_that_cannot_be_meant(settings: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Access.model_validate(settings)
