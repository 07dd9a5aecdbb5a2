"""The window of a run of our own: what it holds is told before the model is asked, and the policy says what moves.

The same facts that a gateway tells of a foreign agent follow here from the run's own, so one policy and one ledger
serve both. Nothing of it happens where the definition says nothing of paging.
"""

from typing import Final

from perdure.intention.declaration import Declaration, Definition, Paging
from perdure.intention.reply import Reply
from perdure.log import events as e
from perdure.orchestrator.draft import Draft
from perdure.orchestrator.judge import what
from perdure.page.alone import alone
from perdure.page.handles import RECALL_NAME, digest_of, handle_of
from perdure.page.own import call_name, page_of
from perdure.page.policy import moves
from perdure.projection.conversations import OWN
from perdure.projection.state import CallRecord, Message, State, Turn
from perdure.values.digest import Json, canonical
from perdure.values.limits import ARRIVALS_MAX, SHORT_TOKENS

_ABOUT_CHARACTERS: Final = 400
"""Of a path in an event; what is longer is no path."""


def tell_window(d: Draft, reply: Reply | None) -> None:
    """Tell what the model is about to be asked with, and emit the moves that follow."""
    paging = d.law.definition.paging
    if paging is None:
        return
    if d.state.live.conversation is None:
        d.emit(
            e.ConversationOpened(
                client="perdure",
                api=OWN,
                model=d.law.definition.model,
                mode=paging.mode,
                recall=paging.mode != "observe",
                tariff=paging.tariff,
                room=paging.room,
                kept="none",
            )
        )
    body = _Window(d, paging, reply).told()
    d.emit(body)
    for move in moves(d.state, body, d.at):
        d.emit(move)


def tell_answer(d: Draft, body: e.ModelReplied) -> None:
    """Tell what the newest request took, and what it would have cost had nothing been moved."""
    talk = d.state.live.conversation
    if talk is None or talk.api != OWN or not talk.requests or talk.trail.answered >= talk.requests:
        return
    counted = alone(d.state, body.usage)
    d.emit(
        e.RequestAnswered(
            number=talk.requests, usage=body.usage, told=body.usage, reply=None, alone_microusd=counted
        )
    )


def adopt_paging(d: Draft) -> None:
    """The agent's definition is another one: what it says of the window holds from here on."""
    talk, paging = d.state.live.conversation, d.law.definition.paging
    if talk is None or talk.api != OWN:
        return
    if paging is None:
        if talk.mode != "observe":
            d.emit(e.PagingSet("observe", talk.frozen, "the agent asks for no paging any more", "definition"))
        return
    if (talk.mode, talk.tariff, talk.room) == (paging.mode, paging.tariff, paging.room):
        return
    frozen = talk.frozen and talk.mode == paging.mode
    why = "the agent's definition is another one"
    model = d.law.definition.model
    d.emit(e.PagingSet(paging.mode, frozen, why, "definition", model, paging.tariff, paging.room))


def about_of(tool: Declaration, arguments: dict[str, Json]) -> str:
    """Return the path or address that a call is about, else the call in a few words."""
    for place in (*tool.reads, *tool.writes, *tool.connects):
        value = arguments.get(place)
        if isinstance(value, str) and value:
            return value[:_ABOUT_CHARACTERS]
    return what(tool, arguments)


class _Window:
    """The tokens of a conversation, counted entry by entry."""

    def __init__(self, d: Draft, paging: Paging, reply: Reply | None) -> None:
        self._state: State = d.state
        self._definition: Definition = d.law.definition
        self._paging: Paging = paging
        self._reply: Reply | None = reply
        self._tokens: int = self._fixed()
        self._recalled: int = 0
        self._moved: int = 0
        self._arrived: list[e.Arrived] = []
        self._abouts: set[str] = set()

    def told(self) -> e.RequestForwarded:
        """Return what the window holds, what is new in it, and what was needed again."""
        live = self._state.live
        for ordinal, entry in live.entries.items():
            match entry:
                case Message():
                    self._tokens += self._paging.tokens(entry.text.size)
                case Turn():
                    self._turn(entry, newest=ordinal == live.newest)
        talk = live.conversation
        again = (
            page.page
            for page in live.pages.values()
            if page.shape != "whole" and page.about and page.about in self._abouts
        )
        return e.RequestForwarded(
            number=talk.requests + 1 if talk is not None else 1,
            model=self._definition.model,
            tokens=self._tokens,
            kept=len(live.sent),
            arrived=tuple(self._arrived[-ARRIVALS_MAX:]),
            again=tuple(again),
            moved=self._moved,
            recalled=self._recalled,
        )

    def _fixed(self) -> int:
        """Tokens of what stands before the conversation: instructions and tools."""
        spelled = len(self._definition.instructions.encode())
        for tool in self._definition.tools:
            spelled += len(tool.name) + len(tool.description.encode()) + len(canonical(tool.schema))
        return self._paging.tokens(spelled)

    def _turn(self, turn: Turn, *, newest: bool) -> None:
        if not turn.replied or turn.reply is None:
            return
        self._tokens += self._paging.tokens(turn.reply.size)
        for record in turn.calls:
            size = record.content.size if record.content is not None else len(record.text.encode())
            tokens = self._paging.tokens(size)
            if record.tool == RECALL_NAME and record.key == "recall":
                self._recalled += tokens
                continue
            page = page_of(self._state.live.pages, record)
            if page is not None and page.shape != "whole":
                self._moved += page.tokens - page.shown_tokens
            if newest:
                self._new(record, tokens)
            self._tokens += tokens

    def _new(self, record: CallRecord, tokens: int) -> None:
        """Take in an answer that the model hasn't seen: a page, if it is long and may move."""
        tool = self._definition.tool(record.tool)
        if tool is None or tool.builtin is not None:
            return
        calls = self._reply.calls if self._reply is not None else ()
        about = about_of(tool, calls[record.index].arguments or {}) if record.index < len(calls) else ""
        self._abouts.add(about)
        if record.content is None or record.answer != "succeeded" or tokens < SHORT_TOKENS:
            return
        name = call_name(record.id, record.proposed)
        handle = handle_of(name, digest_of(record.content))
        if handle in self._state.live.pages:
            return
        preview = record.preview
        self._arrived.append(
            e.Arrived(
                page=handle,
                content=record.content,
                tokens=tokens,
                call=name,
                tool=record.tool,
                about=about,
                before=self._tokens,
                preview=preview,
                preview_tokens=self._paging.tokens(preview.size) if preview is not None else 0,
                lines=record.lines,
            )
        )
