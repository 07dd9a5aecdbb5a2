"""What an event about a foreign client's process, or about its calls, says in one line."""

import shlex
from collections.abc import Callable
from pathlib import PurePath
from typing import Final, cast

import msgspec

from perdure.cli.drawing.ink import Line, Tone
from perdure.log import events as e
from perdure.values.digest import Json
from perdure.wrap.transcripts.started import start_of

_ENDS: Final[dict[str, tuple[str, Tone]]] = {"succeeded": ("✓", "good"), "failed": ("✗", "bad")}
_UNKNOWN: Final[tuple[str, Tone]] = ("?", "doubt")
_VIAS: Final = {"hook": "its own", "mcp": ""}
_SAYING: Final = ("stdout", "output", "llmContent", "text", "stderr", "content", "message")
"""Where a result's words stand, in the structures that clients tell their hooks."""


def visited(body: e.Body, call: str, turn: int, text: Callable[[e.Content | None], str]) -> Line | None:
    """Return the line; ``call`` is what was called, ``turn`` in whose reply, 0 where nobody knows."""
    match body:
        case e.CallReceived(tool=tool, via=via):
            asides = (f"turn {turn}" if turn else "", _VIAS.get(via, via))
            return Line("▹", "model", f"wants {tool}", " · ".join(filter(None, asides)))
        case e.CallAnswered(outcome=outcome, result=result, error=error):
            sign, tone = _ENDS.get(outcome, _UNKNOWN)
            return Line(sign, tone, call, error or said_in(text(result)))
        case e.CallReleased(why=why, kind=kind):
            told = {"waits": "told to wait", "doubt": "told of the doubt"}.get(kind, "nobody waits any more")
            return Line("○", "doubt", f"{call}: {told}", why)
        case e.ClientAttached(client=client, words=words):
            return Line("▶", "head", f"{client.replace('/', ' ')} begins", _called(words))
        case e.ClientLeft(why=why, session=session):
            return Line("■", "head", why, f"session {session}" if session else "")
        case e.ConversationJoined(run=run, why=why):
            return Line("↳", "quiet", why or "another conversation", run)
        case _:
            return None


def said_in(text: str) -> str:
    """Return the words of a result; all of it where none are found in it."""
    if not text.startswith(("{", "[")):
        return text
    try:
        value = cast("Json", msgspec.json.decode(text))
    except msgspec.DecodeError:
        return text
    return _words(value) or ("" if isinstance(value, dict) and set(value) & set(_SAYING) else text)


def _words(value: Json) -> str:
    match value:
        case str():
            return value
        case list():
            return " ".join(filter(None, map(_words, value)))
        case dict():
            return next((words for name in _SAYING if (words := _words(value.get(name)))), "")
        case _:
            return ""


def _called(words: str) -> str:
    started = start_of(words)
    if started is None:
        return words
    return shlex.join((PurePath(started.program).name, *started.arguments))
