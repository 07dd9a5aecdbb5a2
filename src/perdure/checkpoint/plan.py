"""How the present becomes another tree: every step, before the first is taken.

Invariants:
- A step names a path that differs, or one that has to follow it (a further name of a file that is made anew,
  a cache that would be stale); what is the same on both sides is never touched.
- Nothing that was not recorded is lost: secrets, what was left out by a rule of the user's, and git's objects
  stay where they are, and so do the paths in ``keep`` with all that is above and below them.
- Removals come first and go upwards, then everything is made downwards, and directories get their attributes
  last and upwards: a directory that may not be written into is closed when nothing is left to write.
"""

from collections.abc import Collection, Iterable, Iterator

from msgspec.structs import replace

from perdure.checkpoint.compare import Change, PathDifference, compare
from perdure.checkpoint.steps import Plan, RestoreStep, Unrestorable, Verb
from perdure.checkpoint.survey import Survey, above, objects_of_git, parent, survey
from perdure.checkpoint.tree import CACHE_RULE, Entry, Fetch, decoded, encoded, read_root, spelled
from perdure.log.events import PathChanged

_UNSTORED = "its content is a secret, and stored nowhere"
_SPECIAL = "a socket or device, which only its owner can make"
_REMOVING = ("clear", "unlink", "rmdir")
_ABOVE = "stands above what stays"


def plan_restore(fetch: Fetch, present: str, target: str, keep: Collection[str] = ()) -> Plan:
    """Return how the ``present`` tree becomes ``target``, but for the paths in ``keep``.

    Either tree may be ``''``, which holds nothing. A path in ``keep`` stays as it is, with all below it, and so
    do the directories above it.
    """
    return _Planning(fetch, present, target, _Keeping(keep)).plan()


def foreign(plan: Plan, changes: Iterable[PathChanged]) -> tuple[str, ...]:
    """Return the paths that ``plan`` would change although nobody knows who changed them last.

    ``changes`` are all changes since the tree that is restored, oldest first. A git reference that somebody
    else moved counts like any other file.
    """
    last = {change.path: change.by for change in changes}
    touched = dict.fromkeys(step.path for step in plan.steps if step.verb != "clear")
    return tuple(path for path in touched if last.get(spelled(path)) == "unknown")


class _Keeping:
    """Which paths stay as they are because the caller said so."""

    def __init__(self, keep: Collection[str]) -> None:
        """``keep`` holds paths as the file system or as the log has them."""
        self._keep: frozenset[str] = frozenset(map(spelled, keep))

    def __contains__(self, path: str) -> bool:
        """Return whether ``path`` is kept, or stands below what is."""
        if not self._keep:
            return False
        shown = spelled(path)
        while shown:
            if shown in self._keep:
                return True
            shown = shown.rpartition("/")[0]
        return "" in self._keep


