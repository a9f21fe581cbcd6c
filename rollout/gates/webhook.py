"""Asks any HTTP service: it is sent a signed question as JSON, and answers with a verdict.

The signature is that of Standard Webhooks (standardwebhooks.com): HMAC-SHA256 over id, timestamp and body.
"""

import base64
import binascii
import hmac
import json
import secrets
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Self

from pydantic import Field, model_validator

from rollout.gates import FleetGate, _server
from rollout.gates._server import Access, AnyUrl, File, Variable
from rollout.gates._trouble import Trouble
from rollout.model.cohort import Stage
from rollout.model.seams import Answer, Subject, Verdict
from rollout.ssh.printable import printable

if TYPE_CHECKING:
    from rollout.gates._http import Reply

NAMED = 100
"""How many hosts of a stage the question names."""

KEPT, DEEP, LONG = 50, 3, 300
"""Of the answer's samples: how many entries of a mapping or list, how deep, and letters of a text."""

LARGEST = 1e300
MOST_KEPT = 16_000
"""Letters of all samples together, as JSON."""

LONGEST_LINK = 2000
LEAST_SECRET = 16
STAGES: tuple[Stage, ...] = ("untouched", "disrupted", "upgraded", "failed", "out")
ACCEPTED = 202
ENCODED = "whsec_"


class Kind(Access, FleetGate):
    """The answer is `{"verdict": "pass", "because": "...", "samples": {...}, "link": "https://..."}`; the last two may be left out.

    HTTP 202 means that it is not decided yet: it is asked again as `retries` and `interval` say. Samples: `status`, and the answer's own.
    """

    url: AnyUrl = Field(
        description="What is asked by POST.", examples=["https://change.example.org/may-go-on"]
    )
    secret_file: File | None = Field(
        default=None,
        description="A file with the secret that signs the question.",
        examples=["/run/secrets/hook"],
    )
    secret_env: Variable | None = Field(
        default=None,
        description="A variable with the secret that signs the question.",
        examples=["HOOK_SECRET"],
    )

    @model_validator(mode="after")
    def _has_one(self) -> Self:
        if (self.secret_file is None) == (self.secret_env is None):
            raise ValueError("needs secret_file or secret_env, one of them: the question is signed")
        return self

    def obstacle(self) -> str:
        """Of the secret, too."""
        try:
            self._signing_key()
        except Trouble as trouble:
            return trouble.because
        return super().obstacle()

    def _signing_key(self) -> bytes:
        return _key(_server.secret("secret", self.secret_file, self.secret_env))

    def check(self, subject: Subject) -> Verdict:
        """An answer of another shape is an error."""
        try:
            key = self._signing_key()
            body = json.dumps(question(subject), allow_nan=False).encode()
            with _server.session(self.url, self, subject.timeout) as session:
                reply = session.post_json(
                    "", body, signed(key, body, secrets.token_hex(16), int(time.time()))
                )
                return _verdict(reply, session.who)
        except Trouble as trouble:
            return trouble.verdict()


def question(subject: Subject) -> dict[str, Any]:
    """What is sent. Variables of hosts are not in it: they may hold secrets."""
    hosts = {stage: [peer.host for peer in subject.cohort.at(stage)] for stage in STAGES}
    return {
        "run": subject.run,
        "gate": subject.gate,
        "moment": subject.moment,
        "about": subject.about,
        "host": subject.host,
        "combo": subject.combo,
        "factors": dict(subject.factors),
        "target": {factor: list(globs) for factor, globs in subject.target.items()},
        "asked": subject.now,
        "run_began": subject.run_began,
        "counts": {stage: len(names) for stage, names in hosts.items()},
        "hosts": {stage: names[:NAMED] for stage, names in hosts.items()},
    }


def signed(key: bytes, body: bytes, name: str, at: int) -> dict[str, str]:
    """The headers that prove who asked, and when: a receiver refuses what is old, and a name that it has seen."""
    word = hmac.digest(key, f"{name}.{at}.".encode() + body, "sha256")
    return {
        "webhook-id": name,
        "webhook-timestamp": str(at),
        "webhook-signature": f"v1,{base64.b64encode(word).decode()}",
    }


def _key(secret: str) -> bytes:
    if not secret.startswith(ENCODED):
        found = secret.encode()
    else:
        try:
            found = base64.b64decode(secret.removeprefix(ENCODED), validate=True)
        except binascii.Error as error:
            raise Trouble(Answer.ERROR, f"secret: what follows {ENCODED} is not base64") from error
    if len(found) < LEAST_SECRET:
        raise Trouble(Answer.ERROR, f"secret: it is shorter than {LEAST_SECRET} bytes")
    return found


def _verdict(reply: "Reply", who: str) -> Verdict:
    data = reply.data if isinstance(reply.data, dict) else {}
    because = printable(data["because"], LONG) if isinstance(data.get("because"), str) else ""
    if reply.status == ACCEPTED:
        return Verdict(Answer.INCONCLUSIVE, because or f"{who} has not decided yet", {"status": reply.status})
    wrong = _wrong(reply.data, because)
    if wrong:
        return Verdict(Answer.ERROR, f"{who} answers in a shape that is not understood: {wrong}")
    samples = {"status": reply.status, **_kept(data.get("samples") or {})}
    return Verdict(Answer(data["verdict"]), because, samples, data.get("link") or "")


def _wrong(data: Any, because: str) -> str:
    if not isinstance(data, dict):
        return "it is no JSON object"
    unknown = sorted(data.keys() - {"verdict", "because", "samples", "link"})
    if unknown:
        return f"unknown key {printable(unknown[0], 40)!r}"
    if data.get("verdict") not in [str(answer) for answer in Answer]:
        return f"`verdict` is none of {', '.join(Answer)}"
    lacking = "`because` is missing" if not because else ""
    odd = "" if isinstance(data.get("samples") or {}, dict) else "`samples` is no JSON object"
    return lacking or odd or ("" if _is_link(data.get("link") or "") else "`link` is no address")


def _is_link(link: Any) -> bool:
    if not isinstance(link, str) or len(link) > LONGEST_LINK or not link.isascii() or not link.isprintable():
        return False
    return not link or link.startswith(("https://", "http://"))


def _kept(samples: Mapping[str, Any]) -> dict[str, Any]:
    found = {printable(str(key), 80): _small(value, DEEP) for key, value in [*samples.items()][:KEPT]}
    return found if len(json.dumps(found)) <= MOST_KEPT else {"samples": "too many to keep"}


def _small(value: Any, deep: int) -> Any:
    """Small enough for the journal, and harmless for a terminal."""
    if isinstance(value, str):
        return printable(value, LONG)
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int | float):
        return value if abs(value) < LARGEST else None
    if not deep:
        return "…"
    if isinstance(value, list):
        return [_small(one, deep - 1) for one in value[:KEPT]]
    return {printable(str(key), 80): _small(one, deep - 1) for key, one in [*value.items()][:KEPT]}
