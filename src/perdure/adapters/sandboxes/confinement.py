"""The command line that starts a program in a sandbox: namespaces, what it sees, what it may call."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal, NamedTuple

from perdure.adapters.sandboxes.view import AGENT_ID, View, after_workspace, inner_id


class Overlay(NamedTuple):
    """Directories on one file system: what is written to the workspace lands in ``upper``."""

    upper: Path
    work: Path


class Fds(NamedTuple):
    """Files that bubblewrap finds open, by number."""

    status: int
    """takes where the sandbox's first process is"""
    gate: int
    """nothing runs before something can be read here"""
    seccomp: int


Loopback = Literal["own", "shared", "machine"]
"""Whose network a sandbox has: an empty one of its own, the services', or this machine's."""


def confined(
    program: Path,
    view: View,
    workspace: Sequence[str],
    *,
    around: Sequence[str],
    fds: Fds | None,
    loopback: Loopback,
    command: Sequence[str],
) -> list[str]:
    """Return the words that run ``command`` in a sandbox whose workspace is mounted by ``workspace``.

    ``around`` is what ``before_workspace`` gives for the view, which takes as long as all the rest.
    """
    words = [str(program), *_namespaces(loopback), *(_watch(fds) if fds else ())]
    words += [*around, *workspace, *after_workspace(view)]
    return [*words, "--chdir", str(view.root), "--", *command]


def in_place(root: Path, writable: Sequence[Path] | None = None) -> list[str]:
    """Return the words that show the workspace itself, changed in place.

    Where ``writable`` is given, the rest of it can only be read.
    """
    if writable is None:
        return ["--bind", str(root), str(root)]
    words = ["--ro-bind", str(root), str(root)]
    for path in writable:
        words += ["--bind", str(path), str(path)]
    return words


def over(root: Path, overlay: Overlay) -> list[str]:
    """Return the words that show the workspace with all changes kept in ``overlay``."""
    return ["--overlay-src", str(root), "--overlay", str(overlay.upper), str(overlay.work), str(root)]


def _namespaces(loopback: Loopback) -> Iterator[str]:
    yield from ("--unshare-user", "--unshare-pid", "--unshare-ipc", "--unshare-uts", "--unshare-cgroup-try")
    # Without user namespaces inside, most of the kernel that has been a way out can't be reached.
    yield from ("--disable-userns", "--cap-drop", "ALL", "--die-with-parent", "--new-session")
    # The command's shell is the first process itself: it is reaped by its monitor, not left to a
    # container's init that may reap nobody.
    yield from ("--as-pid-1", "--hostname", "sandbox")
    if inner_id() == AGENT_ID:  # root, or that very user
        yield from ("--uid", str(AGENT_ID), "--gid", str(AGENT_ID))
    if loopback == "own":
        yield "--unshare-net"


def _watch(fds: Fds) -> Sequence[str]:
    return ("--info-fd", str(fds.status), "--block-fd", str(fds.gate), "--seccomp", str(fds.seccomp))
