"""Anthropic Messages: what a request has to be before the provider answers it.

The rules stand in the order in which they are checked; each says what the provider says.
"""

from typing import Final

import msgspec

from perdure.testing.upstream.pairs import result_text, ruled_pairs
from perdure.testing.upstream.question import Offer, Passage, Question, Unit, unit_of
from perdure.testing.upstream.rejection import Rejection
from perdure.testing.upstream.schemas import valid_schema
from perdure.testing.upstream.signet import Signet
from perdure.testing.upstream.thoughts import ruled_thoughts
from perdure.values.digest import Json
from perdure.wire.reading import dict_at, dicts_at, text_raw

CHARACTERS: Final = 3
MARKS_MAX: Final = 4
KNOWN: Final = frozenset(
    [
        "model",
        "messages",
        "max_tokens",
        "system",
        "tools",
        "tool_choice",
        "metadata",
        "stop_sequences",
        "stream",
        "temperature",
        "top_k",
        "top_p",
        "thinking",
        "service_tier",
        "container",
        "context_management",
        "mcp_servers",
        "output_config",
        "output_format",
        "speed",
        "cache_control",
        "inference_geo",
        "diagnostics",
    ]
)
BLOCKS: Final = {
    "user": frozenset(
        [
            "text",
            "image",
            "document",
            "tool_result",
            "search_result",
            "container_upload",
            "tool_reference",
            "mid_conv_system",
        ]
    ),
    "assistant": frozenset(["text", "thinking", "redacted_thinking", "tool_use", "server_tool_use", "image"]),
    "system": frozenset({"text"}),
}
MEDIA: Final = frozenset({"base64", "url", "file", "text", "content"})


def read_messages(body: dict[str, Json], signet: Signet, *, counting: bool = False) -> Question:
    """Return what the request asks. Raises ``Rejection`` as the provider would."""
    _ruled_top(body, counting=counting)
    offers = _offers(body)
    messages = dicts_at(body, "messages")
    if not messages:
        raise Rejection("messages: at least one message is required")
    for place, message in enumerate(messages):
        _ruled_message(place, message)
    if messages[0]["role"] == "assistant":
        raise Rejection('messages: first message must use the "user" role')
    ruled_pairs(messages)
    thinking = text_raw(body.get("thinking"), "type") in {"enabled", "adaptive"}
    ruled_thoughts(messages, signet, thinking=thinking)
    units = _units(body)
    _ruled_marks(body, units)
    return Question(
        api="messages",
        model=text_raw(body, "model"),
        stream=body.get("stream") is True,
        system="\n".join(text_raw(block, "text") for block in _blocks(body.get("system"))),
        offers=offers,
        passages=tuple(passage for message in messages for passage in _passages(message)),
        units=units,
        thinks=thinking,
        wanted=_wanted(body),
        silent=text_raw(body.get("tool_choice"), "type") == "none",
    )


def _ruled_top(body: dict[str, Json], *, counting: bool) -> None:
    for name in body:
        if name not in KNOWN:
            raise Rejection(f"{name}: Extra inputs are not permitted")
    needed = ("model", "messages") if counting else ("model", "messages", "max_tokens")
    for name in needed:
        if name not in body:
            raise Rejection(f"{name}: Field required")
    if not isinstance(body["messages"], list):
        raise Rejection("messages: Input should be a valid list")
    most = body.get("max_tokens", 1)
    if not isinstance(most, int) or isinstance(most, bool) or most < 1:
        raise Rejection("max_tokens: Input should be greater than or equal to 1")
    thinking = body.get("thinking")
    if text_raw(thinking, "type") == "enabled":
        budget = thinking.get("budget_tokens") if isinstance(thinking, dict) else None
        if not isinstance(budget, int) or budget < 1024:
            raise Rejection("thinking.enabled.budget_tokens: Input should be greater than or equal to 1024")
        if budget >= most and not counting:
            raise Rejection("`max_tokens` must be greater than `thinking.budget_tokens`.")


