"""What an event names: blobs that stand alone, and trees with all that is below them."""

from typing import Final, cast

import msgspec

from perdure.log import events as e

TREE_FIELDS: Final[dict[type[e.Body], tuple[str, ...]]] = {
    e.RunForked: ("tree", "image"),
    e.RunRewound: ("tree", "image"),
    e.WorkspaceChanged: ("before", "after"),
    e.CheckpointTaken: ("tree", "image"),
    e.CheckpointSkipped: ("tree", "image"),
    e.CheckpointRestored: ("tree", "image", "saved"),
    e.ChangeReverted: ("tree",),
}
"""Which fields name a tree; empty where there is none. Whoever collects garbage relies on it."""


def named_blobs(body: e.Body) -> tuple[str, ...]:
    """Return the digests of the blobs that an event names itself, its trees among them."""
    match body:
        case e.RunOpened() | e.ContractAdopted():
            return body.definition, body.contract
        case e.WorkspaceChanged():
            return (*named_trees(body), *((body.full,) if body.full else ()))
        case _:
            return (*named_trees(body), *_contents(body))


def named_trees(body: e.Body) -> tuple[str, ...]:
    """Return the trees that an event names: of a workspace, and of process images."""
    named = (cast("str", getattr(body, name)) for name in TREE_FIELDS.get(type(body), ()))
    more = body.trees if isinstance(body, e.CheckpointReleased) else ()
    return (*(tree for tree in named if tree), *more)


def _contents(value: object) -> tuple[str, ...]:
    """Return the blobs of all contents in ``value``, however deep they stand."""
    match value:
        case e.Content():
            return (value.blob,) if value.blob else ()
        case msgspec.Struct():
            return tuple(
                blob
                for name in value.__struct_fields__
                for blob in _contents(cast("object", getattr(value, name)))
            )
        case tuple():
            return tuple(blob for item in cast("tuple[object, ...]", value) for blob in _contents(item))
        case _:
            return ()
