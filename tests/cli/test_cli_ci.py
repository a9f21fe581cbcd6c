"""`rollout ci check` and `rollout ci pipeline`: what GitLab would make of the jobs, seen before it does."""

import json
import shlex
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from rollout.cli._ci import jobs, warnings
from rollout.errors import Place, UsageError
from rollout.model.graph import Graph
from rollout.model.plan import Amount, Approval
from rollout.report.gitlab_pipeline import MOST_BYTES, MOST_JOBS, Setting, pipeline
from tests.cli.worlds import Typist, a_plan_folder
from tests.fleet import a_graph, a_plan

GOOD: dict[str, Any] = {
    "stage": "deploy",
    "interruptible": False,
    "timeout": "2 hours 30 minutes",
    "resource_group": "hosts",
    "environment": {"name": "prod"},
    "script": ["rollout apply plan.yml --approved --unattended --max-duration 2h"],
}
TICK: dict[str, Any] = {
    **GOOD,
    "rules": [{"if": '$CI_PIPELINE_SOURCE == "schedule"'}],
    "script": ["rollout resume plan.yml --unattended --max-duration 2h"],
}
INCLUDE = {
    "local": "templates/rollout.yml",
    "inputs": {"plan": "plan.yml", "environment": "lab", "image": "debian:12", "tags": ["lab"]},
}


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def warned(**written: Any) -> list[str]:
    """Of a pipeline with these jobs."""
    Path(".gitlab-ci.yml").write_text(json.dumps(written))
    return [problem.message for problem in warnings.warnings(jobs.read(Path(".gitlab-ci.yml")))]


def without(job: dict[str, Any], *keys: str, **more: Any) -> dict[str, Any]:
    return {**{key: value for key, value in job.items() if key not in keys}, **more}


def test_a_good_pipeline_is_not_warned_of() -> None:
    assert warned(apply=GOOD, tick=TICK) == []


@pytest.mark.parametrize(
    ("job", "said"),
    [
        (without(GOOD, timeout="2h"), "its timeout is 2h: too short for --max-duration 2h and what is in flight then; take 2h12m or more"),
        (without(GOOD, "timeout"), "it has no timeout, and GitLab's default is 60 minutes: too short for --max-duration 2h"),
        (without(GOOD, timeout="a while"), "its timeout a while cannot be read as a duration"),
        (without(GOOD, script="rollout apply plan.yml --yes"), "no --max-duration: GitLab kills it"),
        (without(GOOD, "interruptible"), "without `interruptible: false` a newer pipeline may cancel it"),
        (without(GOOD, interruptible=True), "without `interruptible: false` a newer pipeline may cancel it"),
        (without(GOOD, retry=2), "it is tried again for always"),
        (without(GOOD, retry={"max": 1, "when": ["script_failure", "runner_system_failure"]}), "it is tried again for script_failure"),
        (without(GOOD, "resource_group"), "without a `resource_group` two pipelines run it at once"),
        (without(GOOD, image="debian:12"), "it runs in a container and names no journal, and ends with 64 unless ROLLOUT_JOURNAL is a CI/CD variable"),
        (
            without(GOOD, image="debian:12", variables={"ROLLOUT_JOURNAL": "runs.sqlite3"}),
            "journal runs.sqlite3 lies in the checkout, and the job runs in a container that is thrown away",
        ),
        (
            without(GOOD, image="debian:12", script=[*GOOD["script"], "rollout status --journal=$CI_PROJECT_DIR/x.sqlite3"]),
            "journal $CI_PROJECT_DIR/x.sqlite3 lies in the checkout",
        ),
        (
            without(GOOD, script=[*GOOD["script"], "rollout report > r.md"], artifacts={"paths": ["r.md"]}),
            "its artifacts name hosts, and guests of the project may read them",
        ),
        (without(GOOD, script=["rollout approve plan.yml --reason x"]), "it approves without `id_tokens: ROLLOUT_ID_TOKEN`"),
    ],
)  # fmt: skip
def test_what_goes_wrong_later_is_said_now(job: dict[str, Any], said: str) -> None:
    found = warned(apply=job, tick=TICK)
    assert len(found) == 1, found
    assert found[0].startswith("job apply: ")
    assert said in found[0]


