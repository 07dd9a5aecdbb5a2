"""Clients that store their sessions as the real ones do, and can load them again: the truth that cuts are held to.

Each keeps what it would send as plain messages beside its file, and knows nothing of how files are cut.
"""

import json
import uuid
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

from perdure.wire.bodies.nouns import Endpoint

BASE = "Be a coding agent."


class Sent(NamedTuple):
    """A request as it went out."""

    body: bytes
    at: int
    lines: int
    """of the file when it went out"""
    session: list[dict[str, Any]]
    """what it said, without what is made anew for each session"""


class Visitor:
    """What all three share: a clock, lines, requests."""

    endpoint: Endpoint = "messages"

    def __init__(self, path: Path, session: str) -> None:
        self.path = path
        self.session = session
        self.lines: list[dict[str, Any]] = []
        self.history: list[dict[str, Any]] = []
        self.asked: list[Sent] = []
        self.said: list[int] = []
        """lines at which a reply begins"""
        self.now = 1_790_000_000
        self.count = 0
        path.parent.mkdir(parents=True, exist_ok=True)

    def name(self, what: str) -> str:
        self.count += 1
        return f"{what}_{self.session[-6:]}_{self.count:04}"

    @property
    def stamp(self) -> str:
        self.now += 3
        return f"{iso(self.now)}"

    def write(self, *records: dict[str, Any]) -> None:
        self.lines += records
        text = "".join(
            json.dumps(each, ensure_ascii=False, separators=(",", ":")) + "\n" for each in self.lines
        )
        self.path.write_text(text, encoding="utf-8")

    def ask(self) -> Sent:
        self.now += 1
        body = json.dumps(self.body()).encode()
        sent = Sent(body, self.now * 10**9, len(self.lines), json.loads(json.dumps(self.history)))
        self.asked.append(sent)
        self.note()
        return sent

    def note(self) -> None:
        """Write what the client notes of a request, if anything."""

    def body(self) -> dict[str, Any]:
        raise NotImplementedError

    def say(self, text: str, *, reminded: bool = False) -> None:
        raise NotImplementedError

    def reply(self, text: str, commands: list[str], *, eager: bool = False) -> None:
        """The model answers with words and calls, and the client carries the calls out."""
        raise NotImplementedError

    def go_back(self, turn: int) -> None:
        """A person goes back in the client to before the request with this place."""
        raise NotImplementedError

    def compact(self, summary: str) -> None:
        raise NotImplementedError

    @staticmethod
    def loaded(path: Path) -> list[dict[str, Any]]:
        """What the client would send first if it went on with the session in ``path``."""
        raise NotImplementedError


def iso(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


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


class CodexVisitor(Visitor):
    """Items in a row; the base instructions are an item of their own, called by the session's name."""

    endpoint = "responses"

    def __init__(self, path: Path, session: str) -> None:
        super().__init__(path, session)
        self.sizes: list[int] = []
        meta = {"id": session, "session_id": session, "base_instructions": {"text": BASE}, "cwd": "/work"}
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
            self.event("turn_context", {"cwd": "/work", "turn_id": self.name("t")})
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


VISITORS: dict[str, type[Visitor]] = {"claude": ClaudeVisitor, "codex": CodexVisitor, "qwen": QwenVisitor}