def _offers(body: dict[str, Json]) -> tuple[Offer, ...]:
    offers: list[Offer] = []
    for place, tool in enumerate(dicts_at(body, "tools")):
        name = text_raw(tool, "name")
        if any(offer.name == name for offer in offers):
            raise Rejection("tools: Tool names must be unique.")
        if text_raw(tool, "type") not in {"", "custom"}:
            offers.append(Offer(name=name, schema={}, manner="server"))
            continue
        if not name or len(name) > 128 or not name.replace("-", "_").replace("_", "a").isalnum():
            raise Rejection(
                f"tools.{place}.custom.name: String should match pattern '^[a-zA-Z0-9_-]{{1,128}}$'"
            )
        schema = dict_at(tool, "input_schema")
        if schema.get("type") != "object":
            raise Rejection(f"tools.{place}.custom.input_schema.type: Field required")
        if not valid_schema(schema):
            raise Rejection(
                f"tools.{place}.custom.input_schema: JSON schema is invalid. It must match JSON Schema draft 2020-12"
            )
        offers.append(Offer(name=name, schema=schema))
    forced = body.get("tool_choice")
    if text_raw(forced, "type") == "tool" and not any(o.name == text_raw(forced, "name") for o in offers):
        raise Rejection(f"tool_choice: Tool '{text_raw(forced, 'name')}' not found in provided tools")
    return tuple(offers)


def _ruled_message(place: int, message: dict[str, Json]) -> None:
    role = text_raw(message, "role")
    if role not in BLOCKS:
        raise Rejection(f"messages.{place}.role: Input should be 'user' or 'assistant'")
    # A system message in mid-conversation may turn the model's controls, by a beta that Claude Code asks for.
    extra = set(message) - {"role", "content"} - ({"output_config"} if role == "system" else set())
    if extra:
        raise Rejection(f"messages.{place}.{min(extra)}: Extra inputs are not permitted")
    content = message.get("content")
    if isinstance(content, str):
        if not content and role != "assistant":
            raise Rejection(f"messages.{place}: all messages must have non-empty content")
        return
    if not isinstance(content, list) or (not content and role != "system"):
        raise Rejection(f"messages.{place}: all messages must have non-empty content")
    for spot, block in enumerate(content):
        where = f"messages.{place}.content.{spot}"
        if not isinstance(block, dict):
            raise Rejection(f"{where}: Input should be a valid dictionary")
        _ruled_block(where, role, block)


def _ruled_block(where: str, role: str, block: dict[str, Json]) -> None:
    kind = text_raw(block, "type")
    if kind not in BLOCKS[role] and not kind.endswith("_tool_result"):
        raise Rejection(
            f"{where}: Input tag '{kind}' found using 'type' does not match any of the expected tags"
        )
    if kind == "text":
        if not isinstance(block.get("text"), str):
            raise Rejection(f"{where}.text.text: Field required")
        if not text_raw(block, "text"):
            raise Rejection("messages: text content blocks must be non-empty")
    elif kind == "tool_use":
        _ruled_use(where, block)
    elif kind == "tool_result":
        content = block.get("content")
        if not isinstance(block.get("tool_use_id"), str):
            raise Rejection(f"{where}.tool_result.tool_use_id: Field required")
        if content is not None and not isinstance(content, str | list):
            raise Rejection(f"{where}.tool_result.content: Input should be a valid string or list")
    elif kind in {"image", "document"} and text_raw(block.get("source"), "type") not in MEDIA:
        raise Rejection(f"{where}.{kind}.source: Field required")


def _ruled_use(where: str, block: dict[str, Json]) -> None:
    if not isinstance(block.get("input"), dict):
        raise Rejection(f"{where}.tool_use.input: Input should be a valid dictionary")
    for name in ("id", "name"):
        if not text_raw(block, name):
            raise Rejection(f"{where}.tool_use.{name}: Field required")
    if not text_raw(block, "id").replace("-", "_").replace("_", "a").isalnum():
        raise Rejection(f"{where}.tool_use.id: String should match pattern '^[a-zA-Z0-9_-]+$'")


