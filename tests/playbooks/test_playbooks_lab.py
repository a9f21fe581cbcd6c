import pytest

from tests.playbooks.by_hand import Hand

pytestmark = pytest.mark.lab


def test_a_host_goes_to_the_next_release_and_a_second_time_changes_nothing(hand: Hand) -> None:
    boot_id = "cat /proc/sys/kernel/random/boot_id"
    before = hand.read("whole", boot_id)

    staged = hand.play("whole", "precheck", "stage", rollout_to_suite="birch")

    assert staged.code == 0, staged.output
    assert staged.changed == 0
    assert hand.codename("whole") == "amber"
    assert " amber " in hand.sources("whole")

    went = hand.play(
        "whole", "upgrade", "reboot", "verify", rollout_to_suite="birch", rollout_services=["ssh"]
    )

    assert went.code == 0, went.output
    assert hand.codename("whole") == "birch"
    assert " amber " in hand.read("whole", "cat /var/backups/rollout/amber/sources.list.d/labos.list")
    assert hand.read("whole", boot_id) != before

    again = hand.play("whole", "upgrade", rollout_to_suite="birch")

    assert (again.code, again.changed) == (0, 0), again.output
    assert "99rollout" not in hand.read("whole", "ls /etc/apt/apt.conf.d")


@pytest.mark.full
def test_an_upgrade_that_lost_its_power_in_the_middle_of_dpkg_is_repaired_and_finished(hand: Hand) -> None:
    hand.cut_power_during_dpkg("cut", "birch")
    assert hand.read("cut", "dpkg --audit")

    found = hand.play("cut", "precheck", rollout_to_suite="birch")

    assert found.code == 2
    assert "packages are not whole (labos, " in found.output

    finished = hand.play("cut", "upgrade", "verify", rollout_to_suite="birch")

    assert finished.code == 0, finished.output
    assert hand.read("cut", "dpkg --audit") == ""
    assert hand.codename("cut") == "birch"


def test_a_broken_release_fails_with_the_words_of_the_package(hand: Hand) -> None:
    failed = hand.play("broken", "upgrade", rollout_to_suite="cedar")

    assert failed.code == 2
    assert "apt-get (dist-upgrade) failed with code 100" in failed.output
    assert "labos-base: cannot migrate the configuration of release 2" in failed.output
    assert "dpkg: error processing package labos-base (--configure)" in failed.output

    wrong = hand.play(
        "broken", "verify", rollout_expect_os=["labos-1", "labos-2*"], rollout_services=["no-such"]
    )

    assert wrong.code == 2
    assert "broken is not as it should be (3 found)" in wrong.output
    assert "the host is labos-3" in wrong.output
    assert "packages are not whole: labos, labos-base" in wrong.output
    assert "no-such does not run" in wrong.output


@pytest.mark.full
def test_a_release_that_is_not_there_leaves_the_sources_as_they_were(hand: Hand) -> None:
    refused = hand.play("gone", "precheck", rollout_to_suite="dahlia", rollout_free_mb={"/": 10**6})

    assert refused.code == 2
    assert "gone is not ready (2 found)" in refused.output
    assert "file:/srv/labos dahlia Release" in refused.output

    failed = hand.play("gone", "upgrade", rollout_to_suite="dahlia")

    assert failed.code == 2
    assert "Nothing was upgraded, and the sources are as they were." in failed.output
    assert " amber " in hand.sources("gone")
