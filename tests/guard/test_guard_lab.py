"""The shipped upgrade under the guard, on hosts of the lab: real SSH, real apt, whatever dies in the middle of it."""

import subprocess
from collections.abc import Callable, Iterator
from typing import Any, Literal

import pytest

from rollout.lab import HostSpec
from rollout.lab.needs import missing
from tests.end_to_end.operating import Operator, ended
from tests.end_to_end.plans import plan
from tests.executors.ansible_bench import wait_for

pytestmark = pytest.mark.lab

SLOW = """echo 'DPkg::Pre-Install-Pkgs {"sleep 4";};' > /etc/apt/apt.conf.d/99slow"""
AT_WORK = "grep -l dist-upgrade /var/lib/rollout/guard/jobs/*/name 2>/dev/null | sed 's,name$,begun,' | xargs -r ls 2>/dev/null"
GUARD = "sh /var/lib/rollout/guard/guard"
Make = Callable[[Literal["light", "systemd"]], Operator]


@pytest.fixture(scope="module")
def operators(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Make]:
    made: dict[str, Operator] = {}

    def make(engine: Literal["light", "systemd"]) -> Operator:
        if engine not in made:
            if lacking := missing(engine):
                pytest.skip(f"no lab here: it needs {lacking[0]}")
            made[engine] = Operator(tmp_path_factory.mktemp("guarded"))
            made[engine].copy_playbooks()
            hosts = [HostSpec(name, variables={"rollout_to_suite": "birch"}) for name in ("g1", "g2", "g3")]
            made[engine].lab.up(hosts, engine=engine)
        return made[engine]

    try:
        yield make
    finally:
        for operator in made.values():
            operator.close()


def chain(operator: Operator, name: str, hosts: str) -> str:
    steps: list[dict[str, Any]] = [
        {"name": "upgrade", "playbook": "playbooks/upgrade.yml", "once": True},
        {"name": "reboot", "playbook": "playbooks/reboot.yml"},
        {"name": "verify", "playbook": "playbooks/verify.yml"},
    ]
    return plan(operator, name, hosts, steps)


def in_the_middle(operator: Operator, host: str, file: str, journal: str) -> subprocess.Popen[str]:
    """A controller whose host is in the middle of its dist-upgrade, which takes some seconds."""
    operator.on(host, SLOW)
    controller = operator.start("apply", file, "--yes", "--journal", journal)
    wait_for(lambda: operator.on(host, AT_WORK), 60)
    return controller


def assert_done_once(operator: Operator, host: str, journal: str) -> None:
    assert operator.upgrades(host) == 1
    assert operator.lab.host(host).boots == 2
    said = operator.typed("rollout", "events", "--json", "--journal", journal).said
    assert '"event": "host-held"' not in said, said
    status = operator.on(host, f"{GUARD} status")
    assert status.startswith("held by nobody\n"), status
    assert "dist-upgrade ended with code 0" in status


@pytest.mark.parametrize("engine", ["light", pytest.param("systemd", marks=pytest.mark.full)])
def test_controller_supervisor_and_ansible_die_in_the_middle_and_the_next_controller_attaches(
    operators: Make, engine: Literal["light", "systemd"]
) -> None:
    operator = operators(engine)
    file = chain(operator, f"dies-{engine}", "g1")
    controller = in_the_middle(operator, "g1", file, ".rollout/dies.sqlite3")
    unit = operator.on("g1", "cat /proc/$(pgrep -f 'guard-.* _job' | head -n 1)/cgroup")
    assert ("/rollout-" in unit) is (engine == "systemd"), unit
    controller.kill()
    ended(controller, 30)
    assert [operator.kill_supervisor(unit) for unit in operator.living()] == [True]

    resumed = operator.rollout("resume", "--journal", ".rollout/dies.sqlite3", timeout=200)

    assert resumed.code == 0, resumed.said
    assert "nothing of it runs on g1 any more" in resumed.said
    assert_done_once(operator, "g1", ".rollout/dies.sqlite3")


@pytest.mark.full
def test_a_lost_session_in_the_middle_is_nothing(operators: Make) -> None:
    operator = operators("light")
    file = chain(operator, "session", "g2")
    controller = in_the_middle(operator, "g2", file, ".rollout/session.sqlite3")

    operator.on("g2", "pkill -KILL -f 'sshd: root'")
    finished = ended(controller, 120)

    assert finished.code == 0, finished.said
    assert_done_once(operator, "g2", ".rollout/session.sqlite3")


@pytest.mark.full
def test_another_run_is_told_who_holds_the_host_until_a_person_says_that_it_is_over(operators: Make) -> None:
    operator = operators("light")
    fails = operator.folder / "playbooks" / "fails.yml"
    fails.write_text("- {hosts: all, gather_facts: false, tasks: [{ansible.builtin.fail: {msg: no}}]}\n")
    upgrade = {"name": "upgrade", "playbook": "playbooks/upgrade.yml", "once": True}
    first = plan(operator, "first", "g3", [upgrade, {"name": "fails", "playbook": "playbooks/fails.yml"}])
    assert operator.rollout("apply", first, "--yes", "--journal", ".rollout/first.sqlite3").code == 3
    second = plan(
        operator,
        "second",
        "g3",
        [upgrade],
        combos=[{"name": "all", "match": {"os": "*"}, "to": {"os": "labos-3"}}],
    )

    refused = operator.rollout("apply", second, "--yes", "--journal", ".rollout/second.sqlite3")

    assert refused.code == 3, refused.said
    assert "refused: g3 is held by run first-" in refused.said, refused.said
    assert "guard release --because WHY" in refused.said
    operator.on("g3", f"{GUARD} release --because 'the test says so'")
    again = operator.rollout("retry", "g3", "--reason", "released", "--journal", ".rollout/second.sqlite3")
    assert again.code == 0, again.said
    resumed = operator.rollout("resume", "--journal", ".rollout/second.sqlite3")
    assert resumed.code == 0, resumed.said
    assert operator.upgrades("g3") == 1
