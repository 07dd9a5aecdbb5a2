"""When are two calls the same act? Declared fields decide; no model judges.

- ``stem`` names the act: scope, tool, and identity fields; without an identity, all arguments but
  the volatile ones and the *occurrence*, the how-manieth such call it is on the live path.
- ``key`` names one attempt at it. A failed or compensated attempt frees the stem for the next.
- ``loose`` masks what looks like an id, a time or a nonce. It never makes two calls equal: it only
  turns a near-match after a rewind into a question.
"""

import re
from typing import NamedTuple

from perdure.intention.declaration import Declaration
from perdure.values.digest import Json, canonical, name_of, short_digest

_UUID = re.compile(r"[0-9a-fA-F]{8}-?(?:[0-9a-fA-F]{4}-?){3}[0-9a-fA-F]{12}")
_TIME = re.compile(
    r"\d{4}-\d{2}-\d{2}(?:[T ]\d{2}:\d{2}(?::\d{2}(?:\.\d+)?)?(?:Z|[+-]\d{2}:?\d{2})?)?", re.ASCII
)
_MASKABLE = re.compile(rb"[0-9]{9}|[A-Za-z0-9_-]{12}|\d{4}-\d{2}-\d{2}")
"""Bytes without this hold nothing that a mask would change; most arguments are told apart by it."""
_WORD = re.compile(r"[A-Za-z0-9_-]{12,}|[0-9]{9,}")
"""Long words; those with a digit are taken for nonces. A look ahead for the digit would be quadratic:
a megabyte of one letter, or a line of dashes, would hold up every run of the process."""
_DIGIT = re.compile(r"[0-9]")


class Identity(NamedTuple):
    """The names of one call: see the module."""

    stem: str
    arguments: str
    """digest of the arguments without the volatile ones"""
    loose: str


def digest_of(arguments: dict[str, Json]) -> str:
    """Return the digest of all arguments in their canonical form."""
    return short_digest(canonical(arguments))


def meaning(declaration: Declaration, arguments: dict[str, Json]) -> dict[str, Json]:
    """Return the arguments that say what is done: all but the volatile ones."""
    return {name: value for name, value in arguments.items() if name not in declaration.volatile}


def identify(
    declaration: Declaration, scope: str, arguments: dict[str, Json], *, occurrence: int
) -> Identity:
    """Return the names of a call within ``scope`` (a lineage or tenant).

    ``occurrence`` counts from 1 and matters only without a declared identity.
    """
    told = meaning(declaration, arguments)
    spelled = canonical(told)
    named = short_digest(spelled)
    if declaration.identity is not None:
        fields: list[Json] = [arguments.get(name) for name in declaration.identity]
        stem = name_of("identity", scope, declaration.name, canonical(fields))
    else:
        stem = name_of("occurrence", scope, declaration.name, spelled, occurrence)
    return Identity(stem, named, _loose(told, spelled, named))


def _loose(told: dict[str, Json], spelled: bytes, named: str) -> str:
    """Return the digest of the masked arguments; their own where nothing in them could be masked."""
    if not _MASKABLE.search(spelled):
        return named
    return short_digest(canonical(masked(told)))


def key_of(stem: str, attempt: int) -> str:
    """Return the effect key of one attempt: 40 hex characters, usable as an idempotency key."""
    return name_of("effect", stem, attempt)


def masked(value: Json) -> Json:
    """Return ``value`` with everything masked that has the shape of an id, a time or a nonce."""
    match value:
        case str():
            return _WORD.sub(_nonce_masked, _TIME.sub("#", _UUID.sub("#", value)))
        case list():
            return [masked(item) for item in value]
        case dict():
            return {name: masked(item) for name, item in value.items()}
        case _:
            return value


def _nonce_masked(word: re.Match[str]) -> str:
    return "#" if _DIGIT.search(word[0]) else word[0]
