"""A plan is carried out in a directory: each path becomes new at once, or stays old.

Invariants:
- Nothing is written in place: a file is made whole under another name beside its own, then takes its name, so
  a program that runs it, or a second name of it outside the root, keeps the old one.
- Data is on disk before it takes a name, and names are on disk when ``apply_plan`` returns.
- Whatever interrupts it, the same restore can be done again; a leftover name is recognised and removed.
- Only paths that the plan names are touched, reached as ``ground`` says.
"""

import errno
import os
import shutil
import stat
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final, NamedTuple

from perdure.adapters.workspace.attributes import put_attributes
from perdure.adapters.workspace.flush import flush
from perdure.adapters.workspace.ground import LOOK, Ground
from perdure.adapters.workspace.locks import held_lock
from perdure.adapters.workspace.marks import GRAIN_NS
from perdure.checkpoint.steps import Plan, RestoreStep
from perdure.checkpoint.tree import PART_PREFIX, Entry, Fetch, read_recipe, spelled
from perdure.values.digest import short_digest
from perdure.values.errors import RestoreRefused, require
from perdure.values.limits import PARTS_BYTES_MAX, PARTS_MAX

Progress = Callable[[int, int], None]
"""steps done, steps in all"""

_CREATE: Final = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


class CarriedOut(NamedTuple):
    """What became of a plan."""

    written: int
    deleted: int
    notes: tuple[str, ...] = ()
    """what the system didn't permit, and what stands in the way of a removal"""


def apply_plan(
    root: Path,
    plan: Plan,
    fetch: Fetch,
    *,
    owners: bool,
    since: int = 0,
    sync: bool = True,
    progress: Progress = lambda _done, _all: None,
) -> CarriedOut:
    """Carry out ``plan`` below ``root``, with contents from ``fetch``; return what was done.

    ``owners``: also put back owners and extended attributes. ``since`` (ns): when the present was looked at;
    what changed later is refused. ``sync``: whether it has to outlast a power cut. Raises ``RestoreRefused``
    (P112) before anything is touched; ``OSError`` half-way, after which the same restore can be done again.
    """
    for step in plan.steps:
        require(_is_below(step.path), f"a tree's name leads out of the workspace: {spelled(step.path)!r}")
    with Ground(root) as ground:
        lock = held_lock(root, ground, plan.repositories)
        if lock is not None:
            raise RestoreRefused(
                f"{spelled(lock.path)} is held by {lock.name} (pid {lock.pid}): somebody works in this repository",
                hint="let it end, then restore again",
            )
        if since:
            _refuse_newer(ground, plan, since)
        return _Restore(ground, fetch, owners=owners, sync=sync).run(plan, progress)


def part_name(name: bytes) -> bytes:
    """Return the name under which ``name`` is made: always the same, so that the next try finds it."""
    return os.fsencode(PART_PREFIX + short_digest(name)[:16])


def _is_below(path: str) -> bool:
    return not path or not {"", ".", ".."}.intersection(path.split("/"))


def changed_since(root: Path, plan: Plan, since: int) -> tuple[str, ...]:
    """Return the paths that ``plan`` would overwrite or remove and that changed after ``since`` (ns).

    Stamps may be behind the clock by a grain, so a change just before ``since`` counts as well.
    """
    with Ground(root) as ground:
        return _newer(ground, plan, since - GRAIN_NS)


def _newer(ground: Ground, plan: Plan, since: int) -> tuple[str, ...]:
    return tuple(
        step.path
        for step in plan.steps
        if step.verb not in ("clear", "rmdir", "mkdir")
        and (found := ground.look(step.path)) is not None
        and not stat.S_ISDIR(found.st_mode)
        and found.st_ctime_ns > since
    )


def _refuse_newer(ground: Ground, plan: Plan, since: int) -> None:
    newer = _newer(ground, plan, since)
    if newer:
        more = f" and {len(newer) - 3} more" if len(newer) > 3 else ""
        raise RestoreRefused(
            f"changed while the restore was planned: {', '.join(map(spelled, newer[:3]))}{more}",
            hint="restore again; what is there now is recorded first",
        )


