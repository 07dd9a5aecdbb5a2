"""Which pages move, when a request goes on: the one place where that is decided."""

from perdure.log import events as e
from perdure.projection.state import State


def moves(state: State, body: e.RequestForwarded, at: int) -> tuple[e.Body, ...]:
    """Return the moves that follow from ``body``, in order; ``state`` has it taken in already.

    ``at`` is when it came, in ns.
    """
    del at
    if state.live.conversation is None:
        return ()
    return tuple(
        e.PageAdmitted(
            page=new.page,
            content=new.content,
            tokens=new.tokens,
            shape="whole",
            call=new.call,
            tool=new.tool,
            about=new.about,
            before=new.before,
            number=body.number,
            exempt=new.exempt,
            lines=new.lines,
        )
        for new in body.arrived
        if new.page not in state.live.pages
    )
