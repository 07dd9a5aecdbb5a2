"""Anthropic's rules of calls and their results: each call is answered once, in the very next message."""

from perdure.testing.upstream.rejection import Rejection
from perdure.values.digest import Json
from perdure.wire.reading import dicts_at, text_raw


def ruled_pairs(messages: list[dict[str, Json]]) -> None:
    """Return if calls and results are in order. Raises ``Rejection`` otherwise."""
    merged = _merged(messages)
    seen: set[str] = set()
    open_ids: list[str] = []
    opened = 0
    for place, role, blocks in merged:
        if role == "assistant":
            open_ids = _opened(place, blocks, seen)
            opened = place
            continue
        _closed(place, blocks, open_ids, opened)
        open_ids = []
    if open_ids:
        raise Rejection(_unanswered(opened, open_ids))


def result_text(block: dict[str, Json]) -> str:
    """Return the text that a result holds."""
    content = block.get("content")
    if isinstance(content, str):
        return content
    return "\n".join(text_raw(inside, "text") for inside in dicts_at(block, "content"))


def _merged(messages: list[dict[str, Json]]) -> list[tuple[int, str, list[dict[str, Json]]]]:
    """Neighbours of one role are one message; what the system says in between is no turn."""
    merged: list[tuple[int, str, list[dict[str, Json]]]] = []
    for place, message in enumerate(messages):
        role = text_raw(message, "role")
        if role == "system":
            continue
        content = message.get("content")
        blocks: list[dict[str, Json]] = (
            [{"type": "text", "text": content}] if isinstance(content, str) else dicts_at(message, "content")
        )
        if merged and merged[-1][1] == role:
            merged[-1] = (merged[-1][0], role, merged[-1][2] + blocks)
        else:
            merged.append((place, role, blocks))
    return merged


def _opened(place: int, blocks: list[dict[str, Json]], seen: set[str]) -> list[str]:
    ids: list[str] = []
    for spot, block in enumerate(blocks):
        if text_raw(block, "type") != "tool_use":
            continue
        name = text_raw(block, "id")
        if name in seen:
            raise Rejection(f"messages.{place}.content.{spot}: `tool_use` ids must be unique")
        seen.add(name)
        ids.append(name)
    return ids


def _closed(place: int, blocks: list[dict[str, Json]], open_ids: list[str], opened: int) -> None:
    answered: list[str] = []
    spoken = False
    for spot, block in enumerate(blocks):
        if text_raw(block, "type") != "tool_result":
            spoken = spoken or len(answered) < len(open_ids)
            continue
        name = text_raw(block, "tool_use_id")
        if name not in open_ids:
            raise Rejection(
                f"messages.{place}.content.{spot}: unexpected `tool_use_id` found in `tool_result` blocks: {name}. "
                "Each `tool_result` block must have a corresponding `tool_use` block in the previous message."
            )
        if name in answered:
            raise Rejection(
                f"messages.{place}.content.{spot}: each tool_use must have a single result. Found multiple "
                f"`tool_result` blocks with id: {name}"
            )
        if spoken:
            raise Rejection(_unanswered(opened, [name]))
        answered.append(name)
    missing = [name for name in open_ids if name not in answered]
    if missing:
        raise Rejection(_unanswered(opened, missing))


def _unanswered(place: int, ids: list[str]) -> str:
    return (
        f"messages.{place}: `tool_use` ids were found without `tool_result` blocks immediately after: "
        f"{', '.join(ids)}. Each `tool_use` block must have a corresponding `tool_result` block in the next message."
    )
