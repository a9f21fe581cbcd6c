"""One real Ansible per way in which a step can come out; all run at the same time, once for this file."""

import json
import sys

import pytest

from rollout.model.seams import Ending, Outcome
from tests.executors.ansible_bench import LOCAL, Bench
from tests.executors.test_ansible_classes import PY36, TOO_OLD

SECRET = "correct-horse-battery"
FAR = {"ansible_host": "127.0.0.1", "ansible_port": 1, "ansible_ssh_common_args": "-F none"}
STRANGE = 'h [1:3] {{ 7 * 7 }} "quoted"\n\x1b[31mred'

WORLDS = {
    "done": """
    - ansible.builtin.assert:
        that:
          - group_names == ['compute']
          - template == 'forty-two'
          - raw == '{' ~ '{ not a template }' ~ '}'
          - rollout_target.os == ['debian-13']
          - rollout_mark == 'run-1/done/done'
    - ansible.builtin.command: printenv ROLLOUT_MARK
      register: mark
    - ansible.builtin.assert: {that: "mark.stdout == rollout_mark"}
""",
    "failing": """
    - name: Break the [link=x]host[/link]
      ansible.builtin.shell: |
        printf 'Reading lists...\\n\\033]0;title\\007\\033[31mE: held\\033[0m broken\\001 packages\\n' >&2; exit 100
""",
    "rescued": """
    - block:
        - ansible.builtin.command: "false"
      rescue:
        - ansible.builtin.command: "true"
    - ansible.builtin.command: "false"
      ignore_errors: true
""",
    "censored": """
    - ansible.builtin.command: "sh -c 'echo {{ service_token }}; exit 1'"
      no_log: true
""",
    "leaking": """
    - ansible.builtin.debug: {msg: "the token is {{ service_token }}"}
    - ansible.builtin.fail: {msg: "refused with {{ service_token }}"}
""",
    "nobody": "- hosts: storage\n  tasks: [{ansible.builtin.debug: {msg: x}}]\n",
    "skipped": """
    - ansible.builtin.command: "true"
      when: false
""",
    "no-role": "- hosts: all\n  roles: [there-is-none]\n",
    "elsewhere": """- hosts: localhost
  gather_facts: false
  tasks: [{ansible.builtin.fail: {msg: "the API said no"}}]
""",
    "crashing": """
    - ansible.builtin.ping: {data: crash}
""",
    "unreachable": """
    - ansible.builtin.command: "true"
""",
    "huge": """
    - ansible.builtin.shell: "head -c 800000 /dev/zero | tr '\\\\0' x; echo; echo the cause >&2; exit 3"
""",
    "pausing": """
    - ansible.builtin.pause: {seconds: 1}
    - name: Confirm
      ansible.builtin.pause: {prompt: "Upgrade {{ inventory_hostname }}"}
    - ansible.builtin.file: {path: "{{ playbook_dir }}/went-on", state: touch}
""",
    "prompting": """- hosts: all
  vars_prompt: [{name: release, prompt: Which release}]
  tasks: [{ansible.builtin.file: {path: "{{ playbook_dir }}/went-on", state: touch}}]
""",
    "answered": """- hosts: all
  gather_facts: false
  vars_prompt: [{name: release, prompt: Which release, default: seven}, {name: rollout_target, prompt: "no question"}]
  tasks: [{ansible.builtin.assert: {that: "release == 'seven'"}}]
""",
    "terminal": """- hosts: all
  serial: "{{ lookup('ansible.builtin.pipe', 'read x < /dev/tty && echo 1') }}"
  tasks: [{ansible.builtin.debug: {msg: x}}]
""",
    "old": """
    - ansible.builtin.command: "true"
""",
    "vanishing": """
    - ansible.builtin.file: {path: "{{ ansible_python_interpreter }}", state: absent}
    - ansible.builtin.command: "true"
""",
    STRANGE: """
    - ansible.builtin.assert: {that: "rollout_host == inventory_hostname"}
""",
}


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    planted = LOCAL | {"service_token": SECRET, "ansible_become_password": SECRET}
    bench = Bench(tmp_path_factory.mktemp("plan"))
    for host in WORLDS:
        bench.variables[host] = planted
    bench.variables["unreachable"] = FAR
    old = bench.folder / "old-python"
    old.write_text(f"#!/bin/sh\ncat > /dev/null\nprintf '%s' '{PY36}' >&2\nexit 1\n")
    old.chmod(0o755)
    (bench.folder / "python").symlink_to(sys.executable)
    bench.variables["old"] = LOCAL | {"ansible_python_interpreter": str(old)}
    bench.variables["vanishing"] = LOCAL | {"ansible_python_interpreter": str(bench.folder / "python")}
    bench.variables["done"] = planted | {
        "template": "{{ word }}", "word": "forty-two", "raw": {"__ansible_unsafe": "{{ not a template }}"},
    }  # fmt: skip
    return bench


@pytest.fixture(scope="module")
def outcomes(bench: Bench) -> dict[str, Outcome]:
    target = {"rollout_target": {"os": ("debian-13",)}}
    orders = [
        bench.order(host, tasks, step=host if host != STRANGE else "strange", variables=target)
        for host, tasks in WORLDS.items()
    ]
    return bench.carry_out(*orders, bench.order("missing", step="missing"))


def test_every_task_ok_is_done(outcomes: dict[str, Outcome]) -> None:
    assert outcomes["done"] == Outcome("done", "done", 1, Ending.DONE)


