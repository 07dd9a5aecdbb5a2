"""perdure's own restorer of files, from its parts: a directory recorded, a plan, and the plan carried out.

Every restore is done by new objects, as a new process would: nothing is left of the old ones but the store and
the cache of marks on disk.
"""

import os
from collections.abc import Callable
from pathlib import Path

from perdure.adapters.sqlite.store import SqliteStore
from perdure.adapters.workspace.directory import Directory
from perdure.adapters.workspace.restore import apply_plan
from perdure.checkpoint.plan import plan_restore


class Recorded:
    """Keeps the workspace as trees in a store (L0)."""

    def __init__(self, root: Path, store: Path) -> None:
        """Keep ``root`` in a store below ``store``."""
        self._root: Path = root
        self._place: Path = store
        self._trees: dict[int, str] = {}
        self._known: str = ""
        self._store: SqliteStore = SqliteStore(store / "log")
        self._directory: Directory = self._anew()

    def before_turn(self, turn: int, mapped: frozenset[str]) -> None:
        """Record what is there."""
        self._known = self._directory.record(self._known, (), hot=mapped).tree
        self._trees[turn] = self._known

    def restore(self, turn: int) -> None:
        """Look at the damage, plan, and put the tree back."""
        self._store.close()
        self._store = SqliteStore(self._place / "log")
        self._directory = self._anew()
        present = self._directory.present(self._trees[turn])
        plan = plan_restore(self._fetch(present.objects.get), present.tree, self._trees[turn])
        apply_plan(self._root, plan, self._store.get, owners=os.geteuid() == 0, sync=False)
        self._known = self._trees[turn]

    def _anew(self) -> Directory:
        return Directory(self._root, self._store, cache=self._place / "marks")

    def _fetch(self, near: Callable[[str], bytes | None]) -> Callable[[str], bytes]:
        def fetch(name: str) -> bytes:
            found = near(name)
            return self._store.get(name) if found is None else found

        return fetch

    def close(self) -> None:
        """Let go of the store."""
        self._store.close()
