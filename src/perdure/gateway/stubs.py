"""Tool schemas as pages: a tool that a long conversation has never used keeps its name, and takes any arguments.

A call that misses the schema is answered with it, behind the client's back, and then made anew.

Invariants:
- Decided where nothing is cached anyway, since a changed tool breaks everything behind it; never taken back.
- Tools that are strict, the provider's own, or found by its own tool search stay whole; so do all where that is on.
- What stands in a schema's place is recorded, and goes on unchanged from then on; but where the model can't ask, all
  schemas are whole.
"""

from collections.abc import Iterator
from typing import Final, NamedTuple

from perdure.gateway.arrivals import stored
from perdure.gateway.measure import Measure
from perdure.gateway.talks import SCHEMA, Talk
from perdure.log import events as e
from perdure.page.handles import handle_in
from perdure.page.worth import nothing_cached
from perdure.projection.state import Conversation, Page
from perdure.values.digest import digest
from perdure.values.limits import STUBS_AFTER_REQUESTS, STUBS_SAVED_TOKENS_MIN
from perdure.wire.bodies.changing import schema_stubbed
from perdure.wire.bodies.nouns import OfferedTool
from perdure.wire.bodies.request import RequestBody
from perdure.wire.bodies.schemas import misses
from perdure.wire.bodies.splicing import Edit, splice
from perdure.wire.streaming.exchange import Given, Withheld

MILLION: Final = 1_000_000


class Stubs(NamedTuple):
    """Schemas that leave with a request: facts to tell, and what has to be stored with them."""

    facts: tuple[e.Body, ...] = ()
    blobs: tuple[tuple[str, bytes], ...] = ()


def stubs_due(talk: Talk, read: RequestBody, measure: Measure, at: int) -> Stubs:
    """Return the schemas that leave with ``read``, which came ``at``; mostly none."""
    known = talk.conversation
    if known.frozen or known.requests < STUBS_AFTER_REQUESTS or read.searched or read.purpose != "main":
        return Stubs()
    if not (_is_cold(known, at) or (known.mode == "nocache" and nothing_cached(known))):
        return Stubs()
    used = {made.tool for _, made in read.calls}
    facts: list[e.Body] = []
    blobs: list[tuple[str, bytes]] = []
    for tool in read.tools:
        if tool.name in used or tool.digest in talk.schemas:
            continue
        edits = schema_stubbed(read, tool)
        whole = measure.tokens(read.model, tool.size)
        saved = measure.tokens(read.model, sum(edit.end - edit.start - len(edit.put) for edit in edits))
        worth = _worth(known, saved)
        if saved < STUBS_SAVED_TOKENS_MIN or worth <= 0:
            continue
        element = read.body[tool.span.start : tool.span.end]
        stub = splice(
            element, [Edit(x.start - tool.span.start, x.end - tool.span.start, x.put) for x in edits]
        )
        name = handle_in(talk.state.live.pages, f"tool:{tool.digest}", digest(element))
        content, kept = stored(element.decode())
        shown, more = stored(stub.decode())
        blobs += (*kept, *more)
        facts.append(
            e.PageAdmitted(
                name,
                content,
                whole,
                "whole",
                call=f"tool:{tool.digest}",
                tool=tool.name,
                about="schema",
                number=known.requests + 1,
                exempt=SCHEMA,
            )
        )
        facts.append(e.PageEvicted(name, "cold", shown, whole - saved, worth // MILLION))
    return Stubs(tuple(facts), tuple(blobs))


def stub_edits(talk: Talk, read: RequestBody) -> Iterator[Edit]:
    """Yield the edits after which schemas that have left are out of ``read``."""
    for tool, page in stubbed(talk, read):
        element = read.body[tool.span.start : tool.span.end]
        if page.shown is not None and element.decode() == talk.scribe.text(page.content):
            yield Edit(*tool.span, talk.scribe.text(page.shown).encode())
        else:
            # The client's own mark of the cache has moved onto it, or off it: all else is as it was recorded.
            yield from schema_stubbed(read, tool)


def stubbed(talk: Talk, read: RequestBody) -> Iterator[tuple[OfferedTool, Page]]:
    """Yield the tools of ``read`` whose schemas have left."""
    schemas = talk.schemas
    for tool in read.tools if schemas else ():
        page = schemas.get(tool.digest)
        if page is not None:
            yield tool, page


def schema_misses(read: RequestBody, tool: OfferedTool, arguments: str) -> list[str]:
    """Return what is wrong with ``arguments`` by the schema that the model doesn't see."""
    schema = read.body[tool.schema.start : tool.schema.end] if tool.schema is not None else b""
    return misses(schema, arguments)


def schema_told(read: RequestBody, tool: OfferedTool, asked: Withheld) -> Given:
    """Return the answer to a call that missed: the tool as the client offers it."""
    element = read.body[tool.span.start : tool.span.end].decode()
    wrong = "\n".join(schema_misses(read, tool, asked.arguments))
    return Given(
        f"{wrong}\nNothing was done. This is the whole tool; call it again with what fits:\n{element}",
        is_error=True,
    )


def _is_cold(known: Conversation, at: int) -> bool:
    return known.tariff.ttl > 0 and at - known.asked_at > known.tariff.ttl


def _worth(known: Conversation, saved: int) -> int:
    """Return what it is worth that ``saved`` tokens of a schema leave, in millionths of a dollar times a million.

    A conversation goes on for about as long as it has gone, and what wasn't used in n requests is used in the next n
    with a chance of one in two at most. A miss costs one more request.
    """
    tariff, ahead = known.tariff, known.requests
    each = tariff.read if tariff.ttl and known.mode != "nocache" else tariff.input
    now = (tariff.write or tariff.input) if tariff.ttl else tariff.input
    return saved * (now + ahead * each) - known.window * each // 2
