"""The accounts of a run, whoever's it is."""

from perdure.assembly.store import Store
from perdure.page.ledger import Ledger, ledger
from perdure.profile.plain_ledger import plain_ledger


def ledger_of(store: Store, run: str) -> Ledger:
    """Return what each request of ``run`` took and cost, and what each move did. Raises ``UnknownRun``."""
    events = store.inspector.events(run)
    talks = store.state(run).live.conversation is not None
    return ledger(events) if talks else plain_ledger(events)
