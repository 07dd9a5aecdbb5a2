"""Opening a store, wherever it is.

Invariant: what opening raises holds no password, whoever wrote the message.
"""

from collections.abc import Callable, Generator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from perdure.assembly.files.site import scratch_of
from perdure.assembly.stores.addresses import Address, Location, address_of, without_secrets
from perdure.values.errors import BadInput, PerdureError

if TYPE_CHECKING:
    from perdure.adapters.postgres.failover.outside import OutsideWitness
    from perdure.adapters.postgres.store import PostgresStore
    from perdure.adapters.shards.reaching import Shard
    from perdure.assembly.stores.describing import Description
    from perdure.driver.books import Books
    from perdure.log.port import ObjectStore


class OpenedBooks(NamedTuple):
    """An open store: its books, how it ends, and where this machine may write beside it."""

    books: "Books"
    close: Callable[[], None]
    scratch: Path
    """where runs may write beside their workspaces"""
    location: Path
    """what no workspace may hold: the store's directory, the file that describes it, or what is kept for it here"""


def open_books(location: Location, *, create: bool) -> OpenedBooks:
    """Open the store at ``location``; it is made if it isn't there and ``create`` says so.

    Raises ``BadAddress``, ``BadInput`` where there is none or a part isn't installed, ``Busy`` where it can't be
    reached, and what opening it raises.
    """
    address = address_of(location)
    match address.kind:
        case "directory":
            from perdure.adapters.sqlite.store import SqliteStore  # noqa: PLC0415 - opened only when asked for

            store = SqliteStore(address.path, create=create)
            return OpenedBooks(store, store.close, scratch_of(address.path), address.path.resolve())
        case "postgres":
            return _beside(address, open_database(address, create=create))
        case "described":
            return _described(address, create=create)


def open_database(address: Address, *, create: bool, words: "Description | None" = None) -> "PostgresStore":
    """Open one PostgreSQL database, with what a file says of it."""
    if find_spec("psycopg") is None:
        raise BadInput(
            f"{address}: the parts of PostgreSQL aren't installed", hint="pip install 'perdure[postgres]'"
        )
    from perdure.adapters.postgres.store import PostgresStore  # noqa: PLC0415 - an extra

    with hushed(address):
        objects, witness = _objects_of(address, words), _witness_of(words)
        return PostgresStore(address.secret, create=create, objects=objects, witness=witness)


@contextmanager
def hushed(address: Address) -> Generator[None]:
    """No error that is raised within holds the password of ``address``, nor does what caused it."""
    try:
        yield
    except PerdureError as error:
        said, hint = without_secrets(str(error), address), without_secrets(error.hint, address)
        raise type(error)(said, hint=hint) from None


def _described(address: Address, *, create: bool) -> OpenedBooks:
    from perdure.assembly.stores.describing import Description, described  # noqa: PLC0415 - only for such a file

    found = described(address.path)
    if isinstance(found, Description):
        return _beside(address, open_database(found.database, create=create, words=found))
    from perdure.adapters.shards.store import ShardedStore  # noqa: PLC0415 - few stores have any

    named = {name: _opens(each, create=create) for name, each in found.items()}
    store = ShardedStore(named, told=str(address))
    return OpenedBooks(store, store.close, scratch_of(address.local), address.path.resolve())


def _opens(words: "Description", *, create: bool) -> "Callable[[], Shard]":
    """Return what opens one shard, each time that it is needed."""
    from perdure.adapters.shards.reaching import Shard  # noqa: PLC0415 - few stores have any

    def opened() -> Shard:
        store = open_database(words.database, create=create, words=words)
        return Shard(store, store.roster(), store.close)

    return opened


def _beside(address: Address, store: "PostgresStore") -> OpenedBooks:
    location = address.path.resolve() if address.kind == "described" else address.local
    return OpenedBooks(store, store.close, scratch_of(address.local), location)


def _objects_of(address: Address, words: "Description | None") -> "ObjectStore | None":
    if words is None or words.objects is None:
        return None
    from perdure.adapters.objects.opening import open_objects  # noqa: PLC0415 - an extra

    return open_objects(words.objects, cache=scratch_of(address.local) / "objects")


def _witness_of(words: "Description | None") -> "OutsideWitness | None":
    if words is None or words.witness is None:
        return None
    from perdure.assembly.stores.witnessing import open_witness  # noqa: PLC0415 - few stores have one

    return open_witness(words.witness)
