"""What an agent may ask of our server, with the schema that it is told: one shape for both."""

from typing import Annotated, Final

import msgspec
from msgspec import Meta

from perdure.values.digest import Json
from perdure.values.limits import VIEW_EVENTS_MAX

Position = Annotated[int, Meta(ge=1)]
_Count = Annotated[int, Meta(ge=1, le=VIEW_EVENTS_MAX)]


class Wish(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What every question may say."""

    run: Annotated[str, Meta(description="name of the run")] = ""


class RunsWish(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which runs there are."""

    status: Annotated[str, Meta(description="only runs that are running, waiting, finished, failed, ...")] = (
        ""
    )


class StatusWish(Wish, frozen=True):
    """How a run stands."""


class LogWish(Wish, frozen=True):
    """Events of a run."""

    kinds: Annotated[
        tuple[str, ...],
        Meta(description="globs of kinds, like effect.*, request.answered, workspace.changed"),
    ] = ()
    after: Annotated[int, Meta(ge=0, description="only events past this position, oldest first")] | None = (
        None
    )
    before: Annotated[int, Meta(ge=1, description="only events in front of this position")] | None = None
    find: Annotated[str, Meta(description="only events whose body holds this text")] = ""
    limit: Annotated[_Count, Meta(description="how many events at most")] = 50


class EventWish(Wish, frozen=True, kw_only=True):
    """One event, whole."""

    position: Position
    content: Annotated[str, Meta(description="name of one of the event's contents, to read it on")] = ""
    after: Annotated[int, Meta(ge=0, description="bytes of that content to skip")] = 0


class ReceiptsWish(Wish, frozen=True):
    """What was done in the world."""

    tool: Annotated[str, Meta(description="only of this tool")] = ""
    outcome: Annotated[
        str, Meta(description="only succeeded, failed, partial, or open: begun and not known how it ended")
    ] = ""
    after: Annotated[int, Meta(ge=0, description="only what began past this position")] = 0
    limit: Annotated[_Count, Meta(description="how many at most, the newest")] = 50


class FilesWish(Wish, frozen=True):
    """Which files there were."""

    position: Annotated[Position, Meta(description="as they were there; the end if left out")] | None = None
    under: Annotated[str, Meta(description="only below this directory")] = ""
    after: Annotated[str, Meta(description="only paths behind this one, as an earlier answer said")] = ""


class FileWish(Wish, frozen=True, kw_only=True):
    """What was in a file."""

    path: str
    position: Annotated[Position, Meta(description="as it was there; the end if left out")] | None = None
    after: Annotated[int, Meta(ge=0, description="bytes to skip, as an earlier answer said")] = 0


class DiffWish(Wish, frozen=True, kw_only=True):
    """What became of files between two positions."""

    before: Annotated[Position, Meta(description="the earlier position")]
    position: Annotated[Position, Meta(description="the later position; the end if left out")] | None = None
    path: Annotated[str, Meta(description="only this file, or what is below this directory")] = ""


class CostWish(Wish, frozen=True):
    """What requests took and cost."""

    newest: Annotated[int, Meta(ge=0, le=VIEW_EVENTS_MAX, description="how many requests are listed")] = 10


class BackWish(Wish, frozen=True, kw_only=True):
    """What going back would do."""

    to: Annotated[Position, Meta(description="the last position that would stay")]


class MarkWish(Wish, frozen=True):
    """That the present position's files stay."""

    why: Annotated[str, Meta(max_length=2000, description="what the mark is for; it is logged")] = ""


class NoteWish(Wish, frozen=True, kw_only=True):
    """A note in the log."""

    text: Annotated[str, Meta(min_length=1, description="what is to be remembered")]


_RUN: Final = "run"


def schema_of(wish: type[msgspec.Struct], *, bound: bool) -> dict[str, Json]:
    """Return the JSON Schema of ``wish``; a server that is bound to one run doesn't ask which."""
    (_,), parts = msgspec.json.schema_components([wish])
    found = msgspec.convert(parts[wish.__name__], dict[str, Json])
    properties = found.get("properties")
    kept = {
        name: {key: said for key, said in field.items() if key != "default"}
        for name, field in (properties.items() if isinstance(properties, dict) else ())
        if isinstance(field, dict)
    }
    required = found.get("required")
    must = list(required) if isinstance(required, list) else []
    if _RUN in kept and bound:
        del kept[_RUN]
    elif _RUN in kept:
        must = [_RUN, *must]
    return {"type": "object", "properties": {**kept}, "required": must, "additionalProperties": False}