def _units(body: dict[str, Json]) -> tuple[Unit, ...]:
    found: list[tuple[Json, str]] = [(tool, "tools") for tool in dicts_at(body, "tools")]
    found += [(block, "system") for block in _blocks(body.get("system"))]
    units = [
        unit_of(value, characters=CHARACTERS, kept=_mark(value, part), part=part) for value, part in found
    ]
    for message in dicts_at(body, "messages"):
        for block in _blocks(message.get("content")):
            whole: Json = {"role": message.get("role"), "block": block}
            units.append(unit_of(whole, characters=CHARACTERS, kept=_mark(block, "messages")))
    top = body.get("cache_control")
    if top is not None and units:
        units[-1] = msgspec.structs.replace(units[-1], kept=_mark(body, "cache_control"))
    return tuple(units)


def _mark(block: Json, where: str) -> str:
    mark = block.get("cache_control") if isinstance(block, dict) else None
    if mark is None:
        return ""
    if not isinstance(mark, dict) or mark.get("type") != "ephemeral":
        raise Rejection(f"{where}.cache_control: Input tag found using 'type' does not match 'ephemeral'")
    extra = set(mark) - {"type", "ttl", "scope"}
    if extra:
        raise Rejection(f"{where}.cache_control.ephemeral.{min(extra)}: Extra inputs are not permitted")
    ttl = mark.get("ttl", "5m")
    if ttl not in {"5m", "1h"}:
        raise Rejection(f"{where}.cache_control.ephemeral.ttl: Input should be '5m' or '1h'")
    if text_raw(block, "type") in {"thinking", "redacted_thinking"}:
        raise Rejection(f"{where}.thinking.cache_control: Extra inputs are not permitted")
    return str(ttl)


def _ruled_marks(body: dict[str, Json], units: tuple[Unit, ...]) -> None:
    marks = [unit.kept for unit in units if unit.kept]
    inner = [
        _mark(inside, "tool_result")
        for message in dicts_at(body, "messages")
        for block in dicts_at(message, "content")
        for inside in dicts_at(block, "content")
    ]
    found = len(marks) + sum(1 for mark in inner if mark)
    if found > MARKS_MAX:
        raise Rejection(f"A maximum of 4 blocks with cache_control may be provided. Found {found}.")
    if "5m" in marks and "1h" in marks[marks.index("5m") :]:
        raise Rejection("a ttl='1h' cache_control block must not come after a ttl='5m' cache_control block")


def _wanted(body: dict[str, Json]) -> dict[str, Json] | None:
    form = dict_at(dict_at(body, "output_config"), "format") or dict_at(body, "output_format")
    return dict_at(form, "schema") or None


def _blocks(content: Json) -> list[dict[str, Json]]:
    if isinstance(content, str):
        return [{"type": "text", "text": content}]
    return [block for block in content if isinstance(block, dict)] if isinstance(content, list) else []


def _passages(message: dict[str, Json]) -> list[Passage]:
    return [_passage(text_raw(message, "role"), block) for block in _blocks(message.get("content"))]


def _passage(role: str, block: dict[str, Json]) -> Passage:
    match text_raw(block, "type"):
        case "tool_use":
            arguments = msgspec.json.encode(block.get("input")).decode()
            return Passage("call", arguments, text_raw(block, "id"), text_raw(block, "name"))
        case "tool_result":
            return Passage("result", result_text(block), text_raw(block, "tool_use_id"))
        case "thinking" | "redacted_thinking":
            return Passage("reasoning", text_raw(block, "thinking"))
        case _:
            pass
    if role == "assistant":
        return Passage("assistant", text_raw(block, "text"))
    return Passage("system" if role == "system" else "user", text_raw(block, "text"))
