"""The guard as a person or a machine calls it, on this machine's own processes."""

import os
import re
import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests.executors.ansible_bench import wait_for
from tests.guard.guarded import HELD, NEVER_BEGAN, OLD_FENCE, SCRIPT, UNKNOWN, Guarded

GATED = "until [ -e {0}/go ]; do sleep 0.05; done; echo x >>{0}/effect; echo it happened"


def gated(guard: Guarded) -> list[str]:
    """A command that waits for a file before it has its effect."""
    return ["sh", "-c", GATED.format(guard.scratch)]


def begin(guard: Guarded, *words: str) -> None:
    """Started, and running."""
    begun = guard.call("poll", "--wait", "0", *words, "--", *gated(guard))
    assert begun.code == 0, begun.err
    wait_for(
        lambda: guard.call("poll", "--wait", "0", *words, "--", *gated(guard)).out.startswith("guard running")
    )


def runner(guard: Guarded) -> int:
    """Pid of the process that waits for the only job."""
    return int(next(guard.base.glob("jobs/*/session")).read_text().split()[0])


def test_a_command_runs_once_and_its_output_and_code_are_kept(guard: Guarded) -> None:
    words = (
        "--try",
        "1",
        "--",
        "sh",
        "-c",
        f'echo "it\'s\n$1"; echo x >>{guard.scratch}/effect; exit 3',
        "-",
        "a  'b'\n",
    )

    first, second = guard.call("run", *words), guard.call("run", *words)

    assert (first.code, first.out, first.err) == (3, "it's\na  'b'\n\n", "")
    assert second == first
    assert guard.effects() == 1


def test_another_try_runs_it_again_and_another_name_is_another_job(guard: Guarded) -> None:
    for name, number in (("one", "1"), ("one", "2"), ("two", "1"), ("two", "1")):
        assert guard.call("run", "--name", name, "--try", number, "--", *guard.effect(name)).code == 0

    assert (guard.effects("one"), guard.effects("two")) == (2, 1)


def test_the_command_finds_the_surroundings_of_its_caller(guard: Guarded) -> None:
    told = guard.call(
        "run",
        "--",
        "sh",
        "-c",
        'umask; pwd; echo "$GREETING"; cat; kill -TERM $$',
        env={"GREETING": "it's $me"},
    )

    assert told.out == f"{os.umask(os.umask(0o022)) and '0022'}\n/\nit's $me\n"
    assert told.code == 128 + signal.SIGTERM


def test_a_job_outlives_who_began_it_and_whoever_calls_again_attaches(guard: Guarded) -> None:
    with subprocess.Popen(
        guard.words("run", "--try", "1", "--", *gated(guard)), start_new_session=True
    ) as caller:
        wait_for(lambda: list(guard.base.glob("jobs/*/begun")))
        os.killpg(caller.pid, signal.SIGKILL)
    again = guard.call("poll", "--try", "2", "--wait", "0", "--", *gated(guard))
    with (
        subprocess.Popen(
            guard.words("run", "--try", "1", "--", *gated(guard)), stdout=subprocess.PIPE, text=True
        ) as same,
        subprocess.Popen(guard.words("follow"), stdout=subprocess.PIPE, text=True) as onlooker,
    ):
        (guard.scratch / "go").touch()
        told = [process.communicate(timeout=30)[0] for process in (same, onlooker)]

    assert again.out.startswith("guard running - 0 0\n")
    assert told == ["it happened\n"] * 2
    assert guard.effects() == 1


def test_an_older_fence_is_refused_and_a_newer_one_recorded_even_by_the_refused(guard: Guarded) -> None:
    assert guard.call("run", "--fence", "2", "--", *guard.effect()).code == 0
    assert guard.call("fence", "--fence", "4").code == 0

    for act in ("run", "poll", "claim", "release", "fence"):
        refused = guard.call(act, "--fence", "3", *(["--", "true"] if act in {"run", "poll"} else []))
        assert refused.code == OLD_FENCE, act
        assert "a newer controller of run-1 has been here (its fence is 4, this one's 3)" in refused.err
    assert guard.call("run", "--fence", "1", "--", "true", mark="run-2/h1/upgrade").code == 0


def test_a_host_that_is_held_is_for_one_run_until_that_run_or_a_person_releases_it(guard: Guarded) -> None:
    assert guard.call("claim", "--guarded", "--try", "1").code == 0
    other = "run-2/h1/upgrade"

    for act in ("run", "claim", "release", "fence"):
        refused = guard.call(act, *(["--", *guard.effect()] if act == "run" else []), mark=other)
        assert refused.code == HELD
        assert re.search(
            r"is held by run run-1 since \d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ. If that run is over: guard release",
            refused.err,
        )
    assert guard.status()[0].startswith("held by run-1 since 20")
    assert guard.call("run", "--", "true").code == 0
    assert guard.call("release").code == 0
    assert guard.call("claim", mark=other).code == 0

    assert guard.call("release", "--because", "its controller\x1b[2J burnt down").code == 0

    assert guard.call("run", "--", *guard.effect()).code == 0
    record = (guard.base / "released").read_text()
    assert "released from run-2" in record
    assert "its controller?[2J burnt down" in record


