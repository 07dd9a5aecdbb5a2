"""``.ci/run`` runs both commands whatever happens, fails if either failed, and ends with pytest's last line."""

import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import NamedTuple

from tests.tidy.tree import ROOT

PASSED = "============ 12 passed, 1 skipped in 3.21s ============"
LONG = "===== 2 failed, 10 passed in 83.20s (0:01:23) ====="
NOTHING = "============ no tests ran in 0.01s ============"


class Ended(NamedTuple):
    """How a run ended: its exit code, its last line, and the commands that it ran."""

    code: int
    last: str
    ran: list[str]


def ci(root: Path, *, check: int = 0, test: int = 0, said: str = PASSED) -> Ended:
    """Run ``.ci/run`` with a ``make`` that ends as told."""
    (root / ".ci").mkdir()
    shutil.copy(ROOT / ".ci" / "run", root / ".ci")
    make = root / "make"
    make.write_text(
        f'#!/bin/sh\necho "$1" >>ran\n[ "$1" = test ] || exit {check}\necho "{said}"\n'
        f"[ {test} = 0 ] || echo 'make: *** [Makefile:1: test] Error {test}' >&2\nexit {test}\n"
    )
    make.chmod(0o755)
    done = subprocess.run(
        [str(root / ".ci" / "run")],
        env={**os.environ, "PATH": f"{root}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )
    return Ended(done.returncode, done.stdout.splitlines()[-1], (root / "ran").read_text().split())


def test_both_pass_and_the_last_line_is_pytests(tmp_path: Path):
    assert ci(tmp_path) == Ended(0, PASSED, ["check", "test"])


def test_a_failed_check_fails_the_run_and_the_tests_still_run(tmp_path: Path):
    assert ci(tmp_path, check=2) == Ended(1, PASSED, ["check", "test"])


def test_failed_tests_fail_the_run_and_make_does_not_have_the_last_word(tmp_path: Path):
    assert ci(tmp_path, test=2, said=LONG) == Ended(1, LONG, ["check", "test"])


def test_a_suite_that_ran_nothing_fails(tmp_path: Path):
    assert ci(tmp_path, test=2, said=NOTHING) == Ended(1, NOTHING, ["check", "test"])


def test_a_run_that_never_reached_pytest_says_so(tmp_path: Path):
    ended = ci(tmp_path, said="cannot install")
    assert ended.code == 1
    assert ended.last == "no closing line: make test ended before pytest did"


def test_it_runs_the_test_command_that_the_readme_names():
    named = re.findall(r"make (?:test|check)\b", (ROOT / "README.md").read_text(encoding="utf-8"))
    assert {"make test"} <= set(named)
    assert re.findall(r"^make (\w+)", (ROOT / ".ci" / "run").read_text(encoding="utf-8"), re.MULTILINE) == [
        "check",
        "test",
    ]
