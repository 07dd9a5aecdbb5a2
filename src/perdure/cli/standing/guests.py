"""How the run of a wrapped client stands: whether the client works in it, what it took, what is left open."""

import shlex

from perdure.assembly.presence import driver_of
from perdure.cli.drawing.ink import count, money
from perdure.cli.place import Place
from perdure.log import events as e
from perdure.log.envelope import unseal
from perdure.log.port import RunRow
from perdure.projection.state import State
from perdure.values.digest import Json
from perdure.values.errors import PerdureError
from perdure.wrap.transcripts.asked import client_of_run, is_wrapped
from perdure.wrap.transcripts.resuming import doubts_left, going_on
from perdure.wrap.transcripts.returning import bare_command


def agent_of(place: Place, row: RunRow) -> str:
    """Return whose run it is, from its first event alone; a fork's is that of the run it began as."""
    first = place.store.books.read(row.run, 0, 1)
    body = unseal(first[0]).body if first else None
    return body.agent if isinstance(body, e.RunOpened) else ""


def guest_state(place: Place, row: RunRow) -> State | None:
    """Return the state of a wrapped client's run; None where it is another's."""
    if not agent_of(place, row).startswith("wrap:"):
        return None
    state = place.store.state(row.run)
    return state if is_wrapped(state) else None


def guest_word(row: RunRow, state: State) -> str:
    """Return how the client stands: 'works', 'starts', 'ended', or 'broke off' where it never said so."""
    if driver_of(row).presence == "alive":
        return "works" if state.live.client else "starts"
    return "broke off" if state.live.client else "ended"


def tally(state: State) -> str:
    """Return what it took and did, in a few words."""
    talk = state.live.conversation
    parts = [client_of_run(state), count(talk.requests if talk is not None else 0, "turn")]
    if state.world.cost_microusd:
        parts.append(money(state.world.cost_microusd))
    done = effects_done(state)
    if done:
        parts.append(count(done, "effect"))
    return " · ".join(parts)


def effects_done(state: State) -> int:
    """Return how many effects succeeded."""
    return sum(receipt.outcome in ("succeeded", "partial") for receipt in state.world.receipts.values())


def left_open(state: State) -> str:
    """Return what is in doubt, or waits for a person; empty where nothing is."""
    found = doubts_left(state)
    more = f" and {len(found) - 1} more" if len(found) > 1 else ""
    return f"{found[0]}{more}" if found else ""


def guest_shape(row: RunRow, state: State) -> dict[str, Json]:
    """Return the same as programs are shown it."""
    talk = state.live.conversation
    return {
        "client": state.live.client or client_of_run(state),
        "stands": guest_word(row, state),
        "turns": talk.requests if talk is not None else 0,
        "session": talk.session or None if talk is not None else None,
        "cost_microusd": state.world.cost_microusd,
        "effects": effects_done(state),
        "open": [*doubts_left(state)],
    }


def ways_on(place: Place, state: State) -> list[tuple[str, str]]:
    """Return what leads on, as words and the command: with perdure, back to a turn, and without perdure."""
    run = shlex.quote(state.run)
    found = [("go on", f"perdure wrap --resume {run}{place.flag}")]
    talk = state.live.conversation
    if talk is not None and talk.requests > 1:
        found.append(("go back", f"perdure rewind {run} --to TURN --dry-run{place.flag}"))
    bare = _bare(place, state)
    if bare:
        found.append(("go on without perdure", bare))
    found.append(("see what it cost", f"perdure cost {run}{place.flag}"))
    return found


def _bare(place: Place, state: State) -> str:
    """Return the command that goes on without perdure; empty where none is known to."""
    try:
        goes = going_on(place.store.books, state.run, writes=False)
    except PerdureError:
        return ""
    return bare_command(goes.started, goes.session) if goes.started is not None and goes.session else ""
