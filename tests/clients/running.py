"""One life of a client, as a process of its own: bounded in time, and ended with all that it started."""

import os
import signal
import subprocess
import time

import msgspec

from tests.clients.kinds import Client
from tests.clients.place import Place, environment

LEG_SECONDS_MAX = 400


class Life(msgspec.Struct, frozen=True):
    """How a client's process ended."""

    status: int
    seconds: float
    said: str

    @property
    def tail(self) -> str:
        """The last words, for a person."""
        return self.said.strip()[-600:]


def lived(client: Client, place: Place, *, seconds: float = LEG_SECONDS_MAX) -> Life:
    """Run ``client`` once in ``place`` and return how that ended; nothing of it runs afterwards."""
    began = time.monotonic()
    argv = client.argv(place)
    with subprocess.Popen(
        argv,
        cwd=place.workspace,
        env=environment(place) | client.settings(place),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    ) as process:
        try:
            said, _ = process.communicate(timeout=seconds)
            status = process.returncode
        except subprocess.TimeoutExpired:
            end_group(process.pid)
            said, _ = process.communicate()
            status = -signal.SIGKILL
        finally:
            end_group(process.pid)
    return Life(status, time.monotonic() - began, said.decode(errors="replace"))


def end_group(leader: int) -> None:
    """End a process and all of its group."""
    try:
        os.killpg(leader, signal.SIGKILL)
    except ProcessLookupError:
        return
