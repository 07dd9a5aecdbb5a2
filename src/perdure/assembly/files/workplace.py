"""A run's workspace, opened: its directory and its services, recorded and put back, behind the driver's port.

Invariants:
- One run at a time works in a directory; the claim ends with the process, however that ends.
- What is overwritten is in the store, durably, before the first file is touched.
- A restore is looked at afterwards: what isn't as it should be is an error, not a note.
- Files are looked at one by one unless every change since the last look is accounted for by whoever made it;
  what nobody has told of, a person's edit, is found by a whole look every few seconds all the same.
"""

import asyncio
import time
from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from functools import cache, partial
from pathlib import Path
from typing import NamedTuple

from perdure.adapters.runtime import runtime_folder
from perdure.adapters.workspace.directory import Directory
from perdure.adapters.workspace.guard import Claim, claim_root
from perdure.adapters.workspace.pool import Job, Pool
from perdure.adapters.workspace.restore import apply_plan, changed_since
from perdure.assembly.files.lifetime import Lifetime, lived
from perdure.assembly.files.processes import Processes
from perdure.assembly.files.shelter import Shelter
from perdure.assembly.files.site import Site
from perdure.checkpoint.compare import compare
from perdure.checkpoint.inspection import Inspection, Level, Restored, What, Window
from perdure.checkpoint.plan import plan_restore
from perdure.checkpoint.steps import Plan
from perdure.checkpoint.tree import read_root, spelled
from perdure.intention.declaration import Definition
from perdure.log.port import BlobStore
from perdure.values.errors import BadRoot, Broken, RestoreRefused
from perdure.values.limits import NAMES_SHOWN, RESTORE_LOOKS_MAX, WHOLE_LOOK_SECONDS


class Wish(NamedTuple):
    """What is to be put back, and what may not be touched by that; see ``Workplace.restore``."""

    tree: str
    keep: tuple[str, ...]
    windows: tuple[Window, ...] | None
    seen: str


