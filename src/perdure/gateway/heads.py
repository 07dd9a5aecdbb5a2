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

_SECRETS: Final = ("authorization", "x-api-key", "api-key", "x-goog-api-key")


def onward(raw: RawHeaders, *, plain: bool) -> "CIMultiDict[str]":
    """Return the headers of a request as they go on.

    ``plain``: the answer has to be read, so the upstream is asked for it uncompressed.
    """
    given = tuple(_decoded(raw))
    named = _named_in_connection(given)
    kept: CIMultiDict[str] = CIMultiDict()
    for name, value in given:
        small = name.lower()
        if small in _OF_ONE_HOP or small in _OURS_ON_THE_WAY or small in named or small == SHOWN_IN_HEADER:
            continue
        if plain and small == "accept-encoding":
            continue
        kept.add(name, value)
    if plain:
        kept.add("Accept-Encoding", "identity")
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
        name.lower().encode() + b"\x00" + value.encode(errors="surrogateescape")
        for name, value in _decoded(raw)
        if name.lower() in _SECRETS
    )


def _decoded(raw: RawHeaders) -> Iterator[tuple[str, str]]:
    for name, value in raw:
        yield name.decode("utf-8", "surrogateescape"), value.decode("utf-8", "surrogateescape")


def _named_in_connection(given: Iterable[tuple[str, str]]) -> frozenset[str]:
    """Return the headers that the sender itself declares to be of this hop."""
    found: set[str] = set()
    for name, value in given:
        if name.lower() == "connection":
            found.update(word.strip().lower() for word in value.split(","))
    return frozenset(found)
