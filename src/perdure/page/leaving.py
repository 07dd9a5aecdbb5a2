"""Which pages leave the window whole or as previews, and when that pays.

Invariants:
- Only pages that the model has seen leave, that answer a call, are not exempt, and are not pinned.
- On a warm cache what stands behind a page is written again when it leaves, and is counted against it.
- No choice depends on an order that the state doesn't give.
"""

from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

from perdure.log import events as e
from perdure.page.alone import MILLION
from perdure.page.handles import stub
from perdure.page.worth import Stakes
from perdure.projection.ages import doublings
from perdure.projection.state import Conversation, Page, State
from perdure.values.limits import EVICTED_TOKENS_MIN, UNCACHED_TOKENS_MIN, USED_TOKENS_MIN

STUB_TOKENS: Final = 80
"""About what a stub takes, before it is written."""

_BATCH_STEP: Final = 125
"""Thousandths of a doubling by which the window grows between two looks for a batch."""

_BATCH_MARGIN: Final = 3.0
"""How often a batch must pay for what it has written again: the gain lies ahead, the price is paid now, and at less
than this batches lost as often as they won in the recorded sessions."""

_BLOCKS_A_CALL: Final = 6
"""A thought, a word, a call and its result: what one request adds for a cache that looks back by blocks."""

_ROOM_STEP: Final = 0.1
"""Of the target: older versions that take as much leave, also where the window stays over its target."""

_ROOM_AFTER: Final = 0.8
"""Of the target: where a batch for room ends, so that the next one is some time away."""


class Leave(NamedTuple):
    """A page that may leave, and what that is worth without what stands behind it."""

    page: Page
    worth: float
    why: str


class Choice(NamedTuple):
    """Pages that leave together, and what they have written again, at its price."""

    leaves: tuple[Leave, ...] = ()
    rewrites: float = 0.0


def used(state: State, talk: Conversation, stakes: Stakes, number: int) -> Choice:
    """Return the large results that leave right after their first use, while little stands behind them."""
    found: list[Leave] = []
    trail = talk.trail
    for page in _free(state, trail.used, number, USED_TOKENS_MIN):
        worth = stakes.kept_out(
            page.tokens - STUB_TOKENS, page.tokens, page.about, max(1, number - page.number)
        )
        if worth > 0:
            found.append(Leave(page, worth, "used"))
    if not found:
        return Choice()
    start = min(trail.older, *(leave.page.before for leave in found))
    if _out_of_sight(talk, 2 * len(trail.used) + 4):
        start = 0
    behind = trail.before - start - sum(leave.page.tokens for leave in found) + STUB_TOKENS * len(found)
    rewrites = stakes.rewrite * max(0, behind)
    worth = sum(leave.worth for leave in found) - rewrites
    risk = sum(_at_risk(leave.page, stakes, number) for leave in found)
    faults = sum(stakes.faulted(leave.page.tokens) for leave in found)
    if worth > 0 and (risk + rewrites <= stakes.budget or stakes.dares(worth, faults)):
        return Choice(tuple(found), rewrites)
    return Choice()


def cold(state: State, stakes: Stakes, number: int) -> Choice:
    """Return what leaves while the cache is cold anyway: what is worth most for its risk first."""
    at_once = stakes.write
    ranked: list[tuple[float, str, Leave]] = []
    for page in _free(state, state.live.pages, number, EVICTED_TOKENS_MIN):
        age = number - page.number
        worth = stakes.kept_out(page.tokens - STUB_TOKENS, page.tokens, page.about, age, at_once)
        if worth > 0:
            ranked.append((-worth / stakes.faulted(page.tokens), page.page, Leave(page, worth, "cold")))
    ranked.sort(key=_rank)
    budget, taken = stakes.budget, list[Leave]()
    for _, _, leave in ranked:
        page = leave.page
        spared = at_once * (page.tokens - STUB_TOKENS)
        risk = stakes.at_risk(page.tokens, page.about, number - page.number, spared)
        if risk <= budget or stakes.dares(leave.worth, stakes.faulted(page.tokens)):
            budget -= risk
            taken.append(leave)
    return Choice(tuple(taken))


def uncached(state: State, stakes: Stakes, number: int) -> Choice:
    """Return what leaves where nothing is ever cached: what its age has made unlikelier to be needed than it is long.

    Leaving costs nothing there, and waiting a call costs that call, so each page leaves when that tips.
    """
    found: list[Leave] = []
    for page in _free(state, state.live.pages, number, UNCACHED_TOKENS_MIN):
        age, tokens = number - page.number, page.tokens - STUB_TOKENS
        worth = stakes.kept_out(tokens, page.tokens, page.about, age)
        if worth > 0 and stakes.due(tokens, page.tokens, page.about, age):
            found.append(Leave(page, worth, "uncached"))
    return Choice(tuple(found))


def batch_due(talk: Conversation) -> bool:
    """Whether the window has grown by a step since the request before."""
    return doublings(talk.tokens) // _BATCH_STEP != doublings(talk.trail.before) // _BATCH_STEP


