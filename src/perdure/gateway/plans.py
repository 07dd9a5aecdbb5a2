"""What becomes of one request: the fact that is told, and the bytes that go on.

Invariants:
- What stands in a page's place is looked up in the state, as it was recorded, and never made anew.
- A request in which nothing was moved goes on as the very bytes that came.
- What was decided with it is on disk before it goes on: ``Plan.durable`` is awaited where ``Plan.decided``.
"""

from collections.abc import Awaitable, Sequence
from typing import Final, NamedTuple

from perdure.gateway.arrivals import Blob, arrivals
from perdure.gateway.editing import edits_of, may_ask
from perdure.gateway.measure import Measure
from perdure.gateway.recording import kept as kept_body
from perdure.gateway.stubs import Stubs, stub_edits, stubbed, stubs_due
from perdure.gateway.talks import Talk, common
from perdure.log import events as e
from perdure.log.envelope import Event
from perdure.projection.state import Page, State
from perdure.values.limits import MESSAGES_TRACKED_MAX
from perdure.wire.bodies.request import RequestBody
from perdure.wire.bodies.spans import members
from perdure.wire.bodies.splicing import Edit

_CONVERSATION: Final = b'"conversation"'


class Plan(NamedTuple):
    """One request, decided on."""

    number: int
    position: int
    """of the fact"""
    edits: tuple[Edit, ...]
    """of the body that came, after which it goes on"""
    durable: Awaitable[None]
    """done when the fact is on disk"""
    decided: bool = False
    """whether the fact holds something that the bytes depend on"""
    recall: bool = False
    """whether the model can ask for pages"""


class Recording(NamedTuple):
    """What is kept of requests, and what may be done with them."""

    bodies: bool
    pages: bool
    moves: bool
    at: int
    """when the request came, ns"""
    toolless: bool = False
    """whether it is the main loop's of a client that offers no tools"""
    unbroken: bool = False
    """whether it begins with all that a request on the run's present path sent, whatever lies in an abandoned tail"""
    session: str = ""
    """the client's own name for the conversation; empty where that changes nothing"""


async def planned(
    talk: Talk, read: RequestBody, measure: Measure, recording: Recording, *, new: bool
) -> Plan:
    """Tell the fact of ``read`` and return what goes on; ``new``: the conversation began with it."""
    stubs = stubs_due(talk, read, measure, recording.at) if recording.moves and may_ask(read) else Stubs()
    if stubs.facts:
        await talk.scribe.tell(*stubs.facts, blobs=stubs.blobs)
    fact, blobs = _fact(talk, read, measure, recording)
    told = await talk.scribe.tell(fact, blobs=blobs)
    talk.standing = (read.tools_digest, read.system)
    talk.tail = next(
        (n for n, item in enumerate(reversed(read.items)) if item.role == "assistant"), len(read.items)
    )
    state = talk.state
    edits = edited(state, talk, read) if recording.moves else []
    return Plan(
        fact.number,
        told.events[0].position,
        tuple(edits),
        told.durable,
        decided=moves_in(told.events) or bool(stubs.facts) or (new and bool(edits)),
        recall=recording.moves and talk.conversation.recall and may_ask(read),
    )


def edited(state: State, talk: Talk, read: RequestBody) -> list[Edit]:
    """Return the edits after which ``read`` is as ``state`` says: the same for the same state, always."""
    known = state.live.conversation
    shown = [
        (result, talk.scribe.text(page.shown))
        for result in (read.results if known is not None and known.evicted else ())
        if not result.fixed
        and (page := _page(talk, state, result.call, result.digest)) is not None
        and page.shown is not None
    ]
    stubs = stub_edits(talk, read) if may_ask(read) else ()
    return [*edits_of(state, read, shown, talk.scribe), *stubs]


def moves_in(events: Sequence[Event]) -> bool:
    """Tell whether a page moved with these events."""
    return any(
        isinstance(event.body, e.PageEvicted)
        or (isinstance(event.body, e.PageAdmitted) and event.body.shown is not None)
        for event in events
    )


def trackable(read: RequestBody) -> bool:
    """Tell whether a conversation can be made of it: its messages are all there, and can be named in an event."""
    return (
        bool(read.items)
        and not read.previous
        and not _held_by_provider(read)
        and len(read.items) <= MESSAGES_TRACKED_MAX
    )


def _held_by_provider(read: RequestBody) -> bool:
    """Tell whether the provider keeps the conversation, so that the request holds what is new in it alone."""
    if read.api != "responses" or _CONVERSATION not in read.body:
        return False
    place = members(read.body).get("conversation")
    return place is not None and read.body[place.start : place.end] != b"null"


def _page(talk: Talk, state: State, call: str, digest: str) -> Page | None:
    found = talk.page_of(call, digest)
    return state.live.pages.get(found.page) if found is not None else None


def _fact(
    talk: Talk, read: RequestBody, measure: Measure, recording: Recording
) -> tuple[e.RequestForwarded, list[Blob]]:
    digests = read.digests
    kept = common(talk.sent, digests)
    said = talk.said_at(digests, kept)
    blobs: list[Blob] = []
    pages: tuple[e.Arrived, ...] = ()
    if recording.pages:
        new = arrivals(talk, read, kept, measure, previews=recording.moves and not talk.conversation.frozen)
        pages = new.pages
        blobs += new.blobs
    content: e.Content | None = None
    if recording.bodies:
        stored = kept_body(read.body, talk.kept_body, talk.name_kept(), talk.kept_since)
        content = stored.content
        blobs.append(stored.blob)
        talk.kept_since = 0 if stored.whole else talk.kept_since + content.size
        talk.keep(read.body, stored.content.blob or "" if stored.whole else "")
    fact = e.RequestForwarded(
        number=talk.conversation.requests + 1,
        purpose="main" if recording.toolless and read.purpose == "side" else read.purpose,
        model=read.model,
        tokens=measure.tokens(read.model, read.characters),
        kept=kept,
        messages=digests[kept:],
        arrived=pages,
        again=talk.evidence.again(talk.state.live.pages, talk.handles, talk.made, read, max(kept, said + 1))
        if recording.moves
        else (),
        broken="client" if not recording.unbroken and _rewrote(talk, read, kept) else "",
        body=content,
        moved=_kept_out(talk, read),
        session=recording.session if recording.session != talk.conversation.session else "",
    )
    return fact, blobs


def _rewrote(talk: Talk, read: RequestBody, kept: int) -> bool:
    """Whether something changed in front of what the model said last, so that no cache can hold it."""
    if not talk.conversation.requests:
        return False
    return (
        talk.standing not in {("", ""), (read.tools_digest, read.system)} or kept < len(talk.sent) - talk.tail
    )


def _kept_out(talk: Talk, read: RequestBody) -> int:
    """Return the tokens that earlier moves keep out of this request."""
    total = 0
    for result in read.results if talk.conversation.evicted else ():
        page = talk.page_of(result.call, result.digest)
        if page is not None and page.shown is not None:
            total += page.tokens - page.shown_tokens
    schemas = stubbed(talk, read) if may_ask(read) else ()
    return total + sum(page.tokens - page.shown_tokens for _, page in schemas)
