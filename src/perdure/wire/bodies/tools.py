"""The tools that a request offers, each where it stands."""

from collections.abc import Iterator
from typing import Final, NamedTuple

from perdure.values.digest import Json
from perdure.wire.bodies.digests import cache_digest
from perdure.wire.bodies.nouns import OfferedTool, Span
from perdure.wire.bodies.spans import decoded, elements, members
from perdure.wire.reading import text_raw

_SCHEMAS: Final = ("input_schema", "parameters")


class ToolsRead(NamedTuple):
    """The value of ``tools``, read alone: spans are places in it."""

    tools: tuple[OfferedTool, ...]
    digest: str
    searched: bool
    characters: int


NO_TOOLS: Final = ToolsRead((), "", searched=False, characters=0)


def read_tools(raw: bytes) -> ToolsRead:
    """Return the reading of ``raw``; what is no list of tools offers none."""
    value = decoded(raw)
    if not isinstance(value, list) or not value:
        return NO_TOOLS
    tools = tuple(_offered(raw, value, 0))
    searched = any(text_raw(tool, "type").startswith("tool_search") for tool in value)
    return ToolsRead(
        tools, cache_digest(value), searched or any(tool.deferred for tool in tools), len(raw.decode())
    )


def _offered(raw: bytes, tools: list[Json], at: int) -> Iterator[OfferedTool]:
    """Yield the tools of a list, and those in the namespaces among them; ``at`` is where ``raw`` begins."""
    for place, tool in zip(elements(raw), tools, strict=True):
        if not isinstance(tool, dict):
            continue
        element = raw[place.start : place.end]
        places = members(element)
        inner = tool.get("tools")
        if isinstance(inner, list):
            span = places["tools"]
            yield from _offered(element[span.start : span.end], inner, at + place.start + span.start)
            continue
        yield _tool(element, tool, places, place.within(at))


def _tool(element: bytes, tool: dict[str, Json], places: dict[str, Span], at: Span) -> OfferedTool:
    """Chat Completions wraps the tool in one object more."""
    core, inside = tool, at.start
    for name in ("function", "custom"):
        wrapped, place = tool.get(name), places.get(name)
        if isinstance(wrapped, dict) and place is not None:
            core, inside = wrapped, at.start + place.start
            places = members(element[place.start : place.end])
            break
    schema = next((name for name in _SCHEMAS if isinstance(core.get(name), dict)), "")
    described = isinstance(core.get("description"), str)
    return OfferedTool(
        text_raw(core, "name") or text_raw(tool, "type"),
        at,
        places[schema].within(inside) if schema else None,
        places["description"].within(inside) if described else None,
        cache_digest(tool),
        strict=core.get("strict") is True,
        deferred=tool.get("defer_loading") is True,
    )
