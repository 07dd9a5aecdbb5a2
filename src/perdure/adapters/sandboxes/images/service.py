"""A service in the tree: started by a shell line, alive as long as any program of it lives.

Which programs are a service's: its first one, all that descend from it, and all whose environment has
its mark, which they inherit also where their parents have ended.
"""

import asyncio
import contextlib
import os
import signal
from pathlib import Path, PurePosixPath
from typing import Final

from perdure.adapters.sandboxes.images.layout import SERVICES
from perdure.adapters.sandboxes.images.members import below, marked
from perdure.adapters.sandboxes.images.tree import Tree, enter, gone
from perdure.adapters.sandboxes.services import ServiceOrder
from perdure.adapters.sandboxes.view import shell

MARK: Final = "PERDURE_SERVICE"

# Standard files are opened inside, since one from outside can't be captured. The id is said before, and
# the exit state afterwards, appearing whole.
_RUN: Final = """\
echo $$
cd "$2" || exit 126
exec </dev/null >>"$1/output" 2>&1 || exit 126
"$3" -c "$4"
echo $? >"$1/exit.part" && mv "$1/exit.part" "$1/exit"
"""


class TreeService:
    """One service, as ``Running`` wants it. ``pid`` is its first program."""

    def __init__(self, order: ServiceOrder, tree: Tree, inner: int, folders: Path) -> None:
        """Watch the service whose first program has id ``inner`` in the tree."""
        self.order: ServiceOrder = order
        self.folders: Path = folders
        self.inner: int = inner
        self._tree: Tree = tree
        self._pid: int = tree.within(inner)
        self._killed: bool = False

    @property
    def pid(self) -> int:
        """Its first program, as seen from here; 0 if it had ended before it could be seen."""
        return self._pid

    @property
    def exit(self) -> int | None:
        """The exit state of the command, negative for a signal; None while it isn't known."""
        try:
            said = int((self.order.folder / "exit").read_text(encoding="ascii"))
        except (OSError, ValueError):
            return -signal.SIGKILL if self._killed and not self.programs() else None
        return 128 - said if said > 128 else said

    @property
    def over(self) -> bool:
        """Whether no program of it is left."""
        return not self.programs()

    def programs(self) -> list[int]:
        """Return the ids of its living programs, as seen from here."""
        mark = f"{MARK}={self.order.name}".encode()
        own = {self._pid, *below(self._pid)} if self._pid else set[int]()
        return [each for each in self._tree.programs() if each in own or marked(each, mark)]

    async def ended(self) -> None:
        """Return when no program of it is left."""
        while programs := self.programs():
            await asyncio.gather(*(gone(each) for each in programs))

    def kill(self) -> None:
        """Begin to end all of its programs."""
        self._killed = True
        # Stopped first, so that none of them starts another while the others are being ended.
        for what in (signal.SIGSTOP, signal.SIGKILL):
            for each in self.programs():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(each, what)


async def begin(order: ServiceOrder, tree: Tree, folders: Path) -> TreeService:
    """Start the service in the tree; raises ``OSError`` where that can't be done."""
    order.folder.mkdir(parents=True, exist_ok=True)
    (order.folder / "exit").unlink(missing_ok=True)
    folder = PurePosixPath(SERVICES, order.folder.relative_to(folders))
    words = ["/bin/sh", "-c", _RUN, "sh", str(folder), tree.layout.inside, shell(), order.command]
    said = await enter(tree, words, {**order.env, MARK: order.name})
    return TreeService(order, tree, int(said.split()[0]), folders)
