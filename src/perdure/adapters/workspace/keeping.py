"""Where a pass puts what it finds: into the store, or into memory where it only looks."""

from perdure.checkpoint.tree import Object
from perdure.log.port import BlobStore
from perdure.values.digest import digest


class Keeper:
    """Stores contents and objects; without a store, keeps objects in ``objects`` and drops contents."""

    def __init__(self, store: BlobStore | None) -> None:
        """Keep in ``store``, or in memory."""
        self._store: BlobStore | None = store
        self.objects: dict[str, bytes] = {}
        self.new_bytes: int = 0
        self.read_bytes: int = 0

    def content(self, content: bytes) -> bytes:
        """The bytes of a file, or a piece of one, are kept; return the digest that names them."""
        name = digest(content)
        self.read_bytes += len(content)
        if self._store is not None and not self._store.has(name):
            self._store.put(name, content)
            self.new_bytes += len(content)
        return bytes.fromhex(name)

    def object(self, made: Object) -> None:
        """A directory's, a recipe's or a root's object is kept."""
        if self._store is None:
            self.objects[made.name] = made.stored
        elif not self._store.has(made.name):
            self._store.put(made.name, made.stored)
