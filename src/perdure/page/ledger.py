"""The ledger of a conversation: what each request took and cost, what it would have cost alone, what each move did.

Invariants:
- It is read off the log alone: facts as the provider told them, and decisions as they were recorded.
- What the requests saved and what the moves saved add up to the same sum. A page keeps its tokens out of every
  request after it left; what is left of a request's difference belongs to the faults in it, else to the pages
  that left with it.
- Prefixes that the client broke are counted apart from those that our moves had written again.
"""

from collections.abc import Iterable
from typing import Final, NamedTuple

from perdure.log import events as e
from perdure.log.envelope import Event
from perdure.page.alone import MILLION
from perdure.page.breaker import ALARM
from perdure.page.front import Front
from perdure.projection.evolve import evolve
from perdure.projection.state import Conversation, Page, State

_REFUSED: Final = 400
"""From here on a status says that the provider did not read the request."""


class Billed(NamedTuple):
    """One request of the client, with all the calls that it took."""

    number: int
    at: int
    """ns, when it came"""
    purpose: str
    status: str
    """'answered', 'failed' or 'open'"""
    input_tokens: int = 0
    """all that was read, cached or not, over all its calls"""
    read_tokens: int = 0
    expected_tokens: int = -1
    """what the cache should have given of it, by what this conversation sent before; -1: not known"""
    write_tokens: int = 0
    output_tokens: int = 0
    cost_microusd: int = 0
    alone_microusd: int = 0
    """what it would have cost had nothing ever been moved"""
    window_tokens: int = 0
    """what the last of its calls held, as the provider counted"""
    alone_tokens: int = 0
    """what that would have held, had nothing been moved"""
    calls: int = 0
    admitted: int = 0
    previews: int = 0
    evicted: int = 0
    faults: int = 0
    again: int = 0
    """pages that had left and whose call was made again, or that were quoted"""
    broken_by: str = ""
    """'client' where it rewrote what it had sent before; 'perdure' where a move did; else nobody"""
    mode: str = ""
    frozen: bool = False
    first_ms: int = 0
    whole_ms: int = 0
    error: str = ""

    @property
    def saved_microusd(self) -> int:
        """What was saved; below zero where it cost more."""
        return self.alone_microusd - self.cost_microusd


class MovedPage(NamedTuple):
    """One page that left the window, or came as a preview."""

    page: str
    tool: str
    about: str
    why: str
    """'preview', 'used', 'cold', 'batch', 'room' or 'uncached'"""
    number: int
    """the request with which it left"""
    tokens: int
    """of the page whole"""
    kept_out: int
    """tokens that it keeps out now"""
    expected_microusd: int = 0
    saved_microusd: int = 0
    """so far, what its faults cost taken off"""
    faults: int = 0
    needed: int = 0
    """the request whose reply first needed it again, asked for or not; 0: none has"""


class Totals(NamedTuple):
    """Sums over a ledger."""

    requests: int = 0
    calls: int = 0
    input_tokens: int = 0
    read_tokens: int = 0
    write_tokens: int = 0
    output_tokens: int = 0
    cost_microusd: int = 0
    alone_microusd: int = 0
    peak_tokens: int = 0
    alone_peak_tokens: int = 0
    pages: int = 0
    previews: int = 0
    evicted: int = 0
    faults: int = 0
    """answers of the recall tool"""
    faulted: int = 0
    """distinct pages that were asked for: strict faults"""
    needed: int = 0
    """distinct pages that were needed in any way: loose faults"""
    client_breaks: int = 0
    our_breaks: int = 0
    failed: int = 0

    @property
    def saved_microusd(self) -> int:
        """What was saved; below zero where it cost more."""
        return self.alone_microusd - self.cost_microusd

    @property
    def left(self) -> int:
        """Distinct pages that ever left: what fault rates are rates of."""
        return self.previews + self.evicted


class Ledger(NamedTuple):
    """A conversation's accounts."""

    rows: tuple[Billed, ...]
    moves: tuple[MovedPage, ...]
    totals: Totals
    frozen: str = ""
    """why paging is frozen; empty where it isn't"""
    alarm: str = ""
    """that the provider's cache was read no more, where that was seen"""


