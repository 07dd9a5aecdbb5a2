"""A directory as a workspace: recorded at each turn, at the cost of what changed.

Invariants:
- Equal directories give equal trees; whatever changed since a tree gives another one.
- All that a returned tree names is in the store, also where objects that no event came to name were removed.
- Nothing is written into the directory, and nothing in it is opened but directories and regular files.
- A recording that fails leaves nothing behind but blobs that nothing names.

This is the portable level: it needs no privileges, and reads each file whose marks changed since it was read.
"""

import os
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from perdure.adapters.workspace.asking import LookedFor, grouped
from perdure.adapters.workspace.attribution import Seen, attributed
from perdure.adapters.workspace.cache import Cache
from perdure.adapters.workspace.guard import checked_root
from perdure.adapters.workspace.indexes import Indexes
from perdure.adapters.workspace.keeping import Keeper
from perdure.adapters.workspace.marks import MarksOf, marks_of
from perdure.adapters.workspace.mounts import Mounts, mounts_at
from perdure.adapters.workspace.nodes import Folder, all_kept
from perdure.adapters.workspace.reading import open_file, read_whole
from perdure.adapters.workspace.rules import RULES_FILE, SECRET_NAMES, IgnoreRules, rules_from
from perdure.adapters.workspace.scan import Scan
from perdure.checkpoint.compare import compare
from perdure.checkpoint.inspection import Inspection, Window
from perdure.checkpoint.tree import Object, read_root, root_object
from perdure.log.port import BlobStore
from perdure.values.errors import BadRoot, BlobMissing
from perdure.values.limits import CACHE_WORTH_BYTES, RULES_BYTES_MAX


class Present(NamedTuple):
    """The directory as it is, stored nowhere: the tree's digest, and the objects that the store may lack."""

    tree: str
    objects: Mapping[str, bytes]
    files: int
    left: int
    torn: tuple[str, ...]


class Pass(NamedTuple):
    """What a pass found, and under which rules and mounts."""

    top: Folder
    root: Object
    rules: str | None
    mounts: Mounts
    torn: tuple[str, ...]


