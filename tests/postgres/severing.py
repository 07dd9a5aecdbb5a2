"""A way to the server that is severed at one message: the n-th that a writer says, or that it would have heard.

Only the connection counts that writes groups; it is known by the words with which it begins them. Messages are whole:
what was passed on before the cut has arrived.
"""

import contextlib
import socket
import threading
from collections.abc import Callable
from typing import Final, Literal

Side = Literal["said", "heard"]
"""what the writer says to the server, or would hear from it"""

WRITES: Final = b"BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE"

_STARTUP_BYTES: Final = 4


def _nothing() -> None:
    """Nothing else happens at the cut."""


class Severer:
    """Stands before a port of loopback."""

    def __init__(self, target: int, words: bytes = WRITES) -> None:
        """Pass on to ``target`` until it is told where to cut a connection that once said ``words``."""
        self.words = words
        self._target = target
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self._guard = threading.Lock()
        self._side: Side | None = None
        self._left = 0
        self._since = b""
        self._act: Callable[[], None] = _nothing
        self.counted: dict[Side, int] = {"said": 0, "heard": 0}
        """messages of the writer since it was armed"""
        self.said: list[bytes] = []
        """their types, of those that it said"""
        self.cut = threading.Event()
        self._free = threading.Event()
        """new connections are taken: not while something else happens at the cut"""
        self._free.set()
        threading.Thread(target=self._accept, daemon=True).start()

    def arm(
        self, side: Side | None, number: int = 0, act: Callable[[], None] = _nothing, *, since: bytes = b""
    ) -> None:
        """Cut when message ``number`` (from 0) of ``side`` is about to be passed on; ``act`` first.

        They are counted from the first one that the writer says and that holds ``since``.
        """
        with self._guard:
            self._since = since
            self._side, self._left, self._act = side, number, act
            self.counted, self.said = {"said": 0, "heard": 0}, []
            self.cut.clear()

    def fewest(self, deed: Callable[[], None]) -> dict[Side, int]:
        """Return how many messages ``deed`` takes, which arms first: the fewer of two times.

        A machine that stands still for seconds makes the server end a transaction, and it is said again.
        """
        found: list[dict[Side, int]] = []
        for _ in range(2):
            deed()
            found.append(dict(self.counted))
        return {side: min(each[side] for each in found) for side in ("said", "heard")}

    def close(self) -> None:
        self._listener.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                near, _ = self._listener.accept()
                self._free.wait()
                far = socket.create_connection(("127.0.0.1", self._target))
                near.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                far.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                way = _Way(self, near, far)
                for side in ("said", "heard"):
                    threading.Thread(target=way.carry, args=(side,), daemon=True).start()

    def passes(self, side: Side, message: bytes) -> bool:
        """Count a message of the writer; False where the way is cut instead."""
        with self._guard:
            if self._since and not (side == "said" and self._since in message):
                return True
            self._since = b""
            if self._side == side and self._left == 0:
                self._side = None
                act = self._act
            else:
                self._left -= self._side == side
                self.counted[side] += 1
                if side == "said":
                    self.said.append(message[:1])
                return True
        self._free.clear()
        act()
        self._free.set()
        self.cut.set()
        return False


class _Way:
    """One connection."""

    def __init__(self, severer: Severer, near: socket.socket, far: socket.socket) -> None:
        self._severer = severer
        self._near = near
        self._far = far
        self._writes = False
        self._ended = threading.Lock()
        """taken by the side that ends first"""

    def carry(self, side: Side) -> None:
        source, sink = (self._near, self._far) if side == "said" else (self._far, self._near)
        with contextlib.suppress(OSError, EOFError):
            if side == "said":
                sink.sendall(_untyped(source))
            while True:
                message = _typed(source)
                self._writes = self._writes or (side == "said" and self._severer.words in message)
                if self._writes and not self._severer.passes(side, message):
                    break
                sink.sendall(message)
        for each in (self._near, self._far):
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
        # Closed by whoever ends last: else the other might read from a new connection that was given the same number.
        if self._ended.acquire(blocking=False):
            return
        for each in (self._near, self._far):
            each.close()


def _untyped(source: socket.socket) -> bytes:
    """Return the first message of a connection, which has no type."""
    head = _exactly(source, _STARTUP_BYTES)
    return head + _exactly(source, int.from_bytes(head, "big") - _STARTUP_BYTES)


def _typed(source: socket.socket) -> bytes:
    head = _exactly(source, 5)
    return head + _exactly(source, int.from_bytes(head[1:], "big") - 4)


def _exactly(source: socket.socket, count: int) -> bytes:
    found = b""
    while len(found) < count:
        piece = source.recv(count - len(found))
        if not piece:
            raise EOFError
        found += piece
    return found
