"""The process that a client starts for a hook: it brings the event to the keeper and does what the keeper says.

It starts with every tool call, so it imports the standard library alone and decides nothing: what a refusal is, the
keeper knows. ``python -I -m perdure.wrap.hooks.telling CLIENT [--strict]`` is the same as ``perdure hooks tell``.

Exit codes are the clients': 0 goes on, 2 refuses (standard error is what the model is told), 1 says something to the
user and goes on.
"""

import json
import os
import socket
import sys
import time
from typing import Final, cast

from perdure.values.limits import HOOK_KEEPER_SECONDS, HOOK_LINE_BYTES_MAX, HOOK_REACH_SECONDS

SOCKET: Final = "PERDURE_SOCKET"
"""The variable by which a wrapped client's children find the keeper."""

_PAUSE_SECONDS: Final = 0.05
_BEFORE: Final = ("PreToolUse", "BeforeTool")
_BEGINS: Final = "SessionStart"


class _Unreached(Exception):
    """No keeper took the event; the message says why."""


def tell(client: str, *, strict: bool) -> int:
    """Bring the event on standard input to the keeper; return the exit code. ``strict`` refuses what can't be judged."""
    event = _event(sys.stdin.buffer.read())
    name = event.get("hook_event_name")
    begins, before = name == _BEGINS, name in _BEFORE
    place = os.environ.get(SOCKET, "")
    if not place:
        words = (
            "this session isn't wrapped, so perdure's hooks record nothing and no contract judges its tools. "
            "Begin it with `perdure wrap`, or take the hooks out of its settings."
        )
        if begins and not strict:
            _say({"systemMessage": f"perdure: {words}"})
        return _unjudged(words, refuses=strict and before, says=strict)
    try:
        reply = _answered(place, _line(client, event))
    except _Unreached as error:
        words = f"the keeper of this session can't be reached ({error}): this isn't recorded, nor judged."
        return _unjudged(words, refuses=strict and before, says=True)
    return _done(reply, refuses=strict and before)


def _event(raw: bytes) -> dict[str, object]:
    """Return the event that a client has written; an empty one for anything else, which the keeper complains of."""
    try:
        event = cast("object", json.loads(raw))
    except ValueError:
        return {}
    return cast("dict[str, object]", event) if isinstance(event, dict) else {}


def _line(client: str, event: dict[str, object]) -> bytes:
    """Return the keeper's line; a result that is too long for it is left out, and that is said in its place."""
    line = _spelled(client, event)
    if len(line) <= HOOK_LINE_BYTES_MAX:
        return line
    left = f"a result of some {len(line)} bytes was left out: it is longer than a hook may tell"
    return _spelled(client, {**event, "tool_response": {"perdure": left}})


def _spelled(client: str, event: dict[str, object]) -> bytes:
    words = {"want": "hook", "client": client, "event": event}
    return json.dumps(words, separators=(",", ":")).encode() + b"\n"


def _answered(place: str, line: bytes) -> dict[str, object]:
    """Return what the keeper says to ``line``. One that goes away meanwhile is asked again: the call has a name."""
    began = time.monotonic()
    reached = began
    while True:
        try:
            return _asked(place, line, HOOK_KEEPER_SECONDS - (time.monotonic() - began))
        except (OSError, ValueError) as error:
            now = time.monotonic()
            if not isinstance(error, FileNotFoundError | ConnectionRefusedError):
                reached = now
            if now - reached > HOOK_REACH_SECONDS or now - began > HOOK_KEEPER_SECONDS:
                raise _Unreached(str(error) or type(error).__name__) from error
        time.sleep(_PAUSE_SECONDS)


def _asked(place: str, line: bytes, seconds: float) -> dict[str, object]:
    if seconds <= 0:
        raise TimeoutError("it doesn't answer")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as keeper:
        keeper.settimeout(seconds)
        keeper.connect(place)
        keeper.sendall(line)
        with keeper.makefile("rb") as answers:
            answer = answers.readline(HOOK_LINE_BYTES_MAX)
    if not answer.endswith(b"\n"):
        raise ConnectionResetError("it went away before it had answered")
    reply = cast("object", json.loads(answer))
    if not isinstance(reply, dict):
        raise ValueError("its answer is none")  # noqa: TRY004 - whatever isn't an answer is the same fault
    return cast("dict[str, object]", reply)


def _done(reply: dict[str, object], *, refuses: bool) -> int:
    out, err, code = reply.get("out"), reply.get("err"), reply.get("exit")
    if isinstance(out, str) and out:
        sys.stdout.write(out)
    if isinstance(err, str) and err:
        sys.stderr.write(f"{err}\n")
    if not isinstance(code, int):
        return _unjudged(f"the keeper answered {reply!r:.200}", refuses=refuses, says=True)
    return 2 if code and refuses else code


def _unjudged(words: str, *, refuses: bool, says: bool) -> int:
    sys.stderr.write(f"perdure: {words}\n")
    return 2 if refuses else 1 if says else 0


def _say(document: dict[str, str]) -> None:
    sys.stdout.write(json.dumps(document) + "\n")


if __name__ == "__main__":
    sys.exit(tell(sys.argv[1] if len(sys.argv) > 1 else "", strict="--strict" in sys.argv))