class _Planning:
    """One plan in the making."""

    def __init__(self, fetch: Fetch, present: str, target: str, keep: _Keeping) -> None:
        self._top: Entry | None = read_root(fetch(target)).top if target and not present else None
        self._now: Survey = survey(fetch, present)
        self._then: Survey = survey(fetch, target)
        self._keep: _Keeping = keep
        self._differences: list[PathDifference] = list(compare(fetch, present, target))
        self._stay: set[str] = {
            place
            for path, entry in self._now.entries.items()
            if self._stays(path, entry)
            for place in above(path)
        }
        self._steps: dict[tuple[str, str], RestoreStep] = {}
        self._unrestorable: dict[str, str] = {}
        self._kept: dict[str, None] = {}
        self._closed: set[str] = set()
        """paths that nothing below is looked at of"""

    def plan(self) -> Plan:
        """Return the plan."""
        for each in self._differences:
            self._decide(each)
        self._follow_names()
        cleared = self._stale_caches()
        for path in cleared:
            self._step("clear", path)
        if self._top is not None:
            self._step("amend", "", self._top)
        done = {step.path for step in self._steps.values()}
        return Plan(
            steps=tuple(self._ordered()),
            created=_listed(self._differences, done, "created"),
            changed=_listed(self._differences, done, "changed"),
            deleted=_listed(self._differences, done, "deleted"),
            cleared=cleared,
            unrestorable=tuple(Unrestorable(path, why) for path, why in self._unrestorable.items()),
            kept=tuple(self._kept),
            directories=("", *(path for path, entry in self._now.entries.items() if entry.kind == "dir")),
            repositories=tuple(sorted(self._repositories(done))),
        )

    def _stays(self, path: str, entry: Entry) -> bool:
        """Whether what stands at ``path`` may not be removed, whatever the target holds."""
        if path in self._keep or entry.kind == "secret":
            return True
        if entry.kind == "left":
            return not _is_cache(entry)
        # Of a repository that came since, a submodule's as well, nothing stays: without the rest it is a wreck.
        objects = objects_of_git(path)
        return objects is not None and objects in self._then.entries

    def _step(self, verb: Verb, path: str, entry: Entry | None = None) -> None:
        place = "remove" if verb in _REMOVING else "amend" if verb == "amend" else "make"
        self._steps[place, path] = RestoreStep(verb, path, entry)

    def _decide(self, difference: PathDifference) -> None:
        path, _, before, after, _ = difference
        if any(place in self._closed for place in above(path)):
            return
        if path in self._keep:
            self._kept[path] = None
        elif after is None:
            self._remove(path, before)
        elif (why := self._barred(before, after)) is not None:
            if why:
                self._unrestorable[path] = why
            self._closed.add(path)
        elif after.kind == "dir":
            self._directory(path, before, after)
        else:
            self._leaf(path, before, after)

    def _barred(self, before: Entry | None, after: Entry) -> str | None:
        """Return why what is wanted can't be put there; ``''`` where that needs no words; None where it can."""
        was = before.kind if before is not None else ""
        if before is not None and was == "left" and after.kind != "left" and not _is_cache(before):
            return f"what stands there now is left out ({decoded(before.content)}), and would be lost"
        match after.kind:
            case "left":
                known = was == "left" or _is_cache(after)
                return "" if known else f"it was left out ({decoded(after.content)})"
            case "secret":
                return None if before is not None and _same_content(before, after) else _UNSTORED
            case "special":
                return None if was == "special" else _SPECIAL
            case _:
                return _UNSTORED if was == "secret" else None

    def _remove(self, path: str, before: Entry | None) -> None:
        if before is None or before.kind == "left":
            return
        if before.kind == "secret":
            self._unrestorable[path] = f"it came since, but {_UNSTORED}"
        elif path not in self._stay and not self._stays(path, before):
            self._step("rmdir" if before.kind == "dir" else "unlink", path)

    def _directory(self, path: str, before: Entry | None, after: Entry) -> None:
        if before is None or before.kind != "dir":
            if before is not None:
                self._step("clear" if before.kind == "left" else "unlink", path)
            self._step("mkdir", path, after)
        self._step("amend", path, after)

    def _leaf(self, path: str, before: Entry | None, after: Entry) -> None:
        if path in self._stay:
            self._unrestorable[path] = _ABOVE
        elif before is not None and _same_content(before, after):
            self._step("amend", path, after)
        else:
            if before is not None and before.kind in ("dir", "left"):
                self._step("rmdir" if before.kind == "dir" else "clear", path)
            self._make(path, after)

    def _make(self, path: str, after: Entry) -> None:
        match after.kind:
            case "link" | "fifo":
                self._step(after.kind, path, after)
            case "file":
                self._step("write", path, after)
            case "hard":
                pass  # decided once it is known what becomes of the first name
            case _:
                self._unrestorable[path] = _SPECIAL

    def _follow_names(self) -> None:
        """A file that is made anew takes its further names along; one whose first name stays is copied."""
        shared = set(self._now.hard.values()) | set(self._then.hard.values())
        for (place, path), step in list(self._steps.items()):
            if place == "amend" and step.entry is not None and step.entry.kind == "file" and path in shared:
                del self._steps[place, path]
                self._step("write", path, step.entry)
        for path, first in self._then.hard.items():
            self._follow(path, first)

    def _follow(self, path: str, first: str) -> None:
        was = self._now.hard.get(path) == first
        self._steps.pop(("amend", path), None)
        if path in self._keep or self._left_alone(path):
            return
        if first in self._keep or self._left_alone(first):
            if was:
                self._kept[path] = None
            else:
                self._make(path, replace(self._then.entries[first], name=encoded(path.rpartition("/")[2])))
        elif not was or ("make", first) in self._steps:
            self._step("hard", path, self._then.entries[path])

    def _left_alone(self, path: str) -> bool:
        return path in self._unrestorable or any(place in self._closed for place in above(path))

    def _stale_caches(self) -> tuple[str, ...]:
        """Return the caches beside, or above, which something else than an attribute changes."""
        near = {place for where, path in self._steps if where != "amend" for place in (path, *above(path))}
        return tuple(
            path
            for path, entry in self._now.entries.items()
            if _is_cache(entry) and parent(path) in near and path not in self._keep
        )

    def _ordered(self) -> Iterator[RestoreStep]:
        def of(wanted: str, *, up: bool = False) -> list[RestoreStep]:
            steps = [step for (place, _), step in self._steps.items() if place == wanted]
            return sorted(steps, key=lambda step: _tree_order(step.path), reverse=up)

        yield from of("remove", up=True)
        yield from of("make")
        amends = of("amend", up=True)
        yield from (step for step in amends if step.entry is not None and step.entry.kind != "dir")
        yield from (step for step in amends if step.entry is not None and step.entry.kind == "dir")

    def _repositories(self, done: Collection[str]) -> Iterator[str]:
        near = {place for path in done for place in (path, *above(path))}
        return (path for path in self._now.repositories if parent(path) in near)


def _tree_order(path: str) -> list[bytes]:
    return encoded(path).split(b"/")


def _is_cache(entry: Entry) -> bool:
    return entry.kind == "left" and entry.content.startswith(CACHE_RULE)


def _same_content(before: Entry, after: Entry) -> bool:
    return (before.kind, before.content, before.recipe) == (after.kind, after.content, after.recipe)


def _listed(differences: Iterable[PathDifference], done: Collection[str], change: Change) -> tuple[str, ...]:
    """Return the paths that lastingly differ in that way and that something is done about."""
    return tuple(
        each.path
        for each in differences
        if each.change == change and not each.times_only and each.path and each.path in done
    )