@pytest.mark.parametrize(
    "job",
    [
        without(GOOD, image="debian:12", variables={"ROLLOUT_JOURNAL": "postgresql://db/rollout"}),
        without(GOOD, image="debian:12", variables={"ROLLOUT_JOURNAL": "/srv/runs.sqlite3"}),
        without(GOOD, image="debian:12", before_script=['export ROLLOUT_JOURNAL="$JOURNAL"']),
        without(GOOD, retry={"max": 2, "when": "runner_system_failure"}),
        without(GOOD, script=["./prepare", "cd x && rollout --traceback apply plan.yml --max-duration=90m"]),
        without(GOOD, script=["rollout report > r.md", *GOOD["script"]], artifacts={"access": "developer"}),
        without(
            GOOD, script=["rollout plan plan.yml > r.md"], artifacts={"public": False}, interruptible=True
        ),
        without(GOOD, "timeout", script=["rollout apply plan.yml --dry-run"], interruptible=True),
    ],
)
def test_what_is_in_order_is_not_warned_of(job: dict[str, Any]) -> None:
    assert warned(apply=job, tick=TICK) == []


def test_a_run_that_nobody_resumes() -> None:
    (found,) = warned(apply=without(GOOD, rules=[{"if": "$CI_COMMIT_BRANCH"}]))
    assert found.startswith("no job resumes by schedule: a run whose time is used up")
    other = without(GOOD, rules=[{"if": '$CI_COMMIT_BRANCH && $CI_PIPELINE_SOURCE != "schedule"'}])
    assert any("no job resumes" in one for one in warned(apply=other))
    never = without(TICK, rules=[{"if": '$CI_PIPELINE_SOURCE == "schedule"', "when": "never"}])
    assert any("no job resumes" in one for one in warned(apply=without(GOOD, rules=[]), tick=never))


def test_a_schedule_that_passes_for_a_person() -> None:
    (found,) = warned(apply=GOOD, tick=without(TICK, script="rollout resume plan.yml --max-duration 2h"))
    assert found.startswith("job tick: it runs by schedule, and without --unattended")


def test_a_command_over_several_lines_and_a_duration_of_a_variable() -> None:
    long = "rollout apply plan.yml --approved \\\n  --unattended --max-duration 3h\n"
    (found,) = warned(apply=without(GOOD, script=long), tick=TICK)
    assert "too short for --max-duration 3h" in found
    known = 'rollout apply plan.yml --unattended --max-duration "$LONGEST"'
    assert warned(apply=without(GOOD, script=known), tick=TICK) == []


def test_variables_of_the_whole_pipeline_are_those_of_each_job() -> None:
    everywhere = {"ROLLOUT_JOURNAL": "postgresql://db/rollout"}
    assert warned(variables=everywhere, apply=without(GOOD, image="debian:12"), tick=TICK) == []
    own = without(GOOD, image="debian:12", variables={"ROLLOUT_JOURNAL": "runs.sqlite3"})
    (found,) = warned(variables=everywhere, apply=own, tick=TICK)
    assert "journal runs.sqlite3 lies in the checkout" in found


def test_one_environment_in_two_groups() -> None:
    (found,) = warned(one=GOOD, two=without(GOOD, resource_group="others"), tick=TICK)
    assert found == "job two: environment prod is that of job one, too, and their resource groups differ"


def test_what_jobs_extend_and_default_is_looked_at() -> None:
    base = without(GOOD, "script", "interruptible")
    assert (
        warned(
            default={"interruptible": False},
            **{".base": base},
            apply={"extends": ".base", "script": GOOD["script"]},
            tick=TICK,
        )
        == []
    )
    deep = {
        ".a": {"timeout": "10m"},
        ".b": {"extends": ".a"},
        "apply": without(GOOD, "timeout", extends=[".b"]),
    }
    assert "its timeout is 10m" in warned(**deep, tick=TICK)[0]
    circle = {".a": {"extends": ".b"}, ".b": {"extends": ".a"}, "apply": {**GOOD, "extends": ".a"}}
    assert warned(**circle, tick=TICK) == []


def test_the_component_is_warned_of_by_the_inputs_that_it_is_given(folder: Path) -> None:
    (folder / "templates").mkdir()
    (folder / "templates" / "rollout.yml").write_text(jobs.shipped().read_text())
    assert warned(include=INCLUDE) == []
    long = {**INCLUDE, "inputs": {**INCLUDE["inputs"], "max_duration": "6h"}}  # type: ignore[dict-item]
    assert any("its timeout is 6h: too short for --max-duration 6h" in one for one in warned(include=[long]))
    file = {**INCLUDE, "inputs": {**INCLUDE["inputs"], "journal": "/builds/x.sqlite3"}}  # type: ignore[dict-item]
    assert any("journal /builds/x.sqlite3 lies in the checkout" in one for one in warned(include=[file]))
    mended = warned(include=[long], **{"apply lab": {"timeout": "8h"}})
    assert not any("job apply lab" in one for one in mended)
    assert any("job tick lab: its timeout is 6h" in one for one in mended)
    twice = warned(include=[INCLUDE, INCLUDE])
    assert any("job apply lab is there already" in one for one in twice)


