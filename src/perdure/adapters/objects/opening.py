"""From the words of a settings file to the object store they mean."""

from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path

from perdure.adapters.objects.cache import CachedObjects
from perdure.adapters.objects.settings import settings_of
from perdure.log.port import ObjectStore
from perdure.values.errors import BadInput


def open_objects(settings: Mapping[str, object], *, cache: Path | None = None) -> ObjectStore:
    """Return the object store of an ``[objects]`` table; nothing is asked of it yet (``check`` does).

    What was read from it is kept in ``cache``, up to the settings' ``cache_bytes``. Raises ``BadInput``, which names
    the key that is wrong.
    """
    said, place = settings_of(settings)
    if find_spec("obstore") is None:
        raise BadInput("the parts for object stores aren't installed", hint="pip install 'perdure[objects]'")
    from perdure.adapters.objects.bucket import Bucket  # noqa: PLC0415 - its library comes with an extra

    bucket = Bucket(said, place)
    if cache is None or said.cache_bytes == 0:
        return bucket
    return CachedObjects(bucket, cache, said.cache_bytes)
