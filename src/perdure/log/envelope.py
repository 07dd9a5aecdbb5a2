"""The envelope: how an event becomes bytes, and how the bytes are chained.

Invariants:
- ``digest = SHA-256(prev digest || frame)``, over the frame exactly as it is stored.
- The frame carries run, position, epoch and cause, so that none of them can be changed, and no
  event can move to another place or run, without breaking the chain.
- The first event's previous digest is 32 zero bytes; a fork's first event continues the digest of
  the parent's event at the fork position.
"""

import hashlib
from typing import Final, NamedTuple

import msgspec

from perdure.log.events import KIND_OF, KINDS, Body
from perdure.log.upcast import VERSIONS, upcast
from perdure.values.errors import BadInput, StoreDamaged, StoreNewer
from perdure.values.limits import EVENT_BYTES_MAX

GENESIS: Final = bytes(32)
"""The digest before the first event."""


class Frame(msgspec.Struct, frozen=True, array_like=True):
    """The stored form of an event: a JSON array of eight items."""

    version: int
    run: str
    position: int
    kind: str
    at: int
    epoch: int
    cause: int
    body: msgspec.Raw


class Stored(NamedTuple):
    """An event as a store keeps it: the frame's bytes and the digest that chains them."""

    run: str
    position: int
    frame: bytes
    digest: bytes


class Event(NamedTuple):
    """An event as rooms read it. ``cause`` is the position of the fact that led to it."""

    run: str
    position: int
    at: int
    epoch: int
    cause: int
    body: Body

    @property
    def kind(self) -> str:
        """The event's kind, as in ``perdure.log.events.KINDS``."""
        return KIND_OF[type(self.body)]


_encode = msgspec.json.Encoder().encode
_decode_frame = msgspec.json.Decoder(Frame).decode
_decoders = {kind: msgspec.json.Decoder(body).decode for kind, body in KINDS.items()}


def seal(event: Event, prev: bytes) -> Stored:
    """Return ``event`` as bytes, chained to ``prev``.

    Raises ``BadInput`` if it is larger than ``EVENT_BYTES_MAX`` or holds text that is no Unicode.
    """
    run, position, at, epoch, cause, body = event
    kind = KIND_OF[type(body)]
    try:
        # a ``Frame``, its body spelled in one go with it
        frame = _encode((VERSIONS.get(kind, 1), run, position, kind, at, epoch, cause, body))
    except UnicodeEncodeError as error:
        raise BadInput(f"{kind}: text holds a lone surrogate: {error.reason}") from error
    if len(frame) > EVENT_BYTES_MAX:
        raise BadInput(f"{kind}: {len(frame)} bytes; an event holds at most {EVENT_BYTES_MAX}")
    return Stored(run, position, frame, chain(prev, frame))


def chain(prev: bytes, frame: bytes) -> bytes:
    """Return the digest of ``frame`` after ``prev``: 32 bytes."""
    return hashlib.sha256(prev + frame).digest()


def peek(stored: Stored) -> Frame:
    """Return the frame with its body undecoded; raise ``StoreDamaged`` if it is none."""
    try:
        frame = _decode_frame(stored.frame)
    except msgspec.MsgspecError as error:
        raise StoreDamaged(f"{stored.run} at {stored.position}: not an event: {error}") from error
    if frame.run != stored.run or frame.position != stored.position:
        raise StoreDamaged(
            f"{stored.run} at {stored.position}: holds the event of {frame.run} at {frame.position}"
        )
    return frame


def unseal(stored: Stored) -> Event:
    """Return the event in ``stored``, upcast to today's vocabulary.

    Raises ``StoreNewer`` for a kind or version of a later perdure, ``StoreDamaged`` for bytes that
    are no event.
    """
    frame = peek(stored)
    decode = _decoders.get(frame.kind)
    if decode is None or frame.version > VERSIONS.get(frame.kind, 1):
        raise StoreNewer(
            f"{stored.run} at {stored.position}: {frame.kind!r} version {frame.version} is not known"
        )
    raw: bytes | msgspec.Raw = frame.body
    if frame.version < VERSIONS.get(frame.kind, 1):
        raw = upcast(frame.kind, frame.version, bytes(frame.body))
    try:
        body = decode(raw)
    except msgspec.MsgspecError as error:
        raise StoreDamaged(f"{stored.run} at {stored.position}: {frame.kind}: {error}") from error
    return Event(frame.run, frame.position, frame.at, frame.epoch, frame.cause, body)