def test_a_failing_task_says_what_the_program_said_and_harms_no_terminal(
    outcomes: dict[str, Outcome],
) -> None:
    failing = outcomes["failing"]
    assert failing.ending is Ending.FAILED
    assert failing.because == "exit code 100: Reading lists... / E: held broken packages"
    assert failing.task == "Break the [link=x]host[/link]"


def test_what_the_play_rescues_or_ignores_is_no_failure(outcomes: dict[str, Outcome]) -> None:
    assert outcomes["rescued"].ending is Ending.DONE


def test_a_hidden_result_stays_hidden(outcomes: dict[str, Outcome]) -> None:
    assert (outcomes["censored"].ending, outcomes["censored"].because) == (
        Ending.FAILED,
        "the task's result is hidden (no_log)",
    )


def test_a_secret_that_a_playbook_prints_is_blotted_out(outcomes: dict[str, Outcome]) -> None:
    assert outcomes["leaking"].because == "refused with ********"


def test_no_secret_is_left_on_disk(bench: Bench, outcomes: dict[str, Outcome]) -> None:
    assert outcomes
    files = [path for path in (bench.folder / "units").rglob("*") if path.is_file()]
    assert any("the token is ********" in path.read_text() for path in files)
    assert not [path for path in files if SECRET in path.read_text()]
    assert not list((bench.folder / "units").rglob("private"))


def test_only_we_can_read_a_unit(bench: Bench, outcomes: dict[str, Outcome]) -> None:
    assert outcomes
    open_to_others = [
        path for path in (bench.folder / "units" / "run-1").rglob("*") if path.stat().st_mode & 0o077
    ]
    assert not open_to_others


@pytest.mark.parametrize(
    ("host", "because"),
    [
        ("nobody", "no task ran on nobody"),
        ("skipped", "every task was skipped on skipped"),
        ("elsewhere", "on localhost: the API said no"),
    ],
)
def test_a_play_that_did_nothing_on_the_host_is_no_success(
    outcomes: dict[str, Outcome], host: str, because: str
) -> None:
    assert (outcomes[host].ending, outcomes[host].because) == (Ending.FAILED, because)


def test_ansibles_own_complaint_comes_with_its_place(bench: Bench, outcomes: dict[str, Outcome]) -> None:
    missing = "something that the playbook names is missing on the controller: the"
    assert outcomes["no-role"].ending is Ending.MISFIT
    assert outcomes["no-role"].because.startswith(f"{missing} role 'there-is-none' was not found in ")
    assert outcomes["no-role"].because.endswith(f"({bench.folder}/no-role.yml:2:11)")
    assert outcomes["missing"].because == f"{missing} playbook: {bench.folder}/missing.yml could not be found"


def test_a_crashing_module_is_told_by_its_own_error(outcomes: dict[str, Outcome]) -> None:
    assert outcomes["crashing"].ending is Ending.FAILED
    assert "boom" in outcomes["crashing"].because


def test_unreachable_comes_with_what_ssh_said(outcomes: dict[str, Outcome]) -> None:
    assert outcomes["unreachable"].ending is Ending.UNREACHABLE
    assert outcomes["unreachable"].because.endswith("port 1: Connection refused")


def test_the_cause_of_a_failure_with_a_huge_result_is_told(outcomes: dict[str, Outcome]) -> None:
    assert (outcomes["huge"].ending, outcomes["huge"].because) == (Ending.FAILED, "exit code 3: the cause")


@pytest.mark.parametrize(
    ("host", "question"),
    [("pausing", "[Confirm] Upgrade pausing:"), ("prompting", "Which release")],
)
def test_nobody_answers_a_prompt_and_nothing_goes_on_without_an_answer(
    bench: Bench, outcomes: dict[str, Outcome], host: str, question: str
) -> None:
    assert outcomes[host].ending is Ending.MISFIT
    assert outcomes[host].because == f"the playbook asks a person: nobody is there to answer: {question}"
    assert not (bench.folder / "went-on").exists()


def test_a_prompt_that_has_its_answer_is_none(outcomes: dict[str, Outcome]) -> None:
    assert outcomes["answered"].ending is Ending.DONE, outcomes["answered"]


def test_there_is_no_terminal_to_wait_at(outcomes: dict[str, Outcome]) -> None:
    assert outcomes["terminal"].ending is Ending.FAILED
    assert "/dev/tty" in outcomes["terminal"].because


def test_a_python_that_is_too_old_or_goes_away_is_named(outcomes: dict[str, Outcome]) -> None:
    assert (outcomes["old"].ending, outcomes["old"].because.startswith(TOO_OLD)) == (Ending.MISFIT, True)
    assert outcomes["vanishing"].ending is Ending.FAILED
    assert outcomes["vanishing"].because.startswith("the host's Python went away in the middle of the step")


def test_a_strange_host_name_is_a_name_and_nothing_else(bench: Bench, outcomes: dict[str, Outcome]) -> None:
    assert outcomes[STRANGE].ending is Ending.DONE, outcomes[STRANGE]
    names = [path.name for path in (bench.folder / "units" / "run-1").iterdir()]
    assert all(
        name.isascii() and name.isprintable() and "/" not in name and " " not in name for name in names
    )


def test_the_log_for_persons_names_tasks_and_no_results(bench: Bench, outcomes: dict[str, Outcome]) -> None:
    assert outcomes
    log = bench.unit(bench.order("done", step="done")).path / "events.jsonl"
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    assert [line["event"] for line in lines if line.get("host")] == ["runner_on_ok"] * 3
    assert set().union(*lines) == {"at", "event", "host", "task"}


def test_connections_of_a_unit_are_gone_with_it(bench: Bench, outcomes: dict[str, Outcome]) -> None:
    assert outcomes
    assert not list((bench.folder / "units").rglob("sockets"))
