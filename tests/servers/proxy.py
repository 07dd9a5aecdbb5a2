"""A real TCP proxy that can be told to misbehave: it refuses, stalls, cuts, and is slow."""

import contextlib
import selectors
import socket
import threading
import time
from enum import Enum
from types import TracebackType
from typing import Final, Self

from tests.servers.ports import free_port


class Mood(Enum):
    """How the proxy treats connections, those that are open as well."""

    PASS = "pass"
    REFUSE = "refuse"
    """nothing listens on the port any more"""
    STALL = "stall"
    """connections are taken, and nothing is passed on"""
    STALL_ANSWERS = "stall answers"
    """what is asked arrives, and what is answered doesn't: the deed is done and nobody hears of it"""
    CUT = "cut"
    """every connection is reset as soon as something is sent"""
    SLOW = "slow"
    """everything is passed on, at ``bytes_per_second``"""


_PIECE: Final = 64 * 1024
_LOOK_SECONDS: Final = 0.02


class Proxy:
    """Stands before a port of loopback; ``port`` is its own, which never changes."""

    def __init__(self, target: int, *, bytes_per_second: int = 256 * 1024) -> None:
        """Pass on to ``target``."""
        self.target = target
        self.bytes_per_second = bytes_per_second
        self.accepted = 0
        """connections so far"""
        self._mood = Mood.PASS
        self._guard = threading.Lock()
        self._sides: list[tuple[socket.socket, socket.socket]] = []
        self._ended = threading.Event()
        self.port = free_port()
        self._listener: socket.socket | None = _listening(self.port)
        self._thread = threading.Thread(target=self._accept, name="proxy", daemon=True)
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def mood(self) -> Mood:
        """How connections are treated now."""
        return self._mood

    def turn(self, mood: Mood) -> None:
        """From here on connections are treated so; it holds for the next byte."""
        with self._guard:
            self._mood = mood
            if mood is Mood.REFUSE:
                if self._listener is not None:
                    self._listener.close()
                    self._listener = None
                self._cut_all()
            elif self._listener is None:
                self._listener = _listening(self.port)
            if mood is Mood.CUT:
                self._cut_all()

    def close(self) -> None:
        """Nothing is passed on any more."""
        self._ended.set()
        with self._guard:
            if self._listener is not None:
                self._listener.close()
                self._listener = None
            self._cut_all()
        self._thread.join()

    def _accept(self) -> None:
        while not self._ended.is_set():
            with self._guard:
                listener = self._listener
            if listener is None:
                self._ended.wait(_LOOK_SECONDS)
                continue
            try:
                taken, _ = listener.accept()
            except TimeoutError:
                continue
            except OSError:
                self._ended.wait(_LOOK_SECONDS)
                continue
            self.accepted += 1
            self._join(taken)

    def _join(self, taken: socket.socket) -> None:
        try:
            onward = socket.create_connection(("127.0.0.1", self.target), 5)
        except OSError:
            _reset(taken)
            return
        for side in (taken, onward):
            side.settimeout(None)
        with self._guard:
            self._sides.append((taken, onward))
        thread = threading.Thread(target=self._pass_on, args=(taken, onward), name="proxied", daemon=True)
        thread.start()

    def _pass_on(self, taken: socket.socket, onward: socket.socket) -> None:
        with selectors.DefaultSelector() as both, contextlib.suppress(OSError, ValueError, KeyError):
            both.register(taken, selectors.EVENT_READ, onward)
            both.register(onward, selectors.EVENT_READ, taken)
            while not self._ended.is_set():
                mood = self._mood
                if mood is Mood.STALL:
                    time.sleep(_LOOK_SECONDS)
                    continue
                for key, _ in both.select(_LOOK_SECONDS):
                    source, sink = key.fileobj, key.data
                    if source is onward and mood is Mood.STALL_ANSWERS:
                        time.sleep(_LOOK_SECONDS)
                        continue
                    if not self._moved(source, sink, mood):
                        return
        for side in (taken, onward):
            _reset(side)
        with self._guard, contextlib.suppress(ValueError):
            self._sides.remove((taken, onward))

    def _moved(self, source: object, sink: socket.socket, mood: Mood) -> bool:
        """Pass one piece on; False where the connection is over."""
        assert isinstance(source, socket.socket)
        # Fifty pieces in a second: many short sleeps are long ones on a busy machine.
        piece = source.recv(_PIECE if mood is not Mood.SLOW else max(4096, self.bytes_per_second // 50))
        if not piece or mood is Mood.CUT:
            for side in (source, sink):
                _reset(side) if mood is Mood.CUT else side.close()
            return False
        sink.sendall(piece)
        if mood is Mood.SLOW:
            time.sleep(len(piece) / self.bytes_per_second)
        return True

    def _cut_all(self) -> None:
        for pair in self._sides:
            for side in pair:
                _reset(side)
        self._sides.clear()


def _listening(port: int) -> socket.socket:
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("127.0.0.1", port))
    listener.listen(128)
    listener.settimeout(_LOOK_SECONDS * 5)
    return listener


def _reset(side: socket.socket) -> None:
    with contextlib.suppress(OSError):
        # A reset, not an end: the other side must not take what it has for all there was.
        side.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        side.shutdown(socket.SHUT_RDWR)
    with contextlib.suppress(OSError):
        side.close()
