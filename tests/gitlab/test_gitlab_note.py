"""One note for each key, whatever fails or runs at the same time."""

import threading
from collections.abc import Iterator

import pytest

from rollout.errors import RolloutError, UsageError
from rollout.gitlab import GitLab, Kept
from tests.gitlab.notes import OTHER, REQUEST, TOKEN, Answer, Server, Trouble, serving


@pytest.fixture(scope="module")
def _listening() -> Iterator[Server]:
    with serving() as server:
        yield server


@pytest.fixture
def server(_listening: Server) -> Server:
    _listening.forget()
    return _listening


def keep(
    server: Server, text: str, waited: list[float] | None = None, *, token: str = TOKEN, newer: str = "9"
) -> Kept:
    """The note that begins with `n`; one that ends with `newer` is of a later pipeline."""
    pauses = [] if waited is None else waited
    with GitLab(server.url, "infra/fleet", token, pauses.append) as gitlab:
        return gitlab.keep("3", text, lambda body: body.startswith("n"), lambda body: body.endswith(newer))


def answering(status: int, only: str = "", **headers: str) -> Trouble:
    def trouble(method: str, _path: str) -> Answer | None:
        told = {name.replace("_", "-"): value for name, value in headers.items()}
        return (status, told, {"message": "it hurts"}) if only in {"", method} else None

    return trouble


def hanging_up(_method: str, _path: str) -> Answer | None:
    raise ConnectionError


def as_usual(_method: str, _path: str) -> Answer | None:
    return None


def test_it_is_written_once_then_changed_then_left(server: Server) -> None:
    assert keep(server, "n1") == "written"
    assert keep(server, "n2") == "updated"
    assert keep(server, "n2") == "unchanged"
    assert server.bodies == ["n2"]
    assert (server.count("POST"), server.count("PUT"), server.count("DELETE")) == (1, 1, 0)


def test_it_is_found_behind_pages_of_others_notes_and_never_one_of_theirs(server: Server) -> None:
    for number in range(250):
        server.add(f"n of a person {number}", OTHER)
    server.add("n by the system", system=True)
    server.add("other words of ours")
    assert keep(server, "n1") == "written"
    before = server.count("GET")
    assert keep(server, "n2") == "updated"
    assert server.count("GET") - before == 1 + 3
    assert server.bodies[1:] == ["other words of ours", "n2"]
    assert sum(note["body"].startswith("n of a person") for note in server.notes.values()) == 250


def test_a_newer_pipeline_is_not_overwritten(server: Server) -> None:
    server.add("n of pipeline 9")
    assert keep(server, "n of pipeline 8") == "newer"
    assert server.bodies == ["n of pipeline 9"]


def test_doubles_of_two_jobs_become_the_oldest_with_the_newest_words(server: Server) -> None:
    server.add("n of pipeline 7")
    server.add("n of pipeline 9")
    assert keep(server, "n of pipeline 8") == "newer"
    assert server.bodies == ["n of pipeline 9"]
    server.add("n of pipeline 5")
    assert keep(server, "n of pipeline 10", newer="11") == "updated"
    assert server.bodies == ["n of pipeline 10"]


def test_jobs_at_the_same_time_leave_one(server: Server) -> None:
    jobs = [threading.Thread(target=keep, args=(server, "n1")) for _ in range(6)]
    for job in jobs:
        job.start()
    for job in jobs:
        job.join()
    assert keep(server, "n1") == "unchanged"
    assert server.bodies == ["n1"]


def test_a_note_that_was_taken_without_an_answer_is_not_written_twice(server: Server) -> None:
    server.after = [as_usual, as_usual, hanging_up]  # who, which, write
    assert keep(server, "n1") == "unchanged"
    assert server.bodies == ["n1"]
    assert server.count("POST") == 1


def test_a_note_that_was_deleted_meanwhile_is_written_anew(server: Server) -> None:
    number = server.add("n1")

    def deleted(_method: str, _path: str) -> Answer | None:
        del server.notes[number]
        return None

    server.trouble = [as_usual, as_usual, deleted]
    assert keep(server, "n2") == "written"
    assert server.bodies == ["n2"]


