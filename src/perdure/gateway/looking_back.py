"""What the log of a wrapped client's run knows of its main conversation: found again after a restart, or a going back.

Invariant: only what the run's present path holds counts; what lies in an abandoned tail was never sent.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Final, NamedTuple, cast

import msgspec

from perdure.assembly.foreign.conversations import Scribe
from perdure.assembly.foreign.replies import SpelledCall
from perdure.gateway.gemini_reading import GEMINI, GeminiListener, read_gemini
from perdure.gateway.histories import Past, past_of
from perdure.gateway.holding import ApiListener
from perdure.gateway.recording import is_difference, restored
from perdure.gateway.unseen import Delivered
from perdure.log import events as e
from perdure.log.envelope import Event
from perdure.projection.cut import goes_back
from perdure.projection.state import State
from perdure.values.digest import Json
from perdure.values.errors import PerdureError
from perdure.wire.bodies.nouns import Api, Endpoint
from perdure.wire.bodies.reading import Memo, read_request
from perdure.wire.bodies.request import RequestBody
from perdure.wire.streaming.sse import SseSplitter

_APIS: Final[dict[str, tuple[Api, Endpoint]]] = {
    "messages": ("messages", "messages"),
    "chat": ("chat", "chat"),
    "responses": ("responses", "responses"),
}
_PARTS_MAX: Final = 20_000

AGENT: Final = "a sub-agent"
"""How ``conversation.joined`` says whose it is."""


class LookedUp(NamedTuple):
    """A request as the log knows it."""

    past: Past
    read: RequestBody | None = None
    """None where it wasn't kept whole"""

    @property
    def standing(self) -> tuple[str, str]:
        """Digests of its tools and instructions."""
        return (self.read.tools_digest, self.read.system) if self.read is not None else ("", "")

    @property
    def tail(self) -> int:
        """Messages at its end that follow what the model said last."""
        items = self.read.items if self.read is not None else ()
        return next((n for n, item in enumerate(reversed(items)) if item.role == "assistant"), len(items))


def live_requests(events: Iterable[Event]) -> list[tuple[int, int]]:
    """Return the requests of the newest conversation on the present path: position, and messages that it sent."""
    found: list[tuple[int, int]] = []
    for event in events:
        match event.body:
            case e.RequestForwarded(kept=kept, messages=messages, purpose=purpose) if purpose != "side":
                found.append((event.position, kept + len(messages)))
            case e.RunRewound() if goes_back(event.body, event.position):
                to = event.body.to
                found = [each for each in found if each[0] <= to]
            case e.ConversationOpened():
                found = []
            case _:
                pass
    return found


def newest_live(events: Iterable[Event]) -> int | None:
    """Return where the newest request on the present path stands."""
    found = live_requests(events)
    return found[-1][0] if found else None


def ended_at(events: Sequence[Event], before: int, size: int) -> int:
    """Return where the last request ended, up to the one at ``before``, that sent no more than ``size`` messages.

    That is with its reply, but in front of what was called for that reply; where there is none, the first request's.
    """
    known = [each for each in live_requests(events) if each[0] <= before]
    if not known:
        return 0
    at = next((position for position, sent in reversed(known) if sent <= size), known[0][0])
    end, number = at, 0
    for event in events:
        if event.position < at:
            continue
        match event.body:
            case e.RequestForwarded(number=own) if event.position == at:
                number = own
            case e.RequestForwarded():
                break
            case e.CallReceived():
                return event.position - 1
            case e.RequestAnswered(number=own) | e.RequestFailed(number=own) if own == number:
                return event.position
            case _:
                pass
        end = event.position
    return end


class Came(NamedTuple):
    """Where others came into a run, the last time; 0: never."""

    client: int
    """a process of the client"""
    agent: int
    """a sub-agent of it"""


