"""A client for the demo's bank that never mixes up "not done" with "not known".

Every call ends in one of four ways:

- it returns the bank's answer;
- `NotSent`: no byte of the request left this process, so nothing was done;
- `Rejected`: the bank said no, so nothing was done;
- `NoReply`: something was sent and no answer came, so nobody here knows. A cancelled call is in the
  same position.

One connection per call: a reused one could die between two calls and turn "not sent" into "not
known".
"""

import asyncio
from typing import TypeVar
from urllib.parse import urlencode, urlsplit

import msgspec

from perdure.demo.bank_words import (
    Balance,
    Payment,
    Refund,
    RefundOrder,
    Refusal,
    Statement,
    Transfer,
    Wire,
)

Said = TypeVar("Said")


class NotSent(Exception):
    """Known not done: the bank couldn't be reached."""


class NoReply(Exception):
    """Unknown: the request was sent, and its answer is missing or unreadable."""


class Rejected(Exception):
    """Known not done: the bank refused, with a code that never changes."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(f"{refusal.code}: {refusal.reason}")
        self.refusal: Refusal = refusal


class BankClient(msgspec.Struct, frozen=True):
    """Where the bank is, and how long to wait for it."""

    host: str
    port: int
    timeout_s: float = 10.0

    async def pay_transfer(self, order: Transfer, *, key: str) -> Payment:
        """Pay once per key, however often this is called with the same order."""
        return await self._call("POST", "/transfers", Payment, order, key=key)

    async def pay_wire(self, order: Wire) -> Payment:
        """Pay again each time this is called."""
        return await self._call("POST", "/wires", Payment, order)

    async def find_wire(self, memo: str) -> Payment | None:
        """Give the first listed wire with this memo; `None` says little about a young one."""
        target = f"/wires?{urlencode({'memo': memo})}"
        listed = await self._call("GET", target, tuple[Payment, ...])
        return listed[0] if listed else None

    async def refund(self, payment_id: str, *, reason: str = "") -> Refund:
        """Take the whole payment back, once, however often this is called."""
        order = RefundOrder(payment_id=payment_id, reason=reason)
        return await self._call("POST", "/refunds", Refund, order)

    async def ledger(self) -> Statement:
        """Read everything that the bank has booked."""
        return await self._call("GET", "/ledger", Statement)

    async def balance(self) -> Balance:
        """Read the account in one line."""
        return await self._call("GET", "/balance", Balance)

    async def _call(
        self,
        method: str,
        target: str,
        shape: type[Said],
        order: msgspec.Struct | None = None,
        *,
        key: str | None = None,
    ) -> Said:
        body = b"" if order is None else msgspec.json.encode(order)
        status, said = await self._exchange(_request(self, method, target, body, key))
        try:
            match status // 100:
                case 2:
                    return msgspec.json.decode(said, type=shape)
                case 4:
                    raise Rejected(msgspec.json.decode(said, type=Refusal))
                case _:
                    raise NoReply(f"{method} {target}: the bank answered {status}")
        except msgspec.DecodeError as error:
            raise NoReply(f"{method} {target}: the answer can't be read: {error}") from error

    async def _exchange(self, request: bytes) -> tuple[int, bytes]:
        try:
            async with asyncio.timeout(self.timeout_s):
                reader, writer = await asyncio.open_connection(self.host, self.port)
        except OSError as error:  # also the base of TimeoutError
            raise NotSent(f"no connection to {self.host}:{self.port}: {error}") from error
        try:
            async with asyncio.timeout(self.timeout_s):
                writer.write(request)
                await writer.drain()
                return await _reply(reader)
        except (OSError, EOFError, ValueError, asyncio.LimitOverrunError) as error:
            raise NoReply(f"no reply from {self.host}:{self.port}: {error!r}") from error
        finally:
            writer.close()


def bank_at(url: str, *, timeout_s: float = 10.0) -> BankClient:
    """Give a client for `http://HOST:PORT`, as the bank prints it."""
    parts = urlsplit(url)
    if parts.scheme != "http" or parts.hostname is None or parts.port is None:
        raise ValueError(f"a bank's address reads http://HOST:PORT, not {url!r}")
    return BankClient(parts.hostname, parts.port, timeout_s)


def _request(client: BankClient, method: str, target: str, body: bytes, key: str | None) -> bytes:
    lines = [
        f"{method} {target} HTTP/1.1",
        f"Host: {client.host}:{client.port}",
        "Content-Type: application/json",
        f"Content-Length: {len(body)}",
        "Connection: close",
    ]
    if key is not None:
        if not (key.isascii() and key.isprintable()):
            raise NotSent("an idempotency key travels in a header, so it must be printable ASCII")
        lines.append(f"Idempotency-Key: {key}")
    return "\r\n".join([*lines, "", ""]).encode() + body


async def _reply(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    first, *lines = head.split("\r\n")
    fields = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
    status = int(first.partition(" ")[2][:3])
    return status, await reader.readexactly(int(fields.get("content-length", "")))
