"""Going back: ``live`` without what is newer than a position."""

from msgspec.structs import replace

from perdure.log import events as e
from perdure.projection.pages import lost
from perdure.projection.state import CallRecord, Conversation, Live, Message, Page, Turn
from perdure.values.table import Table


def cut(live: Live, to: int) -> Live:
    """Return ``live`` as it stood at position ``to``, as far as the path goes.

    Failures of the model and replies without a usable call are forgiven: going back is a new start.
    """
    entries: dict[int, Turn | Message] = {}
    for ordinal, entry in live.entries.items():
        match entry:
            case Message():
                if entry.position <= to:
                    entries[ordinal] = entry
            case Turn():
                if entry.requested <= to:
                    entries[ordinal] = _turn(entry, to)
    kept_tree = live.tree_position <= to
    met_to = _met_to(entries, live, to)
    return Live(
        entries=Table(entries),
        newest=max((ordinal for ordinal, kept in entries.items() if isinstance(kept, Turn)), default=-1),
        met=Table({stem: met for stem, met in live.met.items() if met <= met_to}),
        recognised=Table({stem: at for stem, at in live.recognised.items() if at <= to}),
        pages=Table({name: _page(page, to) for name, page in live.pages.items() if page.admitted <= to}),
        timers=Table({name: timer for name, timer in live.timers.items() if timer.position <= to}),
        tree=live.tree if kept_tree else "",
        tree_position=live.tree_position if kept_tree else 0,
        image=live.image if kept_tree else "",
        conversation=_conversation(live, to),
        sent=live.sent,
        hidden=live.hidden,
        joined=live.joined,
        received=Table({name: call for name, call in live.received.items() if call.proposed <= to}),
        client=live.client,
    )


def goes_back(body: e.RunRewound, position: int) -> bool:
    """Whether the event at ``position`` leaves anything behind: where nothing lies after ``to``, only files go back."""
    return body.to < position - 1


def begun(live: Live, at: int) -> Live:
    """Return ``live`` as a fork at ``at`` takes it up.

    A prefix may end among the calls that a reply proposes. The missing ones would stay without an
    answer for ever, so the reply counts as not given, and the model is asked again.
    """
    turn = live.turn
    if turn is None or not turn.replied or at > turn.replied + len(turn.calls):
        return live
    asked = replace(turn, replied=0, reply=None, calls=())
    return replace(live, entries=live.entries.put(live.newest, asked))


def _met_to(kept: dict[int, Turn | Message], live: Live, to: int) -> int:
    """A call that is judged anew meets its own act again, so that act doesn't count as met."""
    anew = (
        call.accepted
        for ordinal, entry in kept.items()
        if isinstance(entry, Turn) and isinstance(was := live.entries[ordinal], Turn)
        for call in was.calls[: len(entry.calls)]
        if call.accepted and not (call.answered and call.answered <= to)
    )
    return min((to, *(position - 1 for position in anew)))


def _turn(turn: Turn, to: int) -> Turn:
    if not turn.replied or turn.replied > to:
        return replace(turn, replied=0, reply=None, calls=(), failures=0)
    return replace(turn, failures=0, calls=tuple(_call(call, to) for call in turn.calls))


def _call(call: CallRecord, to: int) -> CallRecord:
    if call.answered and call.answered <= to:
        return call
    return CallRecord(call.id, call.tool, call.index, call.digest, call.proposed)


def _conversation(live: Live, to: int) -> Conversation | None:
    """Pages that came later are neither in the window nor at risk; what was asked and paid stays counted."""
    talk = live.conversation
    if talk is None:
        return None
    trail = talk.trail
    for page in live.pages.values():
        if page.admitted > to:
            trail, _ = lost(trail, page)
    return replace(talk, trail=trail)


def _page(page: Page, to: int) -> Page:
    """Return the page with the moves up to ``to``. What stands in its place stays: that was sent, and may be again."""
    moves = tuple(move for move in page.moves if move[0] <= to)
    return replace(page, moves=moves or ((to, page.shape),))
