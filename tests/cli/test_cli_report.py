"""`rollout report`: how a run went, in every form."""

import json
from pathlib import Path
from xml.etree.ElementTree import Element, fromstring

import pytest

from rollout import journal
from rollout.model.event import Event, Kind
from tests.cli.worlds import Typist, a_run, failing
from tests.fleet import a_graph

EVIL = "<script>alert(1)</script> `x` \x1b[31m ]]> @all"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Of nine hosts, three are verified and two are held."""
    a_run(tmp_path, a_graph({"a": 5, "b": 4}), failing("a1") | failing("b3"))
    return tmp_path


def cases(text: str) -> list[Element]:
    return list(fromstring(text).iter("testcase"))


def test_it_tells_waves_hosts_causes_and_turns(rollout: Typist, folder: Path) -> None:
    typed = rollout("report")
    assert typed.code == 0, typed.err
    assert "| `a/1` | `canary` | 1 | 0 | 0 | 1 | 0 | 0 |" in typed.out
    assert "| `b3` | `b/2` | `upgrade` | `upgrade failed: no space left on device` |" in typed.out
    for title in ("Failures by cause", "What changed its course"):
        assert f"<summary>{title}</summary>" in typed.out
    assert "STOPPED: a: 1 canary failed, 0 tolerated" in typed.out


def test_each_form_is_written_by_one_reading(rollout: Typist, folder: Path) -> None:
    forms = ["html=r.html", "junit=r.xml", "annotations=r.json", "markdown=r.md"]
    before = rollout("report").out
    typed = rollout("report", *(word for form in forms for word in ("--write", form)))
    assert (typed.code, typed.out) == (0, "")
    same = {before, rollout("report").out}  # of whatever minute: it says for how long hosts have waited
    assert (folder / "r.md").read_text() in same
    assert "2 of 3 verified, 1 held" in (folder / "r.html").read_text()
    assert json.loads((folder / "r.json").read_text()) == {"rollout": []}


def test_junit_names_each_host_once_and_says_what_became_of_it(rollout: Typist, folder: Path) -> None:
    found = cases(rollout("report", "--format", "junit").out)
    names = [(case.get("classname"), case.get("name")) for case in found]
    assert len(set(names)) == len(names) == 9
    said = {case.get("name"): [child.tag for child in case] for case in found}
    assert said["host a1"] == said["host b3"] == ["failure"]
    assert said["host b1"] == []
    assert said["host a2"] == ["skipped"]


def test_what_comes_from_hosts_harms_no_page(rollout: Typist, folder: Path) -> None:
    with journal.open(str(folder / ".rollout" / "journal.sqlite3")) as book:
        book.request("run", Event(Kind.RESOLVED, EVIL, "a1", data={"as": "failed"}))
    for form in ("markdown", "html", "junit"):
        text = rollout("report", "--format", form).out
        assert "\x1b" not in text, form
        assert "alert(1)" in text, form
    assert "<script" not in rollout("report", "--format", "html").out
    texts = [one.text for one in fromstring(rollout("report", "--format", "junit").out).iter("failure")]
    assert [text for text in texts if text and "<script>alert(1)</script>" in text]


def test_a_gate_that_did_not_pass_is_linked_once(rollout: Typist, folder: Path) -> None:
    data = {"moment": "during", "about": "", "gate": "errors", "samples": {}}
    path = str(folder / ".rollout" / "journal.sqlite3")
    with journal.open(path) as book:
        lease = book.claim("run", journal.Owner.current())
        state, _hosts, _tail = book.load("run", book.graph("run"))
        with book.writing(lease, state.seq) as pen:
            for gate, value, link in (
                ("errors", "fail", "https://prometheus.example/graph?x=1"),
                ("errors", "fail", "https://prometheus.example/graph?x=2"),
                ("late", "pass", "https://prometheus.example/graph?x=3"),
                ("odd", "error", "javascript:alert(1)"),
                ("broken", "error", "http://["),
                ("user", "fail", "https://me:secret@prometheus.example/"),
                ("long", "fail", "https://" + "x" * 3000),
            ):
                pen.append(
                    Event(Kind.ANSWERED, "0.2", data={**data, "gate": gate, "value": value, "link": link})
                )
        book.release(lease, 0, "")
    links = json.loads(rollout("report", "--format", "annotations").out)["rollout"]
    assert links == [
        {"external_link": {"label": "errors during: fail", "url": "https://prometheus.example/graph?x=2"}}
    ]
    text = rollout("report", "--format", "junit").out
    assert [case.get("name") for case in cases(text)][-5:-3] == ["gate errors during", "gate odd during"]


def test_a_plan_without_a_run(rollout: Typist, folder: Path) -> None:
    (folder / "plan.yml").write_text("rollout: other\n")
    typed = rollout("report", "plan.yml", "--write", "html=r.html")
    assert typed.code == 65  # it is no plan at all
    assert not (folder / "r.html").exists()


@pytest.mark.parametrize("word", ["htm=r", "html", "html=", "=x"])
def test_a_form_that_nobody_knows(rollout: Typist, folder: Path, word: str) -> None:
    typed = rollout("report", "--write", word)
    assert typed.code == 64
    assert "FORMAT=FILE is wanted, with one of markdown, html, junit, annotations" in typed.err


def test_a_file_that_cannot_be_written_is_said(rollout: Typist, folder: Path) -> None:
    typed = rollout("report", "--write", "html=nowhere/r.html")
    assert typed.code == 64
    assert "nowhere/r.html: No such file or directory" in typed.err
