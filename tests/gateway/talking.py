"""Clients of the Messages API in front of a gateway, and an upstream that says what a test wants it to say."""

import http.client
import json
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

from perdure.assembly.store import open_store
from perdure.log import events as e
from perdure.log.envelope import Event
from tests.clients.talker import HEADERS, Ask
from tests.gateway.raw import Seen, answer

SECONDS = 60
MOVING = ("--mode", "nocache")
"""The upstream here caches nothing, so large results leave soon, whatever they cost elsewhere."""

Json = dict[str, Any]
Model = Callable[[Json], list[Json]]
"""What the model says to a request: blocks of content."""


def asker(port: int, **headers: str) -> Ask:
    """Return what asks through the gateway at ``port``, as a program on the provider's SDK does."""
    named = {**dict(HEADERS), "content-type": "application/json", "User-Agent": "Anthropic/Python 1.0"}
    for name, value in headers.items():
        named[name.replace("_", "-")] = value

    def ask(path: str, body: bytes) -> tuple[int, Json]:
        line = http.client.HTTPConnection("127.0.0.1", port, timeout=SECONDS)
        try:
            line.request("POST", f"/v1{path}", body, named)
            got = line.getresponse()
            return got.status, json.loads(got.read())
        finally:
            line.close()

    return ask


def says(model: Model) -> Callable[[socket.socket, Seen], None]:
    """Return what serves the replies of ``model`` as whole messages."""
    count = [0]

    def serve(connection: socket.socket, seen: Seen) -> None:
        count[0] += 1
        blocks = model(json.loads(seen.body))
        calls = any(block["type"] == "tool_use" for block in blocks)
        reply = {
            "id": f"msg_{count[0]}",
            "type": "message",
            "role": "assistant",
            "model": "claude-sonnet-4-5",
            "content": blocks,
            "stop_reason": "tool_use" if calls else "end_turn",
            "usage": {"input_tokens": len(seen.body) // 3, "output_tokens": 5, "cache_read_input_tokens": 0},
        }
        answer("200 OK", (("Content-Type", "application/json"),), json.dumps(reply).encode())(
            connection, seen
        )

    return serve


def text(words: str) -> Json:
    return {"type": "text", "text": words}


def call(name: str, number: int, **arguments: object) -> Json:
    return {"type": "tool_use", "id": f"toolu_{number}", "name": name, "input": arguments}


def recalls(number: int, **arguments: object) -> list[Json]:
    return [call("perdure_recall", number, **arguments)]


class Chat:
    """A client's history on the Messages API."""

    def __init__(self, ask: Ask, first: str = "Look at the files.") -> None:
        self.ask = ask
        self.messages: list[Json] = [{"role": "user", "content": first}]
        self.tools: list[Json] = [{"name": "Read", "input_schema": {"type": "object", "properties": {}}}]

    def body(self, **more: object) -> bytes:
        shape = {"model": "claude-sonnet-4-5", "max_tokens": 99, "messages": self.messages, **more}
        return json.dumps({**shape, "tools": self.tools} if self.tools else shape).encode()

    def send(self, **more: object) -> list[Json]:
        """Ask, and take the reply into the history."""
        status, reply = self.ask("/messages", self.body(**more))
        assert status == 200, reply
        self.messages.append({"role": "assistant", "content": reply["content"]})
        return reply["content"]

    def result(self, number: int, content: str, **arguments: object) -> None:
        """A call was made, and this came of it."""
        self.messages.append({"role": "assistant", "content": [call("Read", number, **arguments)]})
        block = {"type": "tool_result", "tool_use_id": f"toolu_{number}", "content": content}
        self.messages.append({"role": "user", "content": [block]})


def page_text(name: str, size: int = 9_000) -> str:
    """Return what a file says, no line of which stands in another."""
    lines = [
        f"{name} line {number}: {number * 7919 % 10007:05d} of the ledger" for number in range(size // 30)
    ]
    return "\n".join(lines)


def results_in(body: bytes) -> list[str]:
    """Return what the tool results of a request say."""
    found: list[str] = []
    for message in json.loads(body)["messages"]:
        if isinstance(message["content"], list):
            found += [block["content"] for block in message["content"] if block["type"] == "tool_result"]
    return found


def runs_of(store: Path) -> dict[str, list[Event]]:
    """Return the events of all runs, by run."""
    with open_store(store, create=False) as opened:
        return {row.run: list(opened.events(row.run)) for row in opened.runs() if row.position}


def checked_runs(store: Path | str) -> dict[str, list[Event]]:
    """Return the events of all runs, each of which is as it was written, and is decided the same again."""
    with open_store(store, create=False) as opened:
        found: dict[str, list[Event]] = {}
        for row in opened.runs():
            if row.position:
                verified, replayed = opened.verify(row.run), opened.replay(row.run)
                assert verified.ok, verified.wrong
                assert replayed.difference is None, replayed
                found[row.run] = list(opened.events(row.run))
        return found


def bodies(events: list[Event], kind: type[e.Body]) -> list[Any]:
    """Return what the events of one kind say."""
    return [event.body for event in events if isinstance(event.body, kind)]


STUB = "left the window"
"""Stands in the place of every page that has left."""


def fine(_request: Json) -> list[Json]:
    """A model that says as much."""
    return [text("fine")]


def grown(chat: Chat, count: int, first: int = 1) -> None:
    """The client reads ``count`` files, one a turn."""
    for number in range(first, first + count):
        chat.result(number, page_text(f"file-{number}"), path=f"/f/{number}")
        chat.send()
