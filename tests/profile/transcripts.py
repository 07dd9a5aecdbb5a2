"""Small transcripts, written record by record as the clients write them."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from perdure.assembly.recorded.profiling import Headway, traces
from perdure.profile.trace import Trace

Record = dict[str, Any]
START = 1_780_000_000
"""seconds since the epoch of the first record"""


def moment(second: float) -> str:
    """Return a time as the clients write it."""
    minutes, seconds = divmod(second, 60)
    return f"2026-05-28T{20 + int(minutes) // 60:02d}:{int(minutes) % 60:02d}:{seconds:06.3f}Z"


class Claude:
    """A Claude Code session in the making."""

    def __init__(self, session: str = "s-1", *, side: str = "") -> None:
        self.records: list[Record] = []
        self.session = session
        self.side = side
        self.last: str | None = None
        self.second = 0.0
        self.count = 0

    def add(self, kind: str, second: float | None = None, parent: str | None = "", **fields: Any) -> str:
        self.second = self.second + 1 if second is None else second
        self.count += 1
        name = f"{self.session}{self.side}-{self.count}"
        record: Record = {
            "type": kind,
            "uuid": name,
            "parentUuid": self.last if parent == "" else parent,
            "sessionId": self.session,
            "timestamp": moment(self.second),
            "isSidechain": bool(self.side),
            "cwd": "/repo",
            **({"agentId": self.side} if self.side else {}),
            **fields,
        }
        self.records.append(record)
        self.last = name
        return name

    def user(self, text: str, **more: Any) -> str:
        return self.add("user", message={"role": "user", "content": text}, **more)

    def result(self, call: str, content: Any, **more: Any) -> str:
        block = {"type": "tool_result", "tool_use_id": call, "content": content}
        return self.add("user", message={"role": "user", "content": [block]}, **more)

    def reply(
        self, name: str, blocks: list[Record], usage: Record, model: str = "claude-opus-4-6", **more: Any
    ) -> None:
        """One API reply: a record for each block, all with the same id and usage."""
        for block in blocks:
            message = {"id": name, "role": "assistant", "model": model, "content": [block], "usage": usage}
            self.add("assistant", message=message, **more)


def usage(fresh: int, written: int, read: int, out: int, *, long: bool = False) -> Record:
    """Return what the provider says it counted."""
    kinds = {
        "ephemeral_5m_input_tokens": 0 if long else written,
        "ephemeral_1h_input_tokens": written if long else 0,
    }
    return {
        "input_tokens": fresh,
        "cache_creation_input_tokens": written,
        "cache_read_input_tokens": read,
        "cache_creation": kinds,
        "output_tokens": out,
    }


def text(words: str) -> Record:
    return {"type": "text", "text": words}


def call(name: str, tool: str, **arguments: Any) -> Record:
    return {"type": "tool_use", "id": name, "name": tool, "input": arguments}


class Codex:
    """A Codex rollout in the making."""

    def __init__(self, session: str = "c-1", instructions: str = "Be brief. " * 40) -> None:
        self.records: list[Record] = []
        self.second = 0.0
        self.total = 0
        meta = {"id": session, "cwd": "/repo", "base_instructions": {"text": instructions}}
        self.add("session_meta", meta)
        self.add("turn_context", {"model": "gpt-5.5", "cwd": "/repo"})

    def add(self, kind: str, payload: Record) -> None:
        self.second += 1
        self.records.append({"timestamp": moment(self.second), "type": kind, "payload": payload})

    def message(self, role: str, words: str) -> None:
        kind = "output_text" if role == "assistant" else "input_text"
        content = [{"type": kind, "text": words}]
        self.add("response_item", {"type": "message", "role": role, "content": content})

    def call(self, name: str, command: str) -> None:
        arguments = json.dumps({"cmd": command, "workdir": "/repo"})
        item = {"type": "function_call", "name": "exec_command", "arguments": arguments, "call_id": name}
        self.add("response_item", item)

    def output(self, name: str, words: str) -> None:
        self.add("response_item", {"type": "function_call_output", "call_id": name, "output": words})

    def counted(self, read: int, cached: int, out: int, *, again: bool = False) -> None:
        """The count that ends a request; ``again``: it is told a second time."""
        self.total += 0 if again else read
        last = {
            "input_tokens": read,
            "cached_input_tokens": cached,
            "output_tokens": out,
            "total_tokens": read + out,
        }
        info = {
            "total_token_usage": {"input_tokens": self.total},
            "last_token_usage": last,
        }
        self.add("event_msg", {"type": "token_count", "info": info})


def written(path: Path, records: Iterable[Record | str]) -> Path:
    """Write records one to a line; a text is a line as it is."""
    lines = (record if isinstance(record, str) else json.dumps(record) for record in records)
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return path


def read(*paths: Path) -> list[Trace]:
    """Return the traces of files, nothing left out."""
    troubles: list[object] = []

    def told(headway: Headway) -> None:
        troubles.extend([headway.trouble] if headway.trouble is not None else [])

    found = list(traces(paths, told))
    assert troubles == []
    return found


def tokens(trace: Trace, number: int) -> int:
    """Return what the segments of a request take together."""
    request = trace.requests[number]
    return sum(segment.tokens for segment in trace.segments[request.first : request.last])


def kinds(trace: Trace, number: int) -> list[str]:
    """Return the kinds of a request's segments, those without tokens left out."""
    request = trace.requests[number]
    return [segment.kind for segment in trace.segments[request.first : request.last] if segment.tokens]
