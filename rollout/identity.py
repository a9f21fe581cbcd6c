"""Who approves, as a token of OpenID Connect proves it: a GitLab job gets one for its `id_tokens`.

The server that the plan names signs it, and is asked for its keys. Nothing that the token says is believed before its signature, its audience,
its time and its project are as they must be.
"""

import asyncio
import json
import os
import re
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import jwt

from rollout.errors import ApprovalMissing, RolloutError
from rollout.model.plan import Identity, is_loopback
from rollout.ssh.printable import printable

TOKEN = "ROLLOUT_ID_TOKEN"  # noqa: S105  the name of a variable
AUTHORITIES = "CI_SERVER_TLS_CA_FILE"
"""GitLab tells jobs by it who vouches for a server with a certificate of its own."""

ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512")
"""Such as only the server can sign by: with the others, whoever can read its keys could."""

NOBODY = frozenset({"schedule", "trigger", "pipeline"})
"""Pipelines that no person stands behind, however a user is named in their tokens."""

BOT = re.compile(r"(project|group)_\d+_bot|service_account_")
"""GitLab's users for access tokens: whoever maintains a project makes one, and would be two people."""

KEPT = (
    "iss",
    "sub",
    "jti",
    "user_login",
    "user_email",
    "user_id",
    "project_path",
    "ref",
    "sha",
    "pipeline_id",
    "job_id",
    "environment",
)
LEEWAY = 30.0
"""Seconds that two clocks may differ."""

SECONDS, LONGEST = 15.0, 60.0
"""That a server may be silent, and that its answer may take."""

LARGEST = 1024 * 1024
"""Bytes of an answer with keys."""


@dataclass(frozen=True, slots=True)
class Person:
    """Who it is, and `claims`, what the token told and may be kept."""

    login: str
    email: str
    claims: Mapping[str, str]

    @property
    def shown(self) -> str:
        """As it stands in the journal."""
        return f"{self.login} ({self.claims['iss']}, job {self.claims.get('job_id', 'unknown')})"


def person(identity: Identity, token: str | None = None) -> Person:
    """The person whose job this is. `token`: that of the environment if left out.

    Raises ApprovalMissing for a token that proves nothing, RolloutError when the server's keys could not be had.
    """
    given = (os.environ.get(TOKEN, "") if token is None else token).strip()
    if not given:
        raise ApprovalMissing(
            f"the plan wants to be told by a token who approves, and {TOKEN} is empty: approve it in a job of "
            f"{identity.project} that has `id_tokens: {{{TOKEN}: {{aud: {identity.audience}}}}}`"
        )
    claims = _checked(given, identity)
    told = {name: str(claims[name]) for name in KEPT if isinstance(claims.get(name), str | int)}
    if told.get("project_path") != identity.project:
        raise _refused(
            f"it is of project {printable(told.get('project_path', 'unknown'))}, not of {identity.project}"
        )
    if identity.protected and str(claims.get("ref_protected")).lower() != "true":
        raise _refused(
            f"it is of {printable(told.get('ref', 'a branch'))}, which is not protected: anybody may push there"
        )
    source = claims.get("pipeline_source")
    if not isinstance(source, str) or source in NOBODY:
        raise _refused(f"it is of a {printable(str(source))} pipeline, behind which nobody stands")
    login = told.get("user_login", "").strip()
    if not login or not login.isprintable():
        raise _refused("it names no user")
    if BOT.match(login):
        raise _refused(f"{login} is no person, but whoever holds an access token of a project or group")
    return Person(login, told.get("user_email", ""), told)


def _checked(token: str, identity: Identity) -> dict[str, Any]:
    """Its claims, once its signature, issuer, audience and time are found to be right."""
    try:
        header = jwt.get_unverified_header(token)
        if header.get("alg") not in ALGORITHMS:
            raise _refused(f"it is signed by {printable(str(header.get('alg')))}, which proves nothing")
        key = _key(identity.issuer, header.get("kid"))
        return jwt.decode(
            token,
            key,
            algorithms=list(ALGORITHMS),
            audience=identity.audience,
            issuer=identity.issuer,
            leeway=LEEWAY,
            options={"require": ["exp", "iat", "iss", "aud", "sub"], "strict_aud": False},
        )
    except jwt.PyJWTError as error:
        raise _refused(_why(error, identity)) from error


def _why(error: jwt.PyJWTError, identity: Identity) -> str:
    match error:
        case jwt.ExpiredSignatureError():
            return "it is past its time: run the job again"
        case jwt.InvalidAudienceError():
            return f"it is for another audience than {identity.audience}"
        case jwt.InvalidIssuerError():
            return f"it is of another issuer than {identity.issuer}"
        case jwt.InvalidSignatureError():
            return f"{identity.issuer} did not sign it"
        case _:
            return printable(str(error))


def _refused(why: str) -> ApprovalMissing:
    return ApprovalMissing(f"the token in {TOKEN} does not prove who approves: {why}")


def _key(issuer: str, kid: str | None) -> jwt.PyJWK:
    found = _get(f"{issuer}/.well-known/openid-configuration")
    where = found.get("jwks_uri")
    if not isinstance(where, str) or not (where.startswith("https://") or is_loopback(where)):
        raise RolloutError(f"{issuer} does not say where its keys are (`jwks_uri`, by https)")
    listed = _get(where).get("keys")
    for one in listed if isinstance(listed, list) else ():
        if isinstance(one, dict) and kid is not None and one.get("kid") == kid and _is_to_verify(one):
            return jwt.PyJWK(one)
    raise _refused(f"{issuer} has no key {printable(str(kid))} to verify by")


def _is_to_verify(key: Mapping[str, Any]) -> bool:
    """A public key, for signatures of the kinds that we believe."""
    return "d" not in key and key.get("use", "sig") == "sig" and key.get("alg", ALGORITHMS[0]) in ALGORITHMS


def _get(url: str) -> dict[str, Any]:
    shown = printable(url)
    try:
        status, body = asyncio.run(asyncio.wait_for(_answer(url), LONGEST))
        if status != httpx.codes.OK:
            raise RolloutError(
                f"{shown} answers {status}: its keys cannot be had, so no token can be checked"
            )
        found = json.loads(body)
    except TimeoutError as error:
        raise RolloutError(
            f"{shown} does not tell the keys of tokens: it answered for more than {LONGEST:.0f} s"
        ) from error
    except (httpx.HTTPError, httpx.InvalidURL, ValueError, ArithmeticError, RecursionError, OSError, ExceptionGroup) as error:  # fmt: skip
        raise RolloutError(
            f"{shown} does not tell the keys of tokens: {printable(str(error) or type(error).__name__)}"
        ) from error
    if not isinstance(found, dict):
        raise RolloutError(f"{shown} does not tell the keys of tokens: it answers with no JSON object")
    return found


async def _answer(url: str) -> tuple[int, bytes]:
    """Status and body as it came: what is compressed is not unpacked, for it may be of any size. Cut off from outside, also in the middle of headers."""
    async with (
        httpx.AsyncClient(
            verify=trust(), timeout=SECONDS, trust_env=False, headers={"Accept-Encoding": "identity"}
        ) as client,
        client.stream("GET", url) as response,
    ):
        body = bytearray()
        async for chunk in response.aiter_raw():
            body += chunk
            if len(body) > LARGEST:
                raise RolloutError(f"{url} answers with more than {LARGEST} bytes")
        return response.status_code, bytes(body)


def trust() -> ssl.SSLContext:
    context = ssl.create_default_context()
    given = os.environ.get(AUTHORITIES)
    if given and Path(given).is_file():
        context.load_verify_locations(given)
    return context
