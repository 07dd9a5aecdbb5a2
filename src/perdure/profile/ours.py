"""Runs of our own log: agents on our API, and foreign agents' conversations through the gateway.

What they hold, and how it is read:
- An own agent's run holds everything: instructions, schemas, every message, reply and result. What a rewind leaves
  out leaves the window.
- A conversation holds each request's results, its size and its usage. Where its words aren't kept, they are counted
  as 'other'; a side call is a trace of its own.
- A prompt is told as if no page had left it, since that is what other policies are measured against; its usage and
  its cost are as recorded.
"""

from collections.abc import Callable, Iterator
from typing import Final

import msgspec

from perdure.intention.declaration import Definition
from perdure.intention.reply import read_reply
from perdure.log import events as e
from perdure.log.envelope import Event
from perdure.page.caching import provider_of
from perdure.profile.loom import Loom, Reported
from perdure.profile.snippets import (
    Inquiry,
    Snippet,
    answered,
    called,
    parsed,
    read_blocks,
    spelled,
    thought,
)
from perdure.profile.trace import Trace
from perdure.projection.conversations import OWN
from perdure.projection.evolve import evolve
from perdure.projection.state import State
from perdure.values.digest import Json
from perdure.wire.reading import dicts_at, dicts_in

SOURCE: Final = "perdure"
TextOf = Callable[[e.Content | None], str]


def _density(model: str) -> float:
    return 4.0 if provider_of(model) == "openai" else 2.9


class RunReader:
    """The events of one run into its traces."""

    def __init__(self, name: str, text: TextOf, definition: Callable[[str], Definition | None]) -> None:
        """``text`` reads content, ``definition`` the agent's definition of a digest."""
        self._name: str = name
        self._text: TextOf = text
        self._definition: Callable[[str], Definition | None] = definition
        self._state: State = State()
        self._loom: Loom | None = None
        self._model: str = ""
        self._asked_at: int = 0
        self._calls: dict[str, str] = {}
        """key of an effect -> its call"""
        self._ends: list[tuple[int, int]] = []
        """position -> where the window ended"""
        self._talk: TalkReader | None = None

    def take(self, event: Event) -> None:
        """Take in the next event."""
        self._state = evolve(self._state, event)
        body = event.body
        if isinstance(body, e.ConversationOpened) and body.api != OWN and self._talk is None:
            self._talk = TalkReader(self._name, self._text)
        if self._talk is not None:
            self._talk.take(event, self._state)
            return
        match body:
            case e.RunOpened() | e.ContractAdopted():
                self._begin(body.definition)
            case e.MessageReceived():
                self._put(Snippet("user", self._text(body.text)))
            case e.ModelRequested():
                self._asked_at = event.at
            case e.ModelReplied():
                self._reply(body)
            case e.EffectStarted():
                self._calls[body.key] = body.call
            case e.EffectSettled() | e.EffectReplayed() | e.IntentionRefused() | e.RunRewound():
                self._result(body)
            case _:
                pass
        if self._loom is not None:
            self._ends.append((event.position, self._loom.window.stop))

    def traces(self) -> Iterator[Trace]:
        """Yield what was read, if the model was asked at all."""
        if self._talk is not None:
            yield from self._talk.traces()
        elif self._loom is not None and self._loom.requests:
            yield self._loom.trace()

    def _begin(self, digest: str) -> None:
        known = self._definition(digest)
        self._model = known.model if known is not None else ""
        if self._loom is not None:
            return
        self._loom = Loom(self._name, SOURCE, density=_density(self._model))
        if known is None:
            self._loom.hole("system", "system")
            self._loom.hole("schema", "schema")
            return
        schemas = [[tool.name, tool.description, tool.schema] for tool in known.tools]
        self._put(Snippet("system", known.instructions))
        self._put(Snippet("schema", spelled([list(each) for each in schemas])))

    def _put(self, piece: Snippet) -> None:
        if self._loom is not None:
            self._loom.put([piece])

    def _reply(self, body: e.ModelReplied) -> None:
        if self._loom is None:
            return
        reply = read_reply(self._text(body.reply).encode())
        thoughts = [
            thought(block) for block in dicts_in(reply.blocks or []) if "thinking" in str(block.get("type"))
        ]
        said = [Snippet("said", reply.text)] if reply.text else []
        calls = [called(call.id, call.tool, call.arguments or call.unreadable) for call in reply.calls]
        pieces = [*thoughts, *said, *calls]
        kept_out = _kept_out(self._state)
        if kept_out:
            self._loom.assumed[
                "Prompts are told as if no page had left them; usage and cost are as recorded."
            ] = None
        measured = body.usage.input_tokens > 0
        self._loom.reply(
            Reported(self._asked_at, body.usage, pieces, self._model, kept_out=kept_out, measured=measured)
        )

    def _result(self, body: e.EffectSettled | e.EffectReplayed | e.IntentionRefused | e.RunRewound) -> None:
        match body:
            case e.RunRewound():
                self._back(body.to)
                return
            case e.EffectSettled():
                words, call = self._text(body.result) or body.error, self._calls.get(body.key, "")
                piece = answered(call, words, failed=body.outcome == "failed")
            case e.EffectReplayed():
                effect = self._state.world.receipts.get(body.key)
                piece = answered(body.call, self._text(effect.result) if effect is not None else "")
            case e.IntentionRefused():
                piece = answered(body.call, f"{body.reason} {body.hint}".strip(), failed=True)
        self._put(piece)

    def _back(self, to: int) -> None:
        if self._loom is None:
            return
        end = next((stop for position, stop in reversed(self._ends) if position <= to), 0)
        window = self._loom.window
        self._loom.restart(range(window.start, max(min(end, window.stop), window.start)))


