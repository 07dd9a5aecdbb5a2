"""Snapshots of a state: caches that can be deleted, made of chunks that are stored once.

A manifest holds the small part of the state and, for each table, the digests of its chunks. Items
stand in order of insertion, so all but a few chunks of a table are the same from one snapshot to
the next. A snapshot that can't be read whole is no error: the fold starts further back.
"""

from collections.abc import Callable, Sequence
from typing import Final, NamedTuple, cast

import msgspec
from msgspec.structs import replace

from perdure.projection.state import Approval, Effect, Message, Page, State, Timer, Turn
from perdure.values.digest import digest
from perdure.values.limits import SNAPSHOT_CHUNK_ITEMS
from perdure.values.table import Table

FORMAT: Final = 1
"""Raised whenever a noun of the state changes; other formats are ignored, since they are caches."""

_EMPTY: Final[Table[object, object]] = Table()
_LIVE: Final = {
    "entries": list[tuple[int, Turn | Message]],
    "met": list[tuple[str, int]],
    "pages": list[tuple[str, Page]],
    "timers": list[tuple[str, Timer]],
}
_WORLD: Final = {
    "open": list[tuple[str, Effect]],
    "receipts": list[tuple[str, Effect]],
    "stems": list[tuple[str, tuple[str, ...]]],
    "approvals": list[tuple[str, Approval]],
    "denied": list[tuple[str, str]],
    "counters": list[tuple[str, int]],
    "started": list[tuple[str, int]],
    "dead": list[tuple[int, int]],
    "elsewhere": list[tuple[str, Effect]],
}


class Snapshot(NamedTuple):
    """A snapshot to keep: the manifest, and its chunks as (digest, content)."""

    manifest: bytes
    chunks: Sequence[tuple[str, bytes]]


class Thawed(NamedTuple):
    """A state read back, and the digest of the event that it stands at."""

    state: State
    head: bytes


class Manifest(msgspec.Struct, frozen=True, array_like=True):
    """The small part, and the digests of each table's chunks."""

    format: int
    head: bytes
    state: msgspec.Raw
    tables: dict[str, list[bytes]]


def _no_table(value: object) -> None:
    if not isinstance(value, Table):
        raise NotImplementedError(f"a state can't hold {type(value).__name__}")


def _empty_table(kind: type, value: object) -> Table[object, object]:
    del kind, value
    return Table()


_encode = msgspec.msgpack.Encoder(enc_hook=_no_table).encode
_decode_state = msgspec.msgpack.Decoder(State, dec_hook=_empty_table).decode
_decode_manifest = msgspec.msgpack.Decoder(Manifest).decode
_decoders = {name: msgspec.msgpack.Decoder(kind).decode for name, kind in (*_LIVE.items(), *_WORLD.items())}


def freeze(state: State, head: bytes) -> Snapshot:
    """Return the snapshot of ``state``, whose last event has the digest ``head``."""
    tables: dict[str, list[bytes]] = {}
    chunks: list[tuple[str, bytes]] = []
    for noun, names in ((state.live, _LIVE), (state.world, _WORLD)):
        for name in names:
            table = cast("Table[object, object]", getattr(noun, name))
            if table:
                tables[name] = _chunked(list(table.items()), chunks)
    bare = replace(
        state,
        live=replace(state.live, **dict.fromkeys(_LIVE, _EMPTY)),
        world=replace(state.world, **dict.fromkeys(_WORLD, _EMPTY)),
    )
    manifest = Manifest(FORMAT, head, msgspec.Raw(_encode(bare)), tables)
    return Snapshot(_encode(manifest), chunks)


def thaw(manifest: bytes, chunk: Callable[[str], bytes | None]) -> Thawed | None:
    """Return the state of a snapshot; None if it can't be read, so that the fold is used."""
    try:
        read = _decode_manifest(manifest)
        if read.format != FORMAT:
            return None
        state = _decode_state(read.state)
        tables: dict[str, Table[object, object]] = {}
        for name, digests in read.tables.items():
            items: dict[object, object] = {}
            for part in digests:
                content = chunk(part.hex())
                if content is None:
                    return None
                items.update(_decoders[name](content))
            tables[name] = Table(items)
    except (msgspec.MsgspecError, KeyError):
        return None
    live = replace(state.live, **{name: tables[name] for name in _LIVE if name in tables})
    world = replace(state.world, **{name: tables[name] for name in _WORLD if name in tables})
    return Thawed(replace(state, live=live, world=world), read.head)


def _chunked(items: Sequence[object], chunks: list[tuple[str, bytes]]) -> list[bytes]:
    names: list[bytes] = []
    for start in range(0, len(items), SNAPSHOT_CHUNK_ITEMS):
        content = _encode(items[start : start + SNAPSHOT_CHUNK_ITEMS])
        name = digest(content)
        chunks.append((name, content))
        names.append(bytes.fromhex(name))
    return names
