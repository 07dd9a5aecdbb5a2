"""A client that stores its sessions as Qwen Code does."""

import json
import uuid
from pathlib import Path
from typing import Any

from tests.transcripts.visitor import BASE, Visitor


class QwenVisitor(Visitor):
    """Records in a row, in Gemini's words; what is told of the directory isn't among them."""

    endpoint = "chat"

    def __init__(self, path: Path, session: str) -> None:
        super().__init__(path, session)
        self.leaf: str | None = None
        self.tips: list[tuple[str | None, int]] = []

    def record(self, what: str, parts: list[dict[str, Any]], role: str) -> None:
        made = str(uuid.uuid4())
        shape = {"uuid": made, "parentUuid": self.leaf, "sessionId": self.session, "timestamp": self.stamp}
        self.write({**shape, "type": what, "message": {"role": role, "parts": parts}})
        self.leaf = made

    def body(self) -> dict[str, Any]:
        self.tips.append((self.leaf, len(self.history)))
        return {"model": "gpt-x", "messages": [{"role": "system", "content": BASE}, *as_chat(self.history)]}

    def say(self, text: str, *, reminded: bool = False) -> None:
        self.record("user", [{"text": text}], "user")
        self.history.append({"user": text})

    def reply(self, text: str, commands: list[str], *, eager: bool = False) -> None:
        self.said.append(len(self.lines))
        calls: list[dict[str, Any]] = [
            {"id": self.name("call"), "name": "sh", "args": {"command": each}} for each in commands
        ]
        self.record("assistant", [{"text": text}, *({"functionCall": call} for call in calls)], "model")
        self.history.append({"said": text, "calls": calls})
        for call in calls:
            response = {"output": f"did {commands[calls.index(call)]}"}
            answer = {"id": call["id"], "name": "sh", "response": response}
            self.record("tool_result", [{"functionResponse": answer}], "user")
            self.history.append({"did": response["output"], "call": call["id"]})

    def go_back(self, turn: int) -> None:
        leaf, size = self.tips[turn]
        record = next(each for each in self.lines if each.get("uuid") == leaf)
        self.leaf, self.history = record["parentUuid"], self.history[: size - 1]

    def compact(self, summary: str) -> None:
        self.leaf = None
        self.history = []
        self.say(summary)

    @staticmethod
    def loaded(path: Path) -> list[dict[str, Any]]:
        records = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
        known = {each["uuid"]: each for each in records}
        at = records[-1]["uuid"] if records else None
        found: list[dict[str, Any]] = []
        while at is not None:
            record = known[at]
            parts = record["message"]["parts"]
            match record["type"]:
                case "user":
                    found.insert(0, {"user": parts[0]["text"]})
                case "assistant":
                    calls = [part["functionCall"] for part in parts[1:]]
                    found.insert(0, {"said": parts[0]["text"], "calls": calls})
                case _:
                    answer = parts[0]["functionResponse"]
                    found.insert(0, {"did": answer["response"]["output"], "call": answer["id"]})
            at = record["parentUuid"]
        return found


def as_chat(history: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return it as it is sent: a person's words come with what is true of the directory by now."""
    sent: list[dict[str, Any]] = []
    for each in history:
        if "user" in each:
            about = {"type": "text", "text": f"The directory, look {len(sent)}."}
            sent.append({"role": "user", "content": [about, {"type": "text", "text": each["user"]}]})
        elif "said" in each:
            calls = [
                {
                    "id": c["id"],
                    "type": "function",
                    "function": {
                        "name": c["name"],
                        "arguments": json.dumps(c["args"], separators=(",", ":")),
                    },
                }
                for c in each["calls"]
            ]
            sent.append(
                {"role": "assistant", "content": each["said"], **({"tool_calls": calls} if calls else {})}
            )
        else:
            content = [{"type": "text", "text": each["did"]}]
            sent.append({"role": "tool", "tool_call_id": each["call"], "content": content})
    return sent
