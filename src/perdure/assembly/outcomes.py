"""How a run rests: what ``Run.wait`` and ``Run.finish`` return."""

from typing import NamedTuple


class Finished(NamedTuple):
    """The agent has answered."""

    run: str
    answer: str


class Waiting(NamedTuple):
    """A person has to act, or a time has to come; ``why`` is one word and ``text`` says what."""

    run: str
    why: str
    text: str


class Failed(NamedTuple):
    """The run ended without an answer; ``status`` is 'failed' or 'cancelled'."""

    run: str
    status: str
    why: str


Outcome = Finished | Waiting | Failed