class TalkReader:
    """A foreign agent's conversation through the gateway."""

    def __init__(self, name: str, text: TextOf) -> None:
        """``text`` reads content."""
        self._name: str = name
        self._text: TextOf = text
        self._main: Loom | None = None
        self._side: Loom | None = None
        self._compacts: bool = False
        """whether the request before was the client's compaction"""
        self._front: int = 0
        """segments of system prompt and schemas"""
        self._at: int = 0
        self._purpose: str = "main"
        self._model: str = ""

    def take(self, event: Event, state: State) -> None:
        """Take in the next event; ``state`` has it taken in."""
        body = event.body
        match body:
            case e.ConversationOpened():
                self._model = body.model or self._model
            case e.RequestForwarded():
                self._at, self._purpose, self._model = event.at, body.purpose, body.model or self._model
                self._forwarded(body)
            case e.RequestAnswered():
                self._answered(body, state)
            case _:
                pass

    def traces(self) -> Iterator[Trace]:
        """Yield the conversation, and its side calls."""
        for loom in (self._main, self._side):
            if loom is not None and loom.requests:
                yield loom.trace()

    def _forwarded(self, body: e.RequestForwarded) -> None:
        if body.purpose == "side":
            side = self._side = self._side or Loom(
                f"{self._name}/side", SOURCE, density=_density(self._model)
            )
            side.restart(())
            side.hole("other", "other")
            return
        main = self._main
        if main is None:
            main = self._main = Loom(self._name, SOURCE, density=_density(self._model))
            main.put(_front(parsed(self._text(body.body)) or {}))
            self._front = main.window.stop
            main.assumed[
                "Of a conversation its first request is known, where it is kept, and all results by tool; the words "
                "between them are counted as 'other'."
            ] = None
        elif body.broken == "client":
            main.restart(main.window[: self._front], compacted=self._compacts)
        self._compacts = body.purpose == "compaction"
        main.put([_arrived(new, self._text) for new in body.arrived])
        main.hole("other", "other")

    def _answered(self, body: e.RequestAnswered, state: State) -> None:
        loom = self._side if self._purpose == "side" else self._main
        if loom is None:
            return
        usage = msgspec.structs.replace(body.told, cost_microusd=body.usage.cost_microusd)
        talk = state.live.conversation
        kept_out = talk.moved if talk is not None and self._purpose != "side" else 0
        ttl = talk.tariff.ttl if talk is not None else 0
        loom.reply(Reported(self._at, usage, (), self._model, ttl=ttl, kept_out=max(kept_out, 0)))


def _front(body: dict[str, Json]) -> list[Snippet]:
    """Return what stands in front of a request's messages, in whichever API's words."""
    schemas = body.get("tools")
    pieces = list(read_blocks(body.get("system") or body.get("instructions"), "system"))
    for name in ("messages", "input"):
        for message in dicts_at(body, name):
            if message.get("role") in ("system", "developer"):
                pieces += read_blocks(message.get("content"), "system")
    return [*([Snippet("schema", spelled(schemas))] if schemas else []), *pieces]


def _arrived(new: e.Arrived, text: TextOf) -> Snippet:
    asked = Inquiry(
        new.tool, new.about, "", (new.about,) if "/" in new.about and " " not in new.about else ()
    )
    return Snippet("result", text(new.content), tokens=new.tokens, asked=asked, exempt=new.exempt)


def _kept_out(state: State) -> int:
    return sum(page.tokens - page.shown_tokens for page in state.live.pages.values())
