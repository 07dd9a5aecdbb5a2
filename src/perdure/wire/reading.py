"""Looking into a provider's JSON without trusting its shape."""

from perdure.values.digest import Json
from perdure.wire.spelling import clean_text


def text_at(shape: Json, name: str) -> str:
    """Return the text under ``name``; empty where there is none."""
    value = shape.get(name) if isinstance(shape, dict) else None
    return clean_text(value) if isinstance(value, str) else ""


def text_raw(shape: Json, name: str) -> str:
    """Return the text under ``name`` as it is, halves of surrogate pairs and all."""
    value = shape.get(name) if isinstance(shape, dict) else None
    return value if isinstance(value, str) else ""


def dict_at(shape: Json, name: str) -> dict[str, Json]:
    """Return the object under ``name``; empty where there is none."""
    value = shape.get(name) if isinstance(shape, dict) else None
    return value if isinstance(value, dict) else {}


def dicts_at(shape: Json, name: str) -> list[dict[str, Json]]:
    """Return the objects of the list under ``name``; none where there is no list."""
    value = shape.get(name) if isinstance(shape, dict) else None
    return dicts_in(value) if isinstance(value, list) else []


def dict_first(shape: Json, name: str) -> dict[str, Json]:
    """Return the first object of the list under ``name``; empty where there is none."""
    found = dicts_at(shape, name)
    return found[0] if found else {}


def dicts_in(items: list[Json]) -> list[dict[str, Json]]:
    """Return the objects among ``items``."""
    return [item for item in items if isinstance(item, dict)]
