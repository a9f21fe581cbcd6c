"""The URL of a database: what libpq is given, and what may be shown of it."""

import re
from typing import NamedTuple, Self

from rollout.errors import JournalError

LEASE = 60.0
"""Seconds after which a controller that cannot be seen, and gives no sign of life, may be taken over."""

LEAST_LEASE = 30.0
"""A controller gives a sign of life every ten seconds: one that was missed is no proof of anything."""

_URL = re.compile(
    r"(?P<scheme>postgres(?:ql)?://)(?:(?P<user>[^:@/?#]*)(?P<password>:[^@/?#]*)?@)?(?P<hosts>[^@/?#]*)"
    r"(?P<path>/[^@?#]*)?(?:\?(?P<query>[^@#]*))?"
)
_HOST = re.compile(r"(\[[^\[\]]*\]|[^:\[\]]*)(:\d*)?")
_SECRET = ("password=", "sslpassword=", "oauth_client_secret=")
_OURS = "rollout_lease="


class Address(NamedTuple):
    """`url` is for libpq, `name` for people: without what is secret. `lease` is in seconds."""

    url: str
    name: str
    lease: float

    @classmethod
    def of(cls, url: str) -> Self:
        """`rollout_lease=SECONDS` in the query is ours; everything else is libpq's.

        Raises JournalError for a URL in which it is not clear where a password ends, without a word of it.
        """
        found = _URL.fullmatch(url)
        if found is None or not all(_HOST.fullmatch(host) for host in found["hosts"].split(",")):
            raise JournalError(
                "the URL of the journal cannot be understood: it is postgresql://USER@HOST:PORT/DATABASE, and in names and "
                "passwords each of the characters : / ? # @ % is written as %3A %2F %3F %23 %40 %25"
            )
        user, at = found["user"] or "", "@" if found["user"] or found["password"] else ""
        query = [part for part in (found["query"] or "").split("&") if part]
        place = f"{at}{found['hosts']}{found['path'] or ''}"
        return cls(
            url=_joined(
                f"{found['scheme']}{user}{found['password'] or ''}{place}",
                [part for part in query if not part.startswith(_OURS)],
            ),
            name=_joined(
                f"{found['scheme']}{user}{place}", [part for part in query if not part.startswith(_SECRET)]
            ),
            lease=_lease([part.removeprefix(_OURS) for part in query if part.startswith(_OURS)]),
        )


def _joined(url: str, query: list[str]) -> str:
    return f"{url}?{'&'.join(query)}" if query else url


def _lease(given: list[str]) -> float:
    if not given:
        return LEASE
    if not re.fullmatch(r"\d{1,6}", given[-1]) or float(given[-1]) < LEAST_LEASE:
        raise JournalError(
            f"rollout_lease={given[-1]} is not a number of seconds from {LEAST_LEASE:g}: a controller shows every ten that it lives"
        )
    return float(given[-1])
