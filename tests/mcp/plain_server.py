"""A server in plain Python that starts quickly and does what a test wants: ``python plain_server.py BOOK``.

It knows nothing of perdure or the SDK. What it paid is in BOOK, on disk, before it answers. Whatever it is asked that
isn't known here is answered with what it was asked, so that a test sees what has reached it.
"""

import json
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

BOOK = Path(sys.argv[1])
GO = BOOK.with_name("go")
ANY = {"type": "object"}
PAY = {
    "type": "object",
    "properties": {
        "invoice": {"type": "string"},
        "reference": {"type": "string"},
        "mishap": {"type": "string"},
    },
    "required": ["invoice"],
}
NOTE = {
    "type": "object",
    "properties": {"text": {"type": "string"}, "key": {"type": "string"}},
    "required": ["key"],
}

tools: list[dict[str, Any]] = [
    {"name": "pay", "inputSchema": PAY},
    {"name": "look", "inputSchema": ANY, "annotations": {"readOnlyHint": True}},
    {"name": "note", "inputSchema": NOTE, "annotations": {"idempotentHint": True, "destructiveHint": False}},
    {"name": "change", "inputSchema": ANY, "annotations": {"readOnlyHint": True}},
    {"name": "sample", "inputSchema": ANY, "annotations": {"readOnlyHint": True}},
    {"name": "steps", "inputSchema": ANY, "annotations": {"readOnlyHint": True}},
    {"name": "wait", "inputSchema": ANY, "annotations": {"readOnlyHint": True}},
    {"name": "chatter", "inputSchema": ANY, "annotations": {"readOnlyHint": True}},
    {"name": "broken", "inputSchema": ANY},
    {"name": "child", "inputSchema": ANY, "annotations": {"readOnlyHint": True}},
]
lock = threading.Lock()
cancelled: list[Any] = []
answers: dict[str, threading.Event] = {}
heard: dict[str, Any] = {}
hello: dict[str, Any] = {}
noted: list[Any] = []


def say(message: dict[str, Any] | str) -> None:
    line = message if isinstance(message, str) else json.dumps({"jsonrpc": "2.0", **message})
    with lock:
        sys.stdout.write(line + "\n")
        sys.stdout.flush()


def booked(line: dict[str, Any]) -> int:
    with BOOK.open("a", encoding="utf-8") as book:
        book.write(json.dumps(line) + "\n")
        book.flush()
        os.fsync(book.fileno())
    return len(BOOK.read_text(encoding="utf-8").splitlines())


def text(words: str, *, error: bool = False) -> dict[str, Any]:
    return {"content": [{"type": "text", "text": words}], "isError": error, "_meta": {"from": "plain"}}


def pay(number: Any, given: dict[str, Any]) -> dict[str, Any] | None:
    paid = booked({"invoice": given["invoice"], "reference": given.get("reference", "")})
    match given.get("mishap"):
        case "die":
            os._exit(3)
        case "garbage":
            say("%PDF-1.7 this is no JSON {")
            return None
        case "endless":
            sys.stdout.write("x" * 100_000_000)
            sys.stdout.flush()
        case "hold":
            while not GO.exists():
                threading.Event().wait(0.005)
        case _:
            pass
    return text(f"paid {paid}")


def call(number: Any, params: dict[str, Any]) -> dict[str, Any] | None:
    given, meta = params.get("arguments") or {}, params.get("_meta") or {}
    match params["name"]:
        case "pay":
            return pay(number, given)
        case "look":
            return text(json.dumps({"meta": meta, "arguments": params.get("arguments")}))
        case "note":
            booked({"note": given})
            if given.get("text") == "die" and len(BOOK.read_text(encoding="utf-8").splitlines()) == 1:
                os._exit(3)
            return text(given["key"])
        case "change":
            for added in given.get("add", []):
                tools.append({"name": added, "inputSchema": ANY})
                say({"method": "notifications/tools/list_changed"})
            say({"method": "notifications/tools/list_changed"})
            return text("changed")
        case "sample":
            done = answers["s1"] = threading.Event()
            ask = {"messages": [], "maxTokens": 5, "_meta": {"progressToken": "t1", "kept": True}}
            say({"id": "s1", "method": "sampling/createMessage", "params": ask})
            done.wait(20)
            return text(json.dumps(heard["s1"]))
        case "steps":
            for step in range(3):
                say({"method": "notifications/progress", "params": {"progressToken": meta["progressToken"], "progress": step, "message": f"step {step}", "_meta": {"kept": step}}})  # fmt: skip
            return text("stepped")
        case "wait":
            booked({"waiting": True})
            while number not in cancelled:
                threading.Event().wait(0.005)
            booked({"cancelled": True})
            return None
        case "chatter":
            for each in range(given["lines"]):
                say({"method": "notifications/message", "params": {"level": "info", "data": f"{each:0200}"}})
            return text("said")
        case "child":
            born = subprocess.Popen(["sleep", "300"], start_new_session=True, stdout=subprocess.DEVNULL)
            return text(f"{os.getpid()} {born.pid}")
        case _:
            raise ValueError("broken on purpose")


def answer(message: dict[str, Any]) -> None:
    number, method, params = message["id"], message["method"], message.get("params") or {}
    try:
        match method:
            case "initialize":
                hello.update(params)
                result: dict[str, Any] | None = {
                    "protocolVersion": params["protocolVersion"],
                    "capabilities": {
                        "tools": {"listChanged": True},
                        "resources": {},
                        "prompts": {},
                        "logging": {},
                    },
                    "serverInfo": {"name": "plain", "version": "1"},
                    "instructions": f"be plain with {BOOK.name}",
                }
            case "tools/list":
                at = int(params.get("cursor", 0))
                more = {"nextCursor": str(at + 4)} if at + 4 < len(tools) else {}
                result = {"tools": tools[at : at + 4], **more}
            case "resources/list":
                result = {"resources": [{"uri": f"plain://{BOOK.name}", "name": "book"}]}
            case "prompts/list":
                result = {"prompts": [{"name": "greet"}]}
            case "tools/call":
                result = call(number, params)
            case "x/refused":
                say({"id": number, "error": {"code": -32099, "message": "no", "data": params}})
                return
            case "x/state":
                result = {"hello": hello, "noted": noted}
            case _:
                result = {"method": method, "params": message.get("params")}
    except (ValueError, KeyError) as error:
        say({"id": number, "error": {"code": -32603, "message": str(error)}})
        return
    if result is not None:
        say({"id": number, "result": result})


for line in sys.stdin:
    arrived = json.loads(line)
    if "method" not in arrived:
        heard[str(arrived["id"])] = arrived.get("result", arrived.get("error"))
        answers[str(arrived["id"])].set()
    elif "id" in arrived:
        threading.Thread(target=answer, args=(arrived,), daemon=True).start()
    else:
        if arrived["method"] == "notifications/cancelled":
            cancelled.append(arrived["params"]["requestId"])
        noted.append(arrived)