class _Restore:
    """One restore under way. ``_parts`` are files made whole that wait for their names."""

    def __init__(self, ground: Ground, fetch: Fetch, *, owners: bool, sync: bool) -> None:
        self._ground: Ground = ground
        self._fetch: Fetch = fetch
        self._owners: bool = owners
        self._sync: bool = sync
        self._parts: list[str] = []
        self._parts_bytes: int = 0
        self._notes: list[str] = []
        self._at: str = ""
        """the path that is worked on, for whoever reads why it stopped"""

    def run(self, plan: Plan, progress: Progress) -> CarriedOut:
        for directory in plan.directories:
            self._sweep(directory)
        try:
            for done, step in enumerate(plan.steps):
                self._at = step.path
                self._take(step)
                progress(done + 1, len(plan.steps))
            self._name_parts()
        except OSError as error:
            self._drop_parts()
            raise _stopped(error, self._at) from error
        self._ground.close_up()
        if self._sync and plan.steps:
            flush(self._ground.at(""))
        gone = sum(step.verb in ("clear", "unlink", "rmdir") for step in plan.steps)
        made = {step.path for step in plan.steps if step.entry is not None}
        return CarriedOut(len(made), gone, tuple(self._notes))

    def _take(self, step: RestoreStep) -> None:
        if step.verb in ("hard", "amend"):
            self._name_parts()
        match step:
            case RestoreStep("clear" | "unlink" | "rmdir"):
                self._remove(step)
            case RestoreStep("mkdir", path):
                self._mkdir(path)
            case RestoreStep("amend", path, Entry() as entry):
                self._amend(path, entry)
            case RestoreStep("write", path, Entry() as entry):
                self._write(path, entry)
            case RestoreStep(_, path, Entry() as entry):
                self._make(path, entry)
            case _:
                raise ValueError(f"{step.verb} {step.path}: a step without what is wanted")

    def _sweep(self, directory: str) -> None:
        """Remove what an interrupted restore left in ``directory``."""
        try:
            left = [
                entry.name
                for entry in self._ground.names(directory)
                if entry.name.startswith(PART_PREFIX) and not entry.is_dir(follow_symlinks=False)
            ]
        except OSError:
            return
        for name in left:
            os.unlink(name, dir_fd=self._ground.at(directory))

    def _remove(self, step: RestoreStep) -> None:
        self._ground.forget(step.path)
        try:
            directory, name = self._ground.of(step.path)
            match step.verb:
                case "rmdir":
                    self._rmdir(step.path)
                case "clear" if stat.S_ISDIR(os.stat(name, dir_fd=directory, follow_symlinks=False).st_mode):
                    shutil.rmtree(os.fsdecode(name), dir_fd=directory)
                case _:
                    os.unlink(name, dir_fd=directory)
        except FileNotFoundError:
            pass  # an interrupted restore had come so far

    def _rmdir(self, path: str) -> None:
        self._sweep(path)
        self._ground.forget(path)
        directory, name = self._ground.of(path)
        try:
            os.rmdir(name, dir_fd=directory)
        except OSError as error:
            if error.errno != errno.ENOTEMPTY:
                raise
            self._notes.append(f"{spelled(path)} stays, since something stands in it that no tree holds")

    def _mkdir(self, path: str) -> None:
        directory, name = self._ground.of(path)
        try:
            os.mkdir(name, 0o700, dir_fd=directory)
        except FileExistsError:
            self._ground.at(path)  # raises unless it is a directory

    def _write(self, path: str, entry: Entry) -> None:
        directory, name = self._ground.of(path)
        part = self._fresh(directory, name)
        handle = os.open(part, _CREATE, 0o600, dir_fd=directory)
        try:
            self._pour(handle, entry)
            self._attributes(path, handle, entry)
        except BaseException:
            os.unlink(part, dir_fd=directory)
            raise
        finally:
            os.close(handle)
        self._parts.append(path)
        self._parts_bytes += entry.size
        if len(self._parts) >= PARTS_MAX or self._parts_bytes >= PARTS_BYTES_MAX:
            self._name_parts()

    def _fresh(self, directory: int, name: bytes) -> bytes:
        """Return the name of a part, under which nothing stands."""
        part = part_name(name)
        with suppress(FileNotFoundError):
            os.unlink(part, dir_fd=directory)
        return part

    def _name_parts(self) -> None:
        """The files that wait have their names."""
        if not self._parts:
            return
        if self._sync:
            flush(self._ground.at(""))
        for path in self._parts:
            self._at = path
            directory, name = self._ground.of(path)
            os.rename(part_name(name), name, src_dir_fd=directory, dst_dir_fd=directory)
        self._parts, self._parts_bytes = [], 0

    def _drop_parts(self) -> None:
        """The disk may be full: what waits for its name gives its room back."""
        for path in self._parts:
            with suppress(OSError):
                self._fresh(*self._ground.of(path))

    def _pour(self, handle: int, entry: Entry) -> None:
        """``handle`` holds the content; what no piece covers is a hole."""
        content = self._fetch(entry.content.hex())
        if not entry.recipe:
            _write_at(handle, content, 0)
            return
        recipe = read_recipe(content)
        for piece in recipe.pieces:
            _write_at(handle, self._fetch(piece.blob.hex()), piece.start)
        os.ftruncate(handle, recipe.size)

    def _make(self, path: str, entry: Entry) -> None:
        """What is no file or directory takes its place at once."""
        directory, name = self._ground.of(path)
        part = self._fresh(directory, name)
        match entry.kind:
            case "link":
                os.symlink(entry.content, part, dir_fd=directory)
            case "fifo":
                os.mkfifo(part, 0o600, dir_fd=directory)
            case _:
                self._link(path, entry, part)
                return
        handle = os.open(part, LOOK, dir_fd=directory)
        self._attributes(path, handle, entry)
        os.close(handle)
        os.rename(part, name, src_dir_fd=directory, dst_dir_fd=directory)

    def _link(self, path: str, entry: Entry, part: bytes) -> None:
        first_directory, first = self._ground.of(os.fsdecode(entry.content))
        held = os.dup(first_directory)
        try:
            directory, name = self._ground.of(path)
            os.link(first, part, src_dir_fd=held, dst_dir_fd=directory, follow_symlinks=False)
        finally:
            os.close(held)
        os.rename(part, name, src_dir_fd=directory, dst_dir_fd=directory)
        self._fresh(directory, name)  # a rename onto another name of the same file does nothing

    def _amend(self, path: str, entry: Entry) -> None:
        if path:
            directory, name = self._ground.of(path)
            handle = os.open(name, LOOK, dir_fd=directory)
        else:
            handle = os.dup(self._ground.at(""))
        try:
            found = os.fstat(handle)
            shared = stat.S_ISREG(found.st_mode) and found.st_nlink > 1
            if not (shared and entry.kind == "file"):
                self._attributes(path, handle, entry)
                if entry.kind == "dir":
                    self._ground.settled(path)
                return
        finally:
            os.close(handle)
        self._write(path, entry)  # another name of the file, outside of what is known, keeps it as it is

    def _attributes(self, path: str, handle: int, entry: Entry) -> None:
        for words in put_attributes(handle, entry, owners=self._owners):
            self._notes.append(f"{spelled(path)}: {words}")


def _write_at(handle: int, content: bytes, start: int) -> None:
    view = memoryview(content)
    while view:
        count = os.pwrite(handle, view, start)
        view, start = view[count:], start + count


def _stopped(error: OSError, path: str) -> OSError:
    words = f"the restore stopped at {spelled(path)}: {error.strerror or error}; mend it and restore again"
    return OSError(error.errno, words)
