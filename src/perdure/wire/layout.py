"""A conversation in the order that every provider asks for: each call, then its one answer.

Invariants, whatever the prompt holds:
- Every call of a reply has exactly one answer, in the order of the calls, right after the reply.
- No two calls of the conversation have the same id.
- A reply goes out in the provider's own blocks only if they are its own and hold just these calls.
- Two replies never touch, the conversation begins and ends with something said to the model.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from typing import Final, NamedTuple

from perdure.intention.reply import Call, Reply
from perdure.values.digest import Json
from perdure.wire.prompt import Answered, Entry, Prompt, Said, UserText
from perdure.wire.spelling import clean_text, safe_id

BEGIN: Final = "(begin)"
GO_ON: Final = "(go on)"
EMPTY: Final = "(no text)"
LOST: Final = "No result of this call was recorded."


class Spoken(NamedTuple):
    """A reply with its answers; ``ids`` and ``answers`` go with ``reply.calls`` one by one."""

    reply: Reply
    blocks: list[Json] | None
    """the provider's own, to be sent word for word; None: rebuild them"""
    ids: tuple[str, ...]
    answers: tuple[Answered, ...]

    @property
    def calls(self) -> Iterator[tuple[str, Call]]:
        """Each call under the id that it has on the wire."""
        return zip(self.ids, self.reply.calls, strict=True)


Turn = Spoken | str
"""A reply with its answers, or a text to the model."""

IdsOf = Callable[[list[Json]], tuple[str, ...]]
"""Reads the ids of the calls out of a provider's own blocks, in order."""


def laid_out(prompt: Prompt, provider: str, ids_of: IdsOf) -> tuple[Turn, ...]:
    """Return the conversation as it goes to ``provider``."""
    taken: set[str] = set()
    turns: list[Turn] = []
    for reply, rest in _stretches(prompt.entries):
        strays = [entry for entry in rest if isinstance(entry, Answered)]
        if reply is not None:
            turns += _opening(turns)
            spoken, strays = _spoken(reply, strays, provider, ids_of, taken)
            turns.append(spoken)
        turns += [_told(f"A result of {stray.call_id}: {stray.text}") for stray in strays]
        turns += [_told(entry.text) for entry in rest if isinstance(entry, UserText)]
    return (*turns, *_opening(turns))


def _stretches(entries: Sequence[Entry]) -> Iterator[tuple[Reply | None, list[Entry]]]:
    """Yield what was said before the first reply, then each reply with what came until the next."""
    reply: Reply | None = None
    rest: list[Entry] = []
    for entry in entries:
        if isinstance(entry, Said):
            if reply is not None or rest:
                yield reply, rest
            reply, rest = entry.reply, []
        else:
            rest.append(entry)
    if reply is not None or rest:
        yield reply, rest


def _opening(turns: Sequence[Turn]) -> tuple[str, ...]:
    """Return what has to be said to the model so that a reply can follow."""
    if not turns:
        return (BEGIN,)
    last = turns[-1]
    return (GO_ON,) if isinstance(last, Spoken) and not last.answers else ()


def _told(text: str) -> str:
    return clean_text(text) if text.strip() else EMPTY


def _spoken(
    reply: Reply, answers: list[Answered], provider: str, ids_of: IdsOf, taken: set[str]
) -> tuple[Spoken, list[Answered]]:
    """Return the reply with one answer per call, and the answers that belong to no call of it."""
    own = tuple(call.id for call in reply.calls)
    verbatim = reply.blocks if reply.provider == provider else None
    if verbatim is not None and (
        ids_of(verbatim) != own or len(set(own)) < len(own) or taken.intersection(own)
    ):
        verbatim = None
    ids = own if verbatim is not None else _minted(own, taken)
    taken.update(ids)
    waiting: dict[str, list[Answered]] = defaultdict(list)
    for answer in answers:
        waiting[answer.call_id].append(answer)
    found = [waiting[name].pop(0) if waiting[name] else None for name in own]
    told = tuple(
        Answered(name, LOST, is_error=True)
        if answer is None
        else Answered(name, clean_text(answer.text), answer.is_error)
        for name, answer in zip(ids, found, strict=True)
    )
    strays = [answer for queue in waiting.values() for answer in queue]
    return Spoken(reply, verbatim, ids, told), strays


def _minted(own: tuple[str, ...], taken: set[str]) -> tuple[str, ...]:
    """Return ids that every provider takes and that no call before has."""
    ids: list[str] = []
    for name in own:
        wanted, number = safe_id(name), 1
        while wanted in taken or wanted in ids:
            number += 1
            wanted = safe_id(f"{name}_{number}")
        ids.append(wanted)
    return tuple(ids)
