"""A reply that is watched while it passes: what it is, without a byte of it changed."""

import re
from collections.abc import Callable
from typing import Final, NamedTuple

from perdure.values.digest import Json
from perdure.values.limits import STREAM_EVENT_BYTES_MAX
from perdure.wire.bodies.nouns import Api
from perdure.wire.streaming.learning import Learned
from perdure.wire.streaming.shapes import parsed
from perdure.wire.streaming.spelling import whole_reply
from perdure.wire.streaming.sse import SseSplitter, read

DONE: Final = b"[DONE]"
"""What a stream of Chat Completions ends with."""

_GROWS: Final = re.compile(rb"event: response\.[a-z_.]+\.delta\r?\n")
_NO_FINISH: Final = re.compile(rb'"finish_reason": ?null')
_USED: Final = re.compile(rb'"usage": ?\{')


class StreamedEvent(NamedTuple):
    """An event that had to be read."""

    piece: bytes
    name: bytes
    data: bytes
    event: dict[str, Json]
    """empty where it is no object"""


class Follower:
    """Watches one reply of the provider."""

    def __init__(self, api: Api, *, streamed: bool, keeps: bool = False) -> None:
        """Begin; with ``keeps`` the reply can be had whole at the end."""
        self.learned: Learned = Learned(api)
        self._streamed: bool = streamed
        self._keeps: bool = keeps
        self._splitter: SseSplitter = SseSplitter()
        self._kept: list[bytes] = []
        self._size: int = 0
        self._skims: Callable[[bytes], bool] = _SKIMS[api]

    def feed(self, chunk: bytes) -> bytes:
        """Take bytes of the reply; return those that are beyond what is kept of one that is no stream."""
        if self._streamed:
            for piece in self._splitter.feed(chunk):
                if not self.skim(piece):
                    self.hear(piece)
            return b""
        self._size += len(chunk)
        self._kept.append(chunk)
        if self._size <= STREAM_EVENT_BYTES_MAX:
            return b""
        beyond = self.body()
        self._kept = []
        return beyond

    def close(self) -> None:
        """Take in that there are no more bytes."""
        learned = self.learned
        if self._streamed:
            rest = self._splitter.close()
            if rest and not self.skim(rest):
                self.hear(rest)
            learned.ended = learned.ended or (learned.api == "chat" and bool(learned.stop))
            return
        body = parsed(self.body()) if self._size <= STREAM_EVENT_BYTES_MAX else None
        if body is not None:
            learned.learn_whole(body)

    def body(self) -> bytes:
        """Return what is kept of a reply that is no stream."""
        return b"".join(self._kept)

    def skim(self, piece: bytes) -> bool:
        """Tell whether the event in ``piece`` only goes on with what was begun; it is taken in then."""
        if not self.learned.begun or not self._skims(piece):
            return False
        if self._keeps:
            self._kept.append(piece)
        return True

    def hear(self, piece: bytes) -> StreamedEvent:
        """Take in the event in ``piece``."""
        if self._keeps:
            self._kept.append(piece)
        name, data = read(piece)
        event = parsed(data) if data.startswith(b"{") else None
        if event is not None:
            self.learned.learn(event)
        elif data == DONE and self.learned.api == "chat":
            self.learned.ended = True
        return StreamedEvent(piece, name, data, event or {})

    def whole(self) -> bytes | None:
        """Return the reply as it would have been without a stream; None where its end didn't come."""
        if not self.learned.ended:
            return None
        if not self._streamed:
            return self.body()
        return whole_reply(self.learned.api, self._kept) if self._keeps else None


def _skims_message(piece: bytes) -> bool:
    return piece.startswith(b"event: content_block_delta\n")


def _skims_chunk(piece: bytes) -> bool:
    return (
        _NO_FINISH.search(piece) is not None
        and b'"tool_calls"' not in piece
        and b'"error"' not in piece
        and _USED.search(piece) is None
    )


def _skims_response(piece: bytes) -> bool:
    return _GROWS.match(piece) is not None


_SKIMS: Final[dict[Api, Callable[[bytes], bool]]] = {
    "messages": _skims_message,
    "chat": _skims_chunk,
    "responses": _skims_response,
}
