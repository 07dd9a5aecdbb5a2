"""A copy of a directory for one client, and what sets a client apart with it."""

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from perdure.values.errors import BadInput

_COPIES: Final = "-copies"
"""Ends the name of the folder beside a store in which clients that are set apart have their directories, by run: no
workspace may lie in a store."""


class Isolation:
    """One run's copy of a directory; the client finds it where the real one is."""

    def __init__(self, root: Path, store: Path, run: str) -> None:
        """Speak of the copy of ``root`` for ``run``; nothing is made yet."""
        self.root: Path = root
        self.copy: Path = store.with_name(store.name + _COPIES) / run
        self._made: bool = False

    @property
    def begun(self) -> bool:
        """Whether the run has its copy already."""
        return self.copy.is_dir()

    def make(self) -> None:
        """The copy is there. Raises ``SandboxMissing`` where no client can be set apart, and what copying raises."""
        from perdure.adapters.sandboxes.apart import check_apart  # noqa: PLC0415 - few clients are set apart
        from perdure.adapters.workspace.cloning import clone  # noqa: PLC0415 - as above

        check_apart()
        if not self.begun:
            self.copy.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            try:
                clone(self.root, self.copy)
            except OSError as error:
                raise BadInput(f"{self.root} can't be copied to {self.copy}: {error}") from error
            self._made = True

    def unmake(self) -> None:
        """What ``make`` made is gone again: the run was never begun."""
        if self._made:
            shutil.rmtree(self.copy, ignore_errors=True)

    def entrance(self, writable: Sequence[Path]) -> Callable[[], None]:
        """Return what a child calls before it becomes the client; beside the copy it may write what is named."""
        from perdure.adapters.sandboxes.apart import apart  # noqa: PLC0415 - few clients are set apart

        return apart({self.root: self.copy}, writable)
