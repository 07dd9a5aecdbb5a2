"""A process that stops itself at the worst moment: all is promised, and nothing is sent yet.

The agent and its bank client know nothing of this, so what is frozen is the real thing.
"""

import asyncio
import signal
import threading
from collections.abc import Callable

Write = Callable[[asyncio.StreamWriter, bytes | bytearray | memoryview], None]


def freeze_before_payment(invoice: str) -> None:
    """From here on this process stops right before it writes its first payment of ``invoice``.

    An empty ``invoice`` means any. SIGCONT lets it go on with the write, and it stops no more.
    """
    write: Write = asyncio.StreamWriter.write
    marks = [b"POST /", f'"invoice":"{invoice}'.encode()]

    def freezing(self: asyncio.StreamWriter, data: bytes | bytearray | memoryview) -> None:
        request = bytes(data)
        if marks and request.startswith(marks[0]) and marks[1] in request:
            marks.clear()
            # At this thread: a signal at the process may be taken by another one, and this one writes on.
            signal.pthread_kill(threading.get_ident(), signal.SIGSTOP)
        write(self, data)

    asyncio.StreamWriter.write = freezing
