"""``python -m perdure.wrap.shim SOCKET SERVER``: what a client starts in place of an MCP server.

Standard input and output on one side, the keeper's socket on the other; one message of JSON-RPC a line.

Invariants:
- A request that the client has made is answered, by the keeper that it was given to or by the one that came after it:
  it is given again under the same id, so that it is known to be the same call, and never done twice for that.
- A client sees one server from its beginning to its end: what it has agreed on is agreed on again with a new keeper,
  and the answers to that stay here.
- What the dead keeper had asked the client is answered to nobody.
- It ends with its client: no end of a file, and no keeper that is gone, leaves it behind.
"""

import json
import os
import socket
import sys
import threading
import time
from collections.abc import Callable
from typing import BinaryIO, Final, cast

from perdure.values.limits import SHIM_LINE_BYTES_MAX, SHIM_NOTES_MAX, SHIM_PATIENCE_SECONDS
from perdure.values.unreadable import PARSE_ERROR, asked_by

Message = dict[str, object]

_PAUSE_SECONDS: Final = 0.05
_END_SECONDS: Final = 10.0
"""How long answers may still come once the client has said all that it will."""

_GONE: Final = -32000
_AGREED: Final = ("logging/setLevel", "resources/subscribe")


class Memory:
    """What a new keeper has to hear before the client can go on as if nothing had been; one thread at a time."""

    def __init__(self) -> None:
        """Nothing was said yet."""
        self.generation: int = 0
        self._begins: Message | None = None
        self._begun: Message | None = None
        self._agreed: dict[str, Message] = {}
        self._open: dict[str, Message] = {}
        self._notes: list[Message] = []
        self._mine: set[str] = set()
        self._asked: dict[str, object] = {}

    def from_client(self, message: Message) -> Message | None:
        """Return ``message`` as the keeper gets it; None where nobody waits for it any more."""
        method, name = message.get("method"), message.get("id")
        if method is None:
            return self._answer_back(message)
        if name is None:
            return self._note(str(method), message)
        if method == "initialize":
            self._begins = message
        elif method in _AGREED:
            self._agreed[_agreement(message)] = message
        elif method == "resources/unsubscribe":
            self._agreed.pop(_agreement(message), None)
        self._open[json.dumps(name)] = message
        return message

    def from_keeper(self, message: Message) -> Message | None:
        """Return ``message`` as the client gets it; None where it isn't the client's business."""
        method, name = message.get("method"), message.get("id")
        if method is None:
            known = json.dumps(name)
            if known in self._mine:
                self._mine.discard(known)
                return None
            return message if self._open.pop(known, None) is not None else None
        if name is not None:
            mine = f"{self.generation}.{json.dumps(name)}"
            self._asked[mine] = name
            return {**message, "id": mine}
        if method == "notifications/cancelled":
            return _with_request(message, lambda it: f"{self.generation}.{json.dumps(it)}")
        return message

    def unsaid(self, message: Message) -> None:
        """A notification could not be given to a keeper; the next one gets it."""
        if "id" not in message:
            self._notes = [*self._notes, message][-SHIM_NOTES_MAX:]

    def renewed(self) -> list[Message]:
        """A new keeper is there: return what it hears first, up to what has to be answered before the rest."""
        self.generation += 1
        self._asked.clear()
        self._mine.clear()
        begins = self._begins
        if begins is None or json.dumps(begins["id"]) in self._open:
            return []
        return [self._again(begins)]

    def remainder(self) -> list[Message]:
        """Return what it hears then: what was agreed on, and all that is not answered, in the order it was asked."""
        said: list[Message] = []
        if self._begun is not None:
            said.append(self._begun)
        agreed = [each for each in self._agreed.values() if json.dumps(each["id"]) not in self._open]
        said += map(self._again, agreed)
        notes, self._notes = self._notes, []
        return [*said, *self._open.values(), *notes]

    def abandoned(self, why: str) -> list[Message]:
        """Return the answers to all that is open, where no keeper will give them."""
        waiting, self._open = tuple(self._open.values()), {}
        error = {"code": _GONE, "message": why}
        return [{"jsonrpc": "2.0", "id": each["id"], "error": error} for each in waiting]

    def _again(self, message: Message) -> Message:
        name = f"shim.{self.generation}.{len(self._mine)}"
        self._mine.add(json.dumps(name))
        return {**message, "id": name}

    def _answer_back(self, message: Message) -> Message | None:
        name = self._asked.pop(str(message.get("id")), None)
        return None if name is None else {**message, "id": name}

    def _note(self, method: str, message: Message) -> Message:
        if method == "notifications/initialized":
            self._begun = message
        if method == "notifications/cancelled":
            params = cast("Message", message.get("params") or {})
            self._open.pop(json.dumps(params.get("requestId")), None)
        return message


