"""What a wrapped run goes on with after its client has ended, however that ended."""

from typing import NamedTuple

from perdure.assembly.foreign.sessions import BY_CLIENT
from perdure.driver.books import Books, events_after, read_state
from perdure.log import events as e
from perdure.log.envelope import Event
from perdure.projection.state import State
from perdure.values.errors import PerdureError
from perdure.wrap.transcripts.asked import as_sent, number_of, requests_standing, session_named
from perdure.wrap.transcripts.beginnings import newest_start
from perdure.wrap.transcripts.finding import held_in, stored_as
from perdure.wrap.transcripts.forms import FORMS, why_uncut
from perdure.wrap.transcripts.nouns import SentRequest
from perdure.wrap.transcripts.returning import returning
from perdure.wrap.transcripts.started import Started


class GoingOn(NamedTuple):
    """Which session a client goes on with, and what its first request has to begin with."""

    started: Started | None
    """None: how it was started isn't known"""
    words: tuple[str, ...]
    """for a person: from where it goes on, and what was left in doubt"""
    turn: int = 0
    """the main request that it goes on from; 0: none was sent yet"""
    session: str = ""
    """empty: the client's newest, unless it begins ``anew``"""
    anew: bool = False
    """whether there is no session to go on with: the client is started as at first"""
    expects: tuple[str, ...] = ()
    """digests of messages; empty in a place: anything may stand there; none at all: nothing is checked"""
    path: str = ""
    """the session's file; empty where it isn't known"""
    rewound: bool = False
    """whether somebody went back to that turn, and nothing was sent since"""


class _End(NamedTuple):
    """How a run's log ends, as far as its client's sessions are concerned."""

    request: Event | None
    """the newest main request on the path that the run is on"""
    rewound: e.RunRewound | None
    """a person's going back behind which nothing was sent"""


class _Back(NamedTuple):
    """A going back to a turn, and whether its session is to be there now."""

    rewound: e.RunRewound
    sent: SentRequest
    writes: bool


def going_on(books: Books, run: str, *, writes: bool = True) -> GoingOn:
    """Return what ``run`` goes on with.

    With ``writes`` a session that was to be written when somebody went back is there afterwards. Raises ``UnknownRun``, ``SessionTaken``, and ``SessionUnknown`` where that session can't be made any more.
    """
    state = read_state(books, run).state
    started = newest_start(books, run)
    end = _end_of(books, run)
    if end.request is None:
        found = GoingOn(started, ("nothing was sent to a model yet: the client begins anew",), anew=True)
    elif end.request.position <= state.forked_at:
        words = f"it begins where {state.parent or 'another run'} was at turn {number_of(end.request)}"
        told = (words, "that run keeps its session: the client begins a new one, with the files as they were")
        found = GoingOn(started, told, number_of(end.request), anew=True)
    elif end.rewound is not None:
        found = _from_turn(books, run, _Back(end.rewound, as_sent(books, run, end.request), writes), started)
    else:
        found = _from_end(state, as_sent(books, run, end.request), started)
    return found._replace(words=(*found.words, *doubts_left(state)))


def _from_turn(books: Books, run: str, to: _Back, started: Started | None) -> GoingOn:
    """Somebody went back to a turn: the session that was chosen there is the one."""
    back, sent = to.rewound, to.sent
    words = f"it goes on from turn {sent.number}, to which {back.by} went back"
    if not back.session:
        told = (words, "no session ends there: the client begins a new one, with the files as they were")
        return GoingOn(started, told, sent.number, anew=True, rewound=True)
    found = returning(books, run, sent, session=back.session)
    if found.new is None:
        told = (words, f"{found.why}: the client begins a new session, with the files as they were")
        return GoingOn(started, told, sent.number, anew=True, rewound=True)
    # Whatever is there under that name by now, the client goes on with it, and the gateway looks at what it sends.
    path = stored_as(started.sessions, back.session) if started is not None else None
    if path is None and to.writes:
        found.new.write()
    return GoingOn(
        started,
        (words,),
        sent.number,
        back.session,
        expects=found.new.expects,
        path=str(path or found.new.path),
        rewound=True,
    )


def _from_end(state: State, sent: SentRequest, started: Started | None) -> GoingOn:
    """The client ended by itself, or was ended: its newest session is the one, as far as it was written."""
    named = session_named(state)
    words = f"it goes on behind turn {sent.number}"
    why = why_uncut(started.format) if started is not None else "how the client was started is not known"
    if started is None or why:
        return GoingOn(started, (words, f"the client's newest session is taken: {why}"), sent.number, named)
    try:
        held = held_in(FORMS[started.format], started.sessions, sent, named)
    except PerdureError:
        told = (words, "the client had not stored that turn yet: it asks again from where its session ends")
        return GoingOn(started, told, sent.number, named)
    return GoingOn(started, (words,), sent.number, held.session or named, path=str(held.path))


def doubts_left(state: State) -> tuple[str, ...]:
    """Return, for a person, what nobody knows the outcome of, and what waits for a word."""
    doubted = [effect for effect in state.world.open.values() if effect.phase == "doubted"]
    asked = [each for each in state.world.approvals.values() if each.phase == "asked"]
    return (
        *(f"in doubt: {effect.tool} {effect.what}".rstrip() for effect in doubted),
        *(f"waits for a person: {each.why}" for each in asked),
    )


def _end_of(books: Books, run: str) -> _End:
    """Return the newest main request that stands, however often somebody went back."""
    at, request = requests_standing(books, run)[-1]
    back: e.RunRewound | None = None
    for event in events_after(books, run, request.position if request is not None else at):
        match event.body:
            case e.RequestForwarded(purpose="main"):
                back = None
            case e.RunRewound(to=to) as body if to < event.position - 1:
                back = back if body.by == BY_CLIENT else body
            case _:
                continue
    return _End(request, back)
