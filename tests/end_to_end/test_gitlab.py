"""The shipped GitLab component on the lab: jobs are run by a real runner, upgrades by real Ansible over real SSH."""

import json
import os
import re
import shlex
import signal
import subprocess
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from rollout.lab import HostSpec
from tests.end_to_end.operating import Operator, begun, ended, read_until, repeated
from tests.end_to_end.plans import interleaved, logged, plan
from tests.gitlab import notes as notes_server
from tests.gitlab.pipelines import MERGE_REQUEST, SCHEDULE, Repository, exit_codes, missing
from tests.identity.issuer import AUDIENCE, PROJECT, Issuer, serving
from tests.journal import postgres_server

pytestmark = [pytest.mark.lab, pytest.mark.skipif(bool(missing()), reason=f"not here: {missing()}")]

HOSTS = [f"g{number}" for number in range(1, 5)]
IN_LAB = """# Commands that reach hosts are typed inside the lab's network.
rollout() {{ case $1 in apply|resume) command {inside} rollout "$@";; *) command rollout "$@";; esac; }}
"""


@pytest.fixture(scope="module")
def issuer() -> Iterator[Issuer]:
    with serving() as found:
        yield found


@pytest.fixture(scope="module")
def operator(operator_of: Callable[[Sequence[HostSpec]], Operator]) -> Operator:
    found = operator_of([HostSpec(name) for name in HOSTS])
    inside = shlex.join(found.lab.inside([])).strip()
    (found.folder / "in-lab.sh").write_text(IN_LAB.format(inside=inside))
    return found


class Team:
    """A repository, its journal, and the buttons that its people press."""

    def __init__(self, operator: Operator, issuer: Issuer) -> None:
        self.operator, self.issuer = operator, issuer
        self.repository = Repository(operator.folder)
        self.journal = postgres_server.shared().fresh()

    def plans(self, name: str, *, seconds: float = 1, max_duration: str = "1h") -> str:
        """A plan that wants a proven approval, in a commit of Ben's, with the component around it."""
        work = logged(self.operator, "work", seconds=seconds)
        identity = {"issuer": self.issuer.url, "audience": AUDIENCE, "project": PROJECT}
        approve = {"begin": True, "four_eyes": True, "identity": identity}
        file = plan(
            self.operator,
            name,
            "all",
            [{"name": "work", "playbook": work, "once": True}, {"name": "look", "playbook": work}],
            waves={"sizes": [1, "100%"], "soak": "0s", "approve": approve},
        )
        self.repository.write(plan=file, before=". ./in-lab.sh", max_duration=max_duration)
        return file

    def start(self, *jobs: str, **variables: str) -> subprocess.Popen[str]:
        """The pipeline, or some of its jobs; the token is that of whoever presses the button: Ana, who has not written the plan."""
        given = {"ROLLOUT_JOURNAL": self.journal, "ROLLOUT_ID_TOKEN": self.issuer.token(), **variables}
        return self.operator._popen(self.repository.command(*jobs, **given), subprocess.PIPE)

    def run(self, job: str, expected: int, **variables: str) -> str:
        """One job, which ends with that exit code; gives what it said."""
        return finished(self.start(job, **variables), job, expected)

    def events(self) -> list[dict[str, Any]]:
        return self.operator.events("--journal", self.journal)


def finished(process: subprocess.Popen[str], job: str, expected: int) -> str:
    said = ended(process, 200).said
    assert exit_codes(said)[job] == expected, said
    return said


@pytest.fixture
def team(operator: Operator, issuer: Issuer) -> Team:
    for host in HOSTS:
        operator.on(host, "rm -f /var/log/steps")
    return Team(operator, issuer)


@pytest.fixture
def notes() -> Iterator[notes_server.Server]:
    with notes_server.serving() as found:
        yield found


