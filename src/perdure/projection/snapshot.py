"""Snapshots of a state: caches that can be deleted, made of chunks that are stored once.

A manifest holds the small part of the state and, for each table, the digests of its chunks (of
lists of digests, where those are many). Items stand in order of insertion, so all but a few chunks
of a table are the same from one snapshot to the next. A snapshot that can't be read is no error:
the fold starts further back.

Tables are read back when they are asked: most questions about a position are about its end, and
what a long run has seen is most of its state.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from operator import is_
from typing import Final, Generic, NamedTuple, TypeVar, cast

import msgspec
from msgspec.structs import replace

from perdure.log.events import Content
from perdure.projection.state import Approval, CallRecord, Effect, Message, Page, State, Timer, Turn
from perdure.values.digest import digest
from perdure.values.errors import StoreDamaged
from perdure.values.limits import SNAPSHOT_CHUNK_ITEMS
from perdure.values.table import Table

FORMAT: Final = 10
"""Raised whenever a noun of the state changes; other formats are ignored, since they are caches."""

V = TypeVar("V")

_EMPTY: Final[Table[object, object]] = Table()
_LIVE: Final[Mapping[str, object]] = {
    "entries": Turn | Message,
    "met": int,
    "recognised": int,
    "pages": Page,
    "timers": Timer,
    "sent": str,
    "hidden": Content,
    "joined": Content,
    "received": CallRecord,
}
_WORLD: Final[Mapping[str, object]] = {
    "open": Effect,
    "receipts": Effect,
    "approvals": Approval,
    "denied": str,
    "reverts": int,
    "counters": int,
    "started": int,
    "dead": int,
    "elsewhere": Effect,
}
_BY_ORDINAL: Final = "entries"
"""The one table whose keys are 0, 1, 2, ..., so that a key says which chunk it is in."""

Fetch = Callable[[str], bytes | None]


class Snapshot(NamedTuple):
    """A snapshot to keep: the manifest, and its new chunks as (digest, content)."""

    manifest: bytes
    chunks: Sequence[tuple[str, bytes]]


class Thawed(NamedTuple):
    """A state read back, and the digest of the event that it stands at."""

    state: State
    head: bytes


class Layer(msgspec.Struct, frozen=True, array_like=True):
    """A table's chunks by digest. ``depth`` 0: chunks of items; n: chunks of such lists."""

    size: int
    depth: int
    chunks: list[bytes]


class Manifest(msgspec.Struct, frozen=True, array_like=True):
    """The small part of a state, and its tables."""

    format: int
    head: bytes
    state: msgspec.Raw
    tables: dict[str, Layer]


class ByOrdinal(Mapping[int, V], Generic[V]):
    """Items 0, 1, 2, ..., read chunk by chunk when they are asked for."""

    def __init__(
        self, size: int, chunks: Sequence[bytes], load: Callable[[bytes], list[tuple[int, V]]]
    ) -> None:
        """Hold ``size`` items in ``chunks`` of ``SNAPSHOT_CHUNK_ITEMS``."""
        self._size: int = size
        self._chunks: Sequence[bytes] = chunks
        self._load: Callable[[bytes], list[tuple[int, V]]] = load
        self._read: dict[int, list[tuple[int, V]]] = {}

    def __getitem__(self, ordinal: int) -> V:
        """Return an item; raise ``KeyError`` past the end."""
        if not 0 <= ordinal < self._size:
            raise KeyError(ordinal)
        chunk, place = divmod(ordinal, SNAPSHOT_CHUNK_ITEMS)
        if chunk not in self._read:
            self._read[chunk] = self._load(self._chunks[chunk])
        return self._read[chunk][place][1]

    def __contains__(self, ordinal: object) -> bool:
        """Tell whether there is such an item, without reading it."""
        return isinstance(ordinal, int) and 0 <= ordinal < self._size

    def __iter__(self) -> Iterator[int]:
        """Yield the ordinals."""
        return iter(range(self._size))

    def __len__(self) -> int:
        """Return how many items there are."""
        return self._size


class ByKey(Mapping[object, object]):
    """Items by key: the chunks are read when the first is asked for, and each value when it is."""

    def __init__(
        self,
        size: int,
        load: Callable[[], dict[object, msgspec.Raw]],
        decode: Callable[[msgspec.Raw], object],
    ) -> None:
        """Hold ``size`` items that ``load`` reads and ``decode`` makes values of."""
        self._size: int = size
        self._load: Callable[[], dict[object, msgspec.Raw]] = load
        self._decode: Callable[[msgspec.Raw], object] = decode
        self._raw: dict[object, msgspec.Raw] | None = None
        self._read: dict[object, object] = {}

    def _items(self) -> dict[object, msgspec.Raw]:
        if self._raw is None:
            self._raw = self._load()
        return self._raw

    def __getitem__(self, key: object) -> object:
        """Return a value; raise ``KeyError`` without one."""
        if key not in self._read:
            self._read[key] = self._decode(self._items()[key])
        return self._read[key]

    def __contains__(self, key: object) -> bool:
        """Tell whether there is such an item."""
        return key in self._items()

    def __iter__(self) -> Iterator[object]:
        """Yield the keys."""
        return iter(self._items())

    def __len__(self) -> int:
        """Return how many items there are."""
        return self._size


def _no_table(value: object) -> None:
    if not isinstance(value, Table):
        raise NotImplementedError(f"a state can't hold {type(value).__name__}")


