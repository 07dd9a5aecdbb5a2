"""A run's workspace: interim, the whole directory read and put back by the portable keeper."""

from collections.abc import Sequence
from pathlib import Path

from perdure.adapters.workspace import DirectoryWorkspace
from perdure.checkpoint.inspection import Inspection, Restored, Window
from perdure.log.port import BlobStore


class Workplace:
    """The workspace of one run, opened."""

    def __init__(self, root: Path, store: BlobStore) -> None:
        """Keep ``root``; contents go to ``store``."""
        root.mkdir(exist_ok=True)
        self._keeper: DirectoryWorkspace = DirectoryWorkspace(root, store.get)
        self._store: BlobStore = store
        self.root: Path = root

    async def record(self, known: str, image: str, windows: Sequence[Window]) -> Inspection:
        """Record the directory."""
        del image, windows
        found = await self._keeper.record(known)
        for name, content in found.blobs:
            self._store.put(name, content)
        return Inspection(found.tree, "none" if found.tree == known else "files", found.files)

    async def restore(self, tree: str, image: str, keep: Sequence[str]) -> Restored:
        """Put the directory back."""
        del image, keep
        return Restored(*await self._keeper.restore(tree))

    def hurry(self) -> None:
        """Nothing is under way that could be hurried."""

    async def close(self) -> None:
        """Nothing is held."""
