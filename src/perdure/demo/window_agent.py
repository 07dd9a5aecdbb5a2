"""A small coding agent of somebody else's: plain HTTP, a shell, its own history. It has never heard of perdure."""

import http.client
import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import msgspec

from perdure.values.digest import Json
from perdure.wire.reading import dict_at, dicts_at, text_raw

MODEL: Final = "claude-sonnet-4-5"
NAME: Final = "orders-agent"
SECONDS: Final = 30
_SHELL: Final[dict[str, Json]] = {
    "name": "bash",
    "description": "Run a command in the repository.",
    "input_schema": {
        "type": "object",
        "properties": {"command": {"type": "string"}},
        "required": ["command"],
        "additionalProperties": False,
    },
}
_MARK: Final[dict[str, Json]] = {"type": "ephemeral"}
_SYSTEM: Final = "You work on the repository in the current directory. You have a shell."
_HEADERS: Final = {
    "content-type": "application/json",
    "user-agent": f"{NAME}/1.0",
    "x-api-key": "sk-of-nobody",
    "anthropic-version": "2023-06-01",
}

Message = dict[str, Json]
Block = dict[str, Json]


class Broken(Exception):
    """The reply broke off, or there was none: the same request may be sent again."""


class Refused(Exception):
    """The provider says no."""


class Coder:
    """One conversation. Whoever has it says where requests go."""

    def __init__(self, url: str, directory: Path) -> None:
        """Begin one at ``url``, with a shell in ``directory``."""
        self.url = url
        self._directory = directory
        self.history: list[Message] = []
        self.sent: list[bytes] = []
        """every request, as it went out"""
        self.hears: Callable[[int], None] | None = None
        """is told the number of each event of a reply as it comes"""

    def told(self, words: str) -> None:
        """A person says something."""
        self.history.append({"role": "user", "content": [{"type": "text", "text": words}]})

    def turn(self) -> bool:
        """Ask once, run what the model calls; tell whether it wants to go on. Raises ``Broken``, ``Refused``."""
        body = self._body()
        self.sent.append(body)
        blocks = self._reply(body)
        self.history.append({"role": "assistant", "content": [*blocks]})
        results: list[Json] = [
            {
                "type": "tool_result",
                "tool_use_id": block["id"],
                "content": self._ran(text_raw(dict_at(block, "input"), "command")),
            }
            for block in blocks
            if block["type"] == "tool_use"
        ]
        if results:
            self.history.append({"role": "user", "content": results})
        return bool(results)

    def _body(self) -> bytes:
        *before, last = self.history
        *blocks, end = dicts_at(last, "content")
        marked: Message = {"role": "user", "content": [*blocks, {**end, "cache_control": _MARK}]}
        return json.dumps(
            {
                "model": MODEL,
                "max_tokens": 8000,
                "stream": True,
                "system": [{"type": "text", "text": _SYSTEM}],
                "thinking": {"type": "enabled", "budget_tokens": 2000},
                "tools": [_SHELL],
                "messages": [*before, marked],
            }
        ).encode()

    def _reply(self, body: bytes) -> list[Block]:
        line = http.client.HTTPConnection(urlsplit(self.url).netloc, timeout=SECONDS)
        try:
            line.request("POST", "/v1/messages", body, _HEADERS)
            with line.getresponse() as answer:
                if answer.status != http.client.OK:
                    raise Refused(answer.read().decode())
                return self._heard(answer)
        except (OSError, http.client.HTTPException) as error:
            raise Broken(str(error)) from error
        finally:
            line.close()

    def _heard(self, answer: http.client.HTTPResponse) -> list[Block]:
        blocks: list[Block] = []
        spelled = ""
        number = 0
        for line in answer:
            if not line.startswith(b"data: "):
                continue
            number += 1
            if self.hears is not None:
                self.hears(number)
            event = msgspec.json.decode(line[6:], type=dict[str, Json])
            match event["type"]:
                case "content_block_start":
                    blocks.append({**dict_at(event, "content_block")})
                    spelled = ""
                case "content_block_delta":
                    spelled += _grown(blocks[-1], dict_at(event, "delta"))
                case "content_block_stop" if blocks[-1]["type"] == "tool_use":
                    blocks[-1]["input"] = msgspec.json.decode(spelled or "{}", type=dict[str, Json])
                case "message_stop":
                    return blocks
                case _:
                    pass
        raise Broken("the reply broke off")

    def _ran(self, command: str) -> str:
        done = subprocess.run(
            ["/bin/sh", "-c", command], cwd=self._directory, capture_output=True, text=True, check=False
        )
        return done.stdout + done.stderr or "(no output)"


def _grown(block: Block, delta: dict[str, Json]) -> str:
    """Add ``delta`` to ``block``; return what it adds to the words of a call."""
    for field in ("text", "thinking"):
        if field in delta:
            block[field] = text_raw(block, field) + text_raw(delta, field)
    if "signature" in delta:
        block["signature"] = delta["signature"]
    return text_raw(delta, "partial_json")
