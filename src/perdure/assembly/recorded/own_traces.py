"""Traces of a store's own runs: agents on our API, and conversations through the gateway."""

from collections.abc import Iterator

from perdure.assembly.store import Store
from perdure.driver.books import text_of
from perdure.intention.declaration import Definition, read_definition
from perdure.log.events import Content
from perdure.profile.ours import RunReader
from perdure.profile.trace import Trace
from perdure.values.errors import PerdureError


def run_traces(store: Store, run: str) -> Iterator[Trace]:
    """Yield the traces of a run: an own agent's, or a conversation's and its side calls'. Raises ``UnknownRun``.

    Content that isn't kept, or was erased, has no words and is told by its size alone.
    """

    def definition(digest: str) -> Definition | None:
        try:
            return read_definition(store.books.get(digest))
        except (PerdureError, ValueError):
            return None

    def text(content: Content | None) -> str:
        try:
            return text_of(store.books, content)
        except (PerdureError, ValueError):
            return ""

    reader = RunReader(run, text, definition)
    for event in store.inspector.events(run):
        reader.take(event)
    yield from reader.traces()
