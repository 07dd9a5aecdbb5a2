"""A client of ``perdure mcp`` made of bare bytes: it can go at any moment, as one that is killed does."""

import json
import os
import re
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple, Self

from perdure.testing.payments_book import BookLine, PaymentBook
from tests.mcp.talking import HELLO

PERDURE = str(Path(sys.executable).with_name("perdure"))
SECONDS = 60.0
RUN = "mcp-payments"
_CHUNK = 7
"""So many bytes are read at a time by a client that reads slowly."""


class Said(NamedTuple):
    """What a client is told of a call."""

    kind: str
    words: str
    approval: str = ""


class RawClient:
    """One client and its ``perdure mcp``, over pipes, or over sockets as clients on Node have them."""

    def __init__(
        self, at: Path, *options: str, sockets: bool, mishaps: tuple[str, ...] = (), bare: bool = False
    ) -> None:
        """Start ``perdure mcp`` before a server that pays into ``at``, or the server alone where it is ``bare``."""
        self.book = PaymentBook(at / "book")
        self.heard: dict[int, Said] = {}
        self._rest = b""
        server = [sys.executable, "-m", "perdure.testing.payments", str(self.book.path)]
        server += [word for mishap in mishaps for word in ("--mishap", mishap)]
        words = [PERDURE, "mcp", "--store", str(at / "store"), "--name", "payments", *options, "--"]
        self._write, into = _pair(sockets=sockets)
        out_of, self._read = _pair(sockets=sockets)
        with (at / "said").open("ab") as log:
            self.process = subprocess.Popen(
                server if bare else [*words, *server], stdin=into, stdout=out_of, stderr=log, cwd=at
            )
        os.close(into)
        os.close(out_of)

    def hello(self) -> Self:
        """Shake hands; raises ``EOFError`` where the other side ends meanwhile."""
        self.send({"id": 0, "method": "initialize", "params": HELLO | {"capabilities": {}}})
        self.hear(lambda: 0 in self.heard)
        self.send({"method": "notifications/initialized"})
        return self

    def send(self, message: dict[str, Any]) -> None:
        self.send_raw(json.dumps({"jsonrpc": "2.0", **message}).encode())

    def send_raw(self, line: bytes) -> None:
        os.write(self._write, line + b"\n")

    def pay(self, number: int, invoice: str, reference: str = "r") -> None:
        order = {"payee": "Ada", "cents": 100, "reference": reference, "invoice": invoice}
        self.send({"id": number, "method": "tools/call", "params": {"name": "pay", "arguments": order}})

    def ask(self, number: int, invoice: str, reference: str = "r") -> Said:
        """Pay, and return what was said to that."""
        self.pay(number, invoice, reference)
        self.hear(lambda: number in self.heard)
        return self.heard[number]

    def hear(self, enough: Any, chunk: int = 1 << 16) -> None:
        """Read until ``enough``; of what has come no more than a whole number of chunks is taken."""
        until = time.monotonic() + SECONDS
        while not enough():
            left = until - time.monotonic()
            if left <= 0 or not select.select((self._read,), (), (), left)[0]:
                raise TimeoutError(f"nothing came within {SECONDS:.0f} s, of {self.heard}")
            try:
                piece = os.read(self._read, chunk)
            except ConnectionResetError:
                piece = b""
            if not piece:
                raise EOFError
            *lines, self._rest = (self._rest + piece).split(b"\n")
            for line in lines:
                message = json.loads(line)
                if "id" in message and "method" not in message:
                    self.heard[message["id"]] = said_in(message)

    def hear_some(self, size: int, numbers: Collection[int]) -> None:
        """Read slowly, until so many bytes have come, or the answers to all of ``numbers``."""
        taken = 0

        def enough() -> bool:
            nonlocal taken
            taken += _CHUNK
            return taken > size or set(numbers) <= self.heard.keys()

        self.hear(enough, _CHUNK)

    def paid(self) -> list[BookLine]:
        return self.book.paid()

    def until(self, true: Any) -> None:
        """Return once it is so, which another process brings about."""
        latest = time.monotonic() + SECONDS
        while not true():
            assert time.monotonic() < latest
            time.sleep(0.01)

    def vanish(self) -> None:
        """Be gone as a killed process is; return once what stood behind it has ended as well."""
        self.close()
        assert self.process.wait(SECONDS) in {0, 1, -signal.SIGKILL}

    def kill_perdure(self) -> None:
        self.process.kill()
        self.process.wait(SECONDS)
        self.close()

    def kill_server(self) -> None:
        servers = [line.process for line in self.book.lines() if line.kind == "started"]
        with suppress(ProcessLookupError, IndexError):
            os.kill(servers[-1], signal.SIGKILL)

    def close(self) -> None:
        """Be gone, and wait for nothing."""
        for each in (self._write, self._read):
            with suppress(OSError):
                os.close(each)


def _pair(*, sockets: bool) -> tuple[int, int]:
    """Return a descriptor that is written to, and the one at which that is read."""
    if sockets:
        one, other = socket.socketpair()
        return one.detach(), other.detach()
    read, write = os.pipe()
    return write, read


def said_in(message: dict[str, Any]) -> Said:
    """Return what an answer says."""
    if "error" in message:
        return Said("error", message["error"]["message"])
    result = message["result"]
    place = (result.get("_meta") or {}).get("perdure/call") or {}
    words = " ".join(block.get("text", "") for block in result.get("content", ()))
    return Said(place.get("outcome", "succeeded"), words, place.get("approval", ""))


def key_in(words: str) -> str:
    """Return the effect that a person is asked to settle."""
    found = re.search(rf"perdure settle {RUN} ([0-9a-f]+)", words)
    assert found, words
    return found[1]


class HttpClient:
    """A client over streamable HTTP, made of bare sockets."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._session = ""
        hello = {"id": 0, "method": "initialize", "params": HELLO | {"capabilities": {}}}
        with self.send(hello) as line:
            found = re.search(r"(?i)mcp-session-id: (\S+)", whole_of(line))
        assert found
        self._session = found[1]
        with self.send({"method": "notifications/initialized"}) as line:
            whole_of(line)

    def send(self, message: dict[str, Any]) -> socket.socket:
        body = json.dumps({"jsonrpc": "2.0", **message}).encode()
        heads = [
            "POST /mcp HTTP/1.1",
            f"Host: 127.0.0.1:{self._port}",
            "Connection: close",
            "Content-Type: application/json",
            "Accept: application/json, text/event-stream",
            f"Content-Length: {len(body)}",
        ]
        if self._session:
            heads += [f"Mcp-Session-Id: {self._session}", "MCP-Protocol-Version: 2025-11-25"]
        line = socket.create_connection(("127.0.0.1", self._port), SECONDS)
        line.sendall("\r\n".join([*heads, "", ""]).encode() + body)
        return line

    def pay(self, number: int, invoice: str, reference: str = "r") -> socket.socket:
        order = {"payee": "Ada", "cents": 100, "reference": reference, "invoice": invoice}
        return self.send(
            {"id": number, "method": "tools/call", "params": {"name": "pay", "arguments": order}}
        )

    def ask(self, number: int, invoice: str, reference: str = "r") -> Said:
        with self.pay(number, invoice, reference) as line:
            told = whole_of(line)
        found = re.search(r"data: (\{.*)", told)
        assert found, told
        return said_in(json.loads(found[1]))


def whole_of(line: socket.socket) -> str:
    """Return all that comes until the other side ends it."""
    pieces: list[bytes] = []
    while piece := line.recv(1 << 16):
        pieces.append(piece)
    return b"".join(pieces).decode()
