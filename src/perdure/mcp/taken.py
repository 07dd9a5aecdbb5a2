"""Which answers a client has not taken before it went: what it asks for next, it asks without knowing of them.

Over a pipe the kernel knows how much of what was written has been read, also after the reader's end; over a socket,
which is what clients on Node have, only whether all was. What a process did with what it read nobody knows; a client
that keeps a transcript is better looked at through ``perdure wrap``.
"""

import array
import fcntl
import os
import socket
import stat
import termios
from collections import Counter
from errno import ECONNRESET, EPIPE
from typing import NamedTuple

from mcp_types import JSONRPCError, JSONRPCMessage, JSONRPCResponse

from perdure.mcp.front import GONE
from perdure.projection.state import CallRecord, State


class _Given(NamedTuple):
    """An answer that the kernel has accepted for the client."""

    call: str
    end: int
    """how much had been accepted with it, in bytes"""


class Handed:
    """What one client was handed over a descriptor, and how much of it it took."""

    def __init__(self, descriptor: int, connection: str) -> None:
        """Watch a duplicate of ``descriptor``: the one that is written to is closed once its reader is gone."""
        self._descriptor: int = os.dup(descriptor)
        self._connection: str = connection
        self._given: list[_Given] = []
        self._accepted: int = 0
        self._used: Counter[str] = Counter()
        self._broken: bool = False

    def close(self) -> None:
        """Watch no more."""
        os.close(self._descriptor)

    def accepted(self, message: JSONRPCMessage, size: int) -> None:
        """The kernel has taken all ``size`` bytes of ``message``."""
        self._accepted += size
        if isinstance(message, JSONRPCResponse | JSONRPCError):
            request = str(message.id)
            used = self._used[request] = self._used[request] + 1
            plain = f"{self._connection}.{request}"
            self._given.append(_Given(plain if used == 1 else f"{plain}.{used}", self._accepted))

    def broke(self) -> None:
        """A message could not be handed over: the client was gone."""
        self._broken = True

    def lost(self, state: State) -> frozenset[str]:
        """Return the client's calls that were answered, as far as the run knows, and whose answers it has not taken."""
        answered = {record.id for record in _answered(state, self._connection)}
        held, exact = _unread(self._descriptor)
        if not exact and (held or self._broken):
            return newest_calls(state, self._connection) | (answered - {each.call for each in self._given})
        taken = {each.call for each in self._given if each.end <= self._accepted - held}
        return frozenset(answered - taken)


def _unread(descriptor: int) -> tuple[int, bool]:
    """Return how much of what was written to ``descriptor`` has not been read, and whether that is exact, in bytes."""
    try:
        kind = os.fstat(descriptor).st_mode
        if stat.S_ISFIFO(kind):
            return _asked(descriptor, termios.FIONREAD), True
        if not stat.S_ISSOCK(kind):
            return 0, True
        with socket.socket(fileno=os.dup(descriptor)) as line:
            # A reader that ends with something unread resets the connection, and what waited is gone.
            reset = line.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) in (ECONNRESET, EPIPE)
        return int(reset) or _asked(descriptor, termios.TIOCOUTQ), False
    except OSError:
        return 0, False


def _asked(descriptor: int, what: int) -> int:
    held = array.array("i", [0])
    fcntl.ioctl(descriptor, what, held)
    return held[0]


def _answered(state: State, connection: str) -> list[CallRecord]:
    """Return the calls of a client that have an answer which is meant for it; of all clients where none is named."""
    return [
        record
        for record in state.live.received.values()
        if record.answered
        and record.answer != "gone"
        and record.via == "mcp"
        and record.id.startswith(connection and f"{connection}.")
    ]


def newest_calls(state: State, connection: str = "") -> frozenset[str]:
    """Return the calls that stood side by side with the one that was answered last, and that one.

    Whoever asked for more after an answer has taken it; of those that came together nobody can say.
    """
    newest: set[str] = set()
    since = -1
    for record in sorted(_answered(state, connection), key=lambda record: -record.answered):
        if since >= 0 and record.answered < since:
            break
        newest.add(record.id)
        since = record.proposed if since < 0 else min(since, record.proposed)
    return frozenset(newest)


def untaken(state: State, connection: str) -> list[str]:
    """Return the calls of a client that went without a word whose answers it can't have had, oldest first.

    Its connection broke while it waited: what was open, and what stood side by side with its newest answer.
    """
    newest = newest_calls(state, connection)
    return [
        record.id
        for record in state.live.received.values()
        if record.id.startswith(f"{connection}.") and (_open_when_it_went(record) or record.id in newest)
    ]


def goes_back_to(state: State, lost: frozenset[str]) -> int | None:
    """Return where a client goes on that has not taken every answer; None where it has.

    These are the answers to the calls that were open when it went, and to those that are ``lost``: known not to have
    been read, or of which nobody can say, because our own process died with the client still there.
    """
    places = [
        record.proposed
        for record in state.live.received.values()
        if record.via == "mcp" and (_open_when_it_went(record) or record.id in lost)
    ]
    first = min(places, default=0)
    return first - 1 if first > 1 else None


def _open_when_it_went(record: CallRecord) -> bool:
    return not record.answered or (record.answer == "gone" and record.text == GONE)
