"""A client that stores its sessions as Codex does."""

import json
import uuid
from pathlib import Path
from typing import Any

from tests.transcripts.visitor import BASE, Visitor


class CodexVisitor(Visitor):
    """Items in a row; the base instructions are an item of their own, called by the session's name."""

    endpoint = "responses"

    def __init__(self, path: Path, session: str) -> None:
        super().__init__(path, session)
        self.sizes: list[int] = []
        meta = {"id": session, "session_id": session, "base_instructions": {"text": BASE}, "cwd": "shop"}
        self.event("session_meta", meta)

    def event(self, what: str, payload: dict[str, Any]) -> None:
        self.write({"timestamp": self.stamp, "ordinal": len(self.lines), "type": what, "payload": payload})

    def item(self, item: dict[str, Any]) -> None:
        self.event(
            "response_item", {**item, "internal_chat_message_metadata_passthrough": {"turn": self.name("t")}}
        )
        self.history.append(item)

    def body(self) -> dict[str, Any]:
        self.sizes.append(len(self.history))
        return {"model": "gpt-x", "store": False, "input": [base_item(self.session), *self.history]}

    def note(self) -> None:
        self.event(
            "event_msg", {"type": "token_count", "info": {"total": self.count}, "thread_id": self.session}
        )

    def say(self, text: str, *, reminded: bool = False) -> None:
        if reminded:
            self.event("turn_context", {"cwd": "shop", "turn_id": self.name("t")})
        content = [{"type": "input_text", "text": text}]
        self.item({"type": "message", "id": self.name("msg"), "role": "user", "content": content})

    def reply(self, text: str, commands: list[str], *, eager: bool = False) -> None:
        self.said.append(len(self.lines))
        self.item(
            {"type": "reasoning", "id": self.name("rs"), "summary": [], "encrypted_content": self.name("x")}
        )
        content = [{"type": "output_text", "text": text, "annotations": []}]
        self.item({"type": "message", "id": self.name("msg"), "role": "assistant", "content": content})
        waiting: list[str] = []
        for command in commands:
            call = self.name("call")
            arguments = json.dumps({"cmd": command})
            self.item(
                {
                    "type": "function_call",
                    "id": self.name("fc"),
                    "name": "sh",
                    "arguments": arguments,
                    "call_id": call,
                }
            )
            waiting.append(call)
            if eager:
                self.answer(waiting.pop(), command)
        for call, command in zip(waiting, commands, strict=True) if not eager else ():
            self.answer(call, command)

    def answer(self, call: str, command: str) -> None:
        output = f"did {command}"
        self.item({"type": "function_call_output", "id": self.name("fco"), "call_id": call, "output": output})
        self.event("event_msg", {"type": "item_completed", "thread_id": self.session})

    def go_back(self, turn: int) -> None:
        size = self.sizes[turn]
        self.event("event_msg", {"type": "thread_rolled_back", "kept": size - 1})
        self.history = self.history[: size - 1]

    def compact(self, summary: str) -> None:
        item = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": summary}]}
        self.event("compacted", {"message": "", "replacement_history": [item]})
        self.history = [item]

    @staticmethod
    def loaded(path: Path) -> list[dict[str, Any]]:
        history: list[dict[str, Any]] = []
        for line in path.read_text(encoding="utf-8").splitlines():
            record = json.loads(line)
            payload = record["payload"]
            if record["type"] == "response_item":
                kept = {name: value for name, value in payload.items() if not name.startswith("internal_")}
                history.append(kept)
            elif record["type"] == "compacted":
                history = list(payload["replacement_history"])
            elif payload.get("type") == "thread_rolled_back":
                history = history[: payload["kept"]]
        return history


def base_item(session: str) -> dict[str, Any]:
    content = [{"type": "input_text", "text": BASE}]
    return {
        "type": "message",
        "id": f"msg_{uuid.uuid5(uuid.NAMESPACE_OID, session)}",
        "role": "developer",
        "content": content,
    }
