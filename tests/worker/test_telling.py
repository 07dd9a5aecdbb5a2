"""What a worker says holds up nothing that it does."""

import os
import signal
import subprocess
import sys
from contextlib import suppress

import pytest

from perdure.assembly.store import Store
from perdure.assembly.stores.fleet import bases_of
from tests.worker.agents import DEEDS
from tests.worker.kit import AGENTS, PATIENCE_SECONDS, ROOT, Deeds, rested, told, until


@pytest.mark.parametrize("broken", [False, True])
def test_a_worker_whose_words_nobody_reads_drives_on_and_ends_in_order(
    dsn: str, store: Store, deeds: Deeds, *, broken: bool
):
    reads, writes = os.pipe()
    if broken:
        os.close(reads)
    else:
        # The pipe is full, and stays so.
        os.set_blocking(writes, False)
        with suppress(BlockingIOError):
            while True:
                os.write(writes, b"x" * 4096)
        os.set_blocking(writes, True)
    command = [sys.executable, "-m", "perdure.cli", "worker", "--store", dsn, "--agents", AGENTS]
    env = {**os.environ, DEEDS: str(deeds.path), "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(command, cwd=ROOT, env=env, stdout=subprocess.DEVNULL, stderr=writes) as worker:
        os.close(writes)
        try:
            for number in range(3):
                store.submit("doer", told(("send", {"what": f"n{number}"})), run=f"n{number}")
            for number in range(3):
                rested(store, f"n{number}")
            (base,) = bases_of(dsn)
            try:
                until(lambda: base.registry.processes()[0].silent_seconds < 2, "it is seen")
            finally:
                base.close()
            worker.send_signal(signal.SIGTERM)
            assert worker.wait(PATIENCE_SECONDS) == 0
        finally:
            worker.kill()
    if not broken:
        os.close(reads)
