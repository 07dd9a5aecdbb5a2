"""Git indexes of a workspace: one that only refreshed its cached marks stays what it was in the tree."""

from msgspec.structs import replace

from perdure.adapters.workspace.gitindex import meaning
from perdure.adapters.workspace.nodes import Sheet
from perdure.checkpoint.tree import Entry, Fetch, find, read_recipe


class Indexes:
    """Settles what the tree says of an index, given the tree that is known (``''`` for none)."""

    def __init__(self, fetch: Fetch, known: str) -> None:
        """Compare with the indexes in tree ``known``."""
        self._fetch: Fetch = fetch
        self._known: str = known

    def settled(self, path: str, entry: Entry, content: bytes, before: Sheet | None) -> Entry:
        """Return the entry of an index: with the content it had, if the new one means the same."""
        earlier = find(self._fetch, self._known, path) if self._known else before and before.body
        if earlier is None or earlier.kind != "file" or earlier.content == entry.content:
            return entry
        means = meaning(content)
        if means is None or means != meaning(self._content(earlier)):
            return entry
        return replace(
            entry, content=earlier.content, size=earlier.size, mtime=earlier.mtime, recipe=earlier.recipe
        )

    def _content(self, entry: Entry) -> bytes:
        name = entry.content.hex()
        if not entry.recipe:
            return self._fetch(name)
        content = bytearray(entry.size)
        for piece in read_recipe(self._fetch(name)).pieces:
            content[piece.start : piece.start + piece.size] = self._fetch(piece.blob.hex())
        return bytes(content)
