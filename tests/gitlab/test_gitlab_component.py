"""The component as GitLab reads it: which jobs a pipeline has, and that GitLab's schema takes them."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from rollout.cli._ci import jobs, warnings
from tests.cli.test_cli_ci import check_by_gitlabs_schema
from tests.gitlab.pipelines import MERGE_REQUEST, SCHEDULE, Repository, missing, named

pytestmark = pytest.mark.skipif(bool(missing()), reason=f"not here: {missing()}")


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    found = Repository(tmp_path)
    found.write(plan="plans/fleet.yml")
    return found


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({}, {"validate", "plan", "approve", "apply", "resume", "amend", "report"}),
        ({"CI_PIPELINE_SOURCE": MERGE_REQUEST}, {"validate", "plan"}),
        ({"CI_PIPELINE_SOURCE": SCHEDULE}, {"tick", "report"}),
        (
            {"CI_PIPELINE_SOURCE": "web"},
            {"validate", "plan", "approve", "apply", "resume", "amend", "report"},
        ),
        ({"CI_PIPELINE_SOURCE": "trigger"}, {"validate", "plan"}),
        ({"CI_COMMIT_BRANCH": "feature"}, set()),
        ({"CI_COMMIT_BRANCH": "feature", "CI_PIPELINE_SOURCE": SCHEDULE}, set()),
    ],
)
def test_each_pipeline_has_its_jobs(
    repository: Repository, variables: dict[str, str], expected: set[str]
) -> None:
    assert named(repository.jobs(**variables)) == expected


def test_a_person_stands_between_plan_and_apply(repository: Repository) -> None:
    found = repository.jobs()
    assert (found["approve lab"]["when"], found["approve lab"]["allowFailure"]) == ("manual", "false")
    assert found["apply lab"]["needs"] == "[approve lab]"
    assert found["approve lab"]["needs"] == "[plan lab]"
    assert found["plan lab"]["needs"] == "[]", "a plan with mistakes has a note, too"
    for name in ("resume lab", "amend lab"):  # they hold nothing up
        assert (found[name]["when"], found[name]["allowFailure"]) == ("manual", "true")


def test_only_its_own_schedule_ticks(repository: Repository) -> None:
    repository.write(schedule="upgrades")
    assert repository.jobs(CI_PIPELINE_SOURCE=SCHEDULE) == {}
    assert named(repository.jobs(CI_PIPELINE_SOURCE=SCHEDULE, ROLLOUT_SCHEDULE="upgrades")) == {
        "tick",
        "report",
    }


def test_two_environments_do_not_overwrite_each_other(repository: Repository) -> None:
    second = {
        "local": "templates/rollout.yml",
        "inputs": {"image": "x", "tags": ["a", "b"], "environment": "tokyo"},
    }
    pipeline = yaml.safe_load((repository.folder / ".gitlab-ci.yml").read_text())
    repository.write({"include": [*pipeline["include"], second]})
    found = repository.jobs()
    assert {name.rpartition(" ")[2] for name in found} == {"lab", "tokyo"}
    assert len(found) == 14


def test_gitlabs_schema_takes_it(repository: Repository, tmp_path: Path) -> None:
    file = tmp_path / "expanded.yml"
    file.write_text(repository.expanded())
    check_by_gitlabs_schema(file)


@pytest.mark.parametrize(
    ("inputs", "said"),
    [
        ({"plan": "x; reboot"}, "plan"),
        ({"environment": "a b"}, "environment"),
        ({"max_duration": "long"}, "max_duration"),
        ({"access": "everybody"}, "access"),
        ({"tags": "one"}, "tags"),
    ],
)
def test_an_input_of_another_shape_is_refused(
    repository: Repository, inputs: dict[str, Any], said: str
) -> None:
    repository.write(**inputs)
    with pytest.raises(AssertionError, match=said):
        repository.jobs()


def test_our_own_check_has_nothing_to_warn_of(repository: Repository) -> None:
    found = jobs.read(repository.folder / ".gitlab-ci.yml")
    assert warnings.warnings(found) == []
    assert {job.name for job in found.jobs} == {
        f"{name} lab"
        for name in ("validate", "plan", "approve", "apply", "resume", "amend", "tick", "report")
    }
    ours = {job.name: job.keys for job in found.jobs}
    theirs = yaml.safe_load(repository.expanded())
    for name, keys in ours.items():
        for key in (
            "script",
            "before_script",
            "timeout",
            "interruptible",
            "retry",
            "resource_group",
            "needs",
        ):
            assert keys.get(key) == theirs[name].get(key) or key == "needs", (name, key)


def test_this_project_uses_it(tmp_path: Path) -> None:
    root = Path(__file__).parents[2]
    found = jobs.read(root / ".gitlab-ci.yml")
    assert warnings.warnings(found) == []
    own = Repository(tmp_path)
    for name in (".gitlab-ci.yml", "templates/rollout.yml"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text((root / name).read_text())
    own.commit("as it is")
    assert named(own.jobs()) >= {"approve", "apply"}
    assert "test" in own.jobs()
    assert (root / "templates" / "rollout.yml").read_text() == jobs.shipped().read_text()


def test_the_buttons_of_the_documentation_hold_no_schedule_up(repository: Repository) -> None:
    """GitLab makes no pipeline of a job that needs one which is not in it: the tick would never run."""
    docs = (Path(__file__).parents[2] / "docs" / "gitlab.md").read_text()
    (block,) = (text for text in re.findall(r"```yaml\n(.*?)```", docs, re.DOTALL) if "\nbuttons:" in text)
    repository.write(yaml.safe_load(block), environment="production")
    assert {"buttons", "waves", "approve production"} <= set(repository.jobs())
    assert named(repository.jobs(CI_PIPELINE_SOURCE=SCHEDULE)) == {"tick", "report"}
    assert named(repository.jobs(CI_PIPELINE_SOURCE=MERGE_REQUEST)) == {"validate", "plan"}
