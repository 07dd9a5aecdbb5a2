"""Two changes of one tree put together: undoing one action while what came after it stays.

Invariants:
- All or nothing: there is a tree with both changes in it, or a list of every path where they collide.
- A path that only one side changed is as that side has it; the content of text is put together by lines, and
  mode, owner and attributes each by themselves.
- A content that the present hasn't had just now gets no old time: what was built from the newer one would look
  up to date.
"""

from collections.abc import Callable
from typing import NamedTuple, TypeVar

from msgspec.structs import replace

from perdure.checkpoint.compare import below, join, own
from perdure.checkpoint.lines import is_text
from perdure.checkpoint.texts import merge_text
from perdure.checkpoint.tree import (
    Entry,
    Fetch,
    decoded,
    directory_object,
    read_root,
    root_object,
    spelled,
    walk,
)
from perdure.values.digest import digest
from perdure.values.errors import MergeConflict

T = TypeVar("T")

_GONE = "it was deleted since"
_CHANGED = "it was changed since, and would be deleted"
_KINDS = "it is something else now"
_BINARY = "both sides changed it, and it is no text that can be merged"
_LINES = "both sides changed the same lines"
_UNSTORED = "its content is a secret, and stored nowhere"
_LEFT = "what stands there now is left out"


class Merged(NamedTuple):
    """A tree with both changes in it. ``objects`` are those of it that may be in no store yet."""

    tree: str
    objects: dict[str, bytes]


class Collision(NamedTuple):
    """A path where both changes can't be had, why, and what a person needs to see of it."""

    path: str
    why: str
    shown: str = ""


class Conflicts(NamedTuple):
    """Every path where both changes can't be had, in tree order."""

    collisions: tuple[Collision, ...]

    def error(self) -> MergeConflict:
        """Return them as an error (P113)."""
        count = len(self.collisions)
        named = ", ".join(f"{spelled(each.path) or '.'} ({each.why})" for each in self.collisions[:5])
        more = f" and {count - 5} more" if count > 5 else ""
        return MergeConflict(f"{count} path{'s' * (count > 1)} can't be merged: {named}{more}")


def merge_trees(fetch: Fetch, base: str, ours: str, theirs: str) -> Merged | Conflicts:
    """Return tree ``ours`` with what changed from ``base`` to ``theirs``.

    To undo the change from A to B in the present P: ``base`` is B, ``ours`` P, ``theirs`` A. The contents of all
    three have to be in the store.
    """
    roots = [read_root(fetch(tree)) for tree in (base, ours, theirs)]
    merge = _Merge(fetch, owners=all(root.owners for root in roots))
    top = merge.entry("", roots[0].top, roots[1].top, roots[2].top)
    if merge.collisions or top is None:
        return Conflicts(tuple(merge.collisions))
    root = root_object(top, owners=roots[1].owners)
    objects = merge.objects | {root.name: root.stored}
    lost = _lost_names(lambda name: objects.get(name) or fetch(name), root.name) if merge.removed else ()
    return Conflicts(lost) if lost else Merged(root.name, objects)


