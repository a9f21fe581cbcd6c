"""Asking a server over HTTP: one deadline for all that a gate asks, a limit on each answer, one sentence for what goes wrong.

No redirect is followed, no cookie kept, no proxy of the environment used, nothing compressed accepted: an answer is what the
server named in the plan said, and is never larger than what was received.
"""

import asyncio
import base64
import errno
import json
import socket
import ssl
import time
from collections.abc import Coroutine, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from http.cookiejar import CookieJar, DefaultCookiePolicy
from types import TracebackType
from typing import Any, NoReturn, Self, TypeVar
from urllib.parse import urlsplit

import httpx

from rollout.gates._server import Access, secret, trust
from rollout.gates._trouble import Trouble
from rollout.model.seams import Answer
from rollout.ssh.printable import printable

Said = TypeVar("Said")

SHARE = 0.8
"""Of the gate's time-out: a server that hangs is reported as such before the engine stops waiting."""

LONGEST = 8 * 1024 * 1024
"""Bytes of an answer that are read."""

MANY_REQUESTS = 429
NOT_ALLOWED = {401: "wants credentials", 403: "does not allow it"}


@dataclass(frozen=True, slots=True)
class Reply:
    """A success. `data` is its JSON, None where nothing was said; `date` the server's clock, None where it does not tell."""

    status: int
    data: Any
    date: float | None


@dataclass(frozen=True, slots=True)
class Page:
    """An answer as it came, without what we told in confidence. `cut`: there was more of it."""

    status: int
    text: str
    cut: bool


class Session:
    """Requests to one server, to be used as a `with` block: `seconds` is what they may take all together.

    Every request raises Trouble for whatever is not a success with a JSON body.
    """

    def __init__(self, url: str, access: Access, seconds: float) -> None:
        self.url = url
        self.who = origin(url)
        """The server as a verdict names it: scheme, host and port."""
        self._seconds = seconds
        self._until = time.monotonic() + seconds
        self._received = 0
        self._secrets: list[str] = []
        headers = {"Accept": "application/json", "Accept-Encoding": "identity", "User-Agent": "rollout"}
        self._client = httpx.AsyncClient(
            headers=headers,
            auth=self._auth(access),
            verify=trust(access.tls) if url.startswith("https:") else False,
            proxy=access.proxy,
            trust_env=False,
            timeout=None,  # noqa: S113  the deadline below is over all of it
            cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),
        )
        self._loop = asyncio.new_event_loop()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            with suppress(Exception):  # what cannot be closed is gone all the same
                self._loop.run_until_complete(asyncio.wait_for(self._leave(), 1.0))
        finally:
            self._loop.close()

    async def _leave(self) -> None:
        await self._client.aclose()
        for _ in range(3):  # a connection that was broken off is closed in the loop's next rounds
            await asyncio.sleep(0)

    def get(self, path: str, params: Sequence[tuple[str, str]] = ()) -> Reply:
        """`path` is appended to the URL of the settings."""
        return self._ask("GET", path, params=list(params))

    def delete(self, path: str) -> Reply:
        return self._ask("DELETE", path)

    def post_form(self, path: str, form: Mapping[str, str]) -> Reply:
        return self._ask("POST", path, data=dict(form))

    def post_json(self, path: str, body: bytes, headers: Mapping[str, str] | None = None) -> Reply:
        return self._ask(
            "POST", path, content=body, headers={"Content-Type": "application/json", **(headers or {})}
        )

    def _auth(self, access: Access) -> httpx.Auth | None:
        if access.auth is None:
            return None
        basic = access.auth.basic
        if basic is not None:
            word = secret("auth: password", basic.password_file, basic.password_env)
            self._secrets += [word, base64.b64encode(f"{basic.user}:{word}".encode()).decode()]
            return httpx.BasicAuth(basic.user, word)
        word = secret("auth: bearer", access.auth.bearer_file, access.auth.bearer_env)
        self._secrets.append(word)
        return _Bearer(word)

    def page(self, longest: int) -> Page:
        """What stands at the URL itself, whatever its status: raises Trouble only where there is no answer of HTTP."""
        return self._await(self._look(longest))

    def _ask(self, method: str, path: str, **body: Any) -> Reply:
        return self._await(self._exchange(method, self.url + path, **body))

    def _await(self, asked: Coroutine[Any, Any, Said]) -> Said:
        left = self._until - time.monotonic()
        self._received = 0
        try:
            return self._within(left, asked)
        except TimeoutError as error:
            heard = f"it sent {self._received} bytes" if self._received else "it said nothing"
            message = f"{self.who} did not answer within {self._seconds:.3g} s: {heard}"
            raise Trouble(Answer.INCONCLUSIVE, message) from error
        except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
            raise Trouble(*_told(error, self.who)) from error

    def _within(self, seconds: float, asked: Coroutine[Any, Any, Said]) -> Said:
        if seconds <= 0:
            asked.close()
            raise TimeoutError
        return self._loop.run_until_complete(asyncio.wait_for(asked, seconds))

    async def _look(self, longest: int) -> Page:
        found = bytearray()
        async with self._client.stream("GET", self.url, headers={"Accept": "*/*"}) as response:
            async for chunk in response.aiter_raw():
                found += chunk
                self._received = len(found)
                if len(found) > longest:
                    break
        words = found[:longest].decode("utf-8", "replace")
        for word in self._secrets:
            words = words.replace(word, "***")
        return Page(response.status_code, words, len(found) > longest)

    async def _exchange(self, method: str, url: str, **body: Any) -> Reply:
        async with self._client.stream(method, url, **body) as response:
            text = await self._read(response)
        if not response.is_success:
            self._refuse(response, text, url.removeprefix(self.url))
        return Reply(response.status_code, self._parsed(text) if text.strip() else None, _date(response))

    async def _read(self, response: httpx.Response) -> bytes:
        coding = response.headers.get("Content-Encoding", "identity").lower()
        if coding != "identity":
            message = f"{self.who} compresses its answer ({printable(coding, 20)}), which was not asked for"
            raise Trouble(Answer.ERROR, message)
        found = bytearray()
        async for chunk in response.aiter_raw():
            found += chunk
            self._received = len(found)
            if len(found) > LONGEST:
                message = f"the answer of {self.who} is longer than {LONGEST // 2**20} MB: let the query sum up more"
                raise Trouble(Answer.INCONCLUSIVE, message)
        return bytes(found)

    def _parsed(self, text: bytes) -> Any:
        try:
            return json.loads(text, parse_constant=_no_number)
        except (ValueError, RecursionError) as error:
            message = f"{self.who} did not answer with JSON: {self._shown(text)!r}"
            raise Trouble(Answer.INCONCLUSIVE, message) from error

    def _refuse(self, response: httpx.Response, text: bytes, path: str) -> NoReturn:
        """One sentence for an answer that is no success. A URL of which nothing is asked by path may hold a secret in its own."""
        code, who = response.status_code, self.who
        said = self._words(text)
        if response.is_redirect:
            place = printable(_without_query(response.headers.get("Location", ""), with_path=bool(path)), 120)
            message = (
                f"{who} redirects to {place or 'nowhere'} ({code}), which is not followed: name the right url"
            )
            raise Trouble(Answer.ERROR, message)
        if code in NOT_ALLOWED:
            how = "refuses our credentials" if code == 401 and self._secrets else NOT_ALLOWED[code]
            raise Trouble(Answer.ERROR, f"{who} {how} ({code}){said}")
        if code == 404 and not said:
            message = f"{who} has {f'no {path}' if path else 'nothing there'} (404): is the url right?"
            raise Trouble(Answer.ERROR, message)
        ours = code < 500 and code != MANY_REQUESTS
        how = "asks us to come back later" if code == MANY_REQUESTS else "answers"
        raise Trouble(Answer.ERROR if ours else Answer.INCONCLUSIVE, f"{who} {how} ({code}){said}")

    def _words(self, text: bytes) -> str:
        """What a JSON error says about itself, as Prometheus and Alertmanager write it."""
        try:
            data = json.loads(text)
        except (ValueError, RecursionError):
            return ""
        if isinstance(data, dict):
            data = data.get("error") or data.get("message") or ""
        return f": {self._shown(data.encode())}" if isinstance(data, str) and data.strip() else ""

    def _shown(self, text: bytes) -> str:
        """The beginning of what a server said, without what we told it in confidence."""
        words = text[:4096].decode("utf-8", "replace")
        for word in self._secrets:
            words = words.replace(word, "***")
        return printable(words, 200)


