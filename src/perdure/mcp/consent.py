"""Asking the person behind a client for leave, by elicitation, while the call waits.

A form that was filled in is a person's word. One that was declined or closed is none: clients without a person
decline by themselves, and a refusal would stand for the life of the lineage.
"""

from collections.abc import Mapping
from typing import Final, Protocol, cast

from mcp.shared.exceptions import MCPError

from perdure.assembly.foreign.answering import Waiting
from perdure.assembly.foreign.sessions import Session
from perdure.log.events import CallReleased
from perdure.mcp.link import Link, Object, Params
from perdure.mcp.performing import Calling
from perdure.values.digest import Json, canonical
from perdure.values.errors import PerdureError

_SHOWN_CHARACTERS_MAX: Final = 2000
"""Of the arguments, within a question: a person reads no more before they press a key."""


class Elicits(Protocol):
    """A client that can put a question to a person."""

    @property
    def client(self) -> str:
        """Who it is."""
        ...

    async def asked(self, link: Link, method: str, params: Params) -> Object:
        """Return the client's answer; raises ``MCPError``."""
        ...


def can_be_asked(hello: Mapping[str, Json]) -> bool:
    """Tell whether a client says that it can put a form to a person."""
    capabilities = hello.get("capabilities")
    said = cast("Object", capabilities).get("elicitation") if isinstance(capabilities, dict) else None
    return isinstance(said, dict) and ("form" in said or "url" not in said)


async def consent_asked(
    session: Session, client: Elicits, calling: Calling, waiting: Waiting, hello: Mapping[str, Json]
) -> None:
    """Put the question to the person behind the client, and record what they say; all but a filled form decides nothing."""
    if not can_be_asked(hello) or not waiting.approval:
        return
    question: Object = {
        "message": _question(calling, waiting),
        "requestedSchema": {
            "type": "object",
            "properties": {
                "allow": {
                    "type": "boolean",
                    "title": f"Allow {calling.tool}",
                    "description": "Once, and exactly with these arguments.",
                    "default": False,
                },
                "note": {"type": "string", "title": "Note", "description": "Kept in the log."},
            },
            "required": ["allow"],
        },
    }
    try:
        said = await client.asked(calling.link, "elicitation/create", question)
        content = said.get("content")
        words = cast("Object", content) if isinstance(content, dict) else {}
        allow = words.get("allow") if said.get("action") == "accept" else None
        if isinstance(allow, bool):
            by = f"{client.client} (elicitation)"
            await session.decide(waiting.approval, grant=allow, by=by, note=str(words.get("note") or ""))
        else:
            # The question stays open: `perdure approve` answers it as well. Nobody is at the client, so it is told now.
            await session.tell(CallReleased(waiting.call, waiting.words, "waits"))
    except (MCPError, PerdureError):
        return


def _question(calling: Calling, waiting: Waiting) -> str:
    shown = canonical(calling.arguments).decode()
    if len(shown) > _SHOWN_CHARACTERS_MAX:
        shown = f"{shown[:_SHOWN_CHARACTERS_MAX]}… ({len(shown)} characters)"
    return f"May {calling.name} be called? {waiting.why}\n{shown}"
