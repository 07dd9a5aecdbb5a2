"""A server ends with the process that started it, also where that is killed: no machine fills with servers of tests."""

import subprocess
from pathlib import Path
from typing import Final

_LAST_WILL: Final = """
read -r _
kill -QUIT "$1" 2>/dev/null
naps=0
while kill -0 "$1" 2>/dev/null && [ "$naps" -lt 50 ]; do sleep 0.1; naps=$((naps + 1)); done
kill -KILL "$1" 2>/dev/null
[ -z "$2" ] || rm -rf "$2"
"""


class Guard:
    """A small process that reads from a pipe of ours: when the pipe ends, and we with it, the server is ended."""

    def __init__(self, server: int, leavings: Path | None = None) -> None:
        """Watch over the process ``server``, which leaves ``leavings`` behind."""
        self._process = subprocess.Popen(
            ["sh", "-c", _LAST_WILL, "guard", str(server), str(leavings or "")],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd="/",
            start_new_session=True,
        )

    def end(self) -> None:
        """The server's number is free for others: call it before the server is waited for."""
        self._process.kill()
        self._process.wait()
        if self._process.stdin is not None:
            self._process.stdin.close()
