"""A declaration that contradicts itself or its function is refused; one that may surprise warns."""

import re
import warnings
from collections.abc import Iterator
from typing import Final

from perdure.adapters.tools.signature import Parameter
from perdure.intention.declaration import EFFECTS, Declaration
from perdure.values.errors import BadTool

_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
"""What every provider takes as the name of a tool."""

_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")
_MINTED: Final = {
    "at", "date", "datetime", "guid", "id", "idempotency", "key", "nonce", "now", "ref", "reference",
    "time", "timestamp", "token", "uid", "ulid", "uuid",
}  # fmt: skip
_MINTED_TYPES: Final = {"UUID", "datetime", "date", "time"}

KEYED: Final = ("transactional", "idempotent", "probeable")
"""Classes whose calls the other side, or a probe, tells apart by our key."""


class IdentityWarning(UserWarning):
    """A model may mint one of the arguments anew each time, and nothing declared says so."""


def check_declaration(
    declaration: Declaration, *, arguments: tuple[str, ...], database: bool, label: str
) -> None:
    """Raise ``BadTool`` with the first contradiction, and its cure."""
    for wrong, cure in _contradictions(declaration, arguments, database=database):
        raise BadTool(f"{label}: {wrong}", hint=cure)


def _contradictions(
    declared: Declaration, arguments: tuple[str, ...], *, database: bool
) -> Iterator[tuple[str, str]]:
    if not _NAME.fullmatch(declared.name):
        yield (
            f"{declared.name!r} can't name a tool",
            'use name="..." with 1 to 64 letters, digits, "_" or "-"',
        )
    if declared.effect not in EFFECTS:
        yield (f"effect={declared.effect!r} is no class of effects", f"use one of {', '.join(EFFECTS)}")
    yield from _wrong_names(declared, arguments)
    yield from _wrong_places(declared, arguments)
    yield from _wrong_companions(declared, database=database)
    yield from _wrong_times(declared)


def _wrong_names(declared: Declaration, arguments: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    known = f"the arguments are {', '.join(arguments)}" if arguments else "it has no arguments"
    identity = declared.identity or ()
    for option, names in (("identity", identity), ("volatile", declared.volatile)):
        for name in names:
            if name not in arguments:
                yield (
                    f"{option} names {name!r}, which is no argument",
                    f"{known}; name some of them in {option}",
                )
    if both := [name for name in identity if name in declared.volatile]:
        yield (
            f"{both[0]!r} is in identity and in volatile",
            "an argument says what is done, or it doesn't: take it out of one of the two",
        )
    if declared.identity == ():
        yield (
            "identity is empty",
            'name the arguments that make two calls one act, as in identity=("invoice",)',
        )
    if declared.identity and declared.effect in {"read", "workspace"}:
        yield (
            f"identity means nothing for {declared.effect}, which is done again whenever it is asked for",
            "leave identity out, or declare what the tool does to the world",
        )
    if declared.scope == "tenant" and not declared.identity:
        yield (
            'scope="tenant" needs an identity: occurrences are counted in one lineage only',
            'add identity=(...), or leave scope="lineage"',
        )


def _wrong_places(declared: Declaration, arguments: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    said = (("reads", declared.reads), ("writes", declared.writes), ("connects", declared.connects))
    for option, names in said:
        for name in names:
            if name.partition(".")[0] not in arguments:
                known = f"the arguments are {', '.join(arguments)}" if arguments else "it has no arguments"
                yield (f"{option} names {name!r}, which is no argument", known)


def _wrong_companions(declared: Declaration, *, database: bool) -> Iterator[tuple[str, str]]:
    effect = declared.effect
    if effect == "probeable" and not declared.probes:
        yield ("a probeable tool needs a probe", "add probe=..., or declare it once")
    if declared.probes and effect != "probeable":
        yield (
            f"probe is never asked of a tool that is {effect}",
            'declare it effect="probeable", or drop probe',
        )
    if effect == "transactional" and not database:
        yield (
            "a transactional tool needs a database",
            "add database=SQLiteDatabase(...), or declare it once",
        )
    if database and effect != "transactional":
        yield (f"database means nothing for {effect}", 'declare it effect="transactional", or drop database')
    if effect == "read" and (declared.undoes or declared.checks):
        yield ("a read changes nothing that undo or check could look at", "drop them, or correct the effect")
    if effect == "workspace" and declared.undoes:
        yield ("undo means nothing for workspace: the workspace itself goes back", "drop undo")


def _wrong_times(declared: Declaration) -> Iterator[tuple[str, str]]:
    if declared.timeout <= 0:
        yield ("timeout has to be more than 0 seconds", "give the seconds that one call may take")
    if declared.sends_max < 1:
        yield ("sends_max has to be 1 or more", "give how often one effect may be requested")
    if declared.key_lifetime is not None and (declared.effect != "idempotent" or declared.key_lifetime <= 0):
        yield ("key_lifetime is for idempotent tools, in seconds above 0", "drop it, or correct the effect")
    if declared.visible_within is not None and (
        declared.effect != "probeable" or declared.visible_within < 0
    ):
        yield ("visible_within is for probeable tools, in seconds from 0", "drop it, or correct the effect")


def warn_of_minted(declaration: Declaration, parameters: tuple[Parameter, ...], *, label: str) -> None:
    """Warn where a call without identity has an argument that a model may mint anew each time."""
    if declaration.identity is not None or declaration.effect in {"read", "workspace"}:
        return
    for parameter in parameters:
        if parameter.name not in declaration.volatile and _looks_minted(parameter):
            warnings.warn(
                f"{label}: {parameter.name!r} looks like something that a model mints anew each time it is "
                f"asked, and then the same act would be done twice. If it names the business object, declare "
                f'identity=("{parameter.name}",); if it says nothing about what is done, declare '
                f'volatile=("{parameter.name}",)',
                IdentityWarning,
                stacklevel=4,  # the line of the decorator
            )


def _looks_minted(parameter: Parameter) -> bool:
    found: list[str] = _WORD.findall(parameter.name)
    words = {word.lower() for word in found}
    return not _MINTED.isdisjoint(words) or getattr(parameter.annotation, "__name__", "") in _MINTED_TYPES
