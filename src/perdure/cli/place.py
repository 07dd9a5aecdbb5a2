"""Where the store is, and opening it."""

import os
import shlex
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, NamedTuple

from perdure.assembly.store import Store, open_store
from perdure.assembly.stores.addresses import Address, address_of
from perdure.cli.homes import home_store
from perdure.driver.books import full_name
from perdure.log.port import RunRow
from perdure.values.errors import BadInput

LOG: Final = "log.db"
"""The file by which a directory is known to be a store."""


class Place(NamedTuple):
    """An open store, its address, and how a command finds it again."""

    store: Store
    address: Address
    flag: str
    """`` --store LOCATION``; empty where the store is found without being named"""

    @property
    def local(self) -> Path:
        """Where this machine keeps files that belong to the store."""
        return self.address.local

    def runs(self) -> list[RunRow]:
        """Return the runs that have begun, oldest first; a name whose start was refused is none."""
        return [row for row in self.store.runs() if row.position]

    def has(self, run: str) -> bool:
        """Tell whether there is such a run, and it has begun. Raises ``StoreAway`` where its shard is away."""
        return any(row.position for row in self.store.books.rows(run))


def address_meant(given: Address | None) -> Address:
    """Return the store that ``--store`` names, or the one that is meant without it."""
    if given is not None:
        return given
    named = os.environ.get("PERDURE_STORE")
    if named:
        return address_of(named)
    state = Path("state")
    return address_of(state if (state / LOG).exists() else Path(".perdure"))


def seems_there(address: Address) -> bool:
    """Tell whether there may be a store: only a directory shows it without being asked."""
    return address.kind != "directory" or (address.path / LOG).exists()


def address_known(given: Address | None) -> Address:
    """Return the address of the store that is meant; raise ``BadInput`` if there is none.

    Where nothing is named and none is here, that of wrapped clients is meant.
    """
    address = address_meant(given)
    if seems_there(address):
        return address
    named = given is not None or os.environ.get("PERDURE_STORE")
    if not named and (home_store() / LOG).exists():
        return address_of(home_store())
    raise BadInput(
        f"there is no store in {address}",
        hint="say where it is with --store (a directory, or postgresql://...) or PERDURE_STORE, or begin one with `perdure run`",
    )


@contextmanager
def opened(given: Address | None, *, create: bool = False) -> Generator[Place]:
    """Open the store that is meant; there must be one unless ``create`` says that it may be made.

    Raises ``BadInput`` where there is none, and what opening raises.
    """
    address = address_meant(given) if create else address_known(given)
    # An agent may be loaded in another working directory: the store stays where it is.
    with open_store(address.absolute(), create=create) as store:
        yield Place(store, address.absolute(), _flag(address))


def whole_name(run: str, given: Address | None) -> str:
    """Return the name of the run that is meant in a store of shards, if ``run`` leaves out the shard.

    Raises ``BadInput`` where several shards have such a run.
    """
    address = address_meant(given)
    if address.kind != "described":
        return run
    from perdure.assembly.stores.describing import Description, described  # noqa: PLC0415 - only for such a file

    shards = described(address.path)
    if isinstance(shards, Description) or run.partition(".")[0] in shards:
        return run
    with open_store(address, create=False) as store:
        return full_name(store.books, run)


def _flag(address: Address) -> str:
    found = address_meant(None)
    return "" if found.absolute() == address.absolute() else f" --store {shlex.quote(str(address))}"
