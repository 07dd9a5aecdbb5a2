"""Pages of a run of our own: which results they are, and how their bytes are read.

Invariants:
- A tool's result stands in the log as JSON. Where the tool gave a text, the page is that text as it gave it, so that
  lines are its lines; else it is the JSON.
- A call of a run is named by its place as well, since models mint the same ids again and again.
- Where another page has the handle already, the result stays as it is and is no page.
"""

from collections.abc import Mapping

import msgspec

from perdure.page.handles import digest_of, handle_of
from perdure.projection.state import CallRecord, Page, State
from perdure.values.errors import Broken

_text = msgspec.json.Decoder(str).decode


def call_name(call: str, proposed: int) -> str:
    """Return the name of the call that was proposed at that position."""
    return f"{call}@{proposed}"


def page_of(pages: Mapping[str, Page], record: CallRecord) -> Page | None:
    """Return the page that the answer of ``record`` is; None where it is none."""
    if record.content is None or record.answer != "succeeded" or not pages:
        return None
    name = call_name(record.id, record.proposed)
    page = pages.get(handle_of(name, digest_of(record.content)))
    return page if page is not None and page.call == name else None


def own_text(result: str) -> str:
    """Return what the tool gave: its text where it is one, else the JSON that stands for it."""
    if not result.startswith('"'):
        return result
    try:
        return _text(result)
    except msgspec.DecodeError as error:
        raise Broken(f"a tool's result is no JSON: {error}") from error


def recalls(state: State) -> bool:
    """Whether the model of this run is given the recall tool: from the first request on, and never taken away."""
    talk = state.live.conversation
    return talk is not None and (talk.recall or talk.mode != "observe")
