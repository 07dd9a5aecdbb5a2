"""Starting the agent's process, and killing it exactly where a strike says.

Nothing here waits for a while and hopes: a held request, a frozen process, a printed line and an
ended process are facts. The one exception is a strike that is meant to hit anywhere.
"""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import IO, Final, NamedTuple

import msgspec

from perdure.demo.bank_launch import RunningBank
from perdure.demo.bank_words import FaultOrder
from perdure.demo.strikes import Strike
from perdure.demo.worker import FAILED, FINISHED, HELD, WAITS, Errand

CATCH_SECONDS_MAX: Final = 60.0
"""From starting an agent to where it should be killed; about a second, and more on a busy machine."""

ENDS: Final = (FINISHED, WAITS, FAILED, HELD)
LOOK_SECONDS: Final = 0.005
MODEL_SECONDS: Final = 40.0
"""A real model that pays nothing in this time is killed where it is."""

HELD_SECONDS: Final = 0.1
"""How long the bank may wait for a request to hold before we look whether an agent has ended instead."""

TROUBLE_CHARACTERS: Final = 2000


class Lane(msgspec.Struct, frozen=True, kw_only=True):
    """One run of the agent at one bank, and the module that is its process."""

    errand: Errand
    bank: RunningBank
    module: str = "perdure.demo.worker"
    patience_s: float = CATCH_SECONDS_MAX


class Ended(NamedTuple):
    """A process that ended by itself, and its last line."""

    code: int
    said: str


class Caught(NamedTuple):
    """What a strike came to: how many processes it killed, and what the others said."""

    killed: int
    ended: tuple[Ended, ...]


class Body(NamedTuple):
    """A process of the agent."""

    process: "subprocess.Popen[str]"
    trouble: Path


def start(lane: Lane, *, wording: int, freeze: str | None = None, take_over: bool = False) -> Body:
    """Start the agent; it takes up the run, or says that another process holds it."""
    errand = msgspec.structs.replace(lane.errand, wording=wording, freeze=freeze, take_over=take_over)
    folder = Path(errand.store)
    folder.mkdir(parents=True, exist_ok=True)
    trouble = folder / f"agent-{wording}.trouble"
    with trouble.open("w") as errors:
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", lane.module, *errand.arguments()],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        )
    return Body(process, trouble)


def rest(lane: Lane, *, wording: int) -> Ended:
    """Let the agent run until it rests."""
    return _ended(start(lane, wording=wording), lane.patience_s)


def strike_at(
    lane: Lane, strike: Strike, invoice: str, wordings: Sequence[int], lost: tuple[str, ...] = ()
) -> Caught:
    """Start one process per wording, kill those that come to where the strike hits, and let the bank go on.

    The next reply about each invoice of `lost` is lost on the wire.
    """
    lane.bank.set_faults(FaultOrder(lose_invoices=lost))
    match strike.moment:
        case "received" | "booked":
            lane.bank.hold(strike.moment, count=len(wordings), invoice=invoice)
        case "anywhere":
            lane.bank.hold("received", invoice=invoice)  # No further than this, however long it lives.
        case "unsent":
            pass
    freeze = invoice if strike.moment == "unsent" else None
    bodies = [start(lane, wording=each, freeze=freeze) for each in wordings]
    try:
        _come_to(lane, strike, bodies)
        caught = kill(lane, bodies)
    finally:
        for body in bodies:
            body.process.kill()
    lane.bank.release()
    lane.bank.quiet(wait_s=lane.patience_s)
    return caught


def _come_to(lane: Lane, strike: Strike, bodies: Sequence[Body]) -> None:
    """Return when every process has come to where the strike hits, or has ended."""
    match strike.moment:
        case "unsent":
            _until(lane, bodies, lambda: sum(_is_frozen(body) for body in bodies))
        case "received" | "booked":
            _until(lane, bodies, lambda: len(lane.bank.held(count=len(bodies), wait_s=HELD_SECONDS).held))
        case "anywhere":
            for body in bodies:
                _pipe(body).readline()
            time.sleep(strike.after_s)


def kill(lane: Lane, bodies: Sequence[Body]) -> Caught:
    """Kill what still runs; say how the others ended."""
    alive = [body for body in bodies if body.process.poll() is None]
    ended = tuple(_ended(body, lane.patience_s) for body in bodies if body not in alive)
    for body in alive:
        body.process.kill()
    for body in alive:
        body.process.wait()
        _pipe(body).close()
    return Caught(len(alive), ended)


def frozen(lane: Lane, body: Body) -> bool:
    """Return once the process is stopped, or False if it ended before."""
    _until(lane, [body], lambda: _is_frozen(body))
    return body.process.poll() is None


def _until(lane: Lane, bodies: Sequence[Body], caught: Callable[[], int]) -> None:
    """Return when every process is caught or has ended; a real model may never come there, so not for long."""
    scripted = lane.errand.model is None
    end = time.monotonic() + (lane.patience_s if scripted else MODEL_SECONDS)
    while sum(body.process.poll() is not None for body in bodies) + caught() < len(bodies):
        if time.monotonic() > end:
            if not scripted:
                return
            raise RuntimeError(f"an agent neither came to the strike nor ended in {lane.patience_s} s")
        time.sleep(LOOK_SECONDS)


def _is_frozen(body: Body) -> bool:
    """Tell whether the process is stopped, and leave its end for others to see."""
    if body.process.returncode is not None:
        return False
    seen = os.WSTOPPED | os.WEXITED | os.WNOHANG | os.WNOWAIT
    found = os.waitid(os.P_PID, body.process.pid, seen)
    return found is not None and found.si_code == os.CLD_STOPPED


def _ended(body: Body, patience_s: float) -> Ended:
    said, _ = body.process.communicate(timeout=patience_s)
    code = body.process.returncode
    if code not in ENDS:
        trouble = body.trouble.read_text()[-TROUBLE_CHARACTERS:]
        raise RuntimeError(f"the agent ended with {code}:\n{said}\n{trouble}")
    return Ended(code, said.strip().rpartition("\n")[2])


def _pipe(body: Body) -> IO[str]:
    if body.process.stdout is None:
        raise RuntimeError("an agent was started without a pipe")
    return body.process.stdout
