"""An upstream that shows the very bytes that reached it, and sends the very bytes that it is given."""

import contextlib
import socket
import threading
from collections.abc import Callable
from types import TracebackType
from typing import NamedTuple, Self

SECONDS = 60


class Seen(NamedTuple):
    """A request as it arrived."""

    line: str
    headers: tuple[tuple[str, str], ...]
    body: bytes

    def header(self, name: str) -> str:
        return next((value for known, value in self.headers if known.lower() == name.lower()), "")


Serve = Callable[[socket.socket, Seen], None]
"""Sends what the answer is; the connection is closed behind it."""


class RawUpstream:
    """Listens on loopback; each connection carries one request."""

    def __init__(self, serve: Serve) -> None:
        self.serve: Serve = serve
        self.seen: list[Seen] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._thread = threading.Thread(target=self._accept, daemon=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(SECONDS)

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._talk, args=(connection,), daemon=True).start()

    def _talk(self, connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError):
            connection.settimeout(SECONDS)
            seen = received(connection)
            if seen is None:
                return
            self.seen.append(seen)
            self.serve(connection, seen)


def received(connection: socket.socket) -> Seen | None:
    """Return the request that comes in over ``connection``; None if none does."""
    file = connection.makefile("rb")
    line = file.readline().decode().rstrip("\r\n")
    if not line:
        return None
    headers: list[tuple[str, str]] = []
    while (raw := file.readline().decode("latin-1").rstrip("\r\n")) != "":
        name, _, value = raw.partition(":")
        headers.append((name, value.strip()))
    seen = Seen(line, tuple(headers), b"")
    if seen.header("transfer-encoding").lower() == "chunked":
        parts: list[bytes] = []
        while (size := int(file.readline().split(b";")[0], 16)) > 0:
            parts.append(file.read(size))
            file.readline()
        file.readline()
        return seen._replace(body=b"".join(parts))
    return seen._replace(body=file.read(int(seen.header("content-length") or 0)))


def answer(status: str, headers: tuple[tuple[str, str], ...], body: bytes) -> Serve:
    """Return what serves this answer, its length told."""

    def serve(connection: socket.socket, seen: Seen) -> None:
        told = "".join(f"{name}: {value}\r\n" for name, value in headers)
        head = f"HTTP/1.1 {status}\r\n{told}Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
        connection.sendall(head.encode() + (b"" if seen.line.startswith("HEAD") else body))

    return serve


def chunked(headers: tuple[tuple[str, str], ...], pieces: list[bytes], *, ends: bool = True) -> Serve:
    """Return what serves these pieces as chunks; without ``ends`` the connection is cut behind them."""

    def serve(connection: socket.socket, seen: Seen) -> None:
        del seen
        told = "".join(f"{name}: {value}\r\n" for name, value in headers)
        connection.sendall(f"HTTP/1.1 200 OK\r\n{told}Transfer-Encoding: chunked\r\n\r\n".encode())
        for piece in pieces:
            connection.sendall(b"%x\r\n%b\r\n" % (len(piece), piece))
        if ends:
            connection.sendall(b"0\r\n\r\n")

    return serve


class Got(NamedTuple):
    """An answer as it reached the client."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes
    whole: bool
    """whether it came to the end that its head told of"""

    def header(self, name: str) -> str:
        return next((value for known, value in self.headers if known.lower() == name.lower()), "")


def ask(port: int, method: str, path: str, headers: tuple[tuple[str, str], ...], body: bytes) -> Got:
    """Return what comes back for a request that is spelled exactly so."""
    with socket.create_connection(("127.0.0.1", port), timeout=SECONDS) as connection:
        told = "".join(f"{name}: {value}\r\n" for name, value in headers)
        head = (
            f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n{told}Content-Length: {len(body)}\r\n\r\n"
        )
        connection.sendall(head.encode() + body)
        return got(connection, method)


def got(connection: socket.socket, method: str = "POST") -> Got:
    """Return the answer that comes in over ``connection``."""
    file = connection.makefile("rb")
    status = int(file.readline().split()[1])
    headers: list[tuple[str, str]] = []
    while (raw := file.readline().decode("latin-1").rstrip("\r\n")) != "":
        name, _, value = raw.partition(":")
        headers.append((name, value.strip()))
    answered = Got(status, tuple(headers), b"", whole=True)
    if method == "HEAD" or status in {204, 304}:
        return answered
    if answered.header("transfer-encoding").lower() != "chunked":
        length = int(answered.header("content-length") or 0)
        body = file.read(length)
        return answered._replace(body=body, whole=len(body) == length)
    parts: list[bytes] = []
    while True:
        line = file.readline()
        if not line:
            return answered._replace(body=b"".join(parts), whole=False)
        size = int(line, 16)
        if size == 0:
            return answered._replace(body=b"".join(parts))
        parts.append(file.read(size))
        file.readline()