def came_at(events: Iterable[Event]) -> Came:
    """Return where the newest client, and its newest sub-agent, came."""
    client = agent = 0
    for event in events:
        match event.body:
            case e.ClientAttached():
                client = event.position
            case e.ConversationJoined(why=why) if why.startswith(AGENT):
                agent = event.position
            case _:
                pass
    return Came(client, agent)


def past_in(events: Sequence[Event], newest: int, api: str, scribe: Scribe) -> LookedUp:
    """Return the request at ``newest``."""
    sent: list[str] = []
    bodies: list[e.Content] = []
    for event in events:
        if event.position > newest:
            break
        match event.body:
            case e.ConversationOpened():
                sent = []
            case e.RequestForwarded(kept=kept, messages=messages, body=body):
                sent = [*sent[:kept], *messages]
                bodies = [*bodies, body] if body is not None else bodies
                whole = body is not None if event.position == newest else False
                if event.position == newest and not whole:
                    return LookedUp(Past(tuple(sent), tools=None))
            case _:
                pass
    body = _restored(bodies, scribe)
    read = _read(api, body) if body else None
    if read is None or read.digests != tuple(sent):
        return LookedUp(Past(tuple(sent), tools=None))
    return LookedUp(past_of(read, ""), read)


def reply_in(events: Iterable[Event], asked: int, api: str, scribe: Scribe) -> list[SpelledCall]:
    """Return the calls in the reply to the request at ``asked``; none where it isn't kept."""
    number, kept = 0, None
    for event in events:
        if event.position < asked:
            continue
        match event.body:
            case e.RequestForwarded(number=own) if event.position == asked:
                number = own
            case e.RequestAnswered(number=own, reply=reply) if own == number and number:
                kept = reply
                break
            case _:
                pass
    if kept is None or (api not in _APIS and api != GEMINI):
        return []
    try:
        return calls_in(scribe.read(kept), api)
    except PerdureError:
        return []


def calls_in(reply: bytes, api: str) -> list[SpelledCall]:
    """Return the calls in a reply, as its client was given it."""
    streamed = not reply.lstrip().startswith((b"{", b"["))
    known = _APIS.get(api)
    listener = (
        ApiListener(known[0], streamed=streamed) if known is not None else GeminiListener(streamed=streamed)
    )
    splitter = SseSplitter()
    for piece in splitter.feed(reply) if streamed else ():
        listener.event(piece)
    rest = splitter.close()
    if rest:
        listener.event(rest)
    return list(listener.end(reply))


def received_in(events: Iterable[Event], after: int, state: State, scribe: Scribe) -> Iterator[Delivered]:
    """Yield the calls that were received behind ``after`` and are known on the present path."""
    for event in events:
        if event.position <= after or not isinstance(event.body, e.CallReceived):
            continue
        record = state.live.received.get(event.body.call)
        if record is None:
            continue
        answer = ""
        if record.answered:
            answer = scribe.text(record.content) if record.content is not None else record.text
        yield Delivered(record, event.position, _arguments(scribe.text(event.body.arguments)), answer)


def _read(api: str, body: bytes) -> RequestBody | None:
    known = _APIS.get(api)
    if known is not None:
        return read_request(known[1], body, Memo(_PARTS_MAX))
    return read_gemini(body, "") if api == GEMINI else None


def _restored(bodies: Sequence[e.Content], scribe: Scribe) -> bytes:
    """Return the last of ``bodies``; empty where it can't be had."""
    try:
        stack: list[bytes] = []
        for content in reversed(bodies):
            stack.append(scribe.read(content))
            if not is_difference(stack[-1]):
                break
        body = stack.pop() if stack else b""
        while stack:
            body = restored(stack.pop(), body)
    except (PerdureError, ValueError, msgspec.DecodeError):
        return b""
    return body


def _arguments(spelled: str) -> dict[str, Json]:
    try:
        given = cast("Json", msgspec.json.decode(spelled))
    except (msgspec.DecodeError, ValueError):
        return {}
    return given if isinstance(given, dict) else {}
