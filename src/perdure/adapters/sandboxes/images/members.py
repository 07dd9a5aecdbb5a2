"""What the kernel says of the programs below one first program: who they are, and whether they moved.

Whatever can't be read because it ended meanwhile counts as changed: a false alarm costs an image, a
miss would cost what the image lacks.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Final, NamedTuple

_STILL: Final = frozenset("StTZXI")
"""States in which a thread neither runs nor is about to: asleep, stopped, ended. D waits for a disk."""

_LOOKS_MAX: Final = 8
"""Programs that start others without end never hold still; whoever ends them looks again anyway."""


class Pulse(NamedTuple):
    """Every thread below a first program: its id, when it began, and the nanoseconds it has run."""

    threads: frozenset[tuple[int, int, int]]
    still: bool
    """whether none of them was running"""


def below(first: int, listed: Callable[[int], list[int]] | None = None) -> list[int]:
    """Return the ids of all living programs that descend from ``first``, as seen from here.

    A program whose parent ends moves to another one, perhaps behind the one who looks. So it is looked
    until two looks agree. ``listed`` gives the children of a program; by default, those the kernel lists.
    """
    seen = _walked(first, listed or _children)
    for _ in range(_LOOKS_MAX):
        before, seen = seen, _walked(first, listed or _children)
        if before == seen:
            break
    return sorted(program for program, alive in seen.items() if alive)


def pulse(first: int) -> Pulse | None:
    """Return how ``first`` and all below it stand; None where that can't be told."""
    threads: set[tuple[int, int, int]] = set()
    still = True
    try:
        for program in (first, *below(first)):
            for task in Path(f"/proc/{program}/task").iterdir():
                fields = _fields(task / "stat")
                ran = (task / "schedstat").read_text(encoding="ascii").split()
                threads.add((int(task.name), int(fields[19]), int(ran[0])))
                still = still and fields[0] in _STILL
    except (OSError, IndexError):
        return None
    return Pulse(frozenset(threads), still)


def writings(first: int) -> frozenset[tuple[int, str]] | None:
    """Return how often each program below ``first`` has written to anything; None where that can't be told."""
    try:
        return frozenset((program, _counted(program, "syscw:")) for program in below(first))
    except OSError:
        return None


def state(program: int) -> str:
    """Return the state letter of a program, ``X`` if there is none."""
    try:
        return _fields(Path(f"/proc/{program}/stat"))[0]
    except (OSError, IndexError):
        return "X"


def began(program: int) -> int:
    """Return when a program began, in ticks since boot; 0 if there is none."""
    try:
        return int(_fields(Path(f"/proc/{program}/stat"))[19])
    except (OSError, IndexError):
        return 0


def inner(program: int) -> int:
    """Return the id that a program has in its own PID namespace; 0 if there is none."""
    try:
        for line in Path(f"/proc/{program}/status").read_text(encoding="utf-8").splitlines():
            if line.startswith("NSpid:"):
                return int(line.split()[-1])
    except OSError:
        pass
    return 0


def marked(program: int, mark: bytes) -> bool:
    """Return whether the environment that a program was started with holds ``mark``."""
    try:
        return mark in Path(f"/proc/{program}/environ").read_bytes().split(b"\0")
    except OSError:
        return False


def memory_bytes(first: int) -> int:
    """Return the memory of all below ``first`` that an image would hold, counted generously."""
    kib = 0
    for program in below(first):
        try:
            status = Path(f"/proc/{program}/status").read_text(encoding="utf-8")
        except OSError:
            continue
        for line in status.splitlines():
            if line.startswith(("RssAnon:", "RssShmem:", "VmSwap:")):
                kib += int(line.split()[1])
    return kib * 1024


def ports(first: int) -> tuple[int, ...]:
    """Return the TCP ports on which something listens in the network of ``first``."""
    found: set[int] = set()
    for table in ("tcp", "tcp6"):
        try:
            lines = Path(f"/proc/{first}/net/{table}").read_text(encoding="ascii").splitlines()[1:]
        except OSError:
            continue
        for line in lines:
            words = line.split()
            if words[3] == "0A":
                found.add(int(words[1].rpartition(":")[2], 16))
    return tuple(sorted(found))


def _counted(program: int, what: str) -> str:
    lines = Path(f"/proc/{program}/io").read_text(encoding="ascii").splitlines()
    return next((line for line in lines if line.startswith(what)), "")


def _walked(first: int, listed: Callable[[int], list[int]]) -> dict[int, bool]:
    """Return for each program below ``first`` whether it lives."""
    found: dict[int, bool] = {}
    waiting = [first]
    while waiting:
        for child in listed(waiting.pop()):
            waiting.append(child)
            found[child] = state(child) not in "ZX"
    return found


def _children(program: int) -> list[int]:
    found: list[int] = []
    try:
        for task in Path(f"/proc/{program}/task").iterdir():
            found += map(int, (task / "children").read_text(encoding="ascii").split())
    except OSError:
        pass
    return found


def _fields(stat: Path) -> list[str]:
    # The name, in parentheses, may hold anything; what follows its last parenthesis is plain.
    return stat.read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