def test_the_component_from_a_catalogue_is_the_one_that_is_installed() -> None:
    component = {**INCLUDE, "component": "$CI_SERVER_FQDN/infra/rollout/rollout@1.2"}
    component.pop("local")
    long = {**component, "inputs": {**INCLUDE["inputs"], "job_timeout": "1h"}}  # type: ignore[dict-item]
    assert warned(include=[component]) == []
    assert any("its timeout is 1h" in one for one in warned(include=[long]))


def test_places_notes_and_codes(rollout: Typist, folder: Path) -> None:
    (folder / ".gitlab-ci.yml").write_text(
        "include:\n  - {project: a/b, file: x.yml}\n  - https://example.com/y.yml\nx: {script: [!reference [.y, script]]}\napply:\n  script: rollout apply p.yml\n"
    )
    typed = rollout("ci", "check")
    assert typed.code == 1
    assert ".gitlab-ci.yml:5:1: warning: job apply: no --max-duration" in typed.out
    assert ".gitlab-ci.yml:1:1: note: include project: a/b is not looked at" in typed.out
    assert ".gitlab-ci.yml:1:1: note: include remote: https://example.com/y.yml is not looked at" in typed.out
    assert ".gitlab-ci.yml:4:14: note: what !reference brings is not looked at" in typed.out
    assert typed.out.endswith("2 jobs, 3 warnings\n")
    kept = without(GOOD, image="debian:12", variables={"ROLLOUT_JOURNAL": "/srv/runs.sqlite3"})
    (folder / ".gitlab-ci.yml").write_text(json.dumps({"apply": kept, "tick": TICK}))
    note = rollout("ci", "check")
    assert note.code == 0
    assert "note: job apply: journal /srv/runs.sqlite3 is a file: it is kept by a shell runner" in note.out
    (folder / ".gitlab-ci.yml").write_text("x: {script: [true]}\n")
    assert rollout("ci", "check").code == 0


LAUGHS = "a0: &a0 [x]\n" + "".join(
    f"a{number}: &a{number} [{', '.join([f'*a{number - 1}'] * 10)}]\n" for number in range(1, 9)
)


@pytest.mark.parametrize(
    "text",
    [
        "spec: 5\n---\nx: {script: [echo]}\n",
        "spec: {inputs: [a]}\n---\nx: {script: [echo]}\n",
        "spec: {inputs: {a: {default: [1]}}}\n---\n'$[[ inputs.a ]]': {script: [echo]}\n",
        "x: {script: rollout plan x, retry: {when: 5}, environment: [x], rules: 5}\n",
    ],
)
def test_what_gitlab_would_refuse_is_no_defect_of_ours(rollout: Typist, folder: Path, text: str) -> None:
    (folder / ".gitlab-ci.yml").write_text(text)
    assert rollout("ci", "check").code == 0


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (None, "pipe.yml:1:1: cannot read pipe.yml: No such file or directory"),
        ("a: [", "pipe.yml:1:5: no YAML"),
        ("- a\n", "pipe.yml:1:1: a pipeline is a mapping of jobs"),
        ("", "pipe.yml:1:1: a pipeline is a mapping of jobs"),
        ("include: gone.yml\n", "pipe.yml:1:1: cannot read gone.yml: No such file or directory"),
        ("include: pipe.yml\n", "more than 150 files are included"),
        ("a: &a\n  b: *a\n", "no YAML"),
        ("a: \x01\n", "pipe.yml:1:1: it cannot be read: unacceptable character"),
        ("a: 2024-99-99\n", "pipe.yml:1:1: it cannot be read: month must be in 1..12"),
        ('include: "/x\\0y"\n', "it cannot be read: embedded null byte"),
        (LAUGHS, "pipe.yml:1:1: more than 200000 values, its aliases written out"),
    ],
)
def test_what_is_no_pipeline(rollout: Typist, folder: Path, text: str | None, said: str) -> None:
    if text is not None:
        (folder / "pipe.yml").write_text(text)
    typed = rollout("ci", "check", "pipe.yml")
    assert (typed.code, typed.out) == (65, "")
    assert said in typed.err


