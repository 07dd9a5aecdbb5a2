"""A client that stores its sessions as Claude Code does."""

import json
import uuid
from pathlib import Path
from typing import Any

from tests.transcripts.visitor import Visitor


class ClaudeVisitor(Visitor):
    """Records in a tree; a reply in several records, attachments beside what a person says."""

    endpoint = "messages"

    def __init__(self, path: Path, session: str) -> None:
        super().__init__(path, session)
        self.leaf: str | None = None
        self.tips: list[tuple[str | None, int]] = []
        """before each request: the leaf, and how many messages there were"""
        self.write({"type": "mode", "mode": "normal", "sessionId": session})

    def body(self) -> dict[str, Any]:
        self.tips.append((self.leaf, len(self.history)))
        return {"model": "claude-x", "max_tokens": 9, "messages": self.history}

    def note(self) -> None:
        self.write({"type": "api-request", "sessionId": self.session, "id": self.name("q")})

    def record(self, what: str, **more: Any) -> str:
        made = str(uuid.uuid4())
        shape = {"parentUuid": self.leaf, "isSidechain": False, "type": what, **more}
        self.write({**shape, "uuid": made, "timestamp": self.stamp, "sessionId": self.session})
        self.leaf = made
        return made

    def say(self, text: str, *, reminded: bool = False) -> None:
        self.record("user", message={"role": "user", "content": text})
        content: Any = text
        if reminded:
            self.record("attachment", attachment={"type": "date", "content": "a day"})
            content = [{"type": "text", "text": "<system-reminder>a day</system-reminder>"}]
            content.append({"type": "text", "text": text})
        self.history.append({"role": "user", "content": content})

    def reply(self, text: str, commands: list[str], *, eager: bool = False) -> None:
        self.said.append(len(self.lines))
        name = self.name("msg")
        blocks: list[dict[str, Any]] = [{"type": "text", "text": text}]
        calls = [
            {"type": "tool_use", "id": self.name("toolu"), "name": "Bash", "input": {"command": command}}
            for command in commands
        ]
        results: list[dict[str, Any]] = []

        def shown(block: dict[str, Any]) -> str:
            message = {"id": name, "role": "assistant", "model": "claude-x", "content": [block]}
            return self.record("assistant", message=message, requestId=self.name("req"))

        def done(call: dict[str, Any], under: str) -> None:
            result = {
                "tool_use_id": call["id"],
                "type": "tool_result",
                "content": f"did {call['input']['command']}",
            }
            kept, self.leaf = self.leaf, under
            made = self.record("user", message={"role": "user", "content": [result]})
            results.append(result)
            self.leaf = kept if eager and call is not calls[-1] else made

        shown(blocks[0])
        under: list[tuple[dict[str, Any], str]] = []
        for call in calls:
            at = shown(call)
            under.append((call, at))
            if eager:
                done(call, at)
        for call, at in () if eager else under:
            done(call, at)
        self.history.append({"role": "assistant", "content": [*blocks, *calls]})
        if results:
            self.history.append({"role": "user", "content": results})

    def go_back(self, turn: int) -> None:
        self.leaf, size = self.tips[turn]
        # The last thing said to the model is taken back as well: it is what a person writes anew.
        record = next(each for each in self.lines if each.get("uuid") == self.leaf)
        while record["type"] == "attachment":
            record = next(each for each in self.lines if each.get("uuid") == record["parentUuid"])
        self.leaf = record["parentUuid"]
        self.history = self.history[: size - 1]

    def compact(self, summary: str) -> None:
        before, self.leaf = self.leaf, None
        self.record("system", subtype="compact_boundary", logicalParentUuid=before)
        self.history = []
        self.record("user", message={"role": "user", "content": summary}, isCompactSummary=True)
        self.history.append({"role": "user", "content": summary})

    @staticmethod
    def loaded(path: Path) -> list[dict[str, Any]]:
        """What the client would send first: the chain of the newest record, siblings of a reply's calls with it."""
        records = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
        known = {each["uuid"]: each for each in records if "uuid" in each}
        at = next((each["uuid"] for each in reversed(records) if "uuid" in each), None)
        chain: list[str] = []
        while at is not None:
            chain.insert(0, at)
            at = known[at]["parentUuid"]
        names = {known[one]["message"]["id"] for one in chain if known[one]["type"] == "assistant"}
        siblings = {
            each["uuid"]
            for each in known.values()
            if each["type"] == "assistant" and each["message"]["id"] in names
        }
        results = {
            each["uuid"]
            for each in known.values()
            if each["type"] == "user"
            and each["parentUuid"] in siblings
            and isinstance(each["message"]["content"], list)
        }
        wanted = {*chain, *siblings, *results}
        sent: list[dict[str, Any]] = []
        last = ""
        for each in (record for record in records if record.get("uuid") in wanted):
            sent, last = _with(sent, each, last)
        return sent


def _with(sent: list[dict[str, Any]], record: dict[str, Any], last: str) -> tuple[list[dict[str, Any]], str]:
    """Return what is sent with one more record of Claude Code's in it, and whose reply came last."""
    match record["type"]:
        case "assistant":
            message = record["message"]
            if last == message["id"]:
                where = next(i for i in reversed(range(len(sent))) if sent[i]["role"] == "assistant")
                before = sent[where]
                joined = {"role": "assistant", "content": [*before["content"], *message["content"]]}
                return [*sent[:where], joined, *sent[where + 1 :]], last
            return [*sent, {"role": "assistant", "content": message["content"]}], message["id"]
        case "user":
            content = record["message"]["content"]
            if isinstance(content, list) and sent and sent[-1]["role"] == "user":
                return [*sent[:-1], {"role": "user", "content": [*sent[-1]["content"], *content]}], last
            return [*sent, {"role": "user", "content": content}], last
        case "attachment":
            text = {"type": "text", "text": "<system-reminder>a day</system-reminder>"}
            own = {"type": "text", "text": sent[-1]["content"]}
            return [*sent[:-1], {"role": "user", "content": [text, own]}], last
        case _:
            return sent, last
