"""The small root that services live in: which mounts, in which order, and the script that makes them.

Invariants:
- Every mount but the root is either made anew with its content (proc, tmpfs) or bound from outside;
  the latter are *external* to an image and are bound again when it is thawed.
- What is bound for reading is read-only at any depth; so is the root itself.
- A path is the same inside and outside, but for the workspace of a fork: its processes were born
  under the path of the run that it was forked from.

A service is root in here, with the capabilities that containers usually have: CRIU can't restore
the user namespace of a sandbox without privileges.
"""

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from shlex import quote
from typing import Final, Literal, NamedTuple

from perdure.adapters.sandboxes.images import shim
from perdure.adapters.sandboxes.view import HOME, SYSTEM, View, pythons, secret_in_etc

SERVICES: Final = "/run/perdure"
"""Where services find the folders that take their output."""

_MASKED: Final = ("/proc/sys", "/proc/sysrq-trigger", "/proc/irq", "/proc/bus", "/proc/fs")
"""What root could change the machine by, also without capabilities."""

_DEVICES: Final = {"null": 3, "zero": 5, "full": 7, "random": 8, "urandom": 9}

Role = Literal["system", "workspace", "services", "home", "tmp", "nothing"]
"""What is bound: a run's own places may lie elsewhere when it is thawed, the others may not."""

OWN: Final = frozenset[Role]({"workspace", "services", "home", "tmp"})
"""Places of the run; the first mount of a role is the place, others lie below it."""


class Mount(NamedTuple):
    """One mount below the root. Empty ``source``: not bound but made, of ``kind``."""

    at: str
    source: str = ""
    role: Role = "system"
    writable: bool = False
    kind: Literal["bind", "proc", "tmpfs", "devpts", "masked"] = "bind"
    mode: str = "755"


class Layout(NamedTuple):
    """A root: where it is made, and what is mounted in it."""

    root: Path
    mounts: tuple[Mount, ...]
    links: tuple[tuple[str, str], ...]
    """symbolic links of the root: path, target"""
    inside: str
    """the workspace, as its services see it"""

    def source(self, role: Role) -> Path:
        """Return the place outside that is the run's own for ``role``."""
        return Path(next(mount.source for mount in self.mounts if mount.role == role))


def layout(
    view: View, folders: Path, root: Path, *, inside: str = "", writable: Sequence[Path] | None = None
) -> Layout:
    """Return the root for ``view``, made at ``root``; output of services goes to ``folders``.

    ``inside`` is the path under which services see the workspace; that of the workspace unless the
    image of another run is thawed. Where ``writable`` is given, only those paths of it can be changed.
    """
    seen_at = inside or str(view.root)
    mounts = [Mount("/proc", kind="proc")]
    mounts += [Mount(at, kind="masked") for at in _MASKED if Path(at).exists()]
    mounts += [
        Mount("/dev", kind="tmpfs"),
        Mount("/dev/pts", kind="devpts"),
        Mount("/run", kind="tmpfs"),
        # The same as that of commands: what one of them leaves there for a service, it finds.
        Mount("/tmp", str(view.folder / "tmp"), "tmp", writable=True),  # noqa: S108 - the run's own
        Mount(HOME, str(view.folder / "home"), "home", writable=True),
        # These may lie in one of those, never the other way round.
        *_system(view),
        Mount(seen_at, str(view.root), "workspace", writable=writable is None),
    ]
    for path in writable or ():
        mounts.append(
            Mount(f"{seen_at}/{path.relative_to(view.root)}", str(path), "workspace", writable=True)
        )
    mounts.append(Mount(SERVICES, str(folders), "services", writable=True))
    links = tuple((path, str(Path(path).readlink())) for path in SYSTEM if Path(path).is_symlink())
    return Layout(root, (*mounts, *_hidden(view, seen_at, root)), links, seen_at)


def furnish(made: Layout) -> None:
    """Make the directories and links of the root that mounts need; what is there already stays."""
    made.root.mkdir(parents=True, exist_ok=True)
    for path, target in made.links:
        if not (made.root / path[1:]).is_symlink():
            (made.root / path[1:]).symlink_to(target)
    for mount in made.mounts:
        if not _in_another(mount.at, made.mounts):
            place = made.root / mount.at[1:]
            if mount.source and not Path(mount.source).is_dir():
                place.parent.mkdir(parents=True, exist_ok=True)
                place.touch()
            else:
                place.mkdir(parents=True, exist_ok=True)


