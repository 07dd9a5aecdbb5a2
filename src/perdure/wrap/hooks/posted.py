"""Hooks that a client posts to its gateway instead of starting a process for each: a kept connection, and no waiting.

Claude Code has such hooks. What is said and what becomes of it is the same; the answer is a document of the client's
own words instead of an exit code.
"""

from typing import cast

import msgspec

from perdure.assembly.foreign.replies import LastReply
from perdure.assembly.foreign.sessions import Session
from perdure.values.digest import Json
from perdure.wrap.hooks.heard import REFUSED, heard
from perdure.wrap.hooks.payloads import BEFORE


async def heard_posted(
    session: Session, client: str, body: bytes, *, reply: LastReply | None, patience: float
) -> bytes:
    """Take in what a hook has posted; return the document that its client is answered with."""
    event = _event(body)
    told = await heard(
        session, {"want": "hook", "client": client, "event": event}, reply=reply, patience=patience
    )
    return msgspec.json.encode(_answer(event.get("hook_event_name"), told))


def _event(body: bytes) -> dict[str, Json]:
    try:
        found = cast("Json", msgspec.json.decode(body))
    except msgspec.DecodeError:
        return {}
    return found if isinstance(found, dict) else {}


def _answer(event: Json, told: dict[str, Json]) -> dict[str, Json]:
    if told["exit"] == REFUSED and event in BEFORE:
        return {
            "hookSpecificOutput": {
                "hookEventName": event,
                "permissionDecision": "deny",
                "permissionDecisionReason": told["err"],
            }
        }
    return {"systemMessage": told["err"]} if told["err"] else {}
