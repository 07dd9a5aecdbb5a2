"""The figures of the fourth scene, and which of them are claims."""

from collections.abc import Iterator
from typing import Final

import msgspec

CLAIMS: Final = {
    "bare_paid_twice": "alone, both payments under way at the kill were made twice",
    "paid_once": "wrapped, each payment that was meant was made once",
    "receipt_told": "the payment that the effects file declares was answered with its receipt, and the model was told so",
    "question_denied": "the one that nobody declared became a question, and the denial was told to the model",
    "meant_unasked": "the payment that was meant, after that, was made and nobody was asked",
    "unnoticed": "the keeper's death left no word with the client, and its request was sent again byte for byte",
    "page_moved": "the mail left the window, and came back within one reply",
    "files_back": "the rewind brought back what a command of the client's had deleted, byte for byte",
    "session_cut": "a new session ends at that turn, and the client's own is as it was",
    "went_on": "the client went on from there, and deleted nothing",
    "one_story": "model calls, payments, questions, files and pages stand in one run, and causes lead from payments to turns",
    "log_sound": "the log verifies, and decides the same again",
    "nothing_left": "no server outlived its client, and the client's settings are as they were",
}


class Seen(msgspec.Struct, frozen=True, kw_only=True):
    """What came of it."""

    payments_bare: int
    """by the ledgers of the servers, of a client alone"""
    payments: int
    """the same of a wrapped one"""
    too_many_bare: int
    too_many: int
    receipts: int
    """calls that were answered with what had been done before"""
    questions: int
    keeper_kills: int
    client_kills: int
    turns: int
    events: int
    pages_left: int
    faults: int
    files_bare: int
    """files that a command deleted and that are there at the end, of a client alone"""
    files: int
    """the same of a wrapped one, after a rewind"""
    files_deleted: int
    seconds: float
    bare_paid_twice: bool
    paid_once: bool
    receipt_told: bool
    question_denied: bool
    meant_unasked: bool
    unnoticed: bool
    page_moved: bool
    files_back: bool
    session_cut: bool
    went_on: bool
    one_story: bool
    log_sound: bool
    nothing_left: bool
    promised: bool = False


def not_so(seen: Seen) -> Iterator[str]:
    """Yield each claim that did not come true."""
    held: dict[str, object] = msgspec.structs.asdict(seen)
    yield from (words for name, words in CLAIMS.items() if not held[name])
