"""From the words of a ``[witness]`` table to the witness that they mean."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final

from perdure.adapters.directory import ObjectDirectory
from perdure.values.errors import BadInput

if TYPE_CHECKING:
    from perdure.adapters.postgres.failover.outside import OutsideWitness
    from perdure.log.port import ObjectStore

_CLAIMS: Final = ("before", "heads")


def open_witness(words: Mapping[str, str | int | float | bool]) -> "OutsideWitness":
    """Return the witness; nothing is asked of it yet. Raises ``BadInput``, which names the word that is wrong.

    ``location`` is a directory, or an address of object storage (whose other words go along). ``claims`` says what is
    told: ``before``, every claim before it is committed; ``heads``, ends of runs alone.
    """
    from perdure.adapters.postgres.failover.outside import OutsideWitness  # noqa: PLC0415 - psycopg is an extra

    location, claims = words.get("location"), words.get("claims", "before")
    if not isinstance(location, str) or not location:
        raise BadInput(
            "the [witness] table has no location", hint='write location = "/path" or "s3://bucket/prefix"'
        )
    if claims not in _CLAIMS:
        raise BadInput(f"claims = {claims!r} in the [witness] table", hint='say "before" or "heads"')
    rest = {name: word for name, word in words.items() if name != "claims"}
    return OutsideWitness(_objects(location, rest), location, claims_before=claims == "before")


def _objects(location: str, words: Mapping[str, str | int | float | bool]) -> "ObjectStore":
    if "://" not in location:
        unknown = sorted(set(words) - {"location"})
        if unknown:
            raise BadInput(f"the [witness] table has {unknown[0]!r}, which a directory has no use for")
        return ObjectDirectory(Path(location).expanduser())
    from perdure.adapters.objects.opening import open_objects  # noqa: PLC0415 - its library comes with an extra

    return open_objects(dict(words))
