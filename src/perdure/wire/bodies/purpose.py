"""What a request is for, and whose conversation it belongs to, as far as its own words tell.

A client that compacts its history asks the model for a summary in words of its own. They are recognised by a few of
those words; what isn't recognised counts as any other request, which costs an index of handles and nothing else.
"""

import re
from typing import Final

from perdure.values.digest import Json
from perdure.wire.bodies.nouns import Api, Endpoint, Item, Purpose
from perdure.wire.bodies.spans import FAULTS, decoded
from perdure.wire.reading import dict_at, text_raw

_COMPACTS: Final = re.compile(
    r"create a detailed summary of (?:this|the)[^.]{0,40} conversation"  # Claude Code 1 and 2
    r"|context checkpoint compaction"  # Codex 0.46 and later
    r"|create a new anchored summary|construct a new summary that combines"  # opencode 1.1 and later
    r"|detailed prompt for continuing our conversation"  # opencode before it
    r"|generate the <state_snapshot>"  # Gemini CLI, Qwen Code
    r"|structured context checkpoint summary"  # pi
    r"|you are a context summarization agent|ai assistant tasked with summarizing conversations",  # instructions
    re.IGNORECASE,
)

_LOOKED_AT: Final = 16_384
"""Characters at each end of a text in which such words are looked for: prompts of that kind are short, or close one."""

_SESSION: Final = re.compile(r"(?:^|_)session_([0-9A-Za-z-]{8,64})$")


def compacts(text: str) -> bool:
    """Tell whether ``text`` asks for a summary that is to stand in the place of the conversation."""
    ends = text if len(text) <= 2 * _LOOKED_AT else f"{text[:_LOOKED_AT]}\n{text[-_LOOKED_AT:]}"
    return _COMPACTS.search(ends) is not None


def purpose_of(endpoint: Endpoint, items: tuple[Item, ...], *, asked: bool, offers: bool) -> Purpose:
    """Return what the request is for; ``asked``: its newest words ask for a compaction; ``offers``: it has tools."""
    if endpoint == "count_tokens":
        return "count"
    if endpoint == "compact" or asked:
        return "compaction"
    return "main" if offers or any(item.role == "tool" for item in items) else "side"


def session_of(api: Api, metadata: Json, cache_key: Json, conversation: Json) -> str:
    """Return the client's own name of the conversation; empty where it gives none."""
    if api != "messages":
        named = text_raw(conversation, "id") if isinstance(conversation, dict) else conversation
        return next((name for name in (cache_key, named) if isinstance(name, str) and name), "")
    user = text_raw(metadata, "user_id")
    if user.startswith("{"):
        try:
            return text_raw(dict_at({"of": decoded(user.encode())}, "of"), "session_id")
        except FAULTS:
            return ""
    found = _SESSION.search(user)
    return found[1] if found else ""


def is_forced(choice: Json) -> bool:
    """Tell whether ``tool_choice`` leaves the model no choice: one tool, any tool, or none."""
    if isinstance(choice, dict):
        kind = text_raw(choice, "type")
        return kind != "auto" and not (kind == "allowed_tools" and text_raw(choice, "mode") == "auto")
    return choice in {"required", "none", "any"} if isinstance(choice, str) else False