def test_a_reboot_in_the_middle_is_an_answer_of_its_own(guard: Guarded) -> None:
    begin(guard, "--try", "1")
    os.kill(runner(guard), signal.SIGKILL)
    begun = next(guard.base.glob("jobs/*/begun"))
    begun.write_text("another-boot")

    told = guard.call("run", "--try", "1", "--", *gated(guard))

    assert told.code == UNKNOWN
    assert "the host rebooted while main ran: its job is gone, and what it did is not known" in told.err
    assert guard.status()[1].startswith("job rebooted try=1 run-1/h1/upgrade")
    (guard.scratch / "go").touch()
    wait_for(guard.effects)
    assert guard.call("run", "--try", "2", "--", *guard.effect()).code == 0
    assert guard.effects() == 2


def test_what_outlives_its_guard_is_awaited_and_never_taken_for_done(guard: Guarded) -> None:
    begin(guard, "--try", "1")
    os.kill(runner(guard), signal.SIGKILL)
    assert guard.call("poll", "--try", "2", "--wait", "0", "--", *gated(guard)).out.startswith(
        "guard orphaned - "
    )

    (guard.scratch / "go").touch()
    told = guard.call("run", "--try", "1", "--", *gated(guard))

    assert (told.code, guard.effects()) == (UNKNOWN, 1)
    assert "main was killed together with its guard: what it did is not known" in told.err


def test_a_recorded_start_whose_runner_never_came_is_begun_by_the_next_call(guard: Guarded) -> None:
    guard.call("run", "--try", "1", "--", *guard.effect())
    job = next(guard.base.glob("jobs/*"))
    for name in ("begun", "code", "ended", "session"):
        (job / name).unlink()
    assert guard.call("follow").code == NEVER_BEGAN
    late = ["sh", str(SCRIPT), "_job", str(job), (job / "ticket").read_text()]

    assert guard.call("run", "--try", "1", "--", *guard.effect()).code == 0
    subprocess.run(late, check=False)

    assert guard.effects() == 2


def test_a_machine_reads_the_output_in_pieces_with_a_sign_of_life(guard: Guarded, tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text("Unpacking a\nSetting up\x1b[31m b\n\n")
    script = "head -c 70000 /dev/zero | tr '\\0' x"
    words = ("--progress", str(log), "--wait", "20")

    first = guard.call("poll", *words, "--", "sh", "-c", script).out.split("\n", 2)
    second = guard.call("poll", *words, "--from", "60000", "--", "sh", "-c", script).out.split("\n", 2)

    assert first == ["guard finished 0 60000 70000", "last Setting up?[31m b", "x" * 60_000]
    assert second == ["guard finished 0 70000 70000", "last Setting up?[31m b", "x" * 10_000]


def test_words_of_others_do_no_harm(guard: Guarded) -> None:
    mark = "run-1/h\x1b[2J\n1 '$(touch x)'/upgrade"
    assert guard.call("claim", mark=mark).code == 0
    assert guard.call("run", "--", "true", mark=mark).code == 0

    shown = guard.call("status", mark=mark).out

    assert "step guarded=no try= run-1/h?[2J?1 '$(touch x)'/upgrade\n" in shown
    assert "\x1b" not in shown
    assert shown.endswith("end\n")


@pytest.mark.parametrize(
    "words",
    [[], ["run"], ["run", "--mark", "m"], ["run", "--mark"], ["blow-up"], ["status", "x"], ["release"], ["fence", "--mark", "m", "--fence", "new"],
     ["run", "--mark", "m", "--name", "../x", "--", "true"], ["poll", "--mark", "m", "--wait", ""]],
)  # fmt: skip
def test_wrong_use_is_told(words: list[str]) -> None:
    done = subprocess.run(["sh", str(SCRIPT), *words], capture_output=True, text=True, check=False)
    assert done.returncode == 64
    assert done.stderr


def test_a_directory_that_cannot_be_written_begins_nothing(guard: Guarded) -> None:
    guard.base.write_text("a file where a folder should be")
    refused = guard.call("run", "--", *guard.effect())
    assert refused.code == 75
    assert "cannot be written" in refused.err
    assert guard.effects() == 0


def test_a_quick_command_is_over_long_before_the_wait(guard: Guarded) -> None:
    before = time.monotonic()
    assert guard.call("poll", "--wait", "3600", "--", "true").out.startswith("guard finished 0 ")
    assert time.monotonic() - before < 60
