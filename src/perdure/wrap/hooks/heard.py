"""The keeper's side of hooks: what a client tells of its own tools is judged and recorded in the session's run.

Invariants:
- A refusal of the contract, or a question to a person that isn't answered, stops the tool: the hook says so.
- Leave given here is never more than the client's own: where nothing stands against a call, the hook says nothing,
  and the client asks its user as it always does.
- A run that can't be written stops the tool as well: nothing may happen that nobody could judge and record.
- Words that nobody understands are said, and stop nothing: they are a client's that is newer than this.
"""

import asyncio
import os
from collections.abc import Mapping
from typing import Final, NamedTuple

from perdure.assembly.foreign.answering import Answer, Asked
from perdure.assembly.foreign.hushing import Hush
from perdure.assembly.foreign.replies import LastReply
from perdure.assembly.foreign.sessions import Session
from perdure.contract import redact
from perdure.intention.declaration import Declaration
from perdure.values.digest import Json, canonical
from perdure.values.errors import PerdureError
from perdure.values.limits import HOOK_PATIENCE_SECONDS
from perdure.wrap.hooks.builtins import unknown_tool
from perdure.wrap.hooks.payloads import Happened, Intended, Rested, flattened, read_payload, served_as
from perdure.wrap.hooks.touching import paths_of, placed

REFUSED: Final = 2
"""The exit code by which every client takes a hook's refusal; its standard error is what the model is told."""

UNJUDGED: Final = 1
"""The exit code of a hook that couldn't do its work: said to the user, and the client goes on."""

OWN_SERVER: Final = "perdure_"
"""Our own MCP server's tools look at the run; they are none of its deeds."""

_TOLD_BY_CLIENT: Final = ("succeeded", "failed")
"""How a call stands whose end the client has told."""

LOST: Final = "the client went on without telling how it ended"


class _Told(NamedTuple):
    """What the hook's process does."""

    exit: int = 0
    err: str = ""
    out: str = ""

    def reply(self) -> dict[str, Json]:
        return {"exit": self.exit, "err": self.err, "out": self.out}


async def heard(
    session: Session,
    words: Mapping[str, Json],
    *,
    reply: LastReply | None = None,
    environment: Mapping[str, str] | None = None,
    patience: float = HOOK_PATIENCE_SECONDS,
) -> dict[str, Json]:
    """Take in what a hook says; return what its process does: ``exit``, ``err`` and ``out``.

    ``reply`` is what the client's model said last, by which a call is put down to a request. ``environment`` (this process's own where it isn't given) holds the credentials around the client, which never
    come into the log. Never raises for what a client says; a call that nobody waits for any more is released.
    """
    payload = words.get("event")
    if not isinstance(payload, dict):
        return _Told(UNJUDGED, "perdure: a hook's words hold no event").reply()
    said = read_payload(payload)
    ear = _Ear(
        session, reply, Hush(None, os.environ if environment is None else environment), payload, patience
    )
    try:
        match said:
            case None:
                told = _Told()
            case str():
                told = _Told(UNJUDGED, f"perdure: {said}")
            case Intended():
                told = await ear.intended(said)
            case Happened():
                told = await ear.happened(said)
            case Rested(prefix):
                told = await ear.rested(prefix)
    except PerdureError as error:
        why = f"perdure: {error} ({error.code}). {error.hint}"
        told = _Told(REFUSED if isinstance(said, Intended) else UNJUDGED, why)
    return told.reply()