def asking(after: str = '"*"') -> None:
    plan = Path("plan.yml")
    plan.write_text(plan.read_text().replace("waves: {", f"waves: {{approve: {{after: {after}}}, "))


def test_a_button_for_each_approval(rollout: Typist, folder: Path) -> None:
    a_plan_folder(folder)
    asking("1")
    typed = rollout("ci", "pipeline", "plan.yml", "-o", "child.yml", "--environment", "lab", "--tag", "lab")
    assert typed.code == 0, typed.err
    assert "child.yml: 2 jobs" in typed.out
    written = yaml.safe_load((folder / "child.yml").read_text())
    first, button = (job for name, job in written.items() if name != "stages")
    assert first["script"] == ["rollout apply plan.yml --approved --unattended --max-duration 5h"]
    digest = json.loads(rollout("plan", "plan.yml", "--json").out.splitlines()[0])["digest"]
    assert button["script"][0].startswith(f"rollout approve plan.yml --through 1 --digest {digest} --reason ")
    assert button["script"][1] == "rollout resume plan.yml --max-duration 5h"
    assert button["rules"] == [{"when": "manual"}]
    assert (first["retry"]["max"], button["retry"]) == (2, 0)
    assert [len(button["needs"]), button["tags"], button["resource_group"]] == [1, ["lab"], "rollout-lab"]
    assert (
        warnings.warnings(
            jobs.Pipeline([*jobs.read(folder / "child.yml").jobs, jobs.Job("tick", Place(""), TICK)])
        )
        == []
    )
    check_by_gitlabs_schema(folder / "child.yml")


def test_a_plan_that_asks_nobody_has_no_buttons(rollout: Typist, folder: Path) -> None:
    a_plan_folder(folder)
    typed = rollout("ci", "pipeline", "plan.yml", "-o", "child.yml")
    assert typed.code == 64
    assert "asks nobody between its waves" in typed.err
    asking(typed.err.partition("after: [")[2].partition("]")[0])
    assert rollout("ci", "pipeline", "plan.yml").code == 0, "what it says can be done"
    assert not (folder / "child.yml").exists()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--max-duration", "6h"], "take 6h36m or more"),
        (["--max-duration", "long"], "--max-duration long is no duration"),
        (["--job-timeout", "x"], "--job-timeout x is no duration"),
        (["--environment", ""], "--environment takes letters"),
    ],
)
def test_buttons_whose_jobs_would_be_killed_are_refused(
    rollout: Typist, folder: Path, words: list[str], said: str
) -> None:
    a_plan_folder(folder)
    asking("1")
    typed = rollout("ci", "pipeline", "plan.yml", "-o", "child.yml", *words)
    assert typed.code == 64
    assert said in typed.err
    assert not (folder / "child.yml").exists()


def graph_that_asks(waves: int, hosts: int) -> Graph:
    """After each wave."""
    plan = replace(
        a_plan(waves=[Amount(number) for number in range(1, waves + 1)]),
        approval=Approval(after=tuple(str(number) for number in range(1, waves))),
    )
    return a_graph({"a": hosts}, plan)


def test_names_of_a_plan_are_words_for_the_shell_and_the_file() -> None:
    found = pipeline(graph_that_asks(3, 3), "pläne/$(reboot) x.yml", Setting("lab", before="true; echo"))
    script = [line for job in found.values() if isinstance(job, dict) for line in job["script"]]
    files = [shlex.split(line)[2] for line in script if " --max-duration " in line]
    assert files == ["pläne/$(reboot) x.yml"] * len(files)
    assert len(files) == len(found) - 1 > 1
    assert yaml.safe_load(yaml.safe_dump(found)) == found


def test_the_largest_pipeline_is_within_gitlabs_limits_and_a_larger_one_is_refused() -> None:
    largest = pipeline(graph_that_asks(MOST_JOBS, MOST_JOBS), "plan.yml", Setting("lab"))
    assert len(largest) - 1 == MOST_JOBS
    assert len(yaml.safe_dump(largest).encode()) < MOST_BYTES
    with pytest.raises(UsageError, match=f"asks {MOST_JOBS} times, and GitLab takes {MOST_JOBS} jobs"):
        pipeline(graph_that_asks(MOST_JOBS + 1, MOST_JOBS + 1), "plan.yml", Setting("lab"))


def check_by_gitlabs_schema(file: Path) -> None:
    """Raises when GitLab's published schema of pipelines does not take it."""
    words = ["check_jsonschema", "--builtin-schema", "vendor.gitlab-ci", str(file)]
    done = subprocess.run(
        [sys.executable, "-m", *words], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
