"""Whether a URL answers as it should: asked by the controller, or by the host itself."""

import ipaddress
import re
import shlex
import socket
from contextlib import suppress
from typing import Annotated, Any, Literal, Self
from urllib.parse import quote, urlsplit

from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field, WithJsonSchema, model_validator

from rollout.gates import HostGate, _reading
from rollout.gates._addresses import FIELD, Unfilled, filled, well_formed
from rollout.gates._server import Access, checked_url, session
from rollout.gates._trouble import Trouble
from rollout.model.seams import Answer, Ran, Subject, Verdict
from rollout.ssh.printable import printable

LONGEST = 256 * 1024
"""Bytes of a body that are looked at."""

REFUSED = frozenset({401, 403, 407})

CURL = """\
command -v curl >/dev/null || {{ echo 'the host has no curl' >&2; exit 64; }}
{{
    curl --silent --show-error --include --noproxy '*' --max-time {seconds} --url {url}
    echo "curl-ended $?" >&2
}} | head -c {most}
"""

NO_TOOL = 64
HEAD = re.compile(r"HTTP/[\d.]+ (\d{3})[^\n]*\n(?:[^\r\n]+\r?\n)*\r?\n?")
MORE_THAN_HEADERS = 64 * 1024


def _template(text: str) -> str:
    checked_url(FIELD.sub("x", well_formed(text)))
    return text


def _listed(value: Any) -> Any:
    return value if isinstance(value, list) else [value]


Codes = Annotated[
    list[Annotated[int, Field(ge=100, le=599)]],
    Field(min_length=1),
    BeforeValidator(_listed),
    WithJsonSchema(
        {
            "type": ["integer", "array"],
            "minimum": 100,
            "maximum": 599,
            "minItems": 1,
            "items": {"type": "integer", "minimum": 100, "maximum": 599},
        }
    ),
]


class Kind(Access, HostGate):
    """Passes when the answer has the right status, and its body holds `expect` and not `reject`. Samples: `url`, `status`, `body`, `bytes`."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    url: Annotated[str, AfterValidator(_template)] = Field(
        description="What is asked for (GET). {{ host }}, {{ address }}, {{ FACTOR }} or a variable of the host may stand in it.",
        examples=["https://{{ address }}:8443/health"],
    )
    status: Codes = Field(
        default=[200],
        description="The status that is right, or several. Redirects are not followed.",
        examples=[204],
    )
    expect: re.Pattern[str] | None = Field(
        default=None, description="A regular expression that the body must hold.", examples=['"ready": *true']
    )
    reject: re.Pattern[str] | None = Field(
        default=None, description="A regular expression that the body may not hold.", examples=["degraded"]
    )
    from_: Literal["controller", "host"] = Field(
        default="controller", alias="from", description="Who asks: host, by curl, for what it alone reaches."
    )

    @model_validator(mode="after")
    def _alone_on_the_host(self) -> Self:
        if self.from_ == "host" and (self.auth or self.tls or self.proxy):
            raise ValueError("`from: host` is without auth, tls and proxy: these are of the controller")
        return self

    def check(self, subject: Subject) -> Verdict:
        """Several URLs, of a variable that is a list, must all answer so."""
        try:
            urls = filled(self.url, subject, _in_url)
        except Unfilled as error:
            return Verdict(Answer.ERROR, str(error))
        told = Verdict(Answer.INCONCLUSIVE, f"{printable(self.url, 120)} names no URL")
        for url in urls:
            ask = self._from_host if self.from_ == "host" else self._from_here
            told = ask(subject, url, subject.timeout / len(urls))
            if told.value is not Answer.PASS:
                return told
        return told

    def _from_here(self, subject: Subject, url: str, timeout: float) -> Verdict:
        del subject
        where = urlsplit(url)
        try:
            socket.getaddrinfo(where.hostname, where.port or 80, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError, ValueError) as error:
            return Verdict(Answer.ERROR, f"the name in {printable(url, 120)} cannot be looked up: {error}")
        try:
            asked = session(url, self, timeout)
        except Trouble as trouble:
            return trouble.verdict({"url": _shown(url)})
        with asked:
            try:
                page = asked.page(LONGEST)
            except Trouble as trouble:  # whether the service answers is what is asked
                return Verdict(Answer.FAIL, trouble.because, {"url": _shown(url)})
        return self._judge(url, page.status, page.text, cut=page.cut)

    def _from_host(self, subject: Subject, url: str, timeout: float) -> Verdict:
        seconds = max(1, int(timeout * _reading.SHARE) - 2)
        script = CURL.format(seconds=seconds, url=shlex.quote(url), most=LONGEST + MORE_THAN_HEADERS)
        ran = _reading.ask(subject, script)
        if isinstance(ran, Verdict):
            return ran
        if ran.code == NO_TOOL or "curl-ended" not in ran.err:
            because = f"could not ask: {_reading.last_words(ran)}"
            return Verdict(Answer.INCONCLUSIVE, because, {"url": _shown(url), "code": ran.code})
        return self._of_curl(url, ran)

    def _of_curl(self, url: str, ran: Ran) -> Verdict:
        said, _, ended = ran.err.rpartition("curl-ended ")
        text, status = ran.out, None
        while (head := HEAD.match(text)) and (status is None or status < 200):
            status, text = int(head[1]), text[head.end() :]
        cut = len(ran.out) >= LONGEST
        if status is None or (ended.strip() != "0" and not cut):
            why = printable(said.strip(), 200) or f"curl ended with {printable(ended, 20)}"
            because = f"the host gets no answer from {_shown(url)}: {why}"
            return Verdict(Answer.FAIL, because, {"url": _shown(url)})
        return self._judge(url, status, text[:LONGEST], cut=cut)

    def _judge(self, url: str, status: int, text: str, *, cut: bool) -> Verdict:
        samples = {"url": _shown(url), "status": status, "body": printable(text), "bytes": len(text)}
        said = f"{_shown(url)} answered {status}"
        if status not in self.status:
            ours = self.auth is not None and status in REFUSED
            wanted = " or ".join(map(str, self.status))
            because = f"{said}, and {wanted} is expected: {printable(text, 120) or 'it said nothing more'}"
            return Verdict(Answer.ERROR if ours else Answer.FAIL, because, samples)
        found = self.reject and _find(self.reject, text)
        if found:
            return Verdict(
                Answer.FAIL, f"{said} with {printable(found[0], 80)!r}, which `reject` forbids", samples
            )
        if cut and self.reject is not None:
            return Verdict(
                Answer.INCONCLUSIVE, f"{said}, with too much to know that `reject` is not in it", samples
            )
        if self.expect is not None and not _find(self.expect, text):
            because = f"{said} without {printable(self.expect.pattern, 80)!r}: {printable(text, 120)}"
            return Verdict(Answer.INCONCLUSIVE if cut else Answer.FAIL, because, samples)
        return Verdict(Answer.PASS, said, samples)


def _find(pattern: re.Pattern[str], text: str) -> re.Match[str] | None:
    return re.compile(pattern.pattern, pattern.flags | re.MULTILINE).search(text)


def _in_url(value: str) -> str:
    """A value as it may stand in any part of a URL; IPv6 addresses in brackets."""
    with suppress(ValueError):
        if ipaddress.ip_address(value).version == 6:
            return f"[{value}]"
    return quote(value, safe="")


def _shown(url: str) -> str:
    """Without the query, which may hold what is nobody's business."""
    return printable(urlsplit(url)._replace(query="").geturl(), 120)