class _Bearer(httpx.Auth):
    def __init__(self, token: str) -> None:
        self._token = token

    def auth_flow(self, request: httpx.Request) -> Iterator[httpx.Request]:  # type: ignore[override]  # a generator that gets nothing back
        request.headers["Authorization"] = f"Bearer {self._token}"
        yield request


def origin(url: str) -> str:
    """Scheme, host and port: what a verdict may show of any URL."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"


def _without_query(url: str, *, with_path: bool) -> str:
    with suppress(ValueError):
        parts = urlsplit(url)
        path = parts.path if with_path else ""
        return parts._replace(
            path=path, query="", fragment="", netloc=parts.netloc.rpartition("@")[2]
        ).geturl()
    return ""


def _date(response: httpx.Response) -> float | None:
    with suppress(ValueError, OverflowError):
        return parsedate_to_datetime(response.headers.get("Date", "")).timestamp()
    return None


def _no_number(word: str) -> NoReturn:
    raise ValueError(f"{word} is not JSON")


def _told(error: Exception, who: str) -> tuple[Answer, str]:
    """What went wrong below HTTP: the cause that says most is somewhere in the chain of exceptions."""
    causes = _causes(error)
    refused = _of_tls(causes)
    if refused:
        return Answer.ERROR, f"TLS with {who} failed: {printable(refused, 200)}"
    for cause in causes:
        if isinstance(cause, socket.gaierror):
            return Answer.ERROR, f"the name of {who} cannot be resolved: {cause.strerror}"
        if isinstance(cause, OSError) and cause.errno == errno.ECONNREFUSED:
            return Answer.ERROR, f"{who} refuses the connection: nothing listens there"
    numbered = next((cause.strerror for cause in causes if isinstance(cause, OSError) and cause.strerror), "")
    words = numbered or printable(str(error), 120) or type(error).__name__
    if isinstance(error, httpx.ConnectError | httpx.ProxyError):
        return Answer.ERROR, f"{who} cannot be reached: {words}"
    return Answer.INCONCLUSIVE, f"{who} broke off: {words}"


def _of_tls(causes: Sequence[BaseException]) -> str:
    for cause in causes:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return cause.verify_message
        if isinstance(cause, ssl.SSLError) and not isinstance(cause, ssl.SSLWantReadError):
            return (cause.reason or str(cause)).replace("_", " ").lower()
    return ""


def _causes(error: BaseException) -> list[BaseException]:
    """The exception, what it came of, and what those came of."""
    found: list[BaseException] = []
    left: list[BaseException | None] = [error]
    while left:
        one = left.pop(0)
        if one is None or any(one is other for other in found):
            continue
        found.append(one)
        left += [one.__cause__, one.__context__]
        left += one.exceptions if isinstance(one, BaseExceptionGroup) else ()
    return found
