"""Pages of context and foreign agents' conversations: their part of the fold."""

from msgspec.structs import replace

from perdure.log import events as e
from perdure.log.envelope import Event
from perdure.projection.state import Conversation, Page, Shape, State
from perdure.values.limits import PAGE_MOVES_MAX
from perdure.values.table import Table

_SHAPES: dict[str, Shape] = {"whole": "whole", "preview": "preview"}


def admitted(state: State, body: e.PageAdmitted, event: Event) -> State:
    """The page is in the window, whole or as a preview."""
    shape = _SHAPES.get(body.shape, "whole")
    page = Page(
        page=body.page,
        content=body.content,
        tokens=body.tokens,
        admitted=event.position,
        moves=((event.position, body.shape),),
        shape=shape,
        shown=body.shown,
        shown_tokens=body.tokens if shape == "whole" else _tokens(body.shown, body.content, body.tokens),
        call=body.call,
        tool=body.tool,
        about=body.about,
        before=body.before,
        number=body.number,
        exempt=body.exempt,
        lines=body.lines,
    )
    moved = page.tokens - page.shown_tokens
    return _put(_count(state, moved=moved, evicted=int(shape == "preview")), page)


def evicted(state: State, body: e.PageEvicted, event: Event) -> State:
    """Its handle stands in its place."""
    page = state.live.pages.get(body.page)
    if page is None or page.shape == "evicted":
        return state
    state = _count(state, moved=page.shown_tokens - body.tokens, evicted=int(page.shape == "whole"))
    page = _moved(page, event.position, "evicted")
    return _put(state, replace(page, shape="evicted", shown=body.shown, shown_tokens=body.tokens))


def faulted(state: State, body: e.PageFaulted, event: Event) -> State:
    """It was asked for, and given; where it stood, nothing changes."""
    page = state.live.pages.get(body.page)
    if page is None:
        return state
    state = _count(state, faulted=int(page.faults == 0))
    return _put(state, replace(_moved(page, event.position, "faulted"), faults=page.faults + 1))


def pinned(state: State, body: e.PagePinned, event: Event) -> State:
    """It stays until that request."""
    page = state.live.pages.get(body.page)
    if page is None:
        return state
    return _put(state, replace(_moved(page, event.position, "pinned"), pinned_until=body.until))


def unpinned(state: State, body: e.PageUnpinned, event: Event) -> State:
    """It may leave again."""
    page = state.live.pages.get(body.page)
    if page is None:
        return state
    return _put(state, replace(_moved(page, event.position, "unpinned"), pinned_until=0))


def opened(state: State, body: e.ConversationOpened, event: Event) -> State:
    """A foreign agent's conversation begins, or goes on in a fork."""
    talk = Conversation(
        client=body.client,
        api=body.api,
        model=body.model,
        session=body.session,
        credential=body.credential,
        mode=body.mode,
        recall=body.recall,
        room=body.room,
        kept=body.kept,
        tariff=body.tariff,
    )
    return replace(state, live=replace(state.live, conversation=talk))


def forwarded(state: State, body: e.RequestForwarded, event: Event) -> State:
    """A request is under way: the conversation is as the client says now."""
    talk = state.live.conversation
    if talk is None:
        return state
    sent = state.live.sent
    if body.kept < len(sent):
        sent = Table({place: sent[place] for place in range(body.kept)})
    for place, digest in enumerate(body.messages, body.kept):
        sent = sent.put(place, digest)
    again = sum(1 for name in body.again if name in state.live.pages)
    talk = replace(
        talk,
        requests=max(talk.requests, body.number),
        asked_at=event.at,
        tokens=body.tokens,
        again=talk.again + again,
        breaks=talk.breaks + bool(body.broken),
    )
    return replace(state, live=replace(state.live, conversation=talk, sent=sent))


def answered(state: State, body: e.RequestAnswered, event: Event) -> State:
    """What it took and cost is known."""
    talk = state.live.conversation
    world = replace(
        state.world,
        tokens=state.world.tokens + body.usage.input_tokens + body.usage.output_tokens,
        cost_microusd=state.world.cost_microusd + body.usage.cost_microusd,
        turns=state.world.turns + 1,
    )
    state = replace(state, world=world)
    if talk is None:
        return state
    talk = replace(
        talk,
        window=body.told.input_tokens,
        cached=body.told.cache_read_tokens,
        uncached=0 if body.told.cache_read_tokens else talk.uncached + 1,
        saved_microusd=talk.saved_microusd + body.alone_microusd - body.usage.cost_microusd,
        alone_microusd=talk.alone_microusd + body.alone_microusd,
    )
    return replace(state, live=replace(state.live, conversation=talk))


def hidden(state: State, body: e.RecallHidden, event: Event) -> State:
    """From here on the message is split whenever it comes."""
    live = replace(state.live, hidden=state.live.hidden.put(body.merged, body.split))
    if body.joined is not None:
        live = replace(live, joined=live.joined.put(body.merged, body.joined))
    return replace(state, live=live)


def paging_set(state: State, body: e.PagingSet, event: Event) -> State:
    """The mode is another, or paging is frozen, or the model costs another price."""
    talk = state.live.conversation
    if talk is None:
        return state
    talk = replace(
        talk,
        mode=body.mode,
        frozen=body.frozen,
        model=body.model or talk.model,
        tariff=body.tariff if body.tariff is not None else talk.tariff,
    )
    return replace(state, live=replace(state.live, conversation=talk))


def _tokens(shown: e.Content | None, whole: e.Content, tokens: int) -> int:
    """Return about how many tokens ``shown`` takes, as dense as the whole is."""
    return tokens if shown is None or not whole.size else -(-shown.size * tokens // whole.size)


def _put(state: State, page: Page) -> State:
    return replace(state, live=replace(state.live, pages=state.live.pages.put(page.page, page)))


def _moved(page: Page, position: int, move: str) -> Page:
    return replace(page, moves=(*page.moves, (position, move))[-PAGE_MOVES_MAX:])


def _count(state: State, *, moved: int = 0, evicted: int = 0, faulted: int = 0) -> State:
    talk = state.live.conversation
    if talk is None:
        return state
    talk = replace(
        talk,
        moved=talk.moved + moved,
        evicted=talk.evicted + evicted,
        faulted=talk.faulted + faulted,
    )
    return replace(state, live=replace(state.live, conversation=talk))
