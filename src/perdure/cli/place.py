"""Where the store is, and opening it."""

import os
import shlex
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, NamedTuple

from perdure.assembly.store import Store, open_store
from perdure.cli.homes import home_store
from perdure.log.port import RunRow
from perdure.values.errors import BadInput

LOG: Final = "log.db"
"""The file by which a directory is known to be a store."""


class Place(NamedTuple):
    """An open store, the directory that it is in, and how a command finds it again."""

    store: Store
    directory: Path
    flag: str
    """`` --store DIR``; empty where the store is found without being named"""

    def runs(self) -> list[RunRow]:
        """Return the runs that have begun, oldest first; a name whose start was refused is none."""
        return [row for row in self.store.runs() if row.position]


def directory_of(given: Path | None) -> Path:
    """Return the directory that ``--store`` names, or the one that is meant without it."""
    if given is not None:
        return given
    named = os.environ.get("PERDURE_STORE")
    if named:
        return Path(named)
    state = Path("state")
    return state if (state / LOG).exists() else Path(".perdure")


def known_directory(given: Path | None) -> Path:
    """Return the directory of the store that is meant; raise ``BadInput`` if there is none.

    Where nothing is named and none is here, that of wrapped clients is meant.
    """
    directory = directory_of(given)
    if (directory / LOG).exists():
        return directory
    named = given is not None or os.environ.get("PERDURE_STORE")
    if not named and (home_store() / LOG).exists():
        return home_store()
    raise BadInput(
        f"there is no store in {directory}",
        hint="say where it is with --store DIR or PERDURE_STORE, or begin one with `perdure run`",
    )


@contextmanager
def opened(given: Path | None, *, create: bool = False) -> Generator[Place]:
    """Open the store that is meant; there must be one unless ``create`` says that it may be made.

    Raises ``BadInput`` where there is none, and what opening raises.
    """
    directory = directory_of(given) if create else known_directory(given)
    # An agent may be loaded in another working directory: the store stays where it is.
    with open_store(directory.absolute(), create=create) as store:
        yield Place(store, directory.absolute(), _flag(directory))


def _flag(directory: Path) -> str:
    found = directory_of(None)
    return "" if found.absolute() == directory.absolute() else f" --store {shlex.quote(str(directory))}"
