"""What an editor shows of a plan: the YAML language server of VS Code, Neovim, Emacs and others, with our schema."""

from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from rollout import kinds
from rollout.cli import main
from rollout.plan import schema
from tests.editors.language_server import PROGRAM, LanguageServer, running

ROOT = Path(__file__).parents[2]
VALID = (ROOT / "tests" / "golden" / "mistakes" / "00-valid.yml").read_text()
GATE = "  - {name: fresh-ssh, kind: ssh, when: after verify}"
OPEN = "{}  - name: another\n    kind: {}\n    when: after reboot\n    \n"
"""A plan, and a gate of that kind behind which the cursor stands."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Schemas, as the command writes them, and a folder for plans beside them."""
    found = tmp_path_factory.mktemp("editors")
    for what in ("plan", "risks"):
        assert main(["schema", what, "-o", str(found / f"{what}.schema.json")]) == 0
    (found / "plans").mkdir()
    return found


@pytest.fixture(scope="module")
def server(folder: Path) -> Iterator[LanguageServer]:
    assert PROGRAM.is_file(), "run `make setup`: the language server is not installed"
    with running(folder) as found:
        yield found


class Editor:
    """One file in the editor. Text is found by a word of its line, and the cursor stands behind it."""

    def __init__(
        self, server: LanguageServer, folder: Path, name: str, text: str, what: str = "plan"
    ) -> None:
        self._server = server
        self._file = folder / "plans" / f"{name}.yml"
        self.text = f"# yaml-language-server: $schema=../{what}.schema.json\n{text}"
        self.wrong = server.open(self._file, self.text)

    def after(self, words: str) -> tuple[int, int]:
        before = self.text[: self.text.index(words) + len(words)]
        return before.count("\n"), len(before) - before.rfind("\n") - 1

    def completions(self, words: str) -> dict[str, dict[str, Any]]:
        return self._server.completions(self._file, *self.after(words))

    def hover(self, words: str) -> str:
        line, column = self.after(words)
        return self._server.hover(self._file, line, column - 1)

    def marks(self) -> list[tuple[str, str]]:
        """What is underlined, and what is said of it."""
        lines = self.text.splitlines()
        found = []
        for one in self.wrong:
            begin, end = one["range"]["start"], one["range"]["end"]
            shown = lines[begin["line"]][
                begin["character"] : end["character"] if end["line"] == begin["line"] else None
            ]
            found.append((shown, one["message"]))
        return found


@pytest.fixture
def edited(server: LanguageServer, folder: Path, request: pytest.FixtureRequest) -> Any:
    test = request.node.name.translate(str.maketrans("[] /{}:", "-------"))
    numbers = count()
    return lambda text, what="plan": Editor(server, folder, f"{test}-{next(numbers)}", text, what)


def test_a_valid_plan_has_no_mark(edited: Any) -> None:
    assert edited(VALID).marks() == []


def test_keys_are_completed_at_the_top_of_a_plan(edited: Any) -> None:
    found = edited(VALID).completions(f"{GATE}\n")
    there = {"rollout", "inventory", "hosts", "factors", "combos", "steps", "waves", "limits", "gates"}
    assert set(found) == set(schema.PlanFile.model_fields) - there
    assert found["deadline"]["documentation"].startswith("Nothing begins after it")


def test_kinds_of_gates_are_completed_and_explained(edited: Any) -> None:
    found = edited(VALID).completions("kind: ")
    assert set(found) == set(kinds.names("gates"))
    assert "booted" in found["boot"]["documentation"]


def test_a_gate_is_completed_with_the_settings_of_its_kind(edited: Any) -> None:
    booted = edited(OPEN.format(VALID, "boot")).completions("when: after reboot\n    ")
    asked = edited(OPEN.format(VALID, "command")).completions("when: after reboot\n    ")
    common = {"retries", "interval", "timeout"}
    assert {*common, "os", "kernel"} <= set(booted)
    assert {*common, "run", "expect", "reject", "code"} <= set(asked)
    assert not {"run", "os"} & set(booted) & set(asked)


def test_kinds_of_drains_and_moments_are_completed(edited: Any) -> None:
    editor = edited(VALID)
    assert set(editor.completions("drain: ")) == set(kinds.names("drains"))
    assert {"before run", "after wave"} <= set(editor.completions("kind: ssh, when: "))


@pytest.mark.parametrize(
    ("words", "meaning"),
    [
        ("match", "A host must fit all of them"),
        ("at_once", "Hosts disrupted at once"),
        ("once", "never run again on a guess"),
        ("kind", "The question"),
    ],
)
def test_a_key_says_what_it_means(edited: Any, words: str, meaning: str) -> None:
    assert meaning.lower() in edited(VALID).hover(f"{words}").lower()


@pytest.mark.parametrize(
    ("right", "wrong", "marked", "said"),
    [
        ("limits:", "limitz:", "limitz", "not allowed"),
        ("after: {combo", "afters: {combo", "afters", "not allowed"),
        ("timeout: 20m", "timeout: 20 minutes", "20 minutes", "no duration such as"),
        ("at_once: 5%", "at_once: 500%", "500%", "no percentage such as"),
        ("kind: ssh", "kind: magic", "magic", "Valid values: "),
        ("when: after verify", "when: later", "later", "none of before run"),
        ("kind: ssh", "kind: ssh, os: debian-13", "os", "not allowed"),
        ("kind: ssh", "kind: command", "{", '"run"'),
        ("rack: 1", "rack: 0", "0", "minimum"),
        ("hosts: compute\n", "", "r", '"hosts"'),
    ],
)  # fmt: skip
def test_a_mistake_is_marked_where_it_is(edited: Any, right: str, wrong: str, marked: str, said: str) -> None:
    assert right in VALID
    marks = edited(VALID.replace(right, wrong)).marks()
    assert any(shown.startswith(marked) and said in message for shown, message in marks), marks


def test_risks_are_completed_in_a_list_and_alone(edited: Any) -> None:
    assert "retry" in edited("- name: apt-lock\n  symptom: lock\n  \n", "risks").completions("lock\n  ")
    assert "retry" in edited("name: apt-lock\nsymptom: lock\n\n", "risks").completions("lock\n")
    ((shown, _),) = edited("- {name: a, symptom: b, retry: 1, linc: c}\n", "risks").marks()
    assert shown == "linc"
