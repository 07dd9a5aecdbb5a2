"""Which tools a run has declared, for whoever goes on with it before its servers are there to say."""

from perdure.assembly.store import Store
from perdure.driver.books import read_law, read_state
from perdure.intention.declaration import Declaration
from perdure.values.errors import UnknownRun


def tools_declared(store: Store, run: str) -> tuple[Declaration, ...]:
    """Return the tools of the newest definition of ``run``; none where it has not begun."""
    try:
        state = read_state(store.books, run).state
    except UnknownRun:
        return ()
    if not state.definition:
        return ()
    return read_law(store.books, state.definition, state.contract).definition.tools
