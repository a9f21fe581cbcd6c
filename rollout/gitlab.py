"""GitLab's API, as far as a note on a merge request needs it (GitLab docs, "Notes API" and "Commits API").

A note is kept, not added: there is one for each key, whatever failed or ran at the same time. Requests that may have been carried out although
no answer came are never sent again blindly: what is there is read first.
"""

import json
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any, Literal, Self
from urllib.parse import quote

import httpx

from rollout.errors import RolloutError, UsageError
from rollout.identity import trust
from rollout.model.plan import is_loopback
from rollout.ssh.printable import printable

TOKEN = "ROLLOUT_GITLAB_TOKEN"  # noqa: S105  the name of a variable

SECONDS = 20.0
"""That one request may take."""

PATIENCE = 180.0
"""Seconds for all of them, waiting included."""

LONGEST_WAIT = 60.0
TRIES = 4
PER_PAGE = 100
MOST_PAGES = 100
"""Of notes: a merge request with more than 10,000 is none that people read."""

LARGEST = 150 * 1024 * 1024
"""Bytes of an answer: a page of notes, each as large as GitLab lets it be."""

TOO_MANY = 429
NOT_FOUND = 404
BROKEN = 500
WHY = {
    401: "the token is not valid, or past its time",
    403: "the token may not do this: it takes the scope `api`, and the role Reporter or higher",
    NOT_FOUND: "there is no such thing, or the token may not see it",
}

Kept = Literal["written", "updated", "unchanged", "newer"]
"""What became of a note. `newer`: a later pipeline has written it already."""


class _Unsure(RolloutError):
    """No answer came, so it may have been carried out."""


class _Gone(RolloutError):
    """It was there a moment ago."""


@dataclass(frozen=True, slots=True)
class Note:
    """A note of ours."""

    id: int
    body: str


