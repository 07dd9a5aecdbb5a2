"""Results that a request holds for the first time, as pages to be."""

from collections.abc import Mapping
from typing import NamedTuple

from perdure.gateway.measure import Measure
from perdure.gateway.talks import Talk
from perdure.log.events import Arrived, Content
from perdure.page.handles import RECALL_NAME, handle_in
from perdure.page.preview import preview
from perdure.projection.state import Page
from perdure.values.digest import digest
from perdure.values.limits import (
    ARRIVALS_MAX,
    INLINE_BYTES_MAX,
    PREVIEW_BUDGET_TOKENS,
    PREVIEW_TOKENS_MIN,
    SHORT_TOKENS,
)
from perdure.wire.bodies.nouns import CallResult
from perdure.wire.bodies.request import RequestBody

Blob = tuple[str, bytes]


class Arrivals(NamedTuple):
    """New pages, and what has to be stored with them."""

    pages: tuple[Arrived, ...]
    blobs: tuple[Blob, ...]


def arrivals(talk: Talk, read: RequestBody, kept: int, measure: Measure, *, previews: bool) -> Arrivals:
    """Return the results of ``read`` that ``talk`` has no page of; ``kept`` messages in front were sent before.

    ``previews``: whether what could stand in their place is made.
    """
    new = [
        result
        for result in read.results_since(kept)
        if not result.fixed and talk.page_of(result.call, result.digest) is None
    ]
    pages: dict[str, Arrived] = {}
    blobs: list[Blob] = []
    known = talk.state.live.pages
    for result in new[-ARRIVALS_MAX:]:
        arrived, stored = _arrived(known, read, result, measure, previews=previews)
        if arrived.page in pages:
            continue
        pages[arrived.page] = arrived
        blobs += stored
        if result.made is not None:
            talk.made[arrived.page] = result.made
    return Arrivals(tuple(pages.values()), tuple(blobs))


def _arrived(
    known: Mapping[str, Page], read: RequestBody, result: CallResult, measure: Measure, *, previews: bool
) -> tuple[Arrived, list[Blob]]:
    tool = result.made.tool if result.made is not None else ""
    about = result.made.about if result.made is not None else ""
    tokens = measure.tokens(read.model, result.characters)
    page = handle_in(known, result.call, result.digest)
    text = read.text(result)
    content, blobs = stored(text)
    exempt = _exempt(result, tool, tokens)
    shown, shown_tokens = None, 0
    if previews and not exempt and tokens >= PREVIEW_TOKENS_MIN:
        shorter = preview(text, handle=page, about=about, tokens=tokens, budget=PREVIEW_BUDGET_TOKENS)
        if shorter is not None and _spellable(shorter):
            shown, more = stored(shorter)
            blobs += more
            shown_tokens = -(-len(shorter) * tokens // max(len(text), 1))
    arrived = Arrived(
        page=page,
        content=content,
        tokens=tokens,
        call=result.call,
        tool=tool,
        about=about,
        before=measure.tokens(read.model, result.before),
        exempt=exempt,
        preview=shown,
        preview_tokens=shown_tokens,
        lines=text.count("\n") + (not text.endswith("\n")) if text else 0,
    )
    return arrived, blobs


def _exempt(result: CallResult, tool: str, tokens: int) -> str:
    if tool == RECALL_NAME:
        return "recall"
    if result.is_error:
        return "error"
    return "short" if tokens < SHORT_TOKENS else ""


def stored(text: str) -> tuple[Content, list[Blob]]:
    """Return ``text`` as an event names it, and the blob that this takes."""
    raw = text.encode("utf-8", "surrogatepass")
    if len(raw) <= INLINE_BYTES_MAX and _spellable(text):
        return Content(len(raw), text), []
    name = digest(raw)
    return Content(len(raw), None, name), [(name, raw)]


def _spellable(text: str) -> bool:
    """Whether UTF-8 has a form for it: JSON can say half of a letter."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
