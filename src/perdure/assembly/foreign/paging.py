"""The switch of a conversation's paging, from outside of the gateway that has it.

It is posted into the run's inbox, durably: the gateway takes it in before it decides on the next request, and where
no gateway has the run it is in the stream at once.
"""

import uuid
from typing import Literal

import msgspec

from perdure.assembly.store import Store
from perdure.log import events as e
from perdure.log.port import Post
from perdure.projection.state import Conversation
from perdure.values.errors import BadInput

Switch = Literal["freeze", "thaw", "observe"]


def switch_paging(store: Store, run: str, switch: Switch, *, by: str) -> Conversation:
    """Set how ``run`` is paged, and return how it stands, or will before its next request.

    'freeze': what was moved stays moved, and nothing more is. 'observe': no byte is changed any more, which
    breaks the provider's cache once where something was moved. 'thaw': as it began.
    Raises ``UnknownRun``, and ``BadInput`` for a run that is no conversation or can't be thawed.
    """
    store.inspector.row(run)
    known = store.state(run).live.conversation
    if known is None:
        raise BadInput(f"run {run!r} is no conversation of a gateway", hint="list them with `perdure ls`")
    mode = known.mode
    if switch == "observe":
        mode = "observe"
    elif switch == "thaw":
        mode = _begun_in(store, run)
        if not known.recall:
            raise BadInput(
                f"run {run!r} observes for good: its model was never given the means to ask for a page",
                hint="begin a new conversation",
            )
    body = e.PagingSet(mode, frozen=switch == "freeze", why=f"{switch}, by hand", by=by)
    raw = msgspec.json.encode(body)
    store.books.post(run, Post(uuid.uuid4().hex, "paging.set", msgspec.Raw(raw), store.house.clock.now()))
    store.call(store.house.nudge(run))
    return msgspec.structs.replace(known, mode=mode, frozen=switch == "freeze")


def _begun_in(store: Store, run: str) -> str:
    """Return the mode that the conversation was opened in."""
    for event in store.events(run):
        if isinstance(event.body, e.ConversationOpened):
            return event.body.mode
    return "observe"
