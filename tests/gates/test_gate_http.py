import socket
import ssl
import time
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from rollout.gates.http import LONGEST, Kind
from rollout.model.seams import Answer, Ran, Subject, Verdict
from rollout.ssh import connect
from tests.gates.any_certificate import authority
from tests.gates.any_connection import subject
from tests.gates.any_server import reply, serving


def here(**more: Any) -> Subject:
    variables = {"ansible_host": "127.0.0.1", "zones": ["a b", "c"], "v6": "::1"}
    fields: dict[str, Any] = {"variables": variables, "timeout": 3.0, **more}
    return subject(Ran(0, "", ""), connect=lambda: connect("here", {"ansible_connection": "local"}), **fields)


def ask(url: str, about: Subject | None = None, source: str = "controller", **settings: Any) -> Verdict:
    return Kind.model_validate({"url": url, "from": source, **settings}).check(about or here())


@pytest.fixture(params=["controller", "host"])
def source(request: pytest.FixtureRequest) -> str:
    return str(request.param)


JUDGED = [
    (reply(b"all is well"), {}, Answer.PASS, "answered 200"),
    (reply(b"all is well"), {"expect": "^all", "reject": "ill"}, Answer.PASS, "answered 200"),
    (reply(b"x\nis ill"), {"reject": "^is ill$"}, Answer.FAIL, "answered 200 with 'is ill', which `reject` forbids"),
    (reply(b"hm\x1b[2J"), {"expect": "well"}, Answer.FAIL, "answered 200 without 'well': hm [2J"),
    (reply(b"", "204 No Content"), {"status": [200, 204]}, Answer.PASS, "answered 204"),
    (reply(b"later", "503 Busy"), {}, Answer.FAIL, "answered 503, and 200 is expected: later"),
    (reply(b"", "302 Found", "Location: /x"), {}, Answer.FAIL, "answered 302, and 200 is expected"),
    (reply(b"x" * (LONGEST + 5)), {"reject": "y"}, Answer.INCONCLUSIVE, "too much to know"),
    (b"", {}, Answer.FAIL, ""),
    (b"SSH-2.0-x\r\n", {}, Answer.FAIL, ""),
]  # fmt: skip


@pytest.mark.parametrize(("said", "settings", "value", "because"), JUDGED)
def test_status_and_body_decide(
    said: bytes, settings: dict[str, Any], value: Answer, because: str, source: str
) -> None:
    with serving(said) as server:
        told = ask(server.url, **settings, source=source)
    assert told.value is value, told
    assert because in told.because
    assert told.samples["url"] == server.url


def test_a_service_that_refuses_or_hangs_fails_in_time(source: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    told = ask(f"http://127.0.0.1:{port}", source=source)
    assert told.value is Answer.FAIL
    with serving(lambda _asked: lambda connection: time.sleep(0 * connection.fileno() + 2)) as server:
        told = ask(server.url, here(timeout=1.5), source=source)
    assert told.value is Answer.FAIL


def test_placeholders_are_written_as_they_may_stand_in_a_url(source: str) -> None:
    with serving(reply(b"ok")) as server:
        port = server.url.rpartition(":")[2]
        told = ask(f"http://{{{{ address }}}}:{port}/{{{{ zones }}}}?q={{{{ host }}}}", source=source)
    assert told.value is Answer.PASS, told
    assert [one.path.partition("?")[0] for one in server.asked] == ["/a%20b", "/c"]
    assert told.samples["url"].endswith("/c")
    assert ask("http://{{ v6 }}:1/").samples["url"] == "http://[::1]:1/"
    assert ask("http://{{ nothing }}/").value is Answer.ERROR
    assert ask("http://no.such.name.invalid/").value is Answer.ERROR


def test_credentials_go_out_and_never_come_back(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("s3cret-token\n")
    auth = {"bearer_file": str(tmp_path / "token")}
    with serving(lambda asked: reply(asked.headers["authorization"].encode())) as server:
        told = ask(server.url, auth=auth)
    assert (told.value, told.samples["body"]) == (Answer.PASS, "Bearer ***")
    with serving(reply(b"", "401 No")) as server:
        assert ask(server.url, auth=auth).value is Answer.ERROR
        assert ask(server.url).value is Answer.FAIL
    told = ask("http://127.0.0.1:1", auth={"bearer_file": str(tmp_path / "none")})
    assert (told.value, "cannot be read" in told.because) == (Answer.ERROR, True)


def test_a_certificate_that_is_not_trusted_is_no_answer(source: str, tmp_path: Path) -> None:
    ours = authority(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(ours.issue("here"))
    with serving(reply(b"ok"), context) as server:
        told = ask(server.url, source=source)
        assert (told.value, "certificate" in told.because) == (Answer.FAIL, True)
        assert ask(server.url, tls={"ca": str(ours.file)}).value is Answer.PASS


def test_a_host_without_curl_cannot_say() -> None:
    told = ask("http://x/", subject(Ran(64, "", "the host has no curl\n")), source="host")
    assert (told.value, told.because) == (Answer.INCONCLUSIVE, "could not ask: the host has no curl")


@pytest.mark.parametrize(
    "wrong",
    [
        {"url": "ftp://x"},
        {"url": "http://{{ api_token }}/"},
        {"url": "http://user:word@x/"},
        {"url": "http://x/", "status": 42},
        {"url": "http://x/", "from": "host", "proxy": "http://y"},
    ],
)
def test_settings_that_mean_nothing_are_mistakes(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Kind.model_validate(wrong)
