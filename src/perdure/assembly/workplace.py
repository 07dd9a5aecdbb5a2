"""A run's workspace, opened: its directory, recorded and put back, behind the driver's port.

Invariants:
- One run at a time works in a directory; the claim ends with the process, however that ends.
- What is overwritten is in the store, durably, before the first file is touched.
- A restore is looked at afterwards: what isn't as it should be is an error, not a note.
"""

import asyncio
from collections.abc import Sequence
from pathlib import Path

from perdure.adapters.workspace.directory import Directory
from perdure.adapters.workspace.guard import Claim, claim_root
from perdure.adapters.workspace.restore import apply_plan
from perdure.assembly.site import Site
from perdure.checkpoint.compare import compare
from perdure.checkpoint.inspection import Inspection, Restored, Window
from perdure.checkpoint.plan import plan_restore
from perdure.checkpoint.steps import Plan
from perdure.checkpoint.tree import read_root, spelled
from perdure.intention.declaration import Definition
from perdure.log.port import BlobStore
from perdure.values.errors import BadRoot, RestoreRefused
from perdure.values.limits import NAMES_SHOWN


class Workplace:
    """The workspace of one run."""

    def __init__(self, site: Site, store: BlobStore, definition: Definition) -> None:
        """Open ``site``; contents go to ``store``. Raises ``BadRoot``, ``WorkspaceBusy``.

        A directory that isn't there is made when something is put back into it.
        """
        self.site: Site = site
        self.root: Path = site.root
        self._store: BlobStore = store
        self._definition: Definition = definition
        self._directory: Directory | None = None
        self._claim: Claim | None = None
        self._noted: dict[str, str] = {}
        if site.root.is_dir():
            self._open()

    def noted(self, path: str, key: str) -> None:
        """The tool of effect ``key`` has changed ``path`` (relative to the root)."""
        self._noted[path] = key

    async def record(self, known: str, image: str, windows: Sequence[Window]) -> Inspection:
        """Record what has changed since tree ``known``."""
        del image
        return await asyncio.to_thread(self._record, known, windows)

    async def restore(self, tree: str, image: str, keep: Sequence[str]) -> Restored:
        """Make the directory that tree, but for the paths in ``keep``; the image is brought back by a driver."""
        done = await asyncio.to_thread(self._restore, tree, keep)
        return done._replace(image=image)

    def hurry(self) -> None:
        """Somebody waits for the recording that is under way."""

    async def close(self) -> None:
        """Others may work in the directory."""
        if self._claim is not None:
            self._claim.release()
            self._claim = None

    # -- in a thread ---------------------------------------------------------------------------------

    def _record(self, known: str, windows: Sequence[Window]) -> Inspection:
        if self._directory is None:
            raise BadRoot(
                f"the workspace {self.root} is gone",
                hint="put it back with `perdure rewind RUN --to POSITION`",
            )
        done, self._noted = self._noted, {}
        try:
            return self._directory.record(known, windows, done=done)
        except BaseException:
            self._noted = done | self._noted
            raise

    def _restore(self, tree: str, keep: Sequence[str]) -> Restored:
        directory = self._open()
        # Against the tree that is wanted, so that unchanged contents are known to be there.
        before = directory.record(tree, ()).tree
        self._store.flush()
        plan = plan_restore(self._store.get, before, tree, keep)
        owners = read_root(self._store.get(tree)).owners
        applied = apply_plan(self.root, plan, self._store.get, owners=owners)
        self._check(directory, tree, plan)
        notes = (*applied.notes, *(f"{spelled(each.path)}: {each.why}" for each in plan.unrestorable))
        return Restored(
            applied.written, applied.deleted, len(plan.kept), notes=notes[:NAMES_SHOWN], saved=before
        )

    def _check(self, directory: Directory, tree: str, plan: Plan) -> None:
        excused = {*plan.kept, *(each.path for each in plan.unrestorable)}
        now = directory.record(tree, ()).tree
        wrong = [
            spelled(each.path)
            for each in compare(self._store.get, tree, now)
            if not each.times_only and not _excused(each.path, excused)
        ]
        if wrong:
            shown = ", ".join(wrong[:NAMES_SHOWN])
            raise RestoreRefused(
                f"{len(wrong)} paths are not as they should be after they were put back: {shown}",
                hint="something else writes there; end it, then resume the run",
            )

    def _open(self) -> Directory:
        if self._directory is None:
            self.root.mkdir(parents=True, exist_ok=True)
            self._claim = claim_root(self.root, self.site.owner)
            cache = self.site.scratch / "marks"
            cache.parent.mkdir(parents=True, exist_ok=True)
            secrets = self._definition.secret_files
            self._directory = (
                Directory(self.root, self._store, cache=cache)
                if secrets is None
                else Directory(self.root, self._store, cache=cache, secrets=secrets)
            )
        return self._directory


def _excused(path: str, excused: set[str]) -> bool:
    """Whether ``path`` is one of those, below one, or above one."""
    return any(path == each or path.startswith(f"{each}/") or each.startswith(f"{path}/") for each in excused)