class Shim:
    """The two sides and what goes between them."""

    def __init__(self, path: str, server: str, connection: str) -> None:
        """Stand for ``server`` behind the socket at ``path``; ``connection`` names this client's way to it for good."""
        self._path: str = path
        self._hello: Message = {"want": "mcp", "server": server, "connection": connection}
        self._memory: Memory = Memory()
        self._turn: threading.RLock = threading.RLock()
        self._line: socket.socket | None = None
        self._ready: bool = False
        self._ends: bool = False

    def go(self, heard: BinaryIO, said: BinaryIO) -> int:
        """Carry messages until the client or the keeper is gone for good; return the exit code."""
        threading.Thread(target=self._hear, args=(heard, said), daemon=True).start()
        while (line := self._connected()) is not None:
            self._carry(line, said)
            with self._turn:
                self._line, self._ready = None, False
                if self._ends:
                    return 0
        with self._turn:
            for each in self._memory.abandoned("perdure, which stands before this server, has ended"):
                _put(said, each)
            return 0 if self._ends else 1

    def _refuse(self, raw: bytes, said: BinaryIO) -> None:
        """Whoever waits for an answer to what can't be read is told so."""
        request = asked_by(raw)
        if request is not None:
            error = {"code": PARSE_ERROR, "message": "the request can't be read as JSON in UTF-8"}
            with self._turn:
                _put(said, {"jsonrpc": "2.0", "id": request, "error": error})

    def _hear(self, heard: BinaryIO, said: BinaryIO) -> None:
        """Give the keeper what the client says."""
        while raw := heard.readline(SHIM_LINE_BYTES_MAX):
            message = _read(raw)
            if message is None:
                self._refuse(raw, said)
                continue
            with self._turn:
                given = self._memory.from_client(message)
                line = self._line if self._ready else None
            # Not within the turn: a keeper that doesn't read yet must not keep its own words from being heard.
            if given is not None and not (line is not None and _sent(line, given)):
                with self._turn:
                    self._memory.unsaid(given)
        with self._turn:
            self._ends = True
            if self._line is not None:
                _half_closed(self._line)
        time.sleep(_END_SECONDS)
        os._exit(0)

    def _connected(self) -> socket.socket | None:
        """Return the way to a keeper, once there is one; None where there is none for too long."""
        latest = time.monotonic() + SHIM_PATIENCE_SECONDS
        while time.monotonic() < latest:
            with self._turn:
                if self._ends:
                    return None
            line = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            try:
                line.connect(self._path)
            except FileNotFoundError:
                line.close()
                return None
            except OSError:
                line.close()
                time.sleep(_PAUSE_SECONDS)
                continue
            with self._turn:
                begins = self._memory.renewed()
                if all(_sent(line, each) for each in (self._hello, *begins)):
                    self._line = line
                    if not begins:
                        self._open_up(line)
            return line
        return None

    def _open_up(self, line: socket.socket) -> None:
        """What waited for this keeper is said, and from here on all goes to it at once."""
        self._ready = all(_sent(line, each) for each in self._memory.remainder())
        if self._ends:
            _half_closed(line)

    def _carry(self, line: socket.socket, said: BinaryIO) -> None:
        """Give the client what the keeper says, until the keeper is gone."""
        with line, line.makefile("rb") as heard:
            while raw := _line_of(heard):
                message = _read(raw)
                if message is None:
                    continue
                with self._turn:
                    given = self._memory.from_keeper(message)
                    if given is None and not self._ready and "method" not in message:
                        self._open_up(line)
                if given is not None:
                    _put(said, given)


def _agreement(message: Message) -> str:
    """Return what a later request of the same kind takes the place of."""
    params = cast("Message", message.get("params") or {})
    return f"{str(message['method']).replace('unsubscribe', 'subscribe')} {params.get('uri', '')}"


def _with_request(message: Message, renamed: Callable[[object], str]) -> Message:
    params = cast("Message", message.get("params") or {})
    return {**message, "params": {**params, "requestId": renamed(params.get("requestId"))}}


def _read(raw: bytes) -> Message | None:
    try:
        found = cast("object", json.loads(raw))
    except (ValueError, RecursionError):
        return None
    return cast("Message", found) if isinstance(found, dict) else None


def _line_of(heard: BinaryIO) -> bytes:
    try:
        return heard.readline(SHIM_LINE_BYTES_MAX)
    except OSError:
        return b""


def _sent(line: socket.socket, message: Message) -> bool:
    try:
        line.sendall(_encoded(message))
    except OSError:
        return False
    return True


def _half_closed(line: socket.socket) -> None:
    try:
        line.shutdown(socket.SHUT_WR)
    except OSError:
        return


def _put(said: BinaryIO, message: Message) -> None:
    try:
        said.write(_encoded(message))
        said.flush()
    except OSError:
        os._exit(0)  # the client is gone


def _encoded(message: Message) -> bytes:
    try:
        return json.dumps(message, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"
    except UnicodeEncodeError:  # half a character, as JavaScript lets one say
        return json.dumps(message, separators=(",", ":")).encode() + b"\n"


def main() -> None:
    """Stand for a server until the client has ended."""
    path, server = sys.argv[1:3]
    connection = f"{server}-{os.urandom(6).hex()}"
    os._exit(Shim(path, server, connection).go(sys.stdin.buffer, sys.stdout.buffer))


if __name__ == "__main__":
    main()
