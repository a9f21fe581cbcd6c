"""A subject whose connection gives one answer."""

from collections.abc import Mapping
from typing import Any

import pytest
from any_connection import Answered, AnyConnection

from rollout.model.seams import Ran, Subject
from rollout.ssh.testing import FakeConnection


@pytest.fixture
def subject() -> Answered:
    """A subject for which every command comes out so; an exception is raised by `connect` itself."""

    def making(answer: Ran | Exception, **more: Any) -> Subject:
        def connect() -> FakeConnection:
            if isinstance(answer, Exception):
                raise answer
            return AnyConnection(answer)

        fields: Mapping[str, Any] = {
            "host": "web1",
            "combo": "c",
            "factors": {},
            "target": {},
            "connect": connect,
        }
        return Subject(**{**fields, **more})

    return making
