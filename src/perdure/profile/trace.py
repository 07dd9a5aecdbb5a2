"""A recorded session as every reader gives it and every figure takes it.

Invariants:
- ``segments`` only grows; a request is the stretch ``segments[first:last]``, in the order in which it was sent.
  A compaction, or a client that rewrote its history, begins a new stretch with segments of its own.
- Tokens are estimates made from characters, calibrated for each session from what the provider counted.
- Nothing here is text: a segment holds sizes and digests, so gigabytes of transcripts stay small.
"""

from typing import Literal, NamedTuple

from perdure.log.events import Usage

Kind = Literal["system", "schema", "user", "said", "thinking", "call", "result", "media", "other"]
Needed = Literal["strict", "quoted", "path"]


class Segment(NamedTuple):
    """One block of a prompt."""

    kind: Kind
    tokens: int
    size: int
    """in characters"""
    digest: str
    """of its content; equal digests are equal contents"""
    tool: str = ""
    about: str = ""
    """path, address or command of the call"""
    call: str = ""
    """digest of tool and arguments; equal for the same call made again"""
    preview: int = 0
    """tokens that ``perdure.page`` of it would take; 0 where there is none to make"""
    exempt: str = ""
    path: str = ""
    """first file that the call names, from the root where that is known"""


class Need(NamedTuple):
    """An earlier result was needed again: had it not been in the window, this would have been a fault.

    'strict': the same call was made again. 'quoted': words that stand in it alone were used. 'path': another
    call was about the same path. Loose faults are all three.
    """

    segment: int
    """place of the result in ``segments``"""
    request: int
    """place of the request whose reply needed it"""
    why: Needed


class Exchange(NamedTuple):
    """One request to the model, as recorded."""

    at: int
    """ns since the epoch"""
    first: int
    last: int
    usage: Usage
    written_short: int = 0
    """tokens written to the cache of five minutes"""
    written_long: int = 0
    """and to that of an hour"""
    model: str = ""
    ttl: int = 0
    """the cache's time to live that was recorded with it, in ns; 0 where none was"""


class Trace(NamedTuple):
    """One session, or one sub-agent of it."""

    name: str
    source: str
    """'claude-code', 'codex', 'chat' or 'perdure'"""
    segments: tuple[Segment, ...]
    requests: tuple[Exchange, ...]
    needs: tuple[Need, ...]
    assumed: tuple[str, ...] = ()
    """sentences on what the format doesn't hold, and what was assumed in its place"""
    compactions: tuple[int, ...] = ()
    """requests that are the first after one"""
