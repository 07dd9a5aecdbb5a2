"""Headers on their way through: all but those of one hop, as they are and in their order."""

from collections.abc import Iterable, Iterator
from typing import Final

from multidict import CIMultiDict

RawHeaders = Iterable[tuple[bytes, bytes]]

_OF_ONE_HOP: Final = frozenset(
    (
        "connection",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    )
)
_OURS_ON_THE_WAY: Final = frozenset(("host", "content-length", "expect"))

SHOWN_IN_HEADER: Final = "x-perdure-token"
"""With it a client shows the gateway's token; it goes no further."""

_PACKINGS: Final = frozenset(("identity", "gzip", "x-gzip", "deflate", "zstd"))

_SECRETS: Final = ("authorization", "x-api-key", "api-key", "x-goog-api-key")


def onward(raw: RawHeaders, *, plain: bool, watched: bool = False) -> "CIMultiDict[str]":
    """Return the headers of a request as they go on.

    ``plain``: the answer has to be read, so the upstream is asked for it uncompressed. ``watched``: it is read on the
    side, so that it is asked for in no other way than can be read.
    """
    given = tuple(_decoded(raw))
    named = _named_in_connection(given)
    kept: CIMultiDict[str] = CIMultiDict()
    spelled: dict[str, str] = {}
    asked: list[str] = []
    for name, value in given:
        small = name.lower()
        if small in _OF_ONE_HOP or small in _OURS_ON_THE_WAY or small in named or small == SHOWN_IN_HEADER:
            continue
        if small == "accept-encoding" and (plain or watched):
            asked.append(value)
            continue
        # Of one name in two spellings the client library would send the last alone.
        kept.add(spelled.setdefault(small, name), value)
    if plain:
        kept.add("Accept-Encoding", "identity")
    elif asked:
        kept.add("Accept-Encoding", _readable(",".join(asked)))
    return kept


def backward(raw: RawHeaders) -> "CIMultiDict[str]":
    """Return the headers of an answer as they go back."""
    given = tuple(_decoded(raw))
    named = _named_in_connection(given)
    kept: CIMultiDict[str] = CIMultiDict()
    for name, value in given:
        if name.lower() not in _OF_ONE_HOP and name.lower() not in named:
            kept.add(name, value)
    return kept


def credential(raw: RawHeaders) -> bytes:
    """Return what the client authenticates with, whole; empty where it doesn't. Never to be stored."""
    return b"\x00".join(
        name.lower().encode() + b"\x00" + value.encode()
        for name, value in _decoded(raw)
        if name.lower() in _SECRETS
    )


def _readable(asked: str) -> str:
    """Return of the ways in which a client takes its answer packed those that can be read here."""
    ways = [way.strip() for way in asked.split(",")]
    return ", ".join(way for way in ways if way.partition(";")[0].strip().lower() in _PACKINGS) or "identity"


def _decoded(raw: RawHeaders) -> Iterator[tuple[str, str]]:
    for name, value in raw:
        yield _text(name), _text(value)


def _text(raw: bytes) -> str:
    """Return a header's text; what is no UTF-8 is in the older letters of HTTP."""
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return raw.decode("latin-1")


def _named_in_connection(given: Iterable[tuple[str, str]]) -> frozenset[str]:
    """Return the headers that the sender itself declares to be of this hop."""
    found: set[str] = set()
    for name, value in given:
        if name.lower() == "connection":
            found.update(word.strip().lower() for word in value.split(","))
    return frozenset(found)