class Workplace:
    """The workspace of one run."""

    def __init__(
        self, site: Site, store: BlobStore, definition: Definition, shelter: Shelter | None = None
    ) -> None:
        """Open ``site``; contents go to ``store``. Raises ``BadRoot``, ``WorkspaceBusy``.

        ``shelter`` is where the agent's commands run; without it only files are put back. A directory that
        isn't there is made when something is put back into it.
        """
        self.site: Site = site
        self.root: Path = site.root
        self._store: BlobStore = store
        self._definition: Definition = definition
        self._shelter: Shelter | None = shelter
        self._processes: Processes | None = (
            Processes(shelter, store, site.scratch) if shelter is not None else None
        )
        self._directory: Directory | None = None
        self._claim: Claim | None = None
        self._lifetime: Lifetime | None = None
        self._noted: dict[str, str] = {}
        self._looked: float = 0.0
        self._job: Job[Inspection] | None = None
        self._waited_for: bool = False
        if site.root.is_dir():
            self._open()

    def noted(self, path: str, key: str) -> None:
        """The tool of effect ``key`` has changed ``path`` (relative to the root)."""
        self._noted[path] = key

    async def record(self, known: str, image: str, windows: Sequence[Window]) -> Inspection:
        """Record what has changed since tree ``known`` and process image ``image``."""

        async def files() -> Inspection:
            self._job = snapshots().submit(partial(self._record, known, windows), urgent=self._waited_for)
            return await asyncio.wrap_future(self._job.future)

        self._waited_for = False
        if self._shelter is not None:
            self._shelter.warm()
        processes = self._processes
        if processes is None:
            return (await files())._replace(image=image)
        if not processes.living:
            return _together(await files(), image, "", self._level(memory=False))
        frozen = await processes.frozen(image, files)
        found = _together(frozen.found, image, frozen.image, self._level(memory=not frozen.failed))
        if not frozen.failed:
            return found
        # Where an image was due and couldn't be taken, nobody knows what has changed in the processes.
        what: What = found.what if self._shelter is None or self._shelter.images is None else "unknown"
        return found._replace(what=what, notes=(*found.notes, frozen.failed))

    async def restore(
        self, tree: str, image: str, keep: Sequence[str], windows: Sequence[Window] | None, seen: str = ""
    ) -> Restored:
        """Make the directory that tree, but for the paths in ``keep``, and bring the services back.

        With ``windows``, what nobody's tool has changed since the tree is kept as well, if it differs from
        ``seen``, too, where that is given. One without an end ends with the process that it began in.
        """
        asked = Wish(tree, tuple(keep), None if windows is None else tuple(windows), seen)
        processes = self._processes
        if processes is None:
            return (await asyncio.to_thread(self._restore, asked))._replace(image=image)
        if processes.living and asked.windows is not None:
            # Services change files at any time.
            asked = asked._replace(windows=(*asked.windows, Window("", 0, 0)))
        await processes.ended()
        done = await asyncio.to_thread(self._restore, asked)
        if not image:
            return done
        notes = await processes.revived(image)
        return done._replace(image=image, notes=(*done.notes, *notes))

    def hurry(self) -> None:
        """Somebody waits for the recording that is under way."""
        self._waited_for = True
        if self._job is not None:
            self._job.hurry()

    async def close(self) -> None:
        """No process of the run is left, and others may work in the directory."""
        try:
            if self._shelter is not None:
                await self._shelter.close()
        finally:
            lifetime, self._lifetime = self._lifetime, None
            claim, self._claim = self._claim, None
            if lifetime is not None:
                lifetime.over()
            if claim is not None:
                claim.release()

    # -- in a thread ---------------------------------------------------------------------------------

    def _record(self, known: str, windows: Sequence[Window]) -> Inspection:
        if self._directory is None:
            raise BadRoot(
                f"the workspace {self.root} is gone",
                hint="put it back with `perdure rewind RUN --to POSITION`",
            )
        done, self._noted = self._noted, {}
        told = self._told(done)
        try:
            exact = self._exact(windows, done, told)
            # What else changed while a command ran that told all of its own was somebody else's doing.
            silent = [each for each in windows if each.key not in told]
            found = self._directory.record(known, silent, done=done, exact=exact, hot=self._hot())
        except BaseException:
            self._noted = done | self._noted
            raise
        if exact is None:
            self._looked = time.monotonic()
        return found

    def _told(self, done: dict[str, str]) -> AbstractSet[str]:
        """Add to ``done`` what commands are known to have changed; return the keys of which that is all."""
        shelter = self._shelter
        if shelter is None or self._processes is None or self._processes.living:
            return set()
        told, shelter.accounted = shelter.accounted, {}
        for key, paths in told.items():
            done.update(dict.fromkeys(paths, key))
        return told.keys()

    def _exact(
        self, windows: Sequence[Window], done: Mapping[str, str], told: AbstractSet[str]
    ) -> frozenset[str] | None:
        """Return the only paths that can have changed, if every effect has told all of its own."""
        shelter = self._shelter
        if shelter is None or self._processes is None or self._processes.living:
            return None
        if (
            {each.key for each in windows} - told - set(done.values())
            or shelter.sandbox is None
            or shelter.sandbox.level != "L1"
        ):
            return None
        if time.monotonic() - self._looked > WHOLE_LOOK_SECONDS:
            return None
        return frozenset(done)

    def _hot(self) -> set[str]:
        return self._processes.hot() if self._processes is not None and self._processes.living else set()

    def _level(self, *, memory: bool) -> Level:
        if memory:
            return "L2"
        sandbox = self._shelter.sandbox if self._shelter is not None else None
        return sandbox.level if sandbox is not None else "L0"

    def _restore(self, asked: Wish) -> Restored:
        if not self.root.is_dir():
            # Nobody works where nothing is.
            asked = asked._replace(windows=None)
        directory = self._open()
        if asked.windows is not None and self._lifetime is not None:
            asked = asked._replace(windows=lived(asked.windows, self._lifetime.before, self._lifetime.since))
        mark = self.site.scratch / "putting-back"
        if asked.seen and mark.exists() and mark.read_text(encoding="ascii") == asked.tree:
            # It was begun before, and broken off: what is half done looks like somebody's work.
            asked = asked._replace(windows=None)
        before, plan, kept = self._planned(directory, asked)
        mark.write_text(asked.tree, encoding="ascii")
        owners = read_root(self._store.get(asked.tree)).owners
        applied = apply_plan(self.root, plan, self._store.get, owners=owners)
        mark.unlink()
        self._check(directory, asked.tree, kept)
        notes = (*applied.notes, *(f"{spelled(each.path)}: {each.why}" for each in plan.unrestorable))
        return Restored(
            applied.written, applied.deleted, len(plan.kept), notes=notes[:NAMES_SHOWN], saved=before.tree
        )

    def _planned(self, directory: Directory, asked: Wish) -> tuple[Inspection, Plan, tuple[str, ...]]:
        """Return the present as recorded, the plan from there, and what it keeps.

        Somebody may save a file while the present is recorded: then it is recorded again. A file that changes
        at each look is written by a program, and goes back as it was last seen.
        """
        done: dict[str, str] = {}
        told = self._told(done)
        silent = [each for each in asked.windows or () if each.key not in told]
        unknown: set[str] = set()
        for look in range(RESTORE_LOOKS_MAX):
            since = time.time_ns()
            # Against the tree that is wanted, so that unchanged contents are known to be there.
            before = directory.record(asked.tree, asked.windows or ())
            self._store.flush()
            if asked.windows is not None:
                unknown.update(self._unknown(before, asked.seen))
            if told:
                # While those commands ran, what they did not tell of was somebody else's doing.
                others = directory.record(asked.tree, silent, done=done)
                unknown.update(self._unknown(others, asked.seen))
            kept = (*asked.keep, *sorted(unknown))
            plan = plan_restore(self._store.get, before.tree, asked.tree, kept)
            if look + 1 == RESTORE_LOOKS_MAX or not changed_since(self.root, plan, since):
                return before, plan, kept
        raise Broken("a restore is planned at least once")

    def _unknown(self, before: Inspection, seen: str) -> Iterator[str]:
        """Yield what nobody's tool has changed, and differs from ``seen`` where that is given."""
        if not seen or not self._store.has(seen):
            yield from (each.path for each in before.changes if each.by == "unknown")
            return
        since = {spelled(each.path) for each in compare(self._store.get, seen, before.tree)}
        yield from (each.path for each in before.changes if each.by == "unknown" and each.path in since)

    def _check(self, directory: Directory, tree: str, keep: Sequence[str]) -> None:
        """Planned once more, nothing may be left to do but to remove what caches were made anew."""
        now = directory.record(tree, ()).tree
        again = plan_restore(self._store.get, now, tree, keep)
        wrong = [spelled(path) for path in (*again.created, *again.changed, *again.deleted)]
        if wrong:
            shown = ", ".join(wrong[:NAMES_SHOWN])
            raise RestoreRefused(
                f"{len(wrong)} paths are not as they should be after they were put back: {shown}",
                hint="something else writes there; end it, then resume the run",
            )

    def _open(self) -> Directory:
        if self._directory is None:
            self.root.mkdir(parents=True, exist_ok=True)
            self._directory = directory_of(self.site, self._store, self._definition)
            self._claim = claim_root(self.root, self.site.owner, runtime_folder("locks"))
            if self._shelter is not None:
                self._lifetime = Lifetime(self.site.scratch / "lives")
        return self._directory


@cache
def snapshots() -> Pool:
    """Return the turns that all runs of this host take, through this process."""
    return Pool(runtime_folder("snapshots"))


def directory_of(site: Site, store: BlobStore, definition: Definition) -> Directory:
    """Return the keeper of the directory at ``site``, without a claim on it. Raises ``BadRoot``."""
    site.check()
    cache = site.scratch / "marks"
    cache.parent.mkdir(parents=True, exist_ok=True)
    secrets = definition.secret_files
    if secrets is None:
        return Directory(site.root, store, cache=cache)
    return Directory(site.root, store, cache=cache, secrets=secrets)


def _together(found: Inspection, before: str, image: str, level: Level) -> Inspection:
    """Return what was found with the services beside it."""
    files, processes = found.what != "none", image != before
    what: What = "both" if files and processes else "processes" if processes else found.what
    return found._replace(what=what, image=image, level=level)
