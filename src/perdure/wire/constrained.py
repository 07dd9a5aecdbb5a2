"""Tools for models that were never taught any: the server holds the reply to a JSON Schema.

The tools stand in the instructions, and each reply is one JSON object: ``{"tool": ..., "arguments":
...}`` or ``{"say": ...}``. It is spoken over Chat Completions to servers that honour ``response_format``.
"""

from typing import Final

from perdure.intention.declaration import Declaration
from perdure.intention.reply import Call, Reply
from perdure.values.digest import Json
from perdure.wire.chat import from_chat, spelled, to_chat
from perdure.wire.layout import Spoken, laid_out
from perdure.wire.prompt import Entry, Prompt, Said, UserText
from perdure.wire.reading import dict_at, text_at
from perdure.wire.spelling import read_call, safe_id

PROVIDER: Final = "constrained"

_HOW: Final = (
    'Answer with one JSON object. To use a tool: {"tool": NAME, "arguments": {...}}. '
    'When all is done: {"say": "..."}. These are your tools, with the schemas of their arguments:'
)


def to_constrained(prompt: Prompt) -> dict[str, Json]:
    """Return the request without its model. With ``tool_choice`` 'required' the model can't just say."""
    settings = {name: value for name, value in prompt.settings.items() if name != "tool_choice"}
    tools = [f"{tool.name}: {tool.description} {spelled(tool.schema)}" for tool in prompt.tools]
    asked = Prompt(
        "\n".join([prompt.instructions, "", _HOW, *tools]).strip(), (), tuple(_entries(prompt)), settings
    )
    must = prompt.settings.get("tool_choice") == "required"
    schema: Json = {"name": "reply", "strict": True, "schema": _shape(prompt.tools, must=must)}
    return {**to_chat(asked), "response_format": {"type": "json_schema", "json_schema": schema}}


def _entries(prompt: Prompt) -> list[Entry]:
    """Return the conversation as texts alone."""
    entries: list[Entry] = []
    for turn in laid_out(prompt, PROVIDER, _no_ids):
        if not isinstance(turn, Spoken):
            entries.append(UserText(turn))
            continue
        said: list[Json] = [
            {"tool": call.tool, "arguments": call.arguments or {}} for call in turn.reply.calls
        ]
        words: list[Json] = [{"say": turn.reply.text}] if turn.reply.text or not said else []
        entries.append(Said(Reply(text="\n".join(spelled(part) for part in words + said))))
        entries += [
            UserText(f"Result of {call.tool}: {answer.text}")
            for call, answer in zip(turn.reply.calls, turn.answers, strict=True)
        ]
    return entries


def _no_ids(blocks: list[Json]) -> tuple[str, ...]:
    del blocks
    return ()


def _object(**properties: Json) -> dict[str, Json]:
    return {
        "type": "object",
        "properties": {**properties},
        "required": [*properties],
        "additionalProperties": False,
    }


def _shape(tools: tuple[Declaration, ...], *, must: bool) -> dict[str, Json]:
    """Return the schema of a reply, with the definitions of all tools in one place."""
    ways: list[Json] = []
    definitions: dict[str, Json] = {}
    for tool in tools:
        schema = _moved(tool.schema or {"type": "object"}, tool.name)
        inner = dict_at(schema, "$defs")
        definitions |= {f"{tool.name}-{name}": part for name, part in inner.items()}
        arguments = {name: part for name, part in dict_at({"of": schema}, "of").items() if name != "$defs"}
        ways.append(_object(tool={"const": tool.name}, arguments=arguments))
    if not must:
        ways.append(_object(say={"type": "string"}))
    return {"anyOf": ways, "$defs": definitions} if definitions else {"anyOf": ways}


def _moved(shape: Json, tool: str) -> Json:
    """Return ``shape`` with its references pointing to where ``_shape`` puts the definitions."""
    match shape:
        case dict():
            return {
                name: f"#/$defs/{tool}-{part.rpartition('/')[2]}"
                if name == "$ref" and isinstance(part, str)
                else _moved(part, tool)
                for name, part in shape.items()
            }
        case list():
            return [_moved(part, tool) for part in shape]
        case _:
            return shape


def from_constrained(completion: dict[str, Json]) -> Reply:
    """Return the reply: what it says, or its one call, whose id comes from that of the completion."""
    whole = from_chat(completion)
    name = safe_id(f"call_{text_at(completion, 'id')}")
    read = read_call(name, "", whole.text)
    say = read.arguments.get("say") if read.arguments is not None else None
    if isinstance(say, str):
        return Reply(text=say, stop=whole.stop, provider=PROVIDER, usage=whole.usage)
    if read.arguments is not None:
        arguments = dict_at(read.arguments, "arguments")
        read = Call(name, text_at(read.arguments, "tool"), arguments)
    stop = "calls" if whole.stop == "end" else whole.stop
    return Reply(calls=(read,), stop=stop, provider=PROVIDER, usage=whole.usage)
