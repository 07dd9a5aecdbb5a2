"""A client's crew is found and ended, also where the client itself is gone and its children hear no hint."""

import json
import os
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
import pytest

from perdure.assembly.foreign.wraps import named
from perdure.wrap.crews import Crew, dismiss

SMALL = Path(__file__).with_name("small.py")


@contextmanager
def started(socket: str) -> Generator[tuple[psutil.Process, psutil.Process, psutil.Process]]:
    """Yield a client that started itself anew, the one that it started, and a service that it let go of."""
    client = subprocess.Popen(
        [sys.executable, str(SMALL), "again"],
        stdout=subprocess.PIPE,
        env={**os.environ, "PERDURE_SOCKET": socket},
        start_new_session=True,
    )
    assert client.stdout is not None
    said = json.loads(client.stdout.readline())
    processes = [psutil.Process(said[each]) for each in ("pid", "child", "service")]
    try:
        yield processes[0], processes[1], processes[2]
    finally:
        for each in processes:
            with suppress(psutil.NoSuchProcess):
                each.kill()
        client.communicate()


def alive(process: psutil.Process) -> bool:
    with suppress(psutil.NoSuchProcess):
        return process.status() != psutil.STATUS_ZOMBIE
    return False


def dismissed() -> None:
    """All of a crew has ended, and nobody else."""
    with started("mine") as (client, child, service), started("another's") as (stranger, *_):
        crew = Crew(named(client.pid), client.pid, "mine")
        client.kill()
        client.wait()
        assert dismiss(crew)
        assert not alive(child)
        assert alive(service)
        assert alive(stranger)
        assert not dismiss(crew)


def test_a_crew_is_ended_whose_first_process_is_gone():
    dismissed()


def test_who_looks_for_the_first_process_alone_is_caught(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(psutil, "process_iter", lambda: iter(()))
    with pytest.raises(AssertionError):
        dismissed()


def test_a_process_of_the_group_that_knows_of_another_keeper_is_left_alone():
    with started("another's") as (client, child, _):
        assert not dismiss(Crew("", client.pid, "mine"))
        assert alive(client)
        assert alive(child)
