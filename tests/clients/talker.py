"""The smallest client of each API: it keeps its history, runs what the model calls, and asks again."""

import json
from collections.abc import Callable
from typing import Any

from perdure.testing.upstream.ledgers import Ledgers
from perdure.testing.upstream.question import Api

Ask = Callable[[str, bytes], tuple[int, dict[str, Any]]]
"""Sends a body to a path and returns the status and the answer."""

SHELL = {
    "type": "object",
    "properties": {"command": {"type": "string"}},
    "required": ["command"],
    "additionalProperties": False,
}
PATHS = {"messages": "/messages", "chat": "/chat/completions", "responses": "/responses"}
HEADERS = (
    ("x-api-key", "sk-of-nobody"),
    ("anthropic-version", "2023-06-01"),
    ("authorization", "Bearer sk-of-nobody"),
)
TURNS_MAX = 40


class Refused(Exception):
    """The provider refused what was sent."""


class Talker:
    """One conversation on one API."""

    def __init__(self, api: Api, ask: Ask, ledgers: Ledgers) -> None:
        self.api: Api = api
        self.ask = ask
        self.ledgers = ledgers
        self.history: list[dict[str, Any]] = []
        self.answers: list[str] = []
        self.bodies: list[bytes] = []

    def say(self, text: str) -> str:
        """Tell the model something, do what it wants, and return what it says in the end."""
        self.history.append({"role": "user", "content": text})
        for _ in range(TURNS_MAX):
            body = json.dumps(self.body()).encode()
            self.bodies.append(body)
            status, answer = self.ask(PATHS[self.api], body)
            if status != 200:
                raise Refused(answer["error"]["message"])
            said = self.took(answer)
            if said is not None:
                return said
        raise AssertionError("the conversation has no end")

    def body(self) -> dict[str, Any]:
        if self.api == "messages":
            tools = [{"name": "Bash", "input_schema": SHELL}]
            *before, last = self.history
            content = last["content"]
            blocks = [{"type": "text", "text": content}] if isinstance(content, str) else content
            marked = {
                **last,
                "content": [*blocks[:-1], {**blocks[-1], "cache_control": {"type": "ephemeral"}}],
            }
            thinking = {"type": "enabled", "budget_tokens": 2000}
            return {
                "model": "claude-opus-5-5",
                "max_tokens": 4000,
                "system": "You have a shell.",
                "thinking": thinking,
                "tools": tools,
                "messages": [*before, marked],
            }
        function = {"name": "Bash", "parameters": SHELL}
        if self.api == "chat":
            system = {"role": "system", "content": "You have a shell."}
            tool = {"type": "function", "function": function}
            return {"model": "gpt-5.5", "tools": [tool], "messages": [system, *self.history]}
        return {
            "model": "gpt-5.5",
            "instructions": "You have a shell.",
            "reasoning": {"effort": "medium"},
            "include": ["reasoning.encrypted_content"],
            "store": False,
            "tools": [{"type": "function", **function}],
            "input": self.history,
        }

    def took(self, answer: dict[str, Any]) -> str | None:
        """Take the answer in; return the text if nothing is left to do."""
        if self.api == "messages":
            self.history.append({"role": "assistant", "content": answer["content"]})
            calls = [(b["id"], b["input"]["command"]) for b in answer["content"] if b["type"] == "tool_use"]
            if not calls:
                return answer["content"][-1]["text"]
            results = [{"type": "tool_result", "tool_use_id": i, "content": self.run(c)} for i, c in calls]
            self.history.append({"role": "user", "content": results})
            return None
        if self.api == "chat":
            message = answer["choices"][0]["message"]
            self.history.append(message)
            for call in message.get("tool_calls", ()):
                command = json.loads(call["function"]["arguments"])["command"]
                self.history.append(
                    {"role": "tool", "tool_call_id": call["id"], "content": self.run(command)}
                )
            return None if message.get("tool_calls") else message["content"]
        self.history += answer["output"]
        calls = [item for item in answer["output"] if item["type"] == "function_call"]
        for call in calls:
            output = self.run(json.loads(call["arguments"])["command"])
            self.history.append(
                {"type": "function_call_output", "call_id": call["call_id"], "output": output}
            )
        return None if calls else answer["output"][-1]["content"][0]["text"]

    def run(self, command: str) -> str:
        words = command.split()
        if words[0] == "cat":
            return self.ledgers.text(words[1])
        if ">>" in words:
            self.answers.append(words[1])
            return "(no output)"
        return " ".join(words[1:])
