"""The tools of our server by name: what the model is told of each, and what answers it."""

from collections.abc import Callable, Mapping
from typing import Final, NamedTuple

import msgspec

from perdure.assembly.foreign.asides import leave_note, mark
from perdure.mcp.own import filing, looking
from perdure.mcp.own.view import BY, View
from perdure.mcp.own.wishes import (
    BackWish,
    CostWish,
    DiffWish,
    EventWish,
    FilesWish,
    FileWish,
    LogWish,
    MarkWish,
    NoteWish,
    ReceiptsWish,
    RunsWish,
    StatusWish,
    schema_of,
)
from perdure.page.recalling import RECALL
from perdure.values.digest import Json
from perdure.values.errors import BadInput


class Said(NamedTuple):
    """An answer: a document, or text as it is."""

    document: Json
    text: str = ""
    wrong: bool = False


class Offer(NamedTuple):
    """One tool."""

    words: str
    schema: Callable[[bool], dict[str, Json]]
    """given whether the server is bound to one run"""
    answer: Callable[[View, dict[str, Json]], Said]
    changes: bool = False


def offers_of(view: View) -> dict[str, Offer]:
    """Return the tools that this agent has: what changes a run only where that was allowed."""
    known = {name: offer for name, offer in OFFERS.items() if not offer.changes or name in view.allow}
    if view.bound:
        del known["runs"]
    return known


def listed(view: View) -> list[dict[str, Json]]:
    """Return the tools that this agent has, as they are listed for people and programs."""
    return [
        {
            "name": name,
            "description": offer.words,
            "changes": offer.changes,
            "schema": offer.schema(bool(view.bound)),
        }
        for name, offer in offers_of(view).items()
    ]


def _looks(words: str, wish: type[msgspec.Struct], answer: Callable[[View, dict[str, Json]], Json]) -> Offer:
    return Offer(words, _schema(wish), _document(answer))


def _changes(
    words: str, wish: type[msgspec.Struct], answer: Callable[[View, dict[str, Json]], Json]
) -> Offer:
    return Offer(words, _schema(wish), _document(answer), changes=True)


def _schema(wish: type[msgspec.Struct]) -> Callable[[bool], dict[str, Json]]:
    def schema(bound: bool) -> dict[str, Json]:  # noqa: FBT001 - the one thing that schemas differ by
        return schema_of(wish, bound=bound)

    return schema


def _document(answer: Callable[[View, dict[str, Json]], Json]) -> Callable[[View, dict[str, Json]], Said]:
    def said(view: View, given: dict[str, Json]) -> Said:
        return Said(answer(view, given))

    return said


def _recall_schema(bound: bool) -> dict[str, Json]:  # noqa: FBT001 - the one thing that schemas differ by
    schema = dict(RECALL.schema)
    properties = schema["properties"]
    if not bound and isinstance(properties, dict):
        run: Json = {"type": "string", "description": "name of the run"}
        schema |= {"properties": {"run": run, **properties}, "required": ["run"]}
    return schema


def _recalled(view: View, given: dict[str, Json]) -> Said:
    text, wrong = filing.page(view, given)
    return Said(None, text, wrong)


def _marked(view: View, given: dict[str, Json]) -> Json:
    wish = msgspec.convert(given, MarkWish)
    run = view.opened(wish.run)
    if wish.why:
        leave_note(view.store, run, wish.why, by=BY)
    made = mark(view.store, run, by=BY)
    shown: dict[str, Json] = {
        "run": run,
        "position": made.position,
        "files": {"recorded": made.recorded, "exact": made.exact} if made.tree else None,
        "note": (
            "The files as they stood recorded at that position stay. What changes in this turn is recorded with your "
            "next request to the model."
        ),
        "go_back": f"a person does it: perdure rewind {run} --to {made.position}",
    }
    if not made.left.position:
        shown["waiting"] = "whoever drives the run has not taken it in yet"
    return shown


def _noted(view: View, given: dict[str, Json]) -> Json:
    wish = msgspec.convert(given, NoteWish)
    run = view.opened(wish.run)
    left = leave_note(view.store, run, wish.text, by=BY)
    return {"run": run, "position": left.position or None, "recorded": bool(left.position)}


def _asked(wish: str) -> BadInput:
    return BadInput(f"{wish} is denied", hint=f"the server was started without --allow {wish}")


OFFERS: Final[Mapping[str, Offer]] = {
    "runs": _looks(
        "Lists the runs of this store.",
        RunsWish,
        lambda view, given: looking.runs(view, msgspec.convert(given, RunsWish)),
    ),
    "status": _looks(
        "Shows how the run stands: its position, what it waits for, acts that are open or in doubt, questions to people.",
        StatusWish,
        lambda view, given: looking.status(view, msgspec.convert(given, StatusWish)),
    ),
    "log": _looks(
        "Shows events of the run's durable log: requests, tool calls, effects and their outcomes, changes of files, "
        "checkpoints. The newest, unless `after` is given. `event` shows one in full.",
        LogWish,
        lambda view, given: looking.log(view, msgspec.convert(given, LogWish)),
    ),
    "event": _looks(
        "Shows one event in full: its body, the contents that it names, what led to it and what it led to.",
        EventWish,
        lambda view, given: looking.event(view, msgspec.convert(given, EventWish)),
    ),
    "receipts": _looks(
        "Shows what was really done in the world, with outcomes, also what a rewind left behind; and what people forbade. "
        "An act that stands here is not to be done again.",
        ReceiptsWish,
        lambda view, given: looking.receipts(view, msgspec.convert(given, ReceiptsWish)),
    ),
    "files": _looks(
        "Lists the files of the workspace as they were at a position.",
        FilesWish,
        lambda view, given: filing.files(view, msgspec.convert(given, FilesWish)),
    ),
    "file": _looks(
        "Shows a file as it was at a position.",
        FileWish,
        lambda view, given: filing.file(view, msgspec.convert(given, FileWish)),
    ),
    "diff": _looks(
        "Shows what changed in the files between two positions, whatever changed it.",
        DiffWish,
        lambda view, given: filing.diff(view, msgspec.convert(given, DiffWish)),
    ),
    "recall": Offer(RECALL.description, _recall_schema, _recalled),
    "cost": _looks(
        "Shows what the run's model requests took and cost, and what moving pages saved.",
        CostWish,
        lambda view, given: looking.cost(view, msgspec.convert(given, CostWish)),
    ),
    "rewind_dry_run": _looks(
        "Shows what going back to a position would do to files and conversation, and what the world would remember. "
        "It changes nothing; only a person goes back.",
        BackWish,
        lambda view, given: filing.way_back(view, msgspec.convert(given, BackWish)),
    ),
    "checkpoint": _changes(
        "Marks the run's present position, so that its files stay and can be gone back to.", MarkWish, _marked
    ),
    "note": _changes("Leaves a note in the run's log, for people and for later.", NoteWish, _noted),
}


def answered(view: View, name: str, given: dict[str, Json]) -> Said:
    """Return the answer of the tool ``name``. Raises ``BadInput`` where there is none, or it was denied."""
    offer = offers_of(view).get(name)
    if offer is None and name in OFFERS and OFFERS[name].changes:
        raise _asked(name)
    if offer is None:
        raise BadInput(f"there is no tool {name!r}", hint=f"there are {', '.join(offers_of(view))}")
    try:
        return offer.answer(view, given)
    except msgspec.ValidationError as error:
        raise BadInput(str(error), hint="give what the tool's schema says") from error