class _Merge:
    """One merge under way."""

    def __init__(self, fetch: Fetch, *, owners: bool) -> None:
        self._fetch: Fetch = fetch
        self._owners: bool = owners
        self.objects: dict[str, bytes] = {}
        self.collisions: list[Collision] = []
        self.removed: bool = False

    def entry(self, path: str, base: Entry | None, ours: Entry | None, theirs: Entry | None) -> Entry | None:
        """Return what stands at ``path`` with both changes in it; None for nothing."""
        if self._same(ours, theirs) or self._same(base, theirs):
            return ours
        if {each.kind if each else "dir" for each in (base, ours, theirs)} == {"dir"}:
            return self._directory(path, base, ours, theirs)
        if ours is not None and ours.kind == "left":
            may_stay = theirs is None or theirs.kind == "left"
            return ours if may_stay else self._collide(path, ours, _LEFT)
        if self._same(base, ours):
            return self._taken(path, ours, theirs)
        if ours is None or theirs is None:
            return self._collide(path, ours, _GONE if ours is None else _CHANGED)
        if ours.kind != theirs.kind:
            return self._collide(path, ours, _KINDS)
        return self._both(path, base, ours, theirs)

    def _same(self, one: Entry | None, other: Entry | None) -> bool:
        """Whether both are the same, times left out."""
        if one is None or other is None:
            return one is other
        same = own(one, owners=self._owners) == own(other, owners=self._owners)
        return same and (one.kind != "dir" or one.identity == other.identity)

    def _collide(self, path: str, ours: Entry | None, why: str, shown: str = "") -> Entry | None:
        self.collisions.append(Collision(path, why, shown))
        return ours

    def _taken(self, path: str, ours: Entry | None, theirs: Entry | None) -> Entry | None:
        """Return what the other side has, since the present is as it was."""
        if theirs is None:
            if ours is not None and ours.kind == "secret":
                return self._collide(path, ours, _UNSTORED)
            self.removed = True
            return None
        match theirs.kind:
            case "dir":
                self.removed = True
                return self._directory(path, None, None, theirs)
            case "left":
                return ours
            case "secret" | "special":
                known = ours is not None and (ours.kind, ours.content) == (theirs.kind, theirs.content)
                return theirs if known else self._collide(path, ours, _UNSTORED)
            case _:
                self.removed |= ours is not None and ours.kind != theirs.kind
                same = ours is not None and (ours.content, ours.recipe) == (theirs.content, theirs.recipe)
                return replace(theirs, mtime=ours.mtime if ours is not None and same else 0)

    def _directory(
        self, path: str, base: Entry | None, ours: Entry | None, theirs: Entry | None
    ) -> Entry | None:
        """Return a directory; where a side has none, it has one with nothing in it."""
        sides = [{each.name: each for each in below(self._fetch, side)} for side in (base, ours, theirs)]
        found: list[Entry] = []
        for name in sorted(sides[0].keys() | sides[1].keys() | sides[2].keys()):
            made = self.entry(join(path, name), *(side.get(name) for side in sides))
            if made is not None:
                found.append(made)
        wanted = theirs if (ours is None) == (base is None) else ours
        kept = wanted or (ours or theirs if found else None)
        if kept is None:
            return None
        if ours is not None and theirs is not None:
            kept = self._attributes(path, base, ours, theirs)
        made = directory_object(tuple(found))
        self.objects[made.name] = made.stored
        return replace(kept, content=bytes.fromhex(made.name), identity=made.identity)

    def _both(self, path: str, base: Entry | None, ours: Entry, theirs: Entry) -> Entry | None:
        """Return an entry of one kind that both sides changed."""
        was = base if base is not None and base.kind == ours.kind else None
        merged = self._attributes(path, was, ours, theirs)
        held = [(each.content, each.recipe) if each else None for each in (was, ours, theirs)]
        if held[2] in (held[0], held[1]):
            return merged
        if held[1] == held[0]:
            if ours.kind == "secret":
                return self._collide(path, ours, _UNSTORED)
            return replace(merged, content=theirs.content, recipe=theirs.recipe, size=theirs.size, mtime=0)
        if ours.kind != "file" or any(each.recipe for each in (was, ours, theirs) if each):
            return self._collide(path, ours, _BINARY)
        return self._woven(path, was, merged, theirs)

    def _woven(self, path: str, base: Entry | None, ours: Entry, theirs: Entry) -> Entry | None:
        texts = [self._fetch(each.content.hex()) if each else b"" for each in (base, ours, theirs)]
        if not all(map(is_text, texts)):
            return self._collide(path, ours, _BINARY)
        woven = merge_text(*texts)
        if woven.shown:
            return self._collide(path, ours, _LINES, woven.shown.decode("utf-8", "replace"))
        name = digest(woven.content)
        self.objects[name] = woven.content
        return replace(ours, content=bytes.fromhex(name), size=len(woven.content), mtime=0)

    def _attributes(self, path: str, base: Entry | None, ours: Entry, theirs: Entry) -> Entry:
        def of(what: str, read: Callable[[Entry], T]) -> T:
            was, mine, other = read(base) if base else None, read(ours), read(theirs)
            if mine not in (was, other) and other != was:
                self._collide(path, ours, f"both sides changed its {what}")
            return other if mine == was else mine

        mode = of("mode", lambda entry: entry.mode)
        if not self._owners:
            return replace(ours, mode=mode)
        owner = of("owner", lambda entry: entry.owner)
        return replace(ours, mode=mode, owner=owner, xattrs=of("attributes", lambda entry: entry.xattrs))


def _lost_names(fetch: Fetch, tree: str) -> tuple[Collision, ...]:
    """Return further names of files whose first name would go."""
    entries = dict(walk(fetch, tree))
    return tuple(
        Collision(path, f"it is another name of {spelled(decoded(entry.content))}, which would go")
        for path, entry in entries.items()
        if entry.kind == "hard"
        and ((first := entries.get(decoded(entry.content))) is None or first.kind in ("dir", "hard"))
    )