class GitLab:
    """A project of a GitLab server, as the owner of the token may see it. A context manager.

    `url` is the API's, as `https://gitlab.example.com/api/v4`; `project` its number or path. `pause` waits so many seconds.
    Raises UsageError for an address or a token that cannot be used, RolloutError for whatever the server refuses.
    """

    def __init__(
        self, url: str, project: str, token: str, pause: Callable[[float], None] = time.sleep
    ) -> None:
        if not (url.startswith("https://") or is_loopback(url)):
            raise UsageError(
                f"{printable(url)} is no https address: the token could be read on its way (CI_API_V4_URL)"
            )
        if not token.isascii() or not token.isprintable() or " " in token:
            raise UsageError(
                f"{TOKEN} holds no token: there are blanks in it, or characters that no token has"
            )
        self._project = f"/projects/{quote(project, safe='')}"
        self._pause = pause
        self._end = time.monotonic() + PATIENCE
        self._client = httpx.Client(
            base_url=url, headers={"PRIVATE-TOKEN": token}, verify=trust(), timeout=SECONDS
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    def notes(self, merge_request: str) -> Iterator[Note]:
        """Ours, oldest first; what people have written is left alone even if it looks alike."""
        user = self._ask("GET", "/user")
        me = user.get("id") if isinstance(user, dict) else None
        if not isinstance(me, int):
            raise RolloutError("GitLab does not tell whose token it is")
        path = f"{self._project}/merge_requests/{merge_request}/notes"
        for page in range(1, MOST_PAGES + 1):
            asked = {
                "sort": "asc",
                "order_by": "created_at",
                "per_page": str(PER_PAGE),
                "page": str(page),
            }
            found = self._listed(path, asked)
            for one in found:
                author = one.get("author")
                is_ours = isinstance(author, dict) and author.get("id") == me and one.get("system") is False
                if is_ours and isinstance(one.get("id"), int) and isinstance(one.get("body"), str):
                    yield Note(one["id"], one["body"])
            if len(found) < PER_PAGE:
                return
        raise RolloutError(
            f"merge request {merge_request} has more than {MOST_PAGES * PER_PAGE} notes: ours was not found among them"
        )

    def keep(
        self,
        merge_request: str,
        text: str,
        is_it: Callable[[str], bool],
        is_newer: Callable[[str], bool],
    ) -> Kept:
        """Let the one note that `is_it` say `text`, unless it `is_newer` than this text; both are told a note's body."""
        for _ in range(TRIES):
            try:
                return self._kept(merge_request, text, is_it, is_newer)
            except (_Unsure, _Gone) as error:
                last = error
        raise last

    def _kept(
        self,
        merge_request: str,
        text: str,
        is_it: Callable[[str], bool],
        is_newer: Callable[[str], bool],
    ) -> Kept:
        path = f"{self._project}/merge_requests/{merge_request}/notes"
        ours = [note for note in self.notes(merge_request) if is_it(note.body)]
        kept: Kept = "updated"
        if not ours:
            self._ask("POST", path, {"body": text})
            # another job may have done the same since we looked
            ours = [note for note in self.notes(merge_request) if is_it(note.body)]
            kept = "written"
        if not ours:
            raise _Gone(f"the note that was written in merge request {merge_request} is not there")
        first, *doubles = sorted(ours, key=lambda note: note.id)
        newest = any(is_newer(note.body) for note in ours)
        if newest and not is_newer(first.body):
            text = next(note.body for note in ours if is_newer(note.body))
        if first.body != text and not is_newer(first.body):
            self._ask("PUT", f"{path}/{first.id}", {"body": text})
        elif kept == "updated" and not newest:
            kept = "unchanged"
        for note in doubles:
            self._ask("DELETE", f"{path}/{note.id}", may_be_gone=True)
        return "newer" if newest else kept

    def merged(self, commit: str, branch: str | None = None) -> list[str]:
        """The numbers of the merge requests that brought a commit, newest first. `branch`: only those that went into it."""
        if not commit.isalnum():
            raise UsageError(f"{printable(commit)} is no commit")
        found = self._listed(f"{self._project}/repository/commits/{commit}/merge_requests", {})
        return [
            str(one["iid"])
            for one in sorted(found, key=lambda one: str(one.get("merged_at") or ""), reverse=True)
            if one.get("state") == "merged"
            and isinstance(one.get("iid"), int)
            and branch in {None, one.get("target_branch")}
        ]

    def _listed(self, path: str, asked: dict[str, str]) -> list[dict[str, Any]]:
        found = self._ask("GET", path, asked)
        if not isinstance(found, list) or not all(isinstance(one, dict) for one in found):
            raise RolloutError(f"GitLab answers {path} with no list")
        return found

    def _ask(self, method: str, path: str, sent: Any = None, *, may_be_gone: bool = False) -> Any:
        """Sent again while the server is busy, and a second time does no harm."""
        for attempt in range(1, TRIES + 1):
            try:
                status, headers, body = self._send(method, path, sent)
            except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
                why, wait = printable(str(error) or type(error).__name__), 2.0**attempt
            else:
                if status < httpx.codes.MULTIPLE_CHOICES:
                    return _json(path, body)
                if status == NOT_FOUND and method in {"PUT", "DELETE"}:
                    if may_be_gone:
                        return None
                    raise _Gone(_refused(method, path, status, body))
                if status != TOO_MANY and status < BROKEN:
                    raise RolloutError(_refused(method, path, status, body))
                why, wait = (
                    _refused(method, path, status, body),
                    _wait(headers.get("Retry-After"), 2.0**attempt),
                )
                if status == TOO_MANY:  # it was not carried out
                    self._wait(wait, why, attempt)
                    continue
            if method == "POST":
                raise _Unsure(f"it is not known whether GitLab has taken the note: {why}")
            self._wait(wait, f"GitLab does not answer {path}: {why}", attempt)
        raise AssertionError("the last try raises")

    def _wait(self, seconds: float, why: str, attempt: int) -> None:
        if attempt == TRIES or seconds > LONGEST_WAIT or time.monotonic() + seconds > self._end:
            raise RolloutError(why)
        self._pause(seconds)

    def _send(self, method: str, path: str, sent: Any) -> tuple[int, httpx.Headers, bytes]:
        if time.monotonic() > self._end:
            raise RolloutError(f"GitLab took more than {PATIENCE:.0f} s for all that was asked")
        asked = {"params": sent} if method == "GET" else {"json": sent}
        with self._client.stream(method, path, **asked) as response:
            body = bytearray()
            for chunk in response.iter_bytes():
                body += chunk
                if len(body) > LARGEST or time.monotonic() > self._end:
                    raise RolloutError(
                        f"GitLab answers {path} with more than {LARGEST} bytes, or for too long"
                    )
            return response.status_code, response.headers, bytes(body)


def from_job(token: str | None) -> tuple[str, str, str]:
    """The API's address, the project and the token, as a GitLab job knows them. `token`: instead of that of the environment.

    Raises UsageError when one is missing.
    """
    found = {name: os.environ.get(name, "") for name in ("CI_API_V4_URL", "CI_PROJECT_ID")}
    missing = [name for name, value in found.items() if not value]
    if missing:
        raise UsageError(
            f"this is no job of GitLab: {' and '.join(missing)} {'are' if len(missing) > 1 else 'is'} not set"
        )
    given = (os.environ.get(TOKEN, "") if token is None else token).strip()
    if not given:
        raise UsageError(
            f"{TOKEN} is empty: notes take a project access token (scope `api`, role Reporter); a job's own token cannot write them"
        )
    return found["CI_API_V4_URL"], found["CI_PROJECT_ID"], given


def _json(path: str, body: bytes) -> Any:
    if not body:
        return None
    try:
        return json.loads(body)
    except ValueError as error:
        raise RolloutError(f"GitLab answers {path} with no JSON") from error


def _refused(method: str, path: str, status: int, body: bytes) -> str:
    said = printable(body[:300].decode(errors="replace"))
    return f"GitLab answers {status} to {method} {path}: {WHY.get(status) or said}"


def _wait(told: str | None, usual: float) -> float:
    """Seconds, by a Retry-After of seconds or of a date (RFC 9110, 10.2.3)."""
    if told is None:
        return usual
    if told.strip().isdigit():
        return float(told)
    try:
        return max(0.0, parsedate_to_datetime(told).timestamp() - time.time())
    except (ValueError, TypeError):
        return usual
