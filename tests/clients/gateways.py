"""A gateway as a process of its own, as a user starts it, and what its log says afterwards."""

import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from click.testing import CliRunner

from perdure.cli import main
from tests.clients.place import ROOT

START_SECONDS = 40
END_SECONDS = 30


@contextmanager
def gateway(store: Path, upstream: str, mode: str, *options: str) -> Generator[str]:
    """Yield the address of ``perdure gateway`` in front of ``upstream``; it has ended afterwards, on a signal."""
    command = [sys.executable, "-m", "perdure.cli", "gateway", "--port", "0", "--upstream", upstream]
    command += ["--mode", mode, "--store", str(store), "--json", *options]
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    with (
        (store.parent / "gateway.log").open("ab") as spoken,
        subprocess.Popen(
            command, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=spoken
        ) as process,
    ):
        try:
            yield _told(process)["listening"]
            if process.poll() is not None:
                raise AssertionError(
                    f"the gateway died: {(store.parent / 'gateway.log').read_text()[-2000:]}"
                )
            process.send_signal(signal.SIGINT)
            process.wait(END_SECONDS)
        finally:
            process.kill()


def _told(process: subprocess.Popen[bytes]) -> dict[str, Any]:
    """Return what the gateway says when it listens: JSON, on one line or on many."""
    assert process.stdout is not None
    told = b""
    until = time.monotonic() + START_SECONDS
    while time.monotonic() < until:
        ready, _, _ = select.select([process.stdout], [], [], until - time.monotonic())
        piece = os.read(process.stdout.fileno(), 65536) if ready else b""
        if not piece:
            break
        told += piece
        try:
            return json.loads(told)
        except json.JSONDecodeError:
            continue
    raise AssertionError(f"the gateway did not start: {told!r}")


def perdure(store: Path, *words: str) -> list[Any]:
    """Return the lines that a command of the CLI prints about ``store``."""
    done = CliRunner().invoke(main, [*words, "--store", str(store), "--json"])
    if done.exit_code:
        raise AssertionError(f"perdure {' '.join(words)}: {done.output[-500:]}{done.exception!r}")
    return [json.loads(line) for line in done.stdout.splitlines()]
