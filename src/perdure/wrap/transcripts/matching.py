"""Which line of a session's file a request ends at: found by what was said, never by counting.

The last thing that the model had said in the request is looked for in the file; what was said to it behind that, up
to where it speaks again, is the end of the request. Where a person went back in the client, several such ends stand
behind the same words: the one that the request ends with is taken, else the newest that is not younger than it.
"""

from collections.abc import Iterable, Sequence
from typing import Final

from perdure.wrap.transcripts.nouns import Cut, SentRequest, StoredForm, StoredMessage

_SLACK_NS: Final = 1_000_000_000
"""A client notes when a person spoke before it sends that; clocks of two processes are read at two moments."""


def cut_for(form: StoredForm, entries: Sequence[StoredMessage], lines: int, sent: SentRequest) -> Cut | None:
    """Return where a file of so many ``lines``, which holds ``entries``, is cut; None: it doesn't hold the request."""
    end = _end_of(entries, sent)
    if end is None:
        return None
    later = (entry.record for entry in entries if entry.said and entry.record > end.record)
    stays = end.end if form.tight else next(later, lines)
    return Cut(stays, _expected(form, entries, sent))


def _end_of(entries: Sequence[StoredMessage], sent: SentRequest) -> StoredMessage | None:
    """Return what was said to the model last in the request."""
    found, place = _last_said(entries, sent)
    if sent.says_past(place):
        # The model had said more than this file has: it is an earlier part of the conversation, or another's.
        return None
    last = sent.names_at(len(sent.digests) - 1)
    exact: list[StoredMessage] = []
    for said in found:
        exact = [each for each in entries if not each.said and each.after == said and each.names & last]
        if exact:
            break
    if not exact and found[0] >= 0:
        # Formats that tell of a going back elsewhere than in their order.
        exact = [each for each in entries[found[0] :] if not each.said and each.names & last]
    # What was added to a message on its way isn't in the file; who said what is known from the body alone.
    known = _answered(entries, found[0]) if sent.names is not None else ()
    return _newest(exact, sent.at) or _newest(known, sent.at)


def _last_said(entries: Sequence[StoredMessage], sent: SentRequest) -> tuple[list[int], int]:
    """Return where, among the entries and in the request, the model said its last words; -1: it had said nothing.

    A model says 'Done.' more than once: the likeliest place comes first.
    """
    places: dict[str, list[int]] = {}
    for place, entry in enumerate(entries):
        for name in entry.names if entry.said else ():
            places.setdefault(name, []).append(place)
    for at in reversed(range(len(sent.digests))):
        found = {place for name in sent.names_at(at) for place in places.get(name, ())}
        if found:
            before = [place for place in found if entries[place].at <= sent.at + _SLACK_NS]
            alike = {place: (*_agreement(entries, sent, place, at), place) for place in before or found}
            return sorted(alike, key=lambda place: alike[place], reverse=True), at
    return [-1], -1


def _agreement(entries: Sequence[StoredMessage], sent: SentRequest, said: int, at: int) -> tuple[int, bool]:
    """Return how much of what the model had said up to ``said`` stands in the request up to ``at``, and if all does."""
    alike = 0
    while said >= 0 and at >= 0:
        if entries[said].names & sent.names_at(at):
            alike += 1
            said = entries[said].after
        at -= 1
    return alike, said < 0


def _answered(entries: Sequence[StoredMessage], said: int) -> list[StoredMessage]:
    """Return what was said after ``said`` and answered: that it had been sent is known, whatever was added to it."""
    spoke = [entry.record for entry in entries if entry.said and entry.after == said]
    under = [entry for entry in entries if not entry.said and entry.after == said]
    return [entry for entry in under if any(record > entry.record for record in spoke)]


def _newest(found: Iterable[StoredMessage], at: int) -> StoredMessage | None:
    known = list(found)
    before = [entry for entry in known if entry.at <= at + _SLACK_NS]
    return max(before or known, key=lambda entry: entry.record, default=None)


def _expected(form: StoredForm, entries: Sequence[StoredMessage], sent: SentRequest) -> tuple[str, ...]:
    if not form.makes_anew:
        return sent.digests
    known = {name for entry in entries for name in entry.names}
    return tuple(digest if digest in known else "" for digest in sent.digests)
