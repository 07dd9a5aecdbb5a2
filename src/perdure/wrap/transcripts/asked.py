"""The main requests of a wrapped run, as its log has them."""

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


def sent_request(books: Books, run: str, number: int) -> SentRequest:
    """Return the main request of turn ``number``. Raises ``NoTurn``."""
    events = [event for event in main_requests(books, run) if _number(event) <= number]
    wanted = next((event for event in reversed(events) if _number(event) == number), None)
    if wanted is None:
        last = max(map(_number, main_requests(books, run)), default=0)
        raise NoTurn(
            f"run {run!r} has no turn {number}",
            hint=f"its newest turn is {last}; `perdure log {run} --kind request.forwarded` shows all",
        )
    return as_sent(books, run, wanted)


def as_sent(books: Books, run: str, event: Event) -> SentRequest:
    """Return the request that ``event`` told of."""
    state = read_state(books, run, event.position).state
    sent = state.live.sent
    digests = tuple(sent[place] for place in range(len(sent)))
    api = state.live.conversation.api if state.live.conversation is not None else ""
    body = _body(books, run, event)
    read = read_request(_ENDPOINTS[api], body, Memo()) if body and api in _ENDPOINTS else None
    names = names_in(read) if read is not None and read.digests == digests else {}
    return SentRequest(_number(event), event.position, event.at, digests, names)


def main_requests(books: Books, run: str) -> Iterator[Event]:
    """Yield the events that tell of the client's main requests."""
    for event in events_after(books, run, 0):
        if isinstance(event.body, e.RequestForwarded) and event.body.purpose == "main":
            yield event


def session_named(state: State) -> str:
    """Return the client's own name for its session, as its requests give it; empty where they don't."""
    return state.live.conversation.session if state.live.conversation is not None else ""


def _number(event: Event) -> int:
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