class _Ear:
    """One hook's event being taken in."""

    def __init__(
        self,
        session: Session,
        reply: LastReply | None,
        hush: Hush,
        payload: Mapping[str, Json],
        patience: float,
    ) -> None:
        self._session: Session = session
        self._reply: LastReply | None = reply
        self._hush: Hush = hush
        self._payload: Mapping[str, Json] = payload
        self._patience: float = patience

    async def intended(self, said: Intended) -> _Told:
        """Judge a call before the client carries it out."""
        if self._served(said):
            return _Told()
        answer = await self._judged(said, self._fresh(said.call), self._patience)
        if answer.kind in ("allowed", "succeeded", "partial", "failed", "replayed"):
            return _Told()
        return _Told(REFUSED, answer.text)

    async def happened(self, said: Happened) -> _Told:
        """Record what became of a call."""
        if self._served(said.before):
            return _Told()
        call = self._newest(said.before.call)
        record = self._session.state.live.received.get(call)
        if record is not None and (
            record.answer in _TOLD_BY_CLIENT or (record.answered and said.outcome == "failed")
        ):
            # Told before, or the client's own word for our refusal.
            return _Told()
        if record is not None and record.answered:
            return _Told(
                UNJUDGED, f"perdure: {said.before.tool} ran although its client was told: {record.text}"
            )
        unasked = "" if record is not None else await self._recorded_late(said.before, call)
        await self._session.client_did(call, said.outcome, self._kept(said), self._shown(said.error))
        return _Told(UNJUDGED, unasked) if unasked else _Told()

    async def rested(self, prefix: str) -> _Told:
        """What this session had under way and never told the end of is over, nobody knows how."""
        for call in self._unanswered(prefix):
            await self._session.client_did(call, "unknown", "null", LOST)
        return _Told()

    # ------------------------------------------------------------------------------------------------

    def _served(self, said: Intended) -> bool:
        """Whether the tool is an MCP server's that stands behind us: there its call is judged, and recorded."""
        name = served_as(said.tool, self._payload)
        if name.startswith(OWN_SERVER):
            return True
        behind = (tool.name for tool in self._session.foreign.tools if tool.builtin != "client")
        return any(flattened(known) == name for known in behind)

    async def _judged(self, said: Intended, call: str, patience: float) -> Answer:
        declaration = await self._declared(said.tool)
        arguments = self._recorded(declaration, said)
        reply = self._reply
        of = reply.found(call, "", said.tool, said.arguments, said.use).of if reply is not None else 0
        asked = Asked(call, said.tool, arguments, of, "hook")
        try:
            return await self._session.call(asked, patience=patience)
        except asyncio.CancelledError:
            await asyncio.shield(self._session.release(call, "the client's hook went away"))
            raise

    async def _declared(self, tool: str) -> Declaration:
        """Return the declaration of the client's tool; one that is new is adopted from here on."""
        while True:
            tools = self._session.foreign.tools
            known = next((each for each in tools if each.name == tool), None)
            if known is not None:
                return known
            await self._session.adopt((*tools, unknown_tool(tool)))

    def _recorded(self, declaration: Declaration, said: Intended) -> dict[str, Json]:
        """Return the arguments as they are judged and recorded: without credentials, secret files by digest."""
        arguments = placed(declaration, said.arguments, self._session.foreign.root, said.standing)
        if self._is_secret(declaration, arguments):
            paths = {*declaration.reads, *declaration.writes}
            arguments = {
                name: value if name in paths else self._hush.digested(value)
                for name, value in arguments.items()
            }
        hushed = self._hush.hushed(arguments)
        return hushed if isinstance(hushed, dict) else {}

    def _kept(self, said: Happened) -> str:
        """Return the result as it is recorded, JSON text."""
        tools = self._session.foreign.tools
        declaration = next((each for each in tools if each.name == said.before.tool), None)
        result = said.result
        if declaration is not None and self._is_secret(declaration, said.before.arguments):
            result = self._hush.digested(result)
        return self._shown(canonical(result).decode("utf-8", "surrogatepass"))

    def _shown(self, text: str) -> str:
        """Return ``text`` without credentials, and without what the contract takes out."""
        hushed = self._hush.hushed(text)
        law = self._session.store.inspector.law(self._session.state)
        return redact(law, hushed) if isinstance(hushed, str) else ""

    def _is_secret(self, declaration: Declaration, arguments: Mapping[str, Json]) -> bool:
        return any(self._hush.is_secret(path) for path in paths_of(declaration, arguments))

    async def _recorded_late(self, said: Intended, call: str) -> str:
        """Record a call that nobody was asked about before it ran; return what there is to say of that.

        The keeper was away, or the hooks came later than the call.
        """
        answer = await self._judged(said, call, 0.0)
        return (
            ""
            if answer.kind == "allowed"
            else f"perdure: {said.tool} ran without being judged: {answer.text}"
        )

    def _newest(self, call: str) -> str:
        """Return the name of the newest call like this one, or its own where there is none."""
        known, name, number = self._session.state.live.received, call, 1
        while (after := f"{call}~{number + 1}") in known:
            name, number = after, number + 1
        return name

    def _fresh(self, call: str) -> str:
        """Return the name of this call; where a client tries one again that it has told the end of, another one."""
        name = self._newest(call)
        record = self._session.state.live.received.get(name)
        if record is None or record.answer not in _TOLD_BY_CLIENT:
            return name
        return f"{call}~{int(name.removeprefix(call).removeprefix('~') or '1') + 1}"

    def _unanswered(self, prefix: str) -> list[str]:
        return [
            name
            for name, record in self._session.state.live.received.items()
            if record.via == "hook" and not record.answered and record.accepted and name.startswith(prefix)
        ]
