"""Our own policy, played: the decisions that the gateway makes, from the events that it writes.

Each request becomes ``request.forwarded``, each move that ``perdure.page.policy`` derives from it is folded, and what
became of it comes back as ``page.faulted`` and ``request.answered``. What a request would have cost alone is the
gateway's own estimate, not what the simulator knows better.
"""

from collections.abc import Iterable, Iterator

from perdure.log import events as e
from perdure.log.envelope import Event
from perdure.page.alone import alone
from perdure.page.cache import Served
from perdure.page.policy import moves, pins
from perdure.profile.route import Folio, Leg, Route, Terms
from perdure.profile.simulate import RECALL_TOKENS, Aftermath, Prospect, Shift
from perdure.projection.evolve import evolve
from perdure.projection.state import State
from perdure.values.limits import SHORT_TOKENS

MILLION = 1_000_000


class Ours:
    """``perdure.page.policy``, in one conversation."""

    def __init__(self, route: Route, mode: str = "safe", room: int = 0) -> None:
        """Begin before the first request of ``route``; ``room``: tokens under which 'room' keeps the window."""
        self._route: Route = route
        self._state: State = State()
        self._position: int = 0
        self._at: int = 0
        self._again: tuple[int, ...] = ()
        self._folios: dict[int, Folio] = {}
        self._tariff: e.Tariff | None = None
        self._here: tuple[int, ...] = ()
        """pages of the request before"""
        self._opened: tuple[str, int] = (mode, room)

    @property
    def state(self) -> State:
        """What all events so far led to."""
        return self._state

    def shifts(self, prospect: Prospect) -> Iterable[Shift]:
        """Return what the gateway's events say of this request's pages."""
        leg = prospect.leg
        self._at = leg.at
        self._open(leg)
        body = e.RequestForwarded(
            number=prospect.number + 1,
            model=leg.terms.model,
            tokens=leg.tokens,
            arrived=tuple(_arrived(folio) for folio in prospect.new),
            again=tuple(_named(page) for page in self._again),
            broken="client" if leg.broken else "",
            moved=sum(
                folio.tokens - prospect.shown[page]
                for page, folio in prospect.folios.items()
                if page in prospect.shown
            ),
            recalled=sum(
                prospect.folios[page].recall + RECALL_TOKENS
                for page in prospect.given
                if page in prospect.folios
            ),
            gone=tuple(_named(page) for page in self._here if page not in prospect.folios)
            if leg.broken
            else (),
        )
        self._here = tuple(prospect.folios)
        self._again = ()
        self._folios.update((folio.page, folio) for folio in prospect.new)
        self._fold(body)
        return tuple(self._moved(moves(self._state, body, leg.at), prospect))

    def told(self, aftermath: Aftermath) -> None:
        """Fold the faults and the answer."""
        self._again = aftermath.again
        for page in aftermath.faults:
            folio = self._folios[page]
            body = e.PageFaulted(_named(page), 0, folio.what.size, folio.recall, aftermath.number + 1)
            self._fold(body)
            for pin in pins(self._state, body):
                self._fold(pin)
        leg = self._route.legs[aftermath.number]
        output = leg.exchange.usage.output_tokens
        usages = [_usage(each, leg.terms, RECALL_TOKENS) for each in aftermath.served[:-1]]
        usages.append(_usage(aftermath.served[-1], leg.terms, output))
        told = usages[-1]
        self._fold(
            e.RequestAnswered(
                number=aftermath.number + 1,
                usage=e.Usage(
                    sum(each.input_tokens for each in usages),
                    sum(each.output_tokens for each in usages),
                    sum(each.cache_read_tokens for each in usages),
                    sum(each.cache_write_tokens for each in usages),
                    sum(each.cost_microusd for each in usages),
                ),
                told=told,
                calls=len(usages),
                alone_microusd=alone(self._state, usages[0], told),
            )
        )

    def _open(self, leg: Leg) -> None:
        tariff = _tariff(leg.terms)
        if self._tariff is None:
            mode, room = self._opened
            self._fold(
                e.ConversationOpened(
                    client="simulated",
                    api="messages" if leg.terms.rule.kind == "marked" else "responses",
                    model=leg.terms.model,
                    mode=mode,
                    recall=True,
                    tariff=tariff,
                    room=room,
                )
            )
        elif tariff != self._tariff:
            talk = self._state.live.conversation
            if talk is not None:
                self._fold(
                    e.PagingSet(talk.mode, talk.frozen, "the terms changed", "", leg.terms.model, tariff)
                )
        self._tariff = tariff

    def _moved(self, bodies: Iterable[e.Body], prospect: Prospect) -> Iterator[Shift]:
        """Fold the moves, and yield those that change what stands in the window."""
        for body in bodies:
            self._fold(body)
            match body:
                case e.PageAdmitted(shape="preview"):
                    page = _page(body.page)
                    yield Shift(page, self._folios[page].preview)
                case e.PageEvicted():
                    page = _page(body.page)
                    folio = prospect.folios.get(page)
                    if folio is not None and folio.movable:
                        yield Shift(page, folio.stub)
                case _:
                    pass

    def _fold(self, body: e.Body) -> None:
        self._position += 1
        self._state = evolve(self._state, Event("simulated", self._position, self._at, 1, 0, body))


def _named(page: int) -> str:
    return f"p-{page}"


def _page(handle: str) -> int:
    return int(handle.removeprefix("p-"))


def _arrived(folio: Folio) -> e.Arrived:
    what = folio.what
    size = max(what.size, 1)
    short = not folio.movable or folio.tokens < SHORT_TOKENS
    preview = None
    if folio.preview:
        preview = e.Content(-(-folio.preview * size // folio.tokens), None, f"preview of {folio.page}")
    return e.Arrived(
        page=_named(folio.page),
        content=e.Content(size, None, what.digest),
        tokens=folio.tokens,
        call=what.call,
        tool=what.tool,
        about=what.about,
        before=folio.before,
        exempt=what.exempt or ("short" if short else ""),
        preview=preview,
        preview_tokens=folio.preview,
    )


def _tariff(terms: Terms) -> e.Tariff:
    rates = terms.rates
    return e.Tariff(
        input=rates.input,
        read=rates.read,
        write=terms.write,
        output=rates.output,
        ttl=terms.ttl,
        minimum=terms.rule.minimum,
        look_back=terms.rule.look_back,
    )


def _usage(served: Served, terms: Terms, output: int) -> e.Usage:
    written = served.written if terms.rule.kind in ("marked", "pointed") else 0
    return e.Usage(
        served.read + served.written + served.plain,
        output,
        served.read,
        written,
        (terms.cost(served) + output * terms.rates.output) // MILLION,
    )
