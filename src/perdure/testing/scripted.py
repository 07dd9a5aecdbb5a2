"""Models that say what a script says.

Invariants:
- What is said next depends on the conversation alone: on how many replies it holds, and on what
  the script makes of it. So a script goes on where it should after a crash, a resume or a rewind.
- With ``reword`` each ask mints other call ids and another order of arguments, as real models do;
  the same seed and the same asks mint the same.
"""

import inspect
import random
import re
from collections.abc import Callable, Generator, Sequence
from typing import cast

import msgspec

from perdure.intention.reply import Call, Reply
from perdure.values.digest import Json, name_of
from perdure.wire.prompt import Answered, ModelFailure, Prompt, Said

Line = Reply | Callable[[Prompt], Reply]
"""A reply, or what makes one of the conversation."""

Play = Callable[[Prompt], Generator[Reply, Prompt, None]]
"""A generator function: it yields replies, and receives the conversation as it stands at the next ask."""

Script = Sequence[Line] | Callable[[Prompt], Reply] | Play


def say(text: str) -> Reply:
    """Return a reply that only says something."""
    return Reply(text=text)


def call(tool: str, /, **arguments: Json) -> Reply:
    """Return a reply that calls one tool; its id is minted when it is said."""
    return Reply(calls=(Call("", tool, arguments),), stop="calls")


def together(*replies: Reply, text: str = "") -> Reply:
    """Return one reply with the calls of all ``replies``."""
    return Reply(text=text, calls=tuple(each for reply in replies for each in reply.calls), stop="calls")


def last_answer(prompt: Prompt) -> str:
    """Return what the newest answered call gave; empty where none was."""
    return next((entry.text for entry in reversed(prompt.entries) if isinstance(entry, Answered)), "")


def turns_of(prompt: Prompt) -> int:
    """Return how many replies the conversation holds."""
    return sum(isinstance(entry, Said) for entry in prompt.entries)


def _end(turn: int) -> ModelFailure:
    return ModelFailure(f"the script has no reply number {turn + 1}", retryable=False)


def _spoken(line: Line, prompt: Prompt) -> Reply:
    return line if isinstance(line, Reply) else line(prompt)


def _played(play: Play, prompt: Prompt) -> Reply:
    """Return what ``play`` yields now, after it was given the conversation as it stood at each ask."""
    ends = [place for place, entry in enumerate(prompt.entries) if isinstance(entry, Said)]
    asked = [msgspec.structs.replace(prompt, entries=prompt.entries[:end]) for end in ends] + [prompt]
    playing = play(asked[0])
    try:
        reply = next(playing)
        for each in asked[1:]:
            reply = playing.send(each)
    except StopIteration as end:
        raise _end(len(ends)) from end
    finally:
        playing.close()
    return reply


def _tell(text: str, on_text: Callable[[str], None] | None) -> None:
    if on_text is not None and text:
        pieces: list[str] = re.findall(r"\s*\S+\s*$|\s*\S+", text)
        for piece in pieces or [text]:
            on_text(piece)


class ScriptedModel:
    """A model that says what a list, a function or a generator function says."""

    def __init__(self, script: Script, *, reword: int | None = None) -> None:
        """Say ``script``; with ``reword`` mint ids and order arguments anew at each ask, from that seed."""
        self.script: Script = script
        self.reword: int | None = reword
        self.asked: list[Prompt] = []
        """every conversation it was asked with"""

    async def ask(
        self,
        prompt: Prompt,
        *,
        key: str,
        on_text: Callable[[str], None] | None = None,
        timeout: float = 60.0,  # noqa: ASYNC109 - the port's signature
    ) -> Reply:
        """Return the script's next reply, told to ``on_text`` word by word."""
        del key, timeout
        self.asked.append(prompt)
        reply = self._minted(self._next(prompt), turns_of(prompt))
        _tell(reply.text, on_text)
        return reply

    async def close(self) -> None:
        """Let go of nothing: a script holds nothing."""

    def _next(self, prompt: Prompt) -> Reply:
        turn = turns_of(prompt)
        if not callable(self.script):
            if turn >= len(self.script):
                raise _end(turn)
            return _spoken(self.script[turn], prompt)
        if inspect.isgeneratorfunction(self.script):
            return _played(cast("Play", self.script), prompt)
        return cast("Callable[[Prompt], Reply]", self.script)(prompt)

    def _minted(self, reply: Reply, turn: int) -> Reply:
        """Return ``reply`` with an id for each call that has none, and re-worded if that is asked for."""
        calls = tuple(self._reworded(each, turn, index) for index, each in enumerate(reply.calls))
        return msgspec.structs.replace(reply, calls=calls)

    def _reworded(self, call: Call, turn: int, index: int) -> Call:
        if self.reword is None:
            return msgspec.structs.replace(call, id=call.id or f"call_{turn + 1}_{index + 1}")
        minted = name_of("reword", self.reword, len(self.asked), turn, index)
        arguments = call.arguments
        if arguments is not None:
            names = list(arguments)
            random.Random(minted).shuffle(names)  # noqa: S311 - a seeded order, not a secret
            arguments = {name: arguments[name] for name in names}
        return msgspec.structs.replace(call, id=f"call_{minted[:16]}", arguments=arguments)


class RecordedModel:
    """A model that says again what was recorded, as long as the conversation is the recorded one."""

    def __init__(self, replies: Sequence[Reply]) -> None:
        """Say ``replies`` in order."""
        self.replies: tuple[Reply, ...] = tuple(replies)

    async def ask(
        self,
        prompt: Prompt,
        *,
        key: str,
        on_text: Callable[[str], None] | None = None,
        timeout: float = 60.0,  # noqa: ASYNC109 - the port's signature
    ) -> Reply:
        """Return the recorded reply that came after those in ``prompt``.

        Raises ``ModelFailure`` where the conversation has parted from the recording, or outgrown it.
        """
        del key, timeout
        said = [entry.reply for entry in prompt.entries if isinstance(entry, Said)]
        for turn, (reply, recorded) in enumerate(zip(said, self.replies, strict=False)):
            if reply != recorded:
                raise ModelFailure(
                    f"reply number {turn + 1} of the conversation is not the recorded one", retryable=False
                )
        if len(said) >= len(self.replies):
            raise ModelFailure(f"the recording has no reply number {len(said) + 1}", retryable=False)
        reply = self.replies[len(said)]
        _tell(reply.text, on_text)
        return reply

    async def close(self) -> None:
        """Let go of nothing: a recording holds nothing."""
