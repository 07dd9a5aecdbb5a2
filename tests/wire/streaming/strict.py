"""What a provider would object to in a history: calls and results in pairs, signatures, thinking in its place."""

from collections.abc import Sequence

from perdure.values.digest import Json
from perdure.wire.bodies.nouns import Api
from perdure.wire.reading import dict_at, dicts_at, text_at
from tests.wire.streaming.provider import Script, Thought, signature

Shape = dict[str, Json]


def objections(api: Api, history: Sequence[Shape], scripts: Sequence[Script]) -> list[str]:
    """Return what is wrong with ``history``; the model's own words in it came in ``scripts``."""
    match api:
        case "messages":
            return [*_alternation(history), *_results(history), *_thinking(history, scripts)]
        case "chat":
            return _tool_messages(history)
        case "responses":
            return [*_outputs(history), *_reasoning(history)]


def _alternation(history: Sequence[Shape]) -> list[str]:
    roles = [message["role"] for message in history]
    wrong = [
        f"{place}: two of {role} touch" for place, role in enumerate(roles[1:], 1) if roles[place - 1] == role
    ]
    wrong += [f"{place}: empty content" for place, message in enumerate(history) if not message["content"]]
    return wrong + (["the user does not begin"] if roles[:1] != ["user"] else [])


def _results(history: Sequence[Shape]) -> list[str]:
    wrong: list[str] = []
    known: set[str] = set()
    waiting: list[str] = []
    for message in history:
        blocks = dicts_at(message, "content")
        results = [text_at(block, "tool_use_id") for block in blocks if block["type"] == "tool_result"]
        if message["role"] == "user":
            if sorted(results) != sorted(waiting):
                wrong.append(f"calls {waiting} were answered with {results}")
            if results and [block["type"] for block in blocks[: len(results)]] != ["tool_result"] * len(
                results
            ):
                wrong.append("results do not come first")
            waiting = []
            continue
        waiting = [text_at(block, "id") for block in blocks if block["type"] == "tool_use"]
        wrong += [f"call {name} stands twice" for name in waiting if name in known]
        wrong += [
            "a text is empty"
            for block in blocks
            if block["type"] == "text" and not text_at(block, "text").strip()
        ]
        known.update(waiting)
    return wrong + ([f"calls {waiting} dangle"] if waiting else [])


def _thinking(history: Sequence[Shape], scripts: Sequence[Script]) -> list[str]:
    """Return what is wrong with thoughts: each is signed, and a row of them is a row that came so."""
    came = {row for script in scripts for row in _rows([_thought(block) for block in script.blocks])}
    wrong: list[str] = []
    said = [message for message in history if message["role"] == "assistant"]
    for message in said:
        blocks = dicts_at(message, "content")
        thoughts = [text_at(block, "thinking") if block["type"] == "thinking" else None for block in blocks]
        wrong += [
            f"{text_at(block, 'thinking')!r} is not signed"
            for block in blocks
            if block["type"] == "thinking" and block.get("signature") != signature(text_at(block, "thinking"))
        ]
        wrong += [f"no such thinking came: {row}" for row in _rows(thoughts) if row not in came]
    begins = isinstance(scripts[0].blocks[0], Thought) if scripts[0].blocks else False
    if begins and said and dicts_at(said[0], "content")[0]["type"] != "thinking":
        wrong.append("a turn that thinks does not begin with it")
    return wrong


def _thought(block: object) -> str | None:
    return block.text if isinstance(block, Thought) else None


def _rows(thoughts: Sequence[str | None]) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = []
    row: list[str] = []
    for thought in [*thoughts, None]:
        if thought is not None:
            row.append(thought)
        elif row:
            rows.append(tuple(row))
            row = []
    return rows


def _tool_messages(history: Sequence[Shape]) -> list[str]:
    wrong: list[str] = []
    known: set[str] = set()
    waiting: list[str] = []
    for message in history:
        if message["role"] == "tool":
            name = text_at(message, "tool_call_id")
            if name not in waiting:
                wrong.append(f"{name} answers no call")
            waiting = [other for other in waiting if other != name]
            continue
        wrong += [f"call {name} has no answer" for name in waiting]
        calls = dicts_at(message, "tool_calls")
        waiting = [text_at(call, "id") for call in calls]
        wrong += [f"call {name} stands twice" for name in waiting if name in known]
        wrong += [
            f"a call without a name: {call}"
            for call in calls
            if not text_at(dict_at(call, "function"), "name")
        ]
        known.update(waiting)
        if message["role"] == "assistant" and not (
            message.get("content") or calls or message.get("reasoning_content")
        ):
            wrong.append("a message says nothing")
    return wrong + [f"call {name} has no answer" for name in waiting]


def _outputs(history: Sequence[Shape]) -> list[str]:
    wrong: list[str] = []
    waiting: list[str] = []
    known: set[str] = set()
    for item in history:
        name = text_at(item, "call_id")
        if item.get("type") == "function_call":
            wrong += [f"call {name} stands twice"] if name in known else []
            known.add(name)
            waiting.append(name)
        elif item.get("type") == "function_call_output":
            wrong += [f"{name} answers no call"] if name not in waiting else []
            waiting = [other for other in waiting if other != name]
        elif waiting and item.get("type") == "message" and item.get("role") == "user":
            wrong.append(f"calls {waiting} have no answer")
    return wrong + [f"call {name} has no answer" for name in waiting]


def _reasoning(history: Sequence[Shape]) -> list[str]:
    """Return reasonings that are not followed by what they reasoned, or are not what came."""
    wrong: list[str] = []
    for place, item in enumerate(history):
        if item.get("type") != "reasoning":
            continue
        text = "".join(text_at(part, "text") for part in dicts_at(item, "summary"))
        if item.get("encrypted_content") != signature(text):
            wrong.append(f"{text!r} is not what was encrypted")
        after = next((other for other in history[place + 1 :] if other.get("type") != "reasoning"), {})
        if _round(after) != _round(item):
            wrong.append(f"{item['id']} is not followed by what it reasoned")
    return wrong


def _round(item: Shape) -> str:
    parts = text_at(item, "id").split("_")
    return parts[1] if len(parts) == 3 else ""
