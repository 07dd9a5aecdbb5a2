"""Writing an image of a living tree, with what else has to be of the same moment.

Invariants:
- ``capture`` runs while every program of the tree stands still, after their image is written: what it
  records and the image are of one moment.
- The image's folder appears whole, by a rename, or not at all; the image before it is untouched.
- The programs go on afterwards whatever happens: when CRIU fails, when ``capture`` fails, when this
  process is killed. The hook waits for an answer on a pipe, and an end of file is a no.
"""

import asyncio
import contextlib
import os
import re
import shutil
import time
from collections.abc import Awaitable, Callable, Generator, Iterator, Sequence
from pathlib import Path, PurePosixPath
from shlex import quote
from typing import Final, NamedTuple, TypeVar

from perdure.adapters.sandboxes.images.criu import Criu, culprit, run_criu
from perdure.adapters.sandboxes.images.kept import keep_temporary
from perdure.adapters.sandboxes.images.layout import OWN, Layout
from perdure.adapters.sandboxes.images.members import Pulse, memory_bytes, ports, pulse, writings
from perdure.adapters.sandboxes.images.notes import OUTPUT, Binding, ImageNote, ServiceNote, write_note
from perdure.adapters.sandboxes.images.service import TreeService
from perdure.adapters.sandboxes.images.tree import Tree
from perdure.values.errors import ImageFailed
from perdure.values.limits import (
    FREEZE_SECONDS_MAX,
    GHOST_BYTES_MAX,
    IMAGE_BYTES_MAX,
    SERVICE_OUTPUT_KEPT_BYTES,
)

_ESCAPED: Final = re.compile(r"\\([0-7]{3})")
"""A blank in a path, as the kernel spells it in a table of words."""

NETWORK: Final = "network"
"""What the tree's network namespace is called in an image: it is made anew, not restored."""

_HOOK: Final = """\
#!/bin/sh
# Run by CRIU. Once the image is written and all still stand, perdure records the files.
[ "$CRTOOLS_SCRIPT_ACTION" = post-dump ] || exit 0
# Opened for reading and writing first, no pipe keeps us waiting for a perdure that has died meanwhile.
exec 5<>{answer} 3<{answer} 5>&- 4<>{frozen} || exit 1
echo frozen >&4
read -r word <&3 && [ "$word" = recorded ]
"""

T = TypeVar("T")


class Image(NamedTuple):
    """An image in its folder.

    ``began`` and ``resumed`` (ns since the epoch): between the two the programs went on after their
    image, before anybody could look. A file that changed in that time is newer than the image.
    """

    folder: Path
    began: int
    resumed: int
    stood: Pulse | None
    """how the programs stood then; None if one of them wrote to anything in that time"""


class Pipes(NamedTuple):
    """The two pipes between CRIU's hook and us, open for reading and writing so that no open waits."""

    folder: Path
    frozen: int
    answer: int


async def freeze_tree(
    criu: Criu,
    tree: Tree,
    services: Sequence[TreeService],
    into: Path,
    capture: Callable[[], Awaitable[T]],
    pack: Callable[[Path], None],
) -> tuple[Image, T]:
    """Write the image of ``tree`` into the new folder ``into``; return it with what ``capture`` returned.

    ``pack`` makes the image's folder smaller once the programs go on.

    Raises ``ImageFailed`` with the reason, or what ``capture`` raised; the programs go on.
    """
    held = memory_bytes(tree.first)
    if held > IMAGE_BYTES_MAX:
        raise ImageFailed(f"the services hold {held >> 20} MiB, and an image at most {IMAGE_BYTES_MAX >> 20}")
    part = into.with_name(f"{into.name}.part")
    await asyncio.to_thread(_emptied, part)
    bindings = await asyncio.to_thread(bound, tree)
    with _pipes(into.with_name(f"{into.name}.pipes")) as pipes:
        words = _words(criu, tree, bindings, part, pipes.folder / "hook")
        dump = asyncio.create_task(_dumped(words, part / "dump.log", services))
        try:
            await _until_frozen(pipes, dump)
            began, before = time.time_ns(), writings(tree.first)
            notes = await asyncio.to_thread(_noted, services, part)
            await asyncio.to_thread(keep_temporary, tree.layout.source("tmp"), part)
            listening = ports(tree.first)
            captured = await capture()
            os.write(pipes.answer, b"recorded\n")
            await asyncio.shield(dump)
        except BaseException:
            await _let_go(pipes, dump)
            await asyncio.to_thread(shutil.rmtree, part, ignore_errors=True)
            raise
    # In this order: what has not written until the second look had not done so at the first.
    stood, after, resumed = pulse(tree.first), writings(tree.first), time.time_ns()
    noted = ImageNote(
        criu=criu.version,
        inside=tree.layout.inside,
        services=notes,
        bindings=bindings,
        ports=listening,
    )
    try:
        await asyncio.to_thread(_finished, noted, part, pack)
        await asyncio.to_thread(part.rename, into)
    except BaseException:
        await asyncio.to_thread(shutil.rmtree, part, ignore_errors=True)
        raise
    return Image(into, began, resumed, stood if after and after == before else None), captured


