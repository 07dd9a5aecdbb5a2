"""Changes of a request as edits of its bytes: each keeps the shape that it found, and all that stands around it."""

from typing import Final

import msgspec

from perdure.intention.declaration import Declaration
from perdure.values.digest import Json
from perdure.values.limits import STUB_CHARACTERS_MAX
from perdure.wire.bodies.marks import mark_in, marked
from perdure.wire.bodies.nouns import Api, CallResult, Item, OfferedTool, Span
from perdure.wire.bodies.request import RequestBody
from perdure.wire.bodies.spans import decoded, members
from perdure.wire.bodies.splicing import Edit
from perdure.wire.reading import text_raw

_spelled = msgspec.json.Encoder().encode

_TEXT: Final[dict[Api, str]] = {"messages": "text", "chat": "text", "responses": "input_text"}

_OPEN: Final = b'{"type":"object"}'
_SHORTENED: Final = (
    " [Its arguments are told when they are needed: a call that does not fit is answered with them.]"
)


def result_replaced(request: RequestBody, result: CallResult, text: str) -> Edit:
    """Return the edit after which ``text`` stands in the place of what ``result`` says.

    A string stays a string; of a list one block of text stays, with the client's own mark of the cache if one stood
    on a block of it.
    """
    if result.shape == "text":
        return Edit(*result.span, _spelled(text))
    raw = request.body[result.span.start : result.span.end]
    block = _spelled(_block(request.api, text))
    return Edit(*result.span, b"[%b]" % marked(block, mark_in(raw)))


def tool_added(request: RequestBody, tool: Declaration) -> Edit | None:
    """Return the edit that offers ``tool`` too, after all others.

    None where none are offered, where the model has no choice, and where one of that name is offered already.
    """
    if (
        request.tools_span is None
        or request.forced
        or any(tool.name == other.name for other in request.tools)
    ):
        return None
    schema: Json = tool.schema or {"type": "object", "properties": {}}
    element: dict[str, Json]
    match request.api:
        case "messages":
            element = {"name": tool.name, "description": tool.description, "input_schema": schema}
        case "chat":
            core: Json = {"name": tool.name, "description": tool.description, "parameters": schema}
            element = {"type": "function", "function": core}
        case "responses":
            core = {"name": tool.name, "description": tool.description, "parameters": schema}
            element = {"type": "function", **core, "strict": False}
    return appended(request.body, request.tools_span, _spelled(element))


def schema_stubbed(request: RequestBody, tool: OfferedTool) -> tuple[Edit, ...]:
    """Return the edits after which ``tool`` takes any arguments and says in short what it is for.

    None for strict tools, whose schema the provider compiles, for those of its own, and where nothing gets shorter.
    """
    if tool.strict or tool.deferred or tool.schema is None:
        return ()
    edits = [Edit(*tool.schema, _OPEN)]
    if tool.description is not None:
        said = decoded(request.body[tool.description.start : tool.description.end])
        edits.append(Edit(*tool.description, _spelled(_short(said if isinstance(said, str) else ""))))
    saved = sum(edit.end - edit.start - len(edit.put) for edit in edits)
    return tuple(sorted(edits)) if saved > 0 else ()


def text_added(request: RequestBody, text: str) -> Edit | None:
    """Return the edit that lets ``text`` follow what a person last said; None where the model has the last word.

    A call's result never grows: where only results came after the model's words, a message of its own follows.
    """
    if not request.items or request.items_span is None:
        return None
    for item in reversed(request.items):
        if item.role == "assistant":
            break
        edit = _said_on(request, item, text)
        if edit is not None:
            return edit
    if request.items[-1].role == "assistant" and request.endpoint != "compact":
        return None
    message: dict[str, Json] = {"role": "user", "content": [_block(request.api, text)]}
    if request.api == "responses":
        message = {"type": "message", **message}
    return appended(request.body, request.items_span, _spelled(message))


def appended(body: bytes, array: Span, element: bytes) -> Edit:
    """Return the edit after which ``element`` is the last of the array."""
    empty = not body[array.start + 1 : array.end - 1].strip()
    return Edit(array.end - 1, array.end - 1, element if empty else b"," + element)


def put_first(body: bytes, array: Span, elements: bytes) -> tuple[Edit, ...]:
    """Return the edits after which ``elements`` stand in front of an array's own; one text becomes an array."""
    if body[array.start] == ord('"'):
        return (
            Edit(array.start, array.start, b'[%b,{"role":"user","content":' % elements),
            Edit(array.end, array.end, b"}]"),
        )
    empty = not body[array.start + 1 : array.end - 1].strip()
    return (Edit(array.start + 1, array.start + 1, elements if empty else elements + b","),)


def _said_on(request: RequestBody, item: Item, text: str) -> Edit | None:
    """Return the edit that adds to a person's message; None where it isn't one."""
    raw = request.body[item.span.start : item.span.end]
    content = item.span
    if raw[:1] != b'"':
        inner = members(raw).get("content") if text_raw(decoded(raw), "role") == "user" else None
        if inner is None:
            return None
        content = inner.within(item.span.start)
    match request.body[content.start : content.start + 1]:
        case b'"':
            return Edit(content.end - 1, content.end - 1, _spelled(f"\n\n{text}")[1:-1])
        case b"[":
            return appended(request.body, content, _spelled(_block(request.api, text)))
        case _:
            return None


def _block(api: Api, text: str) -> Json:
    return {"type": _TEXT[api], "text": text}


def _short(description: str) -> str:
    line = description.strip().partition("\n")[0]
    if len(line) > STUB_CHARACTERS_MAX:
        line = f"{line[: STUB_CHARACTERS_MAX - 1]}…"
    return line + _SHORTENED
