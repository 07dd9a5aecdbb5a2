"""Names that can read blobs, for who has a store at hand."""

from perdure.cli.place import Place
from perdure.cli.spoken.words import Names
from perdure.driver import books
from perdure.projection.state import State


def names_of(place: Place, state: State | None = None) -> Names:
    """Return what ``state`` knows by name; content that stands in blobs is read from the store."""
    return Names(state, lambda content: books.text_of(place.store.books, content))