def _empty_table(kind: type, value: object) -> Table[object, object]:
    del kind, value
    return Table()


_encode = msgspec.msgpack.Encoder(enc_hook=_no_table).encode
_decode_state = msgspec.msgpack.Decoder(State, dec_hook=_empty_table).decode
_decode_manifest = msgspec.msgpack.Decoder(Manifest).decode
_decode_digests = msgspec.msgpack.Decoder(list[bytes]).decode
_decode_raw = msgspec.msgpack.Decoder(list[tuple[str | int, msgspec.Raw]]).decode
_decode_values = {
    name: msgspec.msgpack.Decoder(kind).decode for name, kind in (*_LIVE.items(), *_WORLD.items())
}
_decode_entries = msgspec.msgpack.Decoder(list[tuple[int, Turn | Message]]).decode


class Freezer:
    """Makes the snapshots of one run; a chunk that is as it was is neither encoded nor kept again."""

    def __init__(self) -> None:
        """Begin without any chunk known."""
        self._known: dict[str, list[tuple[list[object], bytes]]] = {}

    def freeze(self, state: State, head: bytes) -> Snapshot:
        """Return the snapshot of ``state``, whose last event has the digest ``head``."""
        tables: dict[str, Layer] = {}
        new: list[tuple[str, bytes]] = []
        for noun, names in ((state.live, _LIVE), (state.world, _WORLD)):
            for name in names:
                table = cast("Table[object, object]", getattr(noun, name))
                if table:
                    tables[name] = self._layer(name, table, new)
        bare = replace(
            state,
            live=replace(state.live, **dict.fromkeys(_LIVE, _EMPTY)),
            world=replace(state.world, **dict.fromkeys(_WORLD, _EMPTY)),
        )
        manifest = Manifest(FORMAT, head, msgspec.Raw(_encode(bare)), tables)
        return Snapshot(_encode(manifest), new)

    def _layer(self, name: str, table: Table[object, object], new: list[tuple[str, bytes]]) -> Layer:
        items = dict(table.items())
        keys, values = list(items), list(items.values())
        known = self._known.get(name, [])
        now: list[tuple[list[object], bytes]] = []
        for index, start in enumerate(range(0, len(values), SNAPSHOT_CHUNK_ITEMS)):
            part = values[start : start + SNAPSHOT_CHUNK_ITEMS]
            if index < len(known) and _same(known[index][0], part):
                now.append(known[index])
            else:
                pairs = list(zip(keys[start : start + SNAPSHOT_CHUNK_ITEMS], part, strict=True))
                now.append((part, _keep(_encode(pairs), new)))
        self._known[name] = now
        chunks, depth = [chunk for _, chunk in now], 0
        while len(chunks) > SNAPSHOT_CHUNK_ITEMS:
            starts = range(0, len(chunks), SNAPSHOT_CHUNK_ITEMS)
            chunks = [_keep(_encode(chunks[at : at + SNAPSHOT_CHUNK_ITEMS]), new) for at in starts]
            depth += 1
        return Layer(len(values), depth, chunks)


def thaw(manifest: bytes, fetch: Fetch) -> Thawed | None:
    """Return the state of a snapshot; None if it can't be read, so that the fold is used.

    ``fetch`` returns a chunk by its digest in hex, or None. It is kept by the tables, which raise
    ``StoreDamaged`` if a chunk is gone when it is read.
    """
    try:
        read = _decode_manifest(manifest)
        if read.format != FORMAT:
            return None
        state = _decode_state(read.state)
        tables: dict[str, Table[object, object]] = {}
        for name, layer in read.tables.items():
            table = _table(name, layer, fetch)
            if table is None:
                return None
            tables[name] = table
    except (msgspec.MsgspecError, KeyError):
        return None
    live = replace(state.live, **{name: tables[name] for name in _LIVE if name in tables})
    world = replace(state.world, **{name: tables[name] for name in _WORLD if name in tables})
    return Thawed(replace(state, live=live, world=world), read.head)


def _table(name: str, layer: Layer, fetch: Fetch) -> Table[object, object] | None:
    chunks = _flat(layer, fetch)
    if chunks is None:
        return None

    def content(chunk: bytes) -> bytes:
        found = fetch(chunk.hex())
        if found is None:
            raise StoreDamaged("a part of a snapshot was deleted while it was read", hint="try again")
        return found

    if name == _BY_ORDINAL:
        ordered = ByOrdinal(layer.size, chunks, lambda chunk: _decode_entries(content(chunk)))
        return Table(cast("Mapping[object, object]", ordered))

    def load() -> dict[object, msgspec.Raw]:
        pairs = (pair for chunk in chunks for pair in _decode_raw(content(chunk)))
        return dict(pairs)

    return Table(ByKey(layer.size, load, _decode_values[name]), costly=True)


def _flat(layer: Layer, fetch: Fetch) -> list[bytes] | None:
    chunks = layer.chunks
    for _ in range(layer.depth):
        below: list[bytes] = []
        for chunk in chunks:
            content = fetch(chunk.hex())
            if content is None:
                return None
            below += _decode_digests(content)
        chunks = below
    return chunks


def _same(was: list[object], now: list[object]) -> bool:
    """Whether both hold the same objects; equal ones that aren't the same are merely encoded again."""
    return len(was) == len(now) and all(map(is_, was, now))


def _keep(content: bytes, new: list[tuple[str, bytes]]) -> bytes:
    name = digest(content)
    new.append((name, content))
    return bytes.fromhex(name)
