"""Pages of the run that is driven: a long result's preview is made ahead, and recall is answered from the log."""

from typing import NamedTuple

from perdure.driver.books import text_of
from perdure.driver.writer import Heard, RunWriter
from perdure.log import events as e
from perdure.orchestrator.draft import content_of
from perdure.orchestrator.window import about_of
from perdure.page.handles import digest_of, handle_of
from perdure.page.own import call_name, own_text
from perdure.page.preview import preview
from perdure.page.recalling import recall
from perdure.values.digest import Json
from perdure.values.errors import Broken
from perdure.values.limits import PREVIEW_BUDGET_TOKENS, PREVIEW_TOKENS_MIN

Blob = tuple[str, bytes]


class Shorter(NamedTuple):
    """What could stand in a result's place, with what has to be stored for it."""

    preview: e.Content | None = None
    lines: int = 0
    blobs: tuple[Blob, ...] = ()


def previewed(
    writer: RunWriter, key: str, arguments: dict[str, Json], content: e.Content, blob: Blob | None
) -> Shorter:
    """Return the preview of the result ``content`` of the effect ``key``, where one may be wanted."""
    paging = writer.law.definition.paging
    effect = writer.state.world.open.get(key)
    if paging is None or effect is None or effect.undoes or blob is None:
        return Shorter()
    tool, tokens = writer.law.definition.tool(effect.tool), paging.tokens(content.size)
    if tool is None or tool.builtin is not None or tokens < PREVIEW_TOKENS_MIN:
        return Shorter()
    text = own_text(blob[1].decode())
    name = call_name(effect.call, effect.proposed)
    lines = text.count("\n") + (not text.endswith("\n"))
    handle = handle_of(name, digest_of(content))
    about = about_of(tool, arguments)
    shown = preview(text, handle=handle, about=about, tokens=tokens, budget=PREVIEW_BUDGET_TOKENS)
    if shown is None or paging.mode == "observe":
        return Shorter(None, lines)
    stored, more = content_of(shown)
    return Shorter(stored, lines, (more,) if more is not None else ())


def answered_recall(writer: RunWriter, call: str) -> tuple[Heard, ...]:
    """Return what the model is given for its recall ``call``, and which pages that are."""
    state, reply, turn = writer.state, writer.reply, writer.state.live.turn
    record = next((each for each in turn.calls if each.id == call), None) if turn is not None else None
    if record is None or reply is None:
        raise Broken(f"{writer.run}: the call {call} asks for pages, and no reply holds it")
    paging = writer.law.definition.paging
    given = recall(
        state.live.pages,
        reply.calls[record.index].arguments,
        lambda content: own_text(text_of(writer.recent, content)).encode(),
    )
    number = state.live.conversation.requests if state.live.conversation is not None else 0
    faults = (
        Heard(
            e.PageFaulted(
                page=fault.page,
                start=fault.start,
                size=fault.size,
                tokens=paging.tokens(fault.size) if paging is not None else 0,
                number=number,
            )
        )
        for fault in given.faults
    )
    content, blob = content_of(given.text)
    answered = Heard(e.RecallAnswered(call, content), (blob,) if blob is not None else ())
    return (*faults, answered)
