"""How a client was started in a wrapped run: what is needed to find its sessions again, and to go on with one."""

import re
from collections.abc import Sequence
from typing import Final

import msgspec

_MARK: Final = '{"wrap":'

HIDDEN: Final = "•••"
"""Stands in the log for what a client was given on its command line and nobody else may know."""

_NAMES_SECRET: Final = re.compile(r"--?[\w-]*(?:key|token|secret|password)", re.IGNORECASE)
_HOLDS_SECRET: Final = re.compile(
    r"""((?:key|token|secret|password|authorization)["']?[=:]["']?)[^\s"',}]+""", re.IGNORECASE
)


class Started(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """A client's start. Nothing of its environment is in it but where its sessions are."""

    profile: str
    program: str
    """as it was called"""
    arguments: tuple[str, ...] = ()
    """the user's own, without what wrap adds"""
    version: str = ""
    directory: str = ""
    profile_file: str = ""
    """of a profile that isn't one of ours"""
    format: str = ""
    """of its sessions"""
    sessions: tuple[str, ...] = ()
    """patterns of paths under which they stand"""
    effects: str = ""
    """the file that says what its servers' tools do"""
    hooks: bool = False
    """whether its hooks were heard"""
    variables: dict[str, str] = {}
    """those of the environment that say where, as far as they were set"""


def hushed(arguments: Sequence[str]) -> tuple[str, ...]:
    """Return ``arguments`` without what the options about keys, tokens and passwords were given."""
    told: list[str] = []
    for before, word in zip(("", *arguments), arguments, strict=False):
        secret = _NAMES_SECRET.fullmatch(before) is not None and not word.startswith("-")
        told.append(HIDDEN if secret else _HOLDS_SECRET.sub(rf"\1{HIDDEN}", word))
    return tuple(told)


class _Spelled(msgspec.Struct, frozen=True):
    wrap: Started


def spelled_start(started: Started) -> str:
    """Return it as ``client.attached`` holds it."""
    return msgspec.json.encode(_Spelled(started)).decode()


def start_of(words: str) -> Started | None:
    """Return the start that the words of a ``client.attached`` spell; None where they are words for people."""
    if not words.startswith(_MARK):
        return None
    try:
        return msgspec.json.decode(words, type=_Spelled).wrap
    except msgspec.DecodeError:
        return None