class Directory:
    """The workspace below ``root``; methods may be called from any thread, one at a time has its turn."""

    def __init__(
        self,
        root: Path,
        store: BlobStore,
        *,
        rules: IgnoreRules | None = None,
        secrets: Sequence[str] = SECRET_NAMES,
        cache: Path | None = None,
    ) -> None:
        """Serve ``root``; ``cache`` is a file outside it that makes the first look after a restart quick.

        With ``rules``, ``.perdureignore`` isn't read; ``secrets`` are globs of names. Raises ``BadRoot``.
        """
        self.root: Path = checked_root(root)
        self._store: BlobStore = store
        self._fixed: IgnoreRules | None = rules
        self._secrets: tuple[str, ...] = tuple(secrets)
        self._rules_read: IgnoreRules = IgnoreRules("", secrets)
        self._last: Pass | None = None
        self._unsaved: int = 0
        self._owners: bool = os.geteuid() == 0
        self._cache: Cache | None = None
        if cache is not None:
            self._cache = Cache(cache, self.root, owners=self._owners, secrets=self._secrets)
        self._clock: Callable[[], int] = time.time_ns
        self._marks_of: MarksOf = marks_of
        self._turn: threading.Lock = threading.Lock()

    def record(
        self,
        known: str,
        windows: Sequence[Window],
        *,
        hot: Iterable[str] = (),
        done: Mapping[str, str] = {},
        exact: Iterable[str] | None = None,
    ) -> Inspection:
        """Record what has changed since tree ``known`` (``''``: nothing is known), and by whom.

        ``windows``: when effects ran. ``done``: path to the key of the effect that is known to have changed it.
        ``hot``: paths to read whatever their marks say, since living processes have them mapped. ``exact``: the
        only paths that can have changed since the call before, a file with several names by all of them. Raises
        ``OSError`` naming the path that can't be read, ``BadInput`` for rules or a workspace beyond bounds, and
        what the store raises.
        """
        with self._turn:
            keeper = Keeper(self._store)
            last = self._remembered()
            if last is not None and known != last.root.name and not self._kept(last.top, known):
                last = None
            notes: list[str] = []
            if known and not self._store.has(known):
                notes.append(f"tree {known[:12]} is not in the store any more: everything counts as new")
                known = ""
            made = self._pass(keeper, last, known, hot=hot, exact=exact)
            keeper.object(made.root)
            self._last = made
            self._save(made, keeper.read_bytes)
            differences = list(compare(self._store.get, known, made.root.name)) if known else []
            seen = Seen(last.top if last else None, made.top, made.mounts.grain)
            changes = attributed(differences, seen, windows, done)
            return Inspection(
                made.root.name,
                "files" if changes or not known else "none",
                files=made.top.files,
                new_bytes=keeper.new_bytes,
                changes=changes,
                torn=made.torn,
                left=made.top.left,
                notes=tuple(notes),
            )

    def present(self, known: str = "") -> Present:
        """Return the directory as it is now, looked at whole; nothing is stored.

        ``known`` is the tree to which it will be compared (default: the one recorded last).
        """
        with self._turn:
            keeper = Keeper(None)
            last = self._remembered()
            made = self._pass(keeper, last, known or (last.root.name if last else ""))
            keeper.object(made.root)
            return Present(made.root.name, keeper.objects, made.top.files, made.top.left, made.torn)

    # -- one pass ------------------------------------------------------------------------------------

    def _pass(
        self,
        keeper: Keeper,
        last: Pass | None,
        known: str,
        *,
        hot: Iterable[str] = (),
        exact: Iterable[str] | None = None,
    ) -> Pass:
        now = self._clock()
        mapped = tuple(hot)
        # Whoever works in it may have put a link in its place.
        fd = os.open(self.root, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            mounts, rules = mounts_at(self.root), self._rules(fd)
            anew = last is None or last.mounts != mounts or last.rules != rules.text
            asked = LookedFor(
                rules,
                now,
                owners=self._owners,
                mounts=mounts.below,
                settle_index=Indexes(self._store.get, known).settled,
                hot=grouped(mapped),
                only=None if exact is None or anew else grouped((*exact, *mapped)),
                anew=anew,
                grain=mounts.grain,
                marks_of=self._marks_of,
            )
            scan = Scan(asked, keeper)
            top = scan.top(fd, last.top if last else None)
        finally:
            os.close(fd)
        if top is None:
            raise BadRoot(f"workspace {self.root}: this is a store of perdure")
        root = root_object(top.entry, owners=self._owners)
        return Pass(top, root, rules.text, mounts, scan.torn)

    def _rules(self, fd: int) -> IgnoreRules:
        """Return the rules as they are now; the same object as before if they are."""
        if self._fixed is not None:
            return self._fixed
        file = open_file(fd, RULES_FILE.encode(), RULES_FILE)
        stored = b"" if file is None else read_whole(file, RULES_BYTES_MAX + 1)
        if stored != self._rules_read.text.encode("utf-8", "surrogateescape"):
            self._rules_read = rules_from(stored, self._secrets)
        return self._rules_read

    # -- what is remembered --------------------------------------------------------------------------

    def _remembered(self) -> Pass | None:
        if self._last is None and self._cache is not None:
            top = self._cache.load(self._store)
            if top is not None:
                root = root_object(top.entry, owners=self._owners)
                # Rules that nobody has: what they leave out is decided anew.
                self._last = Pass(top, root, None, Mounts(frozenset(), 0), ())
        return self._last

    def _kept(self, top: Folder, known: str) -> bool:
        """Whether all that the nodes name is in the store: no event may have come to name their tree."""
        try:
            entry = read_root(self._store.get(known)).top if known else None
        except BlobMissing:
            entry = None
        return all_kept(top, entry, self._store.get, self._store.has)

    def _save(self, made: Pass, read_bytes: int) -> None:
        self._unsaved += read_bytes
        if self._cache is not None and self._unsaved >= CACHE_WORTH_BYTES:
            self._cache.save(made.top)
            self._unsaved = 0
