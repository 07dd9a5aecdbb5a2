"""What a person sees on a terminal while a run is driven."""

import os
import pty
import re
import subprocess

from tests.cli.terminal import BIN, CLERKS, Terminal

CONTROL = re.compile(r"\x1b\[[0-9;?]*[a-zA-Z]")


def on_a_screen(terminal: Terminal, *words: str, **env: str) -> str:
    """Type a command on a pseudo-terminal, and return all that it wrote there."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [str(BIN), *words],
        cwd=terminal.directory,
        env={**terminal.env, "TERM": "xterm-256color", "COLUMNS": "100", "LINES": "40", **env},
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        close_fds=True,
    )
    os.close(theirs)
    seen = bytearray()
    while True:
        try:
            piece = os.read(ours, 65536)
        except OSError:  # the last one to hold the other end has gone
            break
        if not piece:
            break
        seen += piece
    os.close(ours)
    process.wait(timeout=60)
    return seen.decode()


def test_progress_is_alive_on_a_terminal_and_gives_the_cursor_back(terminal: Terminal):
    seen = on_a_screen(terminal, "run", f"{CLERKS}:agent", "Pay", "--run", "march")
    assert "\x1b[?25l" in seen
    assert seen.rindex("\x1b[?25h") > seen.rindex("\x1b[?25l")
    text = CONTROL.sub("", seen)
    assert "✓ pay invoice=INV-1" in text
    assert "« Let me look." in text
    assert "⊘ fly" in text
    assert "march finished" in text
    assert text.rstrip().endswith("One had nothing to pay.")
    assert "\x1b[31mred" not in seen


def test_without_colour_there_is_none(terminal: Terminal):
    on_a_screen(terminal, "run", f"{CLERKS}:agent", "Pay", "--run", "march", "--quiet")
    seen = on_a_screen(terminal, "log", "march", NO_COLOR="1")
    assert "\x1b[" not in seen
    assert "\x1b[" in on_a_screen(terminal, "log", "march")


def test_a_reader_that_leaves_early_or_was_never_there_is_no_error(library: Terminal):
    for line in ('"$0" log march --json | head -n 1', '"$0" ls >&-'):
        said = subprocess.run(
            ["sh", "-c", line, str(BIN)],
            cwd=library.directory,
            env=library.env,
            capture_output=True,
            check=False,
        )
        assert (said.returncode, said.stderr) == (0, b"")


def test_lines_on_a_screen_are_cut_to_its_width(terminal: Terminal):
    on_a_screen(terminal, "run", f"{CLERKS}:doubtful", "Pay", "--run", "lost", "--quiet")
    for line in CONTROL.sub("", on_a_screen(terminal, "log", "lost")).splitlines():
        assert len(line) <= 100
