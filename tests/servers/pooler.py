"""A pooler before a real server that lends a connection for one transaction, as PgBouncer does in transaction mode.

It takes anybody's word for who they are, speaks plainly, and hands the connection on that was given back last.
"""

import socket
import struct
import threading
from types import TracebackType
from typing import Final, Self
from urllib.parse import urlsplit

_NO_ENCRYPTION: Final = (80877103, 80877104)
_PARAMETERS: Final = {
    "server_version": "16.0",
    "server_encoding": "UTF8",
    "client_encoding": "UTF8",
    "standard_conforming_strings": "on",
    "integer_datetimes": "on",
    "DateStyle": "ISO, MDY",
    "TimeZone": "UTC",
}
_OWN_PID: Final = 1
"""A pooler's clients hear a process id that is none of the server's."""


class Pooler:
    """Stands before the database at ``dsn``; ``dsn`` of its own leads through it."""

    def __init__(self, dsn: str, *, sessions: bool = False) -> None:
        """Lend a connection for one transaction, or for a session."""
        parts = urlsplit(dsn)
        self._target: tuple[str, int] = (str(parts.hostname), int(parts.port or 0))
        self._startup: bytes = _startup(user=str(parts.username), database=parts.path.strip("/"))
        self._sessions: bool = sessions
        self._free: list[socket.socket] = []
        self._all: list[socket.socket] = []
        self._listener: socket.socket = socket.create_server(("127.0.0.1", 0))
        port = self._listener.getsockname()[1]
        self.dsn: str = f"postgresql://{parts.username}@127.0.0.1:{port}{parts.path}"
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for each in (self._listener, *self._all):
            each.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            self._all.append(client)
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        server: socket.socket | None = None
        try:
            _greet(client)
            while (said := _message(client))[:1] != b"X":
                server = server or self._taken()
                server.sendall(said)
                if said[:1] in b"QS" and _answered(server, client) == b"I" and not self._sessions:
                    self._free.append(server)
                    server = None
        except OSError:
            return
        finally:
            client.close()
            if server is not None:
                server.close()

    def _taken(self) -> socket.socket:
        if self._free:
            return self._free.pop()
        server = socket.create_connection(self._target)
        self._all.append(server)
        server.sendall(self._startup)
        while _message(server)[:1] != b"Z":
            pass
        return server


def _greet(client: socket.socket) -> None:
    """Let anybody in."""
    while True:
        (size,) = struct.unpack("!i", _bytes(client, 4))
        (code,) = struct.unpack("!i", _bytes(client, size - 4)[:4])
        if code not in _NO_ENCRYPTION:
            break
        client.sendall(b"N")
    told = b"".join(_framed(b"S", _text(key) + _text(value)) for key, value in _PARAMETERS.items())
    key = _framed(b"K", struct.pack("!ii", _OWN_PID, 1))
    client.sendall(_framed(b"R", struct.pack("!i", 0)) + told + key + _framed(b"Z", b"I"))


def _answered(server: socket.socket, client: socket.socket) -> bytes:
    """Pass on what the server says until it is ready again; return in which state it is."""
    while True:
        said = _message(server)
        client.sendall(said)
        if said[:1] == b"Z":
            return said[-1:]


def _message(peer: socket.socket) -> bytes:
    head = _bytes(peer, 5)
    return head + _bytes(peer, struct.unpack("!i", head[1:])[0] - 4)


def _bytes(peer: socket.socket, count: int) -> bytes:
    found = b""
    while len(found) < count:
        part = peer.recv(count - len(found))
        if not part:
            raise ConnectionResetError
        found += part
    return found


def _startup(**words: str) -> bytes:
    body = (
        struct.pack("!i", 196608)
        + b"".join(_text(key) + _text(value) for key, value in words.items())
        + b"\0"
    )
    return struct.pack("!i", len(body) + 4) + body


def _framed(kind: bytes, body: bytes) -> bytes:
    return kind + struct.pack("!i", len(body) + 4) + body


def _text(value: str) -> bytes:
    return value.encode() + b"\0"
