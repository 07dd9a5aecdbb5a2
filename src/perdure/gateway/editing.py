"""What a state says of a request, as edits of its bytes."""

from collections.abc import Iterable

from perdure.assembly.foreign.conversations import Scribe
from perdure.page.finding import index
from perdure.page.handles import RECALL_NAME
from perdure.page.recalling import RECALL
from perdure.projection.state import State
from perdure.wire.bodies.changing import result_replaced, text_added, tool_added
from perdure.wire.bodies.hidden import unmerged
from perdure.wire.bodies.nouns import CallResult
from perdure.wire.bodies.request import RequestBody
from perdure.wire.bodies.splicing import Edit


def may_ask(read: RequestBody) -> bool:
    """Tell whether the model can ask for pages in its reply: by a tool that nobody else answers."""
    return bool(read.tools) and not read.forced and all(tool.name != RECALL_NAME for tool in read.tools)


def edits_of(
    state: State, read: RequestBody, shown: Iterable[tuple[CallResult, str]], scribe: Scribe
) -> list[Edit]:
    """Return the edits after which ``read`` stands as ``state`` says; none where nothing was ever moved.

    ``shown`` are the results that have left, each with what stands in its place.
    """
    edits = [result_replaced(read, result, text) for result, text in shown]
    live, talk = state.live, state.live.conversation
    if talk is None:
        return edits
    if live.hidden:
        split = {name: scribe.text(content).encode() for name, content in live.hidden.items()}
        joined = {name: scribe.text(content).encode() for name, content in live.joined.items()}
        edits += unmerged(read, split, joined)
    if talk.recall:
        offered = tool_added(read, RECALL)
        if offered is not None:
            edits.append(offered)
        handles = index(live.pages) if read.purpose == "compaction" else ""
        noted = text_added(read, handles) if handles else None
        if noted is not None:
            edits.append(noted)
    return edits