def batch(state: State, talk: Conversation, stakes: Stakes, number: int) -> Choice:
    """Return the batch that pays best on a warm cache, if one does."""
    leaves, found, gain = list[Leave](), 0, 0.0
    rewrites = worth = risk = 0.0
    for leave, broken in _cuts(state, talk, stakes, number, "batch"):
        leaves.append(leave)
        worth += leave.worth
        # All of a batch is risked at once, for a gain that lies ahead: its faults must fit whole.
        risk += stakes.faulted(leave.page.tokens)
        if risk + broken <= stakes.budget and worth - _BATCH_MARGIN * broken > gain:
            found, rewrites, gain = len(leaves), broken, worth - _BATCH_MARGIN * broken
    return Choice(tuple(leaves[:found]), rewrites)


def room(state: State, talk: Conversation, stakes: Stakes, number: int) -> Choice:
    """Return what leaves to bring the window back under its target: older versions if they suffice, else at least cost.

    Where nothing brings it there, only older versions leave: the rest would be asked for again, and what is
    recalled stays.
    """
    older = _superseded(state)
    over = stakes.window - talk.room
    back = stakes.window - talk.room * _ROOM_AFTER
    for wanted, only in ((back, older), (back, None), (over, None), (talk.room * _ROOM_STEP, older)):
        choice = _least(_cuts(state, talk, stakes, number, "room", only), stakes, wanted)
        if choice.leaves:
            return choice
    return Choice()


def _least(cuts: Iterable[tuple[Leave, float]], stakes: Stakes, wanted: float) -> Choice:
    """Return the cut that keeps out what is wanted at the least cost that can be afforded."""
    leaves, tokens, worth, least = list[Leave](), 0, 0.0, 0.0
    best = (0, 0.0)
    for leave, broken in cuts:
        leaves.append(leave)
        tokens += leave.page.shown_tokens - STUB_TOKENS
        worth += leave.worth
        costs = broken - worth
        if costs <= stakes.free and tokens >= wanted and (not best[0] or costs < least):
            best, least = (len(leaves), broken), costs
    return Choice(tuple(leaves[: best[0]]), best[1])


def evictions(choice: Choice) -> Iterator[e.PageEvicted]:
    """Yield the events of a choice; what it has written again is shared out among its pages."""
    share = choice.rewrites / max(1, len(choice.leaves))
    for page, worth, why in choice.leaves:
        shown = stub(page)
        size = len(shown.encode())
        tokens = max(size // 4, -(-size * page.tokens // max(1, page.content.size)))
        content = e.Content(size, shown)
        yield e.PageEvicted(
            page.page, why, content, min(tokens, page.shown_tokens), int((worth - share) // MILLION)
        )


def _cuts(
    state: State,
    talk: Conversation,
    stakes: Stakes,
    number: int,
    why: str,
    only: set[str] | None = None,
) -> Iterator[tuple[Leave, float]]:
    """Yield, from the newest page to older ones, what leaves, and what it costs that all of them so far do."""
    free = [
        page
        for page in _free(state, state.live.pages, number, EVICTED_TOKENS_MIN)
        if page.number < number - 1 and (only is None or page.page in only)
    ]
    gone = 0
    for page in reversed(free):
        worth = stakes.kept_out(page.tokens - STUB_TOKENS, page.tokens, page.about, number - page.number)
        if worth <= 0 and why != "room":
            continue
        gone += page.tokens - STUB_TOKENS
        unseen = _out_of_sight(talk, _BLOCKS_A_CALL * (number - page.number))
        behind = talk.trail.before - (0 if unseen else page.before) - gone
        yield Leave(page, worth, why), stakes.rewrite * max(0, behind)


def _out_of_sight(talk: Conversation, blocks: int) -> bool:
    """Whether a change so many blocks back leaves nothing that the cache would find in front of it."""
    return 0 < talk.tariff.look_back < blocks


def _at_risk(page: Page, stakes: Stakes, number: int) -> float:
    return stakes.at_risk(page.tokens, page.about, number - page.number)


def _free(state: State, names: Iterable[str], number: int, least: int) -> Iterator[Page]:
    """Yield the pages that may leave, in order. Of what was needed lately, only older versions do."""
    pages, talk = state.live.pages, state.live.conversation
    hot = {each.about for each in talk.trail.hot if each.until > number} if talk is not None else set[str]()
    newest = {page.about: page.page for page in pages.values() if page.about in hot} if hot else {}
    for name in names:
        page = pages[name]
        if (
            page.shape == "whole"
            and not page.gone
            and page.tokens >= least
            and page.number < number
            and page.call
            and not page.exempt
            and (newest[page.about] != name if page.about in newest else page.pinned_until <= number)
        ):
            yield page


def _superseded(state: State) -> set[str]:
    """Return the pages of which a newer version is there: the same tool gave another result about the same."""
    newest: dict[tuple[str, str], str] = {}
    found: set[str] = set()
    for page in state.live.pages.values():
        if page.about:
            older = newest.get((page.tool, page.about))
            if older is not None:
                found.add(older)
            newest[page.tool, page.about] = page.page
    return found


def _rank(entry: tuple[float, str, Leave]) -> tuple[float, str]:
    return entry[0], entry[1]
