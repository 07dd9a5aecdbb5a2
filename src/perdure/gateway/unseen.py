"""What the model was never shown of the calls that were made for it.

A client that was killed between a call and its result, or that cut its history back, asks on as if the call had not been
made. Its next request says so: the answer that was given doesn't stand among its results.

Invariants:
- A call counts as seen only if its answer stands there, not if there is a result of that id: clients put words of their
  own where they lost one.
- Calls that can't be shown to be of the main conversation are left alone while other conversations make calls.
"""

import re
from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple, cast

import msgspec

from perdure.assembly.foreign.replies import is_named, names_in
from perdure.projection.state import CallRecord, State
from perdure.values.digest import Json
from perdure.values.limits import ANSWER_CUT_CHARACTERS, ANSWER_WORDS_COMPARED
from perdure.wire.bodies.digests import call_digest
from perdure.wire.bodies.nouns import MadeCall
from perdure.wire.bodies.request import RequestBody

_WORD: Final = re.compile(r"\w+")
_LOST: Final = re.compile(
    r"interrupt|abort|cancel|unknown|reject|time[ds]? ?out|not (?:been )?(?:run|executed|available|completed)|no (?:result|output|response)",
    re.IGNORECASE,
)
"""What clients write where they have no result."""

_FEW: Final = 8
"""Words of an answer below which one that says that a result was lost may hold them all by chance."""

_MOST: Final = 0.8
"""Of an answer's words have to stand in a result for it to be that answer: clients wrap, escape and trim."""


class Delivered(NamedTuple):
    """A call that was received since the main conversation's newest request."""

    record: CallRecord
    position: int
    """of its ``call.received``"""
    arguments: dict[str, Json]
    answer: str
    """what the client was told; empty where it was told nothing yet"""
    use: str = ""
    """id of the model's call, where that is known"""


def matters(state: State, record: CallRecord) -> bool:
    """Tell whether asking for the same again without knowing of it would do something twice."""
    if record.via == "hook":
        return False
    if record.answer == "replayed":
        return True
    receipt = state.world.receipts.get(record.key)
    if receipt is not None:
        return receipt.outcome != "failed"
    effect = state.world.open.get(record.key)
    return effect is not None and effect.effect != "read"


def unseen(calls: Iterable[Delivered], read: RequestBody, since: int, *, others: bool) -> Iterator[Delivered]:
    """Yield the calls whose answer doesn't stand in ``read``, in the messages from ``since`` on.

    ``others``: other conversations of this client make calls, too.
    """
    made = dict(enumerate(read.calls_since(since)))
    for call in calls:
        if others and not call.record.of:
            continue
        place = _place_of(call, made)
        if place is None:
            texts = (read.text(result) for result in read.results_since(since))
        else:
            answered = made.pop(place).call
            texts = (read.text(result) for result in read.results_since(since) if result.call == answered)
        if not any(shows(text, call.answer) for text in texts):
            yield call


def withdrawn(answers: Iterable[tuple[str, str]], read: RequestBody) -> bool:
    """Tell whether ``read`` lacks one of ``answers``, results that a request before it had as its newest.

    Clients clear old results in place; one that lost the newest of all, or says so in its place, goes on from before it.
    """
    known = {result.call: result for result in read.results}
    for call, digest in answers:
        result = known.get(call)
        if result is None or (result.digest != digest and _LOST.search(read.text(result))):
            return True
    return False


def _place_of(call: Delivered, made: dict[int, MadeCall]) -> int | None:
    """Return which of the calls in the request it is: by its id, or, as clients give them ids anew, by what it asks for."""
    known = next((place for place, each in made.items() if call.use and each.call == call.use), None)
    if known is not None:
        return known
    server, tool = names_in(call.record.tool)
    same = [place for place, each in made.items() if call_digest(each.tool, call.arguments) == each.digest]
    named = [place for place in same if is_named(made[place].tool, server, tool)]
    return next(iter(named or same), None)


def shows(result: str, answer: str) -> bool:
    """Tell whether ``result``, as a client tells it to its model, holds ``answer``, as it was given to the client."""
    if not answer:
        return False
    words = _words(" ".join(_texts(answer)))
    if not words:
        return not _LOST.search(result)
    if len(words) < _FEW and _LOST.search(result) and not _LOST.search(answer):
        return False
    if len(answer) > ANSWER_CUT_CHARACTERS:
        return not _LOST.search(result) or len(result) > ANSWER_CUT_CHARACTERS // 2
    compared = words[:ANSWER_WORDS_COMPARED]
    standing = set(_words(result))
    return sum(word in standing for word in compared) >= _MOST * len(compared)


def _words(text: str) -> list[str]:
    return [found[0] for found in _WORD.finditer(text.lower())]


def _texts(answer: str) -> Iterator[str]:
    """Yield what an answer says: all texts in what a tool gave, else the words themselves."""
    try:
        given = cast("Json", msgspec.json.decode(answer))
    except (msgspec.DecodeError, ValueError, RecursionError):
        yield answer
        return
    if isinstance(given, dict) and isinstance(given.get("content"), list):
        content = list(_leaves(given["content"], frame=True))
        yield from content or _leaves(given.get("structuredContent"), frame=False)
        return
    yield from _leaves(given, frame=False)


def _leaves(value: Json, *, frame: bool) -> Iterator[str]:
    """Yield the texts and numbers in ``value``; of blocks of content (``frame``) their texts alone."""
    match value:
        case str():
            yield value
        case bool() | None:
            return
        case int() | float():
            yield str(value)
        case list():
            for part in value:
                yield from _leaves(part, frame=frame)
        case dict():
            for name, part in value.items():
                if not frame or name in {"text", "resource"}:
                    yield from _leaves(part, frame=frame)