def test_from_merge_request_to_report(team: Team, notes: notes_server.Server) -> None:
    """Plan only without approval, with a note; approve, a kill in mid-upgrade, the job again: no host twice; the report."""
    team.plans("story", seconds=2)
    folder = team.repository.folder
    api = {"ROLLOUT_GITLAB_TOKEN": notes_server.TOKEN, "CI_API_V4_URL": notes.url, "CI_PROJECT_ID": PROJECT}
    request = {"CI_PIPELINE_SOURCE": MERGE_REQUEST, "CI_MERGE_REQUEST_IID": "3", **api}
    asked = ended(team.start(**request), 100).said
    assert exit_codes(asked) == {"validate lab": 0, "plan lab": 0}, asked
    assert json.loads((folder / "rollout-widget.json").read_text()) == {"create": 0, "update": 4, "delete": 0}
    assert "## Plan `story`" in (folder / "rollout-plan.md").read_text()
    assert json.loads((folder / "rollout-quality.json").read_text()) == []
    assert ET.parse(folder / "rollout-validate.xml").getroot().get("failures") == "0"

    assert len(notes.bodies) == 1
    assert "## `lab`: 4 hosts to upgrade\n" in notes.bodies[0]
    head = team.repository.git("rev-parse", "HEAD")
    into = {"target_branch": team.repository.git("branch", "--show-current")}
    notes.merged[head] = [{"iid": 3, "state": "merged", "merged_at": "2026-11-01T00:00:00Z", **into}]

    whole = ended(team.start(), 100).said
    assert "approve lab is when:manual, its needed by apply lab" in whole
    assert "the plan is the one that merge request 3 showed" in team.run("plan lab", 0, **api)
    playbook = folder / "playbooks" / "work-logged.yml"
    reviewed = playbook.read_text()
    playbook.write_text(f"{reviewed}# more\n")
    assert "  playbooks/work-logged.yml has changed" in team.run("plan lab", 6, **api)
    playbook.write_text(reviewed)
    team.run("plan lab", 0, **api)  # what is approved is what the newest of these jobs planned
    unapproved = team.run("apply lab", 7)
    assert "nobody has approved it: plan story is by now digest" in unapproved
    assert untouched(team.operator)
    approved = team.run("approve lab", 0)
    assert re.search(r"plan story, digest \w+, 4 hosts: approved by ana", approved)

    job = team.start("apply lab")
    read_until(job, "work begins")
    kill_controllers(team.operator)
    finished(job, "apply lab", 137)
    team.run("apply lab", 0)
    for host in HOSTS:
        log = team.operator.on(host, "cat /var/log/steps")
        assert (interleaved(log), log.count("/work\n")) == ([], 2)  # its begin and its end
    events = team.events()
    assert repeated(events) == []
    assert sorted(set(begun(events, "work"))) == HOSTS  # one that was killed before it began is begun again
    again = team.run("apply lab", 0)
    assert "of exactly this plan is over, and nobody has approved another" in again

    team.run("report lab", 0)
    page = (folder / "public" / "index.html").read_text()
    assert "3 of 3 verified, 0 held" in page
    assert "ana" in page[page.index("Approvals") :]
    cases = ET.parse(folder / "rollout-report.xml").getroot().iter("testcase")
    assert sorted(str(case.get("name")) for case in cases) == [f"host {host}" for host in HOSTS]


def untouched(operator: Operator) -> bool:
    return all(operator.on(host, "cat /var/log/steps 2>/dev/null || :") == "" for host in HOSTS)


def kill_controllers(operator: Operator) -> None:
    """As a runner does that loses patience: no warning."""
    for process in Path("/proc").glob("[0-9]*"):
        try:
            command = (process / "cmdline").read_bytes().split(b"\0")
            here = (process / "cwd").resolve() == operator.folder.resolve()
        except OSError:
            continue
        if here and b"apply" in command and any(word.endswith(b"rollout") for word in command):
            os.kill(int(process.name), signal.SIGKILL)


def test_a_stale_plan_and_the_authors_own_word_are_refused(team: Team) -> None:
    file = team.plans("stale")
    team.run("plan lab", 0)
    ben = team.issuer.token(user_login="ben", user_email="ben@example.com")
    own = team.run("approve lab", 7, ROLLOUT_ID_TOKEN=ben)
    assert "the plan wants four eyes: Ben <ben@example.com> wrote" in own
    team.run("approve lab", 7, ROLLOUT_ID_TOKEN=team.issuer.token(pipeline_source="schedule"))
    team.run("approve lab", 0)
    path = team.repository.folder / file
    path.write_text(path.read_text().replace('"100%"', '"50%"', 1))
    team.repository.commit("smaller waves")
    assert "look at that one" in team.run(
        "approve lab", 6
    )  # the digest is that of the job `plan`, which has shown another
    assert "approved digest" in team.run("apply lab", 6)
    assert "no run has begun" in team.run("tick lab", 0, CI_PIPELINE_SOURCE=SCHEDULE)
    assert untouched(team.operator)


@pytest.mark.full
def test_a_schedule_goes_on_and_two_jobs_at_once_do_not(team: Team) -> None:
    """Time is used up: 75, which GitLab shows orange. A tick carries on; another one beside it finds that somebody is at work."""
    team.plans("ticks", seconds=2, max_duration="5s")
    team.run("plan lab", 0)
    team.run("approve lab", 0)
    team.run("apply lab", 75)
    team.repository.write(plan="ticks.yml", before=". ./in-lab.sh", max_duration="1h")
    tick = team.start("tick lab", CI_PIPELINE_SOURCE=SCHEDULE)
    read_until(tick, "work begins|look begins")
    assert "is held by root" in team.run("tick lab", 5, CI_PIPELINE_SOURCE=SCHEDULE)
    finished(tick, "tick lab", 0)
    assert repeated(team.events()) == []
    for host in HOSTS:
        assert interleaved(team.operator.on(host, "cat /var/log/steps")) == []
