"""The settings of every kind that asks a server over HTTP: where it is, and who we are to it.

Files and environment variables are read at each ask, so that a rotated token or certificate works at once.
"""

import os
import ssl
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from rollout.gates._trouble import Trouble
from rollout.model.seams import Answer

if TYPE_CHECKING:
    from rollout.gates._http import Session

LONGEST_SECRET = 64 * 1024


def checked_url(text: str) -> str:
    """An address without credentials: it is shown in verdicts and links."""
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError as error:
        raise ValueError(f"is no URL: {error}") from error
    if parts.scheme not in {"http", "https"} or not parts.hostname or port == 0:
        raise ValueError("must be a URL such as https://prometheus.example.org:9090")
    if parts.username is not None or parts.password is not None:
        raise ValueError("must not hold credentials: name a file or a variable under `auth`")
    if parts.fragment or not text.isascii() or not text.isprintable() or " " in text:
        raise ValueError("must be a URL without spaces, a # or letters beyond ASCII")
    return text


def _plain_url(text: str) -> str:
    if urlsplit(checked_url(text)).query:
        raise ValueError("must end before the ?")
    return text.rstrip("/")


def _file(text: str) -> str:
    if not Path(text).expanduser().is_absolute() or not text.isprintable():
        raise ValueError("must be an absolute path: it is read on the machine that runs the rollout")
    return text


AnyUrl = Annotated[
    str, AfterValidator(checked_url), Field(json_schema_extra={"pattern": "^https?://[^@# ]+$"})
]
Url = Annotated[str, AfterValidator(_plain_url), Field(json_schema_extra={"pattern": "^https?://[^@?# ]+$"})]
File = Annotated[str, AfterValidator(_file), Field(json_schema_extra={"pattern": "^[/~]"})]
Variable = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Basic(_Part):
    user: str = Field(min_length=1, description="The name; the password is in a file or a variable.")
    password_file: File | None = Field(default=None, description="A file that holds the password.")
    password_env: Variable | None = Field(default=None, description="A variable that holds the password.")

    @model_validator(mode="after")
    def _has_one(self) -> Self:
        if (self.password_file is None) == (self.password_env is None):
            raise ValueError("needs password_file or password_env, one of them")
        return self


class Auth(_Part):
    bearer_file: File | None = Field(default=None, description="A file that holds the bearer token.")
    bearer_env: Variable | None = Field(default=None, description="A variable that holds the bearer token.")
    basic: Basic | None = Field(default=None, description="A name and a password.")

    @model_validator(mode="after")
    def _has_one(self) -> Self:
        if sum(way is not None for way in (self.bearer_file, self.bearer_env, self.basic)) != 1:
            raise ValueError("needs bearer_file, bearer_env or basic, one of them")
        return self


class Tls(_Part):
    ca: File | None = Field(
        default=None, description="Certificates to trust, instead of this machine's own (PEM)."
    )
    cert: File | None = Field(
        default=None, description="Our certificate, for servers that ask for one (PEM)."
    )
    key: File | None = Field(default=None, description="The key of `cert`, if it is not in the same file.")

    @model_validator(mode="after")
    def _has_cert(self) -> Self:
        if self.key is not None and self.cert is None:
            raise ValueError("key is of use only with cert")
        return self


class Access(_Part):
    """What is the same for every server. Mixed into a kind, beside its `url`."""

    auth: Auth | None = Field(default=None, description="Who we are to the server.")
    tls: Tls | None = Field(default=None, description="Which certificates are trusted, and which is ours.")
    proxy: Url | None = Field(
        default=None,
        description="A proxy to go through. Those of the environment are not used.",
        examples=["http://proxy.example.org:3128"],
    )

    def obstacle(self) -> str:
        """Of credentials and certificates."""
        try:
            with session("https://localhost", self, 1.0):
                return ""
        except Trouble as trouble:
            return trouble.because


def session(url: str, access: Access, timeout: float) -> "Session":
    """Requests to a server, for a gate that may take `timeout` seconds. Raises Trouble if our side of it is not in order."""
    from rollout.gates._http import (  # noqa: PLC0415  httpx takes 0.2 s, which reading a plan need not pay
        SHARE,
        Session,
    )

    return Session(url, access, timeout * SHARE)


def secret(called: str, file: str | None, variable: str | None) -> str:
    """What the file or the environment variable holds, without space around it. Raises Trouble."""
    if variable is not None:
        found = os.environ.get(variable, "").strip()
        where = f"the environment variable {variable}"
    else:
        found = read(called, file or "").strip()
        where = f"the file {file}"
    if not found:
        raise Trouble(Answer.ERROR, f"{called}: {where} is not set or is empty")
    if not found.isascii() or not found.isprintable():
        raise Trouble(Answer.ERROR, f"{called}: {where} holds letters that cannot be sent")
    return found


def read(called: str, file: str) -> str:
    """The text of a small file. Raises Trouble."""
    try:
        with Path(file).expanduser().open("rb") as opened:
            return opened.read(LONGEST_SECRET).decode("utf-8", "replace")
    except (OSError, RuntimeError) as error:
        words = getattr(error, "strerror", None) or "it has no home"
        raise Trouble(Answer.ERROR, f"{called}: {file} cannot be read: {words}") from error


def trust(tls: Tls | None) -> ssl.SSLContext:
    """TLS as the settings say: with this machine's own certificates unless `ca` names others. Raises Trouble."""
    tls = tls or Tls()
    try:
        found = ssl.create_default_context(cafile=_expanded(tls.ca))
    except OSError as error:
        words = "it holds no certificate" if isinstance(error, ssl.SSLError) else error.strerror
        raise Trouble(Answer.ERROR, f"tls: ca: {tls.ca} cannot be used: {words}") from error
    if tls.cert is not None:
        try:
            # An encrypted key would make OpenSSL ask at the terminal.
            found.load_cert_chain(_expanded(tls.cert) or "", _expanded(tls.key), password="")
        except (OSError, ValueError) as error:
            words = (
                "no certificate and key that belong together are in it"
                if isinstance(error, ssl.SSLError | ValueError)
                else error.strerror
            )
            raise Trouble(Answer.ERROR, f"tls: cert: {tls.cert} cannot be used: {words}") from error
    return found


def _expanded(file: str | None) -> str | None:
    return None if file is None else os.path.expanduser(file)  # noqa: PTH111  Path raises where there is no home
