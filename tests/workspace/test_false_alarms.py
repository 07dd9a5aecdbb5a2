"""Commands that leave nothing lasting behind raise no alarm, commands that do are noticed; simpler looks fail."""

import os

from benchmarks.harness.false_alarms import ByGitStatus, ByTimes, Ours, inspected
from benchmarks.harness.quiet_commands import TOUCHING, loud_lines, quiet_lines

QUIET = [
    *quiet_lines()[:40],
    *(
        line
        for line in quiet_lines()
        if any(line.command == each.replace("{}", "CHANGES") for each in TOUCHING)
    ),
]
LOUD = loud_lines(root=os.geteuid() == 0)[:24]


def test_there_are_enough_commands_of_either_kind_and_each_stands_there_once():
    quiet, loud = quiet_lines(), loud_lines(root=False)
    assert len({line.command for line in quiet}) == len(quiet) >= 1000
    assert len({line.command for line in loud}) == len(loud) >= 200


def test_quiet_commands_raise_no_alarm():
    found = inspected(QUIET, Ours)
    assert found.commands >= 40
    assert found.wrong == ()


def test_loud_commands_are_not_missed():
    found = inspected(LOUD, Ours)
    assert found.commands == len(LOUD)
    assert found.wrong == ()


def test_an_inspector_that_goes_by_times_is_caught_both_ways():
    assert any(line.startswith("touch") for line in inspected(QUIET, ByTimes).wrong)
    assert any(line.startswith("chmod") for line in inspected(LOUD, ByTimes).wrong)


def test_an_inspector_that_asks_git_is_caught_missing_changes():
    assert len(inspected(LOUD, ByGitStatus).wrong) >= 5
