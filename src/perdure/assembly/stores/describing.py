"""A file that describes a store: its database, its object storage and witness, or its shards.

Read strictly: a word that isn't known is refused, and no message shows a value, which may be a secret.
"""

import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Final, NamedTuple

import msgspec

from perdure.assembly.stores.addresses import Address, address_of
from perdure.values.errors import BadAddress
from perdure.values.limits import SHARD_NAME_CHARACTERS_MAX, SHARDS_MAX

Words = Mapping[str, str | int | float | bool]
"""A table of the file that another room understands."""

_SHARD: Final = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*")


class _Cluster(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    postgres: str
    objects: dict[str, str | int | float | bool] | None = None
    witness: dict[str, str | int | float | bool] | None = None


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    postgres: str | None = None
    objects: dict[str, str | int | float | bool] | None = None
    witness: dict[str, str | int | float | bool] | None = None
    shards: dict[str, _Cluster] | None = None


class Description(NamedTuple):
    """One database with what stands beside it."""

    database: Address
    objects: Words | None = None
    """where large content goes: ``location``, and what the object storage needs"""
    witness: Words | None = None
    """where heads are witnessed"""


def described(path: Path) -> Description | Mapping[str, Description]:
    """Return the store that the file at ``path`` describes, or its shards by name.

    Raises ``BadAddress`` naming the file and the word that is wrong.
    """
    try:
        words = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise BadAddress(f"{path}: there is no such file", hint="write it, or name a directory") from None
    except (OSError, UnicodeDecodeError) as error:
        raise BadAddress(f"{path} can't be read: {type(error).__name__}") from error
    except tomllib.TOMLDecodeError as error:
        raise BadAddress(f"{path} is no TOML: {error}") from None
    try:
        found = msgspec.convert(words, _File)
    except msgspec.ValidationError as error:
        raise BadAddress(f"{path}: {error}", hint=_FORM) from None
    if found.shards is None:
        if found.postgres is None:
            raise BadAddress(f"{path} names no database", hint=_FORM)
        return _one(path, "", _Cluster(found.postgres, found.objects, found.witness))
    if found.postgres or found.objects or found.witness:
        raise BadAddress(f"{path} has both shards and a database of its own", hint=_FORM)
    return _shards(path, found.shards)


_FORM: Final = (
    'as in: postgres = "postgresql://..." and [objects] url = "s3://...", or [shards.NAME] with these'
)


def _shards(path: Path, named: Mapping[str, _Cluster]) -> Mapping[str, Description]:
    if not 1 <= len(named) <= SHARDS_MAX:
        raise BadAddress(f"{path} has {len(named)} shards; 1 to {SHARDS_MAX} are possible")
    for name in named:
        if len(name) > SHARD_NAME_CHARACTERS_MAX or not _SHARD.fullmatch(name):
            raise BadAddress(
                f"{path}: {name!r} can't name a shard",
                hint=f"up to {SHARD_NAME_CHARACTERS_MAX} small letters, digits and single dashes: runs' names begin with it",
            )
    found = {name: _one(path, f"shard {name}: ", cluster) for name, cluster in named.items()}
    if len({each.database.local for each in found.values()}) < len(found):
        raise BadAddress(f"{path}: two shards have the same database")
    return found


def _one(path: Path, where: str, cluster: _Cluster) -> Description:
    try:
        database = address_of(cluster.postgres)
    except BadAddress as error:
        raise BadAddress(f"{path}: {where}{error}", hint=error.hint) from None
    if database.kind != "postgres":
        raise BadAddress(f"{path}: {where}postgres is no postgresql:// address", hint=_FORM)
    return Description(database, cluster.objects, cluster.witness)
