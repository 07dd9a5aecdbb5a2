"""The main requests of a wrapped run, as its log has them."""

from bisect import bisect_right
from collections.abc import Iterator

from perdure.driver.books import Books, events_after, read_state
from perdure.gateway.recording import is_difference, restored
from perdure.log import events as e
from perdure.log.envelope import Event
from perdure.projection.state import State
from perdure.values.errors import BlobMissing, NoTurn
from perdure.wire.bodies.nouns import Endpoint
from perdure.wire.bodies.reading import Memo, read_request
from perdure.wrap.transcripts.naming import names_in
from perdure.wrap.transcripts.nouns import SentRequest

WRAPPED: str = "wrap:"
"""How the agent's name begins in a run of a wrapped client."""

_ENDPOINTS: dict[str, Endpoint] = {"messages": "messages", "chat": "chat", "responses": "responses"}


def is_wrapped(state: State) -> bool:
    """Tell whether a foreign client works, or has worked, in the run of ``state``."""
    return state.agent.startswith(WRAPPED)


def client_of_run(state: State) -> str:
    """Return the name of the client whose run it is."""
    return state.agent.removeprefix(WRAPPED)


def turn_event(books: Books, run: str, number: int) -> Event:
    """Return what tells of the main request of turn ``number``. Raises ``NoTurn``."""
    last = 0
    for event in main_requests(books, run):
        last = max(last, number_of(event))
        if number_of(event) == number:
            return event
    raise NoTurn(
        f"run {run!r} has no turn {number}",
        hint=f"its newest turn is {last}; `perdure log {run} --kind request.forwarded` shows all",
    )


def standing_at(books: Books, run: str, position: int) -> Event | None:
    """Return what tells of the newest main request on the path that stood at ``position``; None: there was none."""
    return next((newest for at, newest in reversed(requests_standing(books, run)) if at <= position), None)


def requests_standing(books: Books, run: str) -> list[tuple[int, Event | None]]:
    """Return which main request was the newest on the run's path, from which position on."""
    found: list[tuple[int, Event | None]] = [(0, None)]
    for event in events_after(books, run, 0):
        match event.body:
            case e.RequestForwarded(purpose="main"):
                found.append((event.position, event))
            case e.RunRewound(to=to) if to < event.position - 1:
                place = bisect_right(found, to, key=lambda each: each[0]) - 1
                found.append((event.position, found[place][1]))
            case _:
                continue
    return found


def recorded_for(books: Books, run: str, request: Event) -> int:
    """Return the position at which the files stood recorded as they were for ``request``; its own where none tells.

    A deed that began before that makes it another's.
    """
    for event in events_after(books, run, request.position):
        match event.body:
            case e.CheckpointTaken() | e.CheckpointSkipped():
                return event.position
            case e.CallReceived() | e.EffectStarted() | e.RunRewound() | e.ClientAttached():
                break
            case e.RequestForwarded(purpose="main"):
                break
            case _:
                continue
    return request.position


def as_sent(books: Books, run: str, event: Event) -> SentRequest:
    """Return the request that ``event`` told of."""
    state = read_state(books, run, event.position).state
    sent = state.live.sent
    digests = tuple(sent[place] for place in range(len(sent)))
    api = state.live.conversation.api if state.live.conversation is not None else ""
    body = _body(books, run, event)
    read = read_request(_ENDPOINTS[api], body, Memo()) if body and api in _ENDPOINTS else None
    names = names_in(read) if read is not None and read.digests == digests else None
    return SentRequest(number_of(event), event.position, event.at, digests, names)


def main_requests(books: Books, run: str) -> Iterator[Event]:
    """Yield the events that tell of the client's main requests."""
    for event in events_after(books, run, 0):
        if isinstance(event.body, e.RequestForwarded) and event.body.purpose == "main":
            yield event


def session_named(state: State) -> str:
    """Return the client's own name for its session, as its requests give it; empty where they don't."""
    return state.live.conversation.session if state.live.conversation is not None else ""


def number_of(event: Event) -> int:
    """Return the turn of a request that ``event`` tells of."""
    return event.body.number if isinstance(event.body, e.RequestForwarded) else 0


def _body(books: Books, run: str, wanted: Event) -> bytes:
    """Return the request's body; empty where it wasn't kept, or not all that it is told by."""
    chain: list[bytes] = []
    try:
        for event in events_after(books, run, 0):
            body = event.body
            if not isinstance(body, e.RequestForwarded) or body.body is None or body.body.blob is None:
                continue
            stored = books.get(body.body.blob)
            chain = [*chain, stored] if is_difference(stored) else [stored]
            if event.position == wanted.position:
                return _told(chain)
    except (BlobMissing, ValueError):
        return b""
    return b""


def _told(chain: list[bytes]) -> bytes:
    whole = chain[0]
    for difference in chain[1:]:
        whole = restored(difference, whole)
    return whole
