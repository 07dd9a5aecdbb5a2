"""What a client is given for its call of a tool: the server's own result, or words that a model can act on."""

from typing import Final, cast

import msgspec

from perdure.assembly.foreign.answering import Answer
from perdure.mcp.link import Object
from perdure.values.digest import Json

META: Final = "perdure/call"
"""The field of ``_meta`` that says how a call stands in the run."""


def result_of(answer: Answer, run: str) -> Object:
    """Return the ``CallToolResult`` for ``answer``."""
    match answer.kind:
        case "succeeded" | "partial":
            return _whole(answer.text)
        case "replayed":
            return _remembered(answer, run)
        case "failed":
            return _words(f"Not done: {answer.text}", answer, run)
        case "refused" | "waits" | "doubt":
            return _words(answer.text, answer, run)
        case "allowed" | "gone":
            return _words(f"Nobody waited for this call any more: {answer.text}", answer, run)


def _whole(text: str) -> Object:
    """Return a server's result as it was; one that a redaction has broken comes as text."""
    try:
        return msgspec.json.decode(text, type=dict[str, Json])
    except msgspec.DecodeError:
        return {"content": [{"type": "text", "text": text}]}


def _remembered(answer: Answer, run: str) -> Object:
    """Return the recorded result, and say that it is one: the model believes nothing that isn't so."""
    result = _whole(answer.text)
    told: Json = {
        "type": "text",
        "text": "(perdure: this had been done before, and was not done again; this is its recorded result.)",
    }
    content = result.get("content")
    result["content"] = [*cast("list[Json]", content if isinstance(content, list) else []), told]
    meta = result.get("_meta")
    result["_meta"] = {**(cast("Object", meta) if isinstance(meta, dict) else {}), META: _place(answer, run)}
    return result


def _words(text: str, answer: Answer, run: str) -> Object:
    return {
        "content": [{"type": "text", "text": text}],
        "isError": True,
        "_meta": {META: _place(answer, run)},
    }


def _place(answer: Answer, run: str) -> Object:
    place: Object = {"outcome": answer.kind, "run": run, "position": answer.position}
    if answer.key:
        place["key"] = answer.key
    if answer.approval:
        place["approval"] = answer.approval
    return place