def script(made: Layout) -> str:
    """Return the shell script that makes the root and becomes its first program.

    It has to run in new namespaces of mounts, processes and network, and says ``ready`` with its id
    outside once the root is made.
    """
    top = quote(str(made.root))
    lines = [
        "set -e",
        "umask 022",
        "read -r first _ </proc/self/stat",
        "mount --make-rprivate /",
        f"mount --bind {top} {top}",
        f"cd {top}",
    ]
    lines.append(f"{quote(sys.executable)} -I -S {quote(shim.__file__)} loopback")
    lines += [_THERE, _READ_ONLY]
    for mount in made.mounts:
        lines += _lines(mount, str(made.root))
    return "\n".join([*lines, _ENTER, _INIT])


def prepared(made: Layout, network_fd: int) -> str:
    """Return the script that runs its arguments where CRIU can restore into the root.

    It has to run in new namespaces of mounts and network, and hands the latter on as ``network_fd``.
    """
    top = quote(str(made.root))
    return "\n".join(
        [
            "set -e",
            f"{quote(sys.executable)} -I -S {quote(shim.__file__)} loopback",
            f"exec {network_fd}</proc/self/ns/net",
            "mount --make-rprivate /",
            f"mount --bind {top} {top}",
            'exec "$@"',
        ]
    )


# A place to mount on, of the same kind as what is mounted; most are there already.
_THERE: Final = """\
there() {
  [ ! -e "$2" ] || return 0
  if [ -d "$1" ]; then mkdir -p "$2"; else mkdir -p "$(dirname "$2")"; : >"$2"; fi
}"""

_READ_ONLY: Final = """\
below() {
  table=$(cat /proc/self/mountinfo)
  echo "$table" | while read -r _ _ _ _ at _; do
    case $at in "$1"|"$1"/*) mount -o remount,bind,ro,nosuid "$(printf '%b' "$at")";; esac
  done
}"""

# The root that this began with is stacked on the new one, and let go of.
_ENTER: Final = """\
pivot_root . .
umount -l .
cd /
mount -o remount,bind,ro /"""

# The kernel itself reaps the children of a first program that ignores SIGCHLD: no shell has to live for it.
_INIT: Final = """\
echo "ready $first"
trap '' CHLD
exec </dev/null >/dev/null 2>&1
exec setsid sleep infinity"""


def _system(view: View) -> Iterator[Mount]:
    shown: list[str] = []
    for path in (*SYSTEM, *pythons(), *view.readable):
        there = Path(path)
        if there.is_symlink() and path in SYSTEM:
            continue
        inner = any(path == at or path.startswith(at + "/") for at in (*shown, str(view.root)))
        if there.exists() and not inner:
            shown.append(path)
            yield Mount(path, path)


def _hidden(view: View, seen_at: str, root: Path) -> Iterator[Mount]:
    shown = [*SYSTEM, *pythons(), *view.readable, seen_at]
    for path in (*secret_in_etc(), *view.hidden, str(view.folder), str(root)):
        if not any(path.startswith(at + "/") for at in shown):
            continue  # It is not there anyway.
        if Path(path).is_dir():
            yield Mount(path, kind="tmpfs", mode="700")
        elif Path(path).exists():
            yield Mount(path, "/dev/null", "nothing")


def _lines(mount: Mount, root: str) -> list[str]:
    at, source = quote(root + mount.at), quote(mount.source)
    match mount.kind:
        case "proc":
            return [f"mount -t proc -o nosuid,nodev,noexec proc {at}"]
        case "masked":
            return [f"mount --bind {at} {at}", f"mount -o remount,bind,ro {at}"]
        case "devpts":
            return [f"mkdir {at}", f"mount -t devpts -o newinstance,ptmxmode=666,mode=620 devpts {at}"]
        case "tmpfs":
            made = [f"mkdir -p {at}", f"mount -t tmpfs -o mode={mount.mode},nosuid tmpfs {at}"]
            return [*made, *_devices(at)] if mount.at == "/dev" else made
        case "bind":
            if mount.role == "nothing":
                return [f"mount -o bind,ro,nosuid {source} {at}"]
            there = f"there {source} {at}"
            if mount.writable:
                return [there, f"mount --bind {source} {at}"]
            return [there, f"mount --rbind {source} {at}", f"below {at}"]


def _devices(at: str) -> Iterator[str]:
    for name, minor in _DEVICES.items():
        yield f"mknod -m 666 {at}/{name} c 1 {minor}"
    yield f"ln -s /proc/self/fd {at}/fd"
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        yield f"ln -s /proc/self/fd/{number} {at}/{name}"
    yield f"mkdir -m 1777 {at}/shm"
    yield f"ln -s pts/ptmx {at}/ptmx"


def _in_another(at: str, mounts: tuple[Mount, ...]) -> bool:
    return any(at.startswith(mount.at + "/") for mount in mounts)