def bound(tree: Tree) -> tuple[Binding, ...]:
    """Return every mount of the tree that comes from outside."""
    table = Path(f"/proc/{tree.first}/mountinfo").read_text(encoding="utf-8")
    made = {mount.at for mount in tree.layout.mounts if mount.kind != "bind"}
    return tuple(_bindings(table, made, tree.layout))


def _bindings(table: str, made: set[str], layout: Layout) -> Iterator[Binding]:
    bound_mounts = [mount for mount in layout.mounts if mount.kind == "bind"]
    for line in table.splitlines():
        at = _ESCAPED.sub(lambda found: chr(int(found[1], 8)), line.split()[4])
        holders = [mount for mount in bound_mounts if at == mount.at or at.startswith(mount.at + "/")]
        if at == "/" or at in made or not holders:
            continue
        nearest = max(holders, key=lambda mount: len(mount.at))
        # What lies in a run's own place is found below that place, wherever it will be.
        own = (mount for mount in holders if mount.role == nearest.role and mount.role in OWN)
        holder = min(own, key=lambda mount: len(mount.at), default=nearest)
        rest = at[len(holder.at) :].lstrip("/")
        yield Binding(at=at, source=holder.source, role=holder.role, rest=rest)


def _words(criu: Criu, tree: Tree, bindings: Sequence[Binding], part: Path, hook: Path) -> list[str]:
    network = Path(f"/proc/{tree.first}/ns/net").stat().st_ino
    words = [str(criu.path), "dump", "--tree", str(tree.first), "--images-dir", str(part), "--leave-running"]
    words += ["--external", f"net[{network}]:{NETWORK}", "--network-lock", "skip", "--tcp-established"]
    words += ["--file-locks", "--ghost-limit", str(GHOST_BYTES_MAX), "--manage-cgroups=ignore"]
    words += ["--timeout", str(FREEZE_SECONDS_MAX), "--action-script", str(hook), "--log-file", "dump.log"]
    for binding in bindings:
        words += ["--external", f"mnt[{binding.at}]:{binding.at}"]
    return words


async def _dumped(words: Sequence[str], log: Path, services: Sequence[TreeService]) -> None:
    try:
        await run_criu(words, log, seconds=FREEZE_SECONDS_MAX)
    except ImageFailed as failed:
        program = await asyncio.to_thread(culprit, log)
        why = str(failed)
        for service in services:
            if program in service.programs():
                why = f"service {service.order.name} can't be captured: {failed}"
        # A CRIU that is killed while it has its code in a program may leave that program broken.
        dead = ", ".join(service.order.name for service in services if service.over)
        raise ImageFailed(f"{why}; this ended: {dead}" if dead else why) from failed


@contextlib.contextmanager
def _pipes(folder: Path) -> Generator[Pipes]:
    _emptied(folder)
    frozen, answer, hook = folder / "frozen", folder / "answer", folder / "hook"
    os.mkfifo(frozen, 0o600)
    os.mkfifo(answer, 0o600)
    hook.write_text(_HOOK.format(frozen=quote(str(frozen)), answer=quote(str(answer))), encoding="utf-8")
    hook.chmod(0o700)
    opened = Pipes(folder, os.open(frozen, os.O_RDWR | os.O_NONBLOCK), os.open(answer, os.O_RDWR))
    try:
        yield opened
    finally:
        os.close(opened.frozen)
        os.close(opened.answer)
        shutil.rmtree(folder, ignore_errors=True)


async def _until_frozen(pipes: Pipes, dump: asyncio.Task[None]) -> None:
    """Return when the hook says that all stand still; raises what the dump raised if it ends before."""
    loop = asyncio.get_running_loop()
    frozen: asyncio.Future[None] = loop.create_future()

    def on_word() -> None:
        loop.remove_reader(pipes.frozen)
        frozen.set_result(None)

    loop.add_reader(pipes.frozen, on_word)
    try:
        await asyncio.wait({dump, frozen}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        loop.remove_reader(pipes.frozen)
    if dump.done():
        await dump
        raise ImageFailed("CRIU ended without asking for the files")


async def _let_go(pipes: Pipes, dump: asyncio.Task[None]) -> None:
    """Answer the hook with a no, and return when CRIU has let the programs go."""
    if not dump.done():
        os.write(pipes.answer, b"no\n")
        await asyncio.wait({dump})
    if not dump.cancelled():
        dump.exception()


def _noted(services: Sequence[TreeService], part: Path) -> tuple[ServiceNote, ...]:
    (part / OUTPUT).mkdir()
    return tuple(_note(service, str(number), part / OUTPUT) for number, service in enumerate(services))


def _note(service: TreeService, kept: str, outputs: Path) -> ServiceNote:
    order = service.order
    with order.output.open("rb") as said:
        size = said.seek(0, os.SEEK_END)
        said.seek(max(0, size - SERVICE_OUTPUT_KEPT_BYTES))
        (outputs / kept).write_bytes(said.read(SERVICE_OUTPUT_KEPT_BYTES))
    return ServiceNote(
        name=order.name,
        command=order.command,
        folder=str(PurePosixPath(order.folder.relative_to(service.folders))),
        pid=service.inner,
        output_bytes=size,
        kept=kept,
    )


def _finished(noted: ImageNote, part: Path, pack: Callable[[Path], None]) -> None:
    write_note(noted, part)
    for passing in ("dump.log", "stats-dump"):
        (part / passing).unlink(missing_ok=True)
    pack(part)


def _emptied(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