def test_a_busy_server_is_waited_for_as_long_as_it_asks(server: Server) -> None:
    waited: list[float] = []
    server.trouble = [answering(429, Retry_After="17"), answering(503), answering(502)]
    assert keep(server, "n1", waited) == "written"
    assert waited == [17, 4, 8]


def test_a_server_that_stays_broken_ends_it(server: Server) -> None:
    waited: list[float] = []
    server.trouble = [answering(500)] * 20
    with pytest.raises(RolloutError, match="GitLab does not answer /user: GitLab answers 500 to GET /user"):
        keep(server, "n1", waited)
    assert len(waited) == 3


def test_who_asks_to_wait_for_long_is_not_waited_for(server: Server) -> None:
    waited: list[float] = []
    server.trouble = [answering(429, Retry_After="Mon, 23 Nov 2099 10:00:00 GMT")]
    with pytest.raises(RolloutError, match="429"):
        keep(server, "n1", waited)
    assert waited == []


@pytest.mark.parametrize(
    ("status", "said"),
    [
        (401, "the token is not valid, or past its time"),
        (403, "it takes the scope `api`, and the role Reporter or higher"),
        (404, "there is no such thing, or the token may not see it"),
        (302, r'\{"message": "it hurts"\}'),
        (400, r'GitLab answers 400 to POST .*: \{"message": "it hurts"\}'),
        (409, "it hurts"),
    ],
)
def test_a_refusal_is_told_at_once_without_the_token(server: Server, status: int, said: str) -> None:
    server.trouble = [as_usual, as_usual, answering(status)]
    with pytest.raises(RolloutError, match=said) as caught:
        keep(server, "n1")
    assert TOKEN not in str(caught.value)
    assert server.bodies == []
    assert server.count("POST") == 1


@pytest.mark.parametrize(
    "body", [b"<html>", b"[]", b'{"id": "7"}', b'"\xff'], ids=["html", "list", "words", "bytes"]
)
def test_an_answer_that_is_no_users_is_one_sentence(server: Server, body: bytes) -> None:
    server.trouble = [lambda _method, _path: (200, {}, body)]
    with pytest.raises(
        RolloutError, match=r"^GitLab (answers /user with no JSON|does not tell whose token it is)$"
    ):
        keep(server, "n1")


@pytest.mark.parametrize("body", [b"{}", b"[1]", b"null"])
def test_notes_that_are_none_are_one_sentence(server: Server, body: bytes) -> None:
    server.trouble = [as_usual, lambda _method, _path: (200, {}, body)]
    with pytest.raises(RolloutError, match=f"^GitLab answers {REQUEST} with no list$"):
        keep(server, "n1")


def test_a_token_is_sent_by_https_alone_and_never_shown() -> None:
    with pytest.raises(UsageError, match="no https address"):
        GitLab("http://gitlab.example.com/api/v4", "1", TOKEN)
    for wrong in ("two words", "line\nbreak", "käse"):
        with pytest.raises(UsageError, match="holds no token") as caught:
            GitLab("https://gitlab.example.com/api/v4", "1", wrong)
        assert wrong not in str(caught.value)


def test_no_server_is_one_sentence(server: Server) -> None:
    with (
        GitLab("http://127.0.0.1:9", "1", TOKEN, lambda _: None) as gitlab,
        pytest.raises(RolloutError, match=r"GitLab does not answer /user: .*refused"),
    ):
        list(gitlab.notes("3"))


def test_merge_requests_of_a_commit(server: Server) -> None:
    server.merged["abc123"] = [
        {"iid": 2, "state": "merged", "merged_at": None, "target_branch": "main"},
        {"iid": 3, "state": "merged", "merged_at": "2026-11-01T00:00:00Z", "target_branch": "main"},
        {"iid": 5, "state": "opened", "merged_at": None},
        {"iid": 4, "state": "merged", "merged_at": "2026-11-02T00:00:00Z", "target_branch": "stable"},
    ]
    with GitLab(server.url, "infra/fleet", TOKEN) as gitlab:
        assert gitlab.merged("abc123") == ["4", "3", "2"]
        assert gitlab.merged("abc123", "main") == ["3", "2"]
        assert gitlab.merged("def456") == []
        with pytest.raises(UsageError, match="is no commit"):
            gitlab.merged("../../x")
