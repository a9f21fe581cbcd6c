import pytest

from rollout import kinds
from rollout.drains import none, playbook
from rollout.model.seams import Drain, Ending, Outcome, Subject
from rollout.ssh.testing import FakeConnection

SUBJECT = Subject("web1", "c", {}, {}, connect=lambda: FakeConnection({}))
OUTCOME = Outcome("web1", "drain", 1, Ending.FAILED, "two guests will not move")


def refused() -> Outcome:
    pytest.fail("no playbook is to be run")


def test_none_does_nothing() -> None:
    drain: Drain = none.Kind()
    assert [act(SUBJECT, refused) for act in (drain.close, drain.empty, drain.reopen)] == [None, None, None]
    assert not drain.needs_playbook


def test_playbook_is_what_the_playbook_says() -> None:
    drain: Drain = playbook.Kind()
    assert drain.needs_playbook
    assert drain.close(SUBJECT, refused) is None
    assert drain.empty(SUBJECT, lambda: OUTCOME) is OUTCOME
    assert drain.reopen(SUBJECT, lambda: OUTCOME) is OUTCOME


def test_they_are_the_words_of_the_plan() -> None:
    assert {"none", "playbook"} <= set(kinds.names("drains"))
    assert kinds.load("drains", "none") is none.Kind