def ledger(events: Iterable[Event]) -> Ledger:
    """Return the accounts of the conversation in ``events``, which begin with its run's first."""
    book = _Book()
    for event in events:
        book.enter(event)
    return book.closed()


class _Book:
    """What is being written: rows by number, moves by page."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self._state: State = State()
        self._rows: dict[int, Billed] = {}
        self._moves: dict[str, MovedPage] = {}
        self._now: int = 0
        self._mode: str = ""
        self._frozen: str = ""
        self._alarm: str = ""
        self._left: list[str] = []
        """pages that left with the newest request, and those that were asked for in its reply"""
        self._asked: list[str] = []
        self._front: Front = Front()

    def enter(self, event: Event) -> None:
        """Take in one event."""
        self._state = evolve(self._state, event)
        body = event.body
        match body:
            case e.ConversationOpened():
                self._mode = body.mode
            case e.RequestForwarded():
                self._forwarded(body, event.at)
            case e.PageAdmitted():
                self._admitted(body)
            case e.PageEvicted():
                self._evicted(body)
            case e.PageFaulted():
                self._faulted(body)
            case e.RequestAnswered():
                self._answered(body)
            case e.RequestFailed():
                self._row(body.number, status="failed", error=body.error or str(body.status or ""))
                if body.status >= _REFUSED:
                    self._front.refused()
            case e.PagingSet():
                self._set(body)
            case _:
                pass

    def closed(self) -> Ledger:
        """Return the accounts as they stand."""
        pages = self._state.live.pages
        moves = tuple(_as_it_is(move, pages.get(move.page)) for move in self._moves.values())
        rows = tuple(self._rows.values())
        return Ledger(rows, moves, _totals(rows, moves), self._frozen, self._alarm)

    def _forwarded(self, body: e.RequestForwarded, at: int) -> None:
        self._now, self._left, self._asked = body.number, [], []
        talk = self._state.live.conversation
        if talk is not None:
            self._front.forwarded(body, talk.tariff, talk.trail.idle)
        if body.broken and talk is not None and not talk.moved:
            self._moves = {name: move._replace(kept_out=0) for name, move in self._moves.items()}
        self._rows[body.number] = Billed(
            body.number,
            at,
            body.purpose,
            "open",
            again=len(body.again),
            broken_by=body.broken,
            mode=self._mode,
            frozen=bool(self._frozen),
        )

    def _row(self, number: int, **changed: int | str) -> None:
        row = self._rows.get(number)
        if row is not None:
            self._rows[number] = row._replace(**changed)

    def _admitted(self, body: e.PageAdmitted) -> None:
        row = self._rows.get(self._now)
        if row is None:
            return
        preview = int(body.shape == "preview")
        self._row(self._now, admitted=row.admitted + 1, previews=row.previews + preview)
        if preview:
            page = self._state.live.pages[body.page]
            kept = page.tokens - page.shown_tokens
            self._moves[body.page] = MovedPage(
                body.page, body.tool, body.about, "preview", body.number, body.tokens, kept
            )
            self._left.append(body.page)
            self._front.admitted(body.page, kept, in_front=body.exempt == "schema")

    def _evicted(self, body: e.PageEvicted) -> None:
        row, page = self._rows.get(self._now), self._state.live.pages.get(body.page)
        if row is None or page is None:
            return
        before = self._moves.get(body.page)
        out = before.kept_out if before else 0
        self._front.left(page, page.tokens - out, page.tokens - page.shown_tokens - out)
        self._moves[body.page] = MovedPage(
            body.page,
            page.tool,
            page.about,
            body.why,
            self._now,
            page.tokens,
            page.tokens - page.shown_tokens,
            body.saves_microusd + (before.expected_microusd if before else 0),
            before.saved_microusd if before else 0,
        )
        self._left.append(body.page)
        self._row(self._now, evicted=row.evicted + 1, broken_by=row.broken_by or self._ours())

    def _ours(self) -> str:
        talk = self._state.live.conversation
        if talk is None:
            return ""
        # Where a cache's life isn't known, it lives if it gave something the last time.
        ttl, idle = talk.tariff.ttl, talk.trail.idle
        warm = 0 < idle <= max(ttl, talk.trail.longest) if ttl else talk.cached > 0
        return "perdure" if warm else ""

    def _faulted(self, body: e.PageFaulted) -> None:
        row = self._rows.get(body.number or self._now)
        if row is not None:
            self._row(row.number, faults=row.faults + 1)
        if body.page in self._moves:
            self._asked.append(body.page)

    def _answered(self, body: e.RequestAnswered) -> None:
        talk, usage = self._state.live.conversation, body.usage
        whole = talk.trail.whole if talk is not None else body.told.input_tokens
        alone = body.alone_microusd or usage.cost_microusd
        self._row(
            body.number,
            status="answered",
            input_tokens=usage.input_tokens,
            read_tokens=usage.cache_read_tokens,
            expected_tokens=self._front.answered(body),
            write_tokens=usage.cache_write_tokens,
            output_tokens=usage.output_tokens,
            cost_microusd=usage.cost_microusd,
            alone_microusd=alone,
            window_tokens=body.told.input_tokens,
            alone_tokens=whole,
            calls=body.calls,
            first_ms=body.first_ms,
            whole_ms=body.whole_ms,
        )
        if talk is not None and alone != usage.cost_microusd:
            self._shared_out(alone - usage.cost_microusd, body.told, talk)

    def _shared_out(self, saved: int, told: e.Usage, talk: Conversation) -> None:
        """Give each page that is out what its tokens would have cost, and the rest to what caused it."""
        tariff = talk.tariff
        price = tariff.read if told.cache_read_tokens else tariff.write or tariff.input
        for name, move in self._moves.items():
            share = move.kept_out * price // MILLION
            self._moves[name] = move._replace(saved_microusd=move.saved_microusd + share)
            saved -= share
        causes = self._asked or self._left or list(self._moves)
        weights = {name: self._moves[name].tokens + 1 for name in causes}
        total = sum(weights.values())
        for place, (name, weight) in enumerate(weights.items(), 1):
            share = saved if place == len(weights) else saved * weight // total
            saved, total = saved - share, total - weight
            move = self._moves[name]
            self._moves[name] = move._replace(saved_microusd=move.saved_microusd + share)

    def _set(self, body: e.PagingSet) -> None:
        if (body.mode == "observe") != (self._mode == "observe"):
            self._front.turned()
        self._mode = body.mode
        self._frozen = (body.why or "by hand") if body.frozen else ""
        if body.frozen and body.why.startswith(ALARM):
            self._alarm = body.why
        self._row(self._now, mode=self._mode)


def _as_it_is(move: MovedPage, page: Page | None) -> MovedPage:
    return move if page is None else move._replace(faults=page.faults, needed=page.needed)


def _totals(rows: tuple[Billed, ...], moves: tuple[MovedPage, ...]) -> Totals:
    return Totals(
        requests=len(rows),
        calls=sum(row.calls for row in rows),
        input_tokens=sum(row.input_tokens for row in rows),
        read_tokens=sum(row.read_tokens for row in rows),
        write_tokens=sum(row.write_tokens for row in rows),
        output_tokens=sum(row.output_tokens for row in rows),
        cost_microusd=sum(row.cost_microusd for row in rows),
        alone_microusd=sum(row.alone_microusd for row in rows),
        peak_tokens=max((row.window_tokens for row in rows), default=0),
        alone_peak_tokens=max((row.alone_tokens for row in rows), default=0),
        pages=sum(row.admitted for row in rows),
        previews=sum(move.why == "preview" for move in moves),
        evicted=sum(move.why != "preview" for move in moves),
        faults=sum(row.faults for row in rows),
        faulted=sum(move.faults > 0 for move in moves),
        needed=sum(move.needed > 0 for move in moves),
        client_breaks=sum(row.broken_by == "client" for row in rows),
        our_breaks=sum(row.broken_by == "perdure" for row in rows),
        failed=sum(row.status == "failed" for row in rows),
    )
