"""A process that stands inside its transaction until it is told to go on, is stopped, or is killed."""

import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager


@contextmanager
def inside(program: str, address: str) -> Generator["subprocess.Popen[str]"]:
    """Run ``program``, which says "inside" once its row is written and not committed, on the database at ``address``."""
    with subprocess.Popen(
        [sys.executable, "-c", program, address], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "inside\n"
            yield process
        finally:
            process.kill()
