"""One living root with its programs: made, entered, looked at, and ended.

Invariants:
- All programs below the first one end with it, whatever they do: they share its PID namespace.
- The first one ends when whoever holds the tree's ``Leash`` ends, however that happens. Should the one
  who watches be killed too, a note names the tree for whoever comes next.
- A tree is known by the id *and* the time at which its first program began, so a stranger that has
  the id now is never harmed.
"""

import asyncio
import contextlib
import os
import shutil
import signal
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from perdure.adapters.sandboxes.images import shim
from perdure.adapters.sandboxes.images.layout import Layout, furnish, script
from perdure.adapters.sandboxes.images.members import began, below, inner, state
from perdure.adapters.sandboxes.seccomp import filter_program

_START_SECONDS: Final = 30
_CAPABILITIES: Final = (
    "-all,+chown,+dac_override,+fowner,+fsetid,+kill,+setgid,+setuid,+setpcap,+net_bind_service,+net_raw,"
    "+audit_write,+setfcap"
)
"""Those that containers give to root, less the making of devices and the changing of roots."""


class Tree(NamedTuple):
    """A living root, by its first program as seen from here."""

    first: int
    since: int
    """when it began, in ticks since boot"""
    layout: Layout

    def lives(self) -> bool:
        """Return whether it does."""
        return lives(self.first, self.since)

    def programs(self) -> list[int]:
        """Return the ids of all its living programs but the first."""
        return below(self.first)

    def within(self, pid: int) -> int:
        """Return the id, as seen from here, of the program with id ``pid`` inside; 0 if there is none."""
        return next((each for each in self.programs() if inner(each) == pid), 0)

    def entrance(self, *kinds: str) -> list[str]:
        """Return the words before a command line that let it start in these namespaces of the tree."""
        return [needed("nsenter"), "--target", str(self.first), *(f"--{kind}" for kind in kinds), "--"]


async def grow(made: Layout, note: Path) -> Tree:
    """Make the root and its first program; ``note`` remembers it. Raises ``OSError`` with the reason."""
    await asyncio.to_thread(furnish, made)
    started = await asyncio.create_subprocess_exec(
        *(needed("unshare"), "--net", "--mount", "--pid", "--ipc", "--uts"),
        # The first program must be nobody's child: a thawed tree is not ours either.
        *("/bin/sh", "-c", '/bin/sh -c "$1" &', "sh", script(made)),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        start_new_session=True,
    )
    said, complaint = await asyncio.wait_for(started.communicate(), _START_SECONDS)
    if not said.startswith(b"ready "):
        raise OSError(f"the root of the services can't be made: {complaint.decode(errors='replace').strip()}")
    return remembered(Tree(int(said.split()[1]), 0, made), note)


def remembered(tree: Tree, note: Path) -> Tree:
    """Return the tree with its beginning, after ``note`` names it for whoever comes after us."""
    known = tree._replace(since=began(tree.first))
    note.write_text(f"{known.first} {known.since} {_boot()}", encoding="ascii")
    return known


async def enter(tree: Tree, words: Sequence[str], environment: Mapping[str, str]) -> bytes:
    """Run ``words`` as a session of its own in the tree, and return what it said before it let go.

    Raises ``OSError`` with what it complained of if that is nothing.
    """
    started = await asyncio.create_subprocess_exec(
        *(sys.executable, "-I", "-S", shim.__file__, "filtered", filter_program().hex()),
        *tree.entrance("mount", "pid", "net", "ipc", "uts"),
        *(needed("setsid"), "--fork", needed("setpriv"), "--no-new-privs", "--inh-caps", "-all"),
        *("--bounding-set", _CAPABILITIES, *words),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=environment,
        start_new_session=True,
    )
    said, complaint = await asyncio.wait_for(started.communicate(), _START_SECONDS)
    if not said:
        raise OSError(complaint.decode(errors="replace").strip() or "nothing was started")
    return said


async def fell(first: int, since: int) -> None:
    """End the tree of that first program; none of its programs is left when this returns."""
    if not lives(first, since):
        return
    programs = [*below(first), first]
    with contextlib.suppress(ProcessLookupError):
        os.kill(first, signal.SIGKILL)
    await asyncio.gather(*(gone(each) for each in programs))


async def gone(program: int) -> None:
    """Return when the program with this id has ended."""
    try:
        watched = os.pidfd_open(program)
    except ProcessLookupError:
        return
    loop = asyncio.get_running_loop()
    ended: asyncio.Future[None] = loop.create_future()

    def on_end() -> None:
        if not ended.done():
            ended.set_result(None)

    try:
        loop.add_reader(watched, on_end)
        await ended
    finally:
        loop.remove_reader(watched)
        os.close(watched)


async def swept(note: Path) -> None:
    """End the tree that ``note`` names, if a perdure that was killed has left it alive."""
    left = await asyncio.to_thread(_left_over, note)
    if left is not None:
        await fell(*left)


def lives(first: int, since: int) -> bool:
    """Return whether the program that began then lives."""
    return began(first) == since and state(first) not in "ZX"


def needed(program: str) -> str:
    """Return the path of a program of util-linux; raises ``OSError`` if it is missing."""
    found = shutil.which(program, path="/usr/bin:/bin:/usr/sbin:/sbin")
    if found is None:
        raise OSError(f"{program} is missing, a program of util-linux")
    return found


def _left_over(note: Path) -> tuple[int, int] | None:
    try:
        first, since, boot = note.read_text(encoding="ascii").split()
    except (OSError, ValueError):
        return None
    return (int(first), int(since)) if boot == _boot() else None


def _boot() -> str:
    return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
