"""What ends a tree when perdure ends, also where perdure is killed: a shell that waits for a pipe to close."""

import asyncio
import os
from typing import Final

from perdure.adapters.sandboxes.images.tree import Tree

# The beginning of the program is compared before it is killed: its id may be a stranger's by then.
_WATCH: Final = """\
exec 3<&0
{
  read -r _ <&3
  read -r stat <"/proc/$1/stat" || exit 0
  set -- "$1" "$2" ${stat##*)}
  [ "${22}" = "$2" ] && kill -9 "$1"
} >/dev/null 2>&1 &
"""


class Leash:
    """The end of a pipe: while it is open, the tree may live."""

    def __init__(self, held: int) -> None:
        """Hold the open end ``held``."""
        self._held: int = held

    def let_go(self) -> None:
        """The tree ends, if it has not."""
        if self._held >= 0:
            os.close(self._held)
            self._held = -1


async def leashed(tree: Tree) -> Leash:
    """Return the leash of ``tree``; the tree ends when it is let go of, or when this process ends."""
    waiting, held = os.pipe()
    try:
        started = await asyncio.create_subprocess_exec(
            *("/bin/sh", "-c", _WATCH, "sh", str(tree.first), str(tree.since)),
            stdin=waiting,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
            start_new_session=True,
        )
        await started.wait()
    except BaseException:
        os.close(held)
        raise
    finally:
        os.close(waiting)
    return Leash(held)
