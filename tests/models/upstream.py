"""A provider on loopback: a real HTTP server that answers as its script says, and remembers what it was asked.

An answer of the script is used for one request each; the last one is used for all that follow.
"""

import json
import threading
import time
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import NamedTuple, cast

from perdure.values.digest import Json

Event = dict[str, Json]


class Answered(NamedTuple):
    """One answer on the wire."""

    body: bytes
    status: int = 200
    kind: str = "application/json"
    headers: tuple[tuple[str, str], ...] = ()
    cut: bool = False
    """whether the connection is dropped after the body, which then is no whole answer"""
    hang: threading.Event | None = None
    """what it waits for after the body"""


class Asked(NamedTuple):
    """One request as it came."""

    path: str
    headers: dict[str, str]
    body: Event
    at: float


def whole(body: Json, status: int = 200, **headers: str) -> Answered:
    """Answer with JSON."""
    given = tuple((name.replace("_", "-"), value) for name, value in headers.items())
    return Answered(json.dumps(body).encode(), status, headers=given)


def streamed(
    events: Sequence[Event], *, done: bool, cut: bool = False, hang: threading.Event | None = None
) -> Answered:
    """Answer with server-sent events, as ``done`` says: OpenAI's end is a mark, Anthropic's an event."""
    parts: list[str] = []
    for event in events:
        name = f"event: {event['type']}\n" if "type" in event else ""
        parts.append(f"{name}data: {json.dumps(event)}\n\n")
    if done:
        parts.append("data: [DONE]\n\n")
    return Answered("".join(parts).encode(), kind="text/event-stream", cut=cut, hang=hang)


class Upstream(ThreadingHTTPServer):
    """The provider."""

    daemon_threads = True

    def __init__(self, script: Sequence[Answered]) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.script = list(script)
        self.asked: list[Asked] = []
        self.turn = threading.Lock()

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def answer(self, asked: Asked) -> Answered:
        with self.turn:
            self.asked.append(asked)
            return self.script.pop(0) if len(self.script) > 1 else self.script[0]


class Handler(BaseHTTPRequestHandler):
    """One connection to it."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        size = int(self.headers["Content-Length"])
        body = cast("Event", json.loads(self.rfile.read(size)))
        headers = {name.lower(): value for name, value in self.headers.items()}
        answer = cast("Upstream", self.server).answer(Asked(self.path, headers, body, time.monotonic()))
        self.send_response(answer.status)
        self.send_header("Content-Type", answer.kind)
        for name, value in answer.headers:
            self.send_header(name, value)
        if answer.cut or answer.hang is not None:
            self.send_header("Content-Length", str(len(answer.body) + 1000))
        else:
            self.send_header("Content-Length", str(len(answer.body)))
        self.end_headers()
        self.wfile.write(answer.body)
        self.wfile.flush()
        if answer.hang is not None:
            answer.hang.wait(600)
        self.close_connection = answer.cut or answer.hang is not None

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Say nothing: the test knows what it asked."""
        del code, size


@contextmanager
def upstream(*script: Answered) -> Generator[Upstream]:
    """Serve ``script`` until the block ends."""
    server = Upstream(script)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
