"""What all three APIs have in common when an item is read alone."""

from perdure.values.digest import Json, digest
from perdure.wire.bodies.about import about_of, paths_of
from perdure.wire.bodies.digests import cache_digest, call_digest, merged_parts
from perdure.wire.bodies.nouns import Api, CallResult, ItemRead, MadeCall, Shape, Span
from perdure.wire.bodies.purpose import compacts
from perdure.wire.bodies.spans import elements, members
from perdure.wire.bodies.texts import MEDIA, TEXTS, arguments_of, block_texts, characters_in
from perdure.wire.reading import text_raw


def part_of(
    api: Api,
    role: str,
    item: Json,
    *,
    calls: tuple[MadeCall, ...] = (),
    results: tuple[CallResult, ...] = (),
) -> ItemRead:
    """Return the reading of ``item``."""
    merged = tuple(merged_parts(api, item)) if role == "assistant" else ()
    asks = role in {"user", "tool", "system"} and isinstance(item, dict) and _asks(item.get("content"))
    return ItemRead(role, cache_digest(item), characters_in(item), merged, calls, results, compacts=asks)


def _asks(content: Json) -> bool:
    return any(compacts(text) for text in block_texts(content))


def call_of(call: str, tool: str, arguments: Json) -> MadeCall:
    """Return the call with ``arguments``, spelled or not."""
    arguments = arguments_of(arguments)
    return MadeCall(call, tool, call_digest(tool, arguments), about_of(arguments), paths_of(arguments))


def result_of(call: str, value: Json, span: Span, *, before: int = 0, is_error: bool = False) -> CallResult:
    """Return the result whose ``value``, a string or a list of blocks, stands at ``span``."""
    text = "\n".join(block_texts(value))
    raw = text.encode()
    shape: Shape = "text" if isinstance(value, str) else "blocks"
    return CallResult(
        call,
        span,
        shape,
        digest(raw),
        len(raw),
        characters_in(value),
        before,
        is_error=is_error,
        fixed=_fixed(value),
    )


def _fixed(value: Json) -> str:
    if isinstance(value, str):
        return ""
    if not isinstance(value, list):
        return "form"
    kinds = [text_raw(block, "type") for block in value]
    if any(kind in MEDIA for kind in kinds):
        return "media"
    texts = block_texts(value)
    return "" if len(texts) == len(value) and all(kind in TEXTS for kind in kinds) else "form"


def spans_of(raw: bytes, value: Json, name: str) -> tuple[Span | None, list[Span]]:
    """Return where the value of ``name`` stands in an object, and its elements if it is an array."""
    if not isinstance(value, dict):
        return None, []
    span = members(raw).get(name)
    if span is None or not isinstance(value.get(name), list):
        return span, []
    return span, [part.within(span.start) for part in elements(raw[span.start : span.end])]
