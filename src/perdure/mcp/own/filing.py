"""A run's files and pages, as an agent is shown them."""

import difflib
from collections.abc import Iterator
from itertools import islice
from typing import Final

from perdure.assembly.files.history import within
from perdure.checkpoint.compare import PathDifference
from perdure.checkpoint.tree import Entry, spelled
from perdure.driver.books import text_of
from perdure.log import events as e
from perdure.mcp.own.view import View, piece_of
from perdure.mcp.own.wishes import BackWish, DiffWish, FilesWish, FileWish
from perdure.page.recalling import recall
from perdure.projection.state import Effect
from perdure.values.digest import Json
from perdure.values.errors import BadInput
from perdure.values.limits import VIEW_BYTES_MAX, VIEW_EVENTS_MAX

_PATCH_BYTES_MAX: Final = 1 << 20
"""A file that is compared line by line; a larger one is named and not shown."""


def files(view: View, wish: FilesWish) -> Json:
    """Return the files at a position, in order, as many as fit."""
    run = view.opened(wish.run)
    at = view.store.files.at(run, wish.position)
    under = within(view.within(wish.under))
    chosen = sorted(
        (path, entry)
        for path, entry in view.store.files.paths(run, wish.position)
        if entry.kind != "dir" and _below(path, under) and path > wish.after
    )
    shown = chosen[: VIEW_EVENTS_MAX * 2]
    told: dict[str, Json] = {
        "run": run,
        "recorded": at.recorded,
        "exact": at.exact,
        "files": [_entry(path, entry) for path, entry in shown],
    }
    if len(shown) < len(chosen):
        told |= {"left_out": len(chosen) - len(shown), "go_on": {"after": spelled(shown[-1][0])}}
    return told


def file(view: View, wish: FileWish) -> Json:
    """Return what was in a file, a piece at a time where it is long."""
    run = view.opened(wish.run)
    path = view.within(wish.path)
    content = b"".join(view.store.files.content(run, path, wish.position))
    return {"run": run, "path": path, **piece_of(content, wish.after).shape()}


def diff(view: View, wish: DiffWish) -> Json:
    """Return what became of files between two positions, as a patch."""
    run = view.opened(wish.run)
    end = view.store.inspector.row(run).position
    after = wish.position or end
    under = within(view.within(wish.path))
    changes = [each for each in view.store.files.changes(run, wish.before, after) if _below(each.path, under)]
    told: dict[str, Json] = {
        "run": run,
        "before": wish.before,
        "position": after,
        "changed": [{"path": spelled(each.path), "change": each.change} for each in changes],
    }
    patch = "\n".join(line for each in changes for line in _patch(view, each)).encode()
    piece = piece_of(patch, 0)
    told["patch"] = piece.text
    if piece.end < piece.size:
        told["left_out"] = f"{piece.size - piece.end} bytes of the patch; name a `path` to see the rest"
    return told


def page(view: View, arguments: dict[str, Json]) -> tuple[str, bool]:
    """Return what the recall tool answers for pages of the run, and whether it was asked wrongly."""
    asked = dict(arguments)
    named = asked.pop("run", "")
    run = view.opened(named if isinstance(named, str) else "")
    read = view.store.books

    def content_of(content: e.Content) -> bytes:
        return (
            read.get(content.blob)
            if content.blob is not None
            else (content.text or "").encode("utf-8", "surrogatepass")
        )

    found = recall(view.state(run).live.pages, asked, content_of, bytes_max=VIEW_BYTES_MAX)
    return found.text, found.wrong


def way_back(view: View, wish: BackWish) -> Json:
    """Return what going back to a position would do; nothing is touched. Raises ``BadPosition``."""
    run = view.opened(wish.run)
    way = view.store.way_back(run, wish.to)
    state = view.state(run)
    left: list[e.Body] = [event.body for event in view.store.events(run, wish.to)]
    told: dict[str, Json] = {
        "run": run,
        "to": wish.to,
        "leaves": {
            "events": state.position - wish.to,
            "requests": sum(isinstance(each, e.RequestForwarded | e.ModelRequested) for each in left),
        },
        "the_world_remembers": [
            _remembered(view, each)
            for each in (*state.world.receipts.values(), *state.world.open.values())
            if each.started > wish.to and each.effect not in ("read", "workspace")
        ],
        "how": f"a person does it: perdure rewind {run} --to {wish.to}",
    }
    if way is None:
        return {**told, "files": None}
    plan = way.plan
    kinds = (
        ("created", plan.created),
        ("changed", plan.changed),
        ("deleted", plan.deleted),
        ("kept", plan.kept),
    )
    told["files"] = {name: [spelled(path) for path in paths[:VIEW_EVENTS_MAX]] for name, paths in kinds}
    told["by_nobody's_tool"] = [spelled(path) for path in way.foreign[:VIEW_EVENTS_MAX]]
    told["can't_be_put_back"] = [
        {"path": spelled(each.path), "why": each.why} for each in plan.unrestorable[:VIEW_EVENTS_MAX]
    ]
    told["exact"] = way.at.exact
    return told


def _remembered(view: View, effect: Effect) -> dict[str, Json]:
    result = text_of(view.store.books, effect.result) if effect.result is not None else ""
    return {
        "tool": effect.tool,
        "what": effect.what,
        "outcome": effect.outcome or "in doubt or under way",
        "result": result[:400],
    }


def _below(path: str, under: str) -> bool:
    return not under or path == under or path.startswith(f"{under}/")


def _entry(path: str, entry: Entry) -> dict[str, Json]:
    shown: dict[str, Json] = {"path": spelled(path), "size": entry.size}
    return shown if entry.kind == "file" else {**shown, "kind": entry.kind}


def _patch(view: View, each: PathDifference) -> Iterator[str]:
    path = spelled(each.path)
    before, after = _lines(view, each.path, each.before), _lines(view, each.path, each.after)
    if before is None or after is None or before == after:
        yield f"({path}: {each.change})"
        return
    old = f"a/{path}" if each.before is not None else "/dev/null"
    new = f"b/{path}" if each.after is not None else "/dev/null"
    yield from islice(difflib.unified_diff(before, after, old, new, lineterm=""), VIEW_BYTES_MAX)


def _lines(view: View, path: str, entry: Entry | None) -> list[str] | None:
    """Return the lines of ``entry``; none of what isn't there, None where it has no lines to show."""
    if entry is None:
        return []
    if entry.kind not in ("file", "link") or entry.size > _PATCH_BYTES_MAX:
        return None
    try:
        return b"".join(view.store.files.bytes_of(path, entry)).decode().splitlines()
    except (UnicodeDecodeError, BadInput):
        return None
