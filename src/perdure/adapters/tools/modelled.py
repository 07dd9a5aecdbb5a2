"""A pydantic model seen from outside: recognised by what it can do, so that we never import it."""

from typing import Protocol, runtime_checkable

from perdure.values.digest import Json


@runtime_checkable
class Modelled(Protocol):
    """The class of a model."""

    def model_json_schema(self, *, ref_template: str) -> dict[str, Json]:
        """Return its JSON Schema."""
        ...

    def model_validate(self, obj: object) -> object:
        """Return an instance made from plain values."""
        ...


@runtime_checkable
class Dumped(Protocol):
    """An instance of a model."""

    def model_dump(self, *, mode: str) -> dict[str, object]:
        """Return its fields as plain values."""
        ...
