"""The drawing of one turn in ARCHITECTURE.md is the log of a real run, with its causes and its commits."""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import perdure
from perdure.log.envelope import Event
from tests.docs.pages import blocks_of
from tests.tidy.tree import ROOT

DRAWN = re.compile(r"\| +(\d+) ([a-z]+\.[a-z]+) +cause (\d+)")
COMMIT = re.compile(r"\+- commit -")
DRIVE = """
import sys, perdure
from payables import agent
with perdure.open("state") as store:
    run = store.resume(agent, "march") if sys.argv[1:] else store.start(agent, "Pay the invoices", run="march")
    print(type(run.wait()).__name__)
"""


def drawn() -> list[list[tuple[int, str, int]]]:
    """Return the events of each commit that is drawn, as (position, kind, cause)."""
    return [
        [(int(at), kind, int(cause)) for at, kind, cause in DRAWN.findall(part)]
        for block in blocks_of("ARCHITECTURE.md")
        for part in COMMIT.split(block.text)[1:]
    ]


def killed_and_resumed(folder: Path) -> list[Event]:
    """Run the README's agent in ``folder``, kill it as INV-2 is booked, resume it, and return its events."""
    shutil.copy(ROOT / "examples" / "payables.py", folder)
    command = [sys.executable, "-c", DRIVE]
    first = subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL)
    bank = folder / "bank.csv"
    while not (bank.exists() and "INV-2" in bank.read_text()):
        assert first.poll() is None, "the agent ended before it paid INV-2"
        time.sleep(0.02)
    os.kill(first.pid, signal.SIGKILL)
    first.wait()
    done = subprocess.run(
        [*command, "on"], cwd=folder, capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout == "Finished\n"
    with perdure.open(folder / "state") as store:
        return list(store.events("march"))


def test_the_turn_that_is_drawn_is_the_turn_that_is_logged(tmp_path: Path):
    events = {event.position: event for event in killed_and_resumed(tmp_path)}
    commits = drawn()
    assert [len(commit) for commit in commits] == [2, 3, 2, 2, 3]
    for commit in commits:
        logged = [(at, events[at].kind, events[at].cause) for at, _, _ in commit]
        assert logged == commit
        first = commit[0][0]
        assert all(cause == first for _, _, cause in commit[1:])
        following = events[commit[-1][0] + 1]
        assert following.cause != first, f"{following.position} {following.kind} belongs into the box as well"
