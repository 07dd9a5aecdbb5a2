"""The bank's HTTP: one thread and one connection per request."""

import re
from http.server import BaseHTTPRequestHandler
from socketserver import ThreadingTCPServer
from typing import ClassVar
from urllib.parse import parse_qsl, urlsplit

import msgspec

from perdure.demo.bank_routes import Answer, Ask, Bank, answer
from perdure.demo.bank_words import Refusal

ADDRESS = "127.0.0.1"
"""The demo's bank talks to this machine only."""
BODY_BYTES_MAX = 65_536
"""An order is a few hundred bytes; more is a mistake, and must not fill the memory."""


class BankServer(ThreadingTCPServer):
    """Listens from its creation; not `HTTPServer`, which asks the DNS for its own name."""

    daemon_threads: bool = True
    block_on_close: bool = False
    allow_reuse_address: bool = True
    request_queue_size: int = 128

    def __init__(self, bank: Bank, port: int) -> None:
        self.bank: Bank = bank
        super().__init__((ADDRESS, port), Exchange)

    @property
    def url(self) -> str:
        """Give the address that clients use."""
        return f"http://{ADDRESS}:{self.socket.getsockname()[1]}"


class Exchange(BaseHTTPRequestHandler):
    """One request and its reply, or its missing reply."""

    disable_nagle_algorithm: ClassVar[bool] = True
    protocol_version: str = "HTTP/1.1"

    def do_GET(self) -> None:
        """Answer."""
        self._answer()

    def do_POST(self) -> None:
        """Answer."""
        self._answer()

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Keep quiet: the ledger is the bank's record."""

    def _answer(self) -> None:
        self.close_connection = True
        if not isinstance(self.server, BankServer):
            raise TypeError("an exchange belongs to a bank")
        length = self.headers.get("Content-Length", "0")
        if not re.fullmatch(r"[0-9]{1,9}", length) or int(length) > BODY_BYTES_MAX:
            reason = f"Content-Length must be a number up to {BODY_BYTES_MAX}"
            refusal = Refusal(status=413, code="too-long", reason=reason)
            self._reply(Answer(413, msgspec.json.encode(refusal)))
            return
        body = self.rfile.read(int(length))
        if len(body) < int(length):
            return  # The client is gone in the middle of its order: nothing to do.
        target = urlsplit(self.path)
        ask = Ask(dict(parse_qsl(target.query)), body, self.headers.get("Idempotency-Key"))
        reply = answer(self.server.bank, self.command, target.path, ask)
        if isinstance(reply, Answer):
            self._reply(reply)

    def _reply(self, reply: Answer) -> None:
        try:
            self.send_response(reply.status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(reply.body)))
            self.send_header("Connection", "close")
            self.end_headers()
            self.wfile.write(reply.body)
        except (BrokenPipeError, ConnectionResetError):
            pass  # The client is dead; what was booked stays booked.
