"""Which answers a client has not taken before it went: what it asks for next, it asks without knowing of them.

Over a pipe or a socket the kernel knows whether what was written last has been read. What a process did with what
it read nobody knows; a client that keeps a transcript is better looked at through ``perdure wrap``.
"""

import array
import fcntl
import os
import stat
import termios

from perdure.mcp.front import GONE
from perdure.projection.state import CallRecord, State


def unread(descriptor: int) -> bool:
    """Tell whether what was written to ``descriptor`` has not all been read; False where that can't be told."""
    try:
        kind = os.fstat(descriptor).st_mode
        if not (stat.S_ISFIFO(kind) or stat.S_ISSOCK(kind)):
            return False
        held = array.array("i", [0])
        fcntl.ioctl(descriptor, termios.FIONREAD if stat.S_ISFIFO(kind) else termios.TIOCOUTQ, held)
    except OSError:
        return False
    return held[0] > 0


def newest_call(state: State, connection: str = "") -> frozenset[str]:
    """Return the name of the call that was answered last, of that connection where one is named."""
    answered = [
        record
        for record in state.live.received.values()
        if record.answered and record.via == "mcp" and record.id.startswith(connection and f"{connection}.")
    ]
    return frozenset((max(answered, key=lambda record: record.answered).id,)) if answered else frozenset()


def goes_back_to(state: State, unread_calls: frozenset[str]) -> int | None:
    """Return where a client goes on that has not taken every answer; None where it has.

    These are the answers to the calls that were open when it went, and to ``unread_calls``: those that are known not
    to have been read, or of which nobody can say, because our own process died with the client still there.
    """
    lost = [
        record.proposed
        for record in state.live.received.values()
        if record.via == "mcp" and (_open_when_it_went(record) or record.id in unread_calls)
    ]
    first = min(lost, default=0)
    return first - 1 if first > 1 else None


def _open_when_it_went(record: CallRecord) -> bool:
    return not record.answered or (record.answer == "gone" and record.text == GONE)
