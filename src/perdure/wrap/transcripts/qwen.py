"""Qwen Code's sessions: ``projects/<directory>/chats/<session>.jsonl``, one record a line, each naming its parent.

What they hold, and how it is read:
- Messages stand in the words of Gemini's API, and are sent in those of Chat Completions.
- Reminders, and what the client tells of the directory when it starts, aren't in the file: they are made anew. So what
  a person said is sent otherwise after a resume; replies and results are sent as they were.
"""

import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import msgspec

from perdure.profile.moments import moment_of
from perdure.values.digest import Json
from perdure.wire.reading import dict_at, dicts_at, text_raw
from perdure.wrap.transcripts.lines import replaced
from perdure.wrap.transcripts.naming import answered_name, names_of
from perdure.wrap.transcripts.nouns import Record, StoredForm, StoredMessage

_SAID: Final = True
_HEARD: Final = False


def _entries(records: Sequence[Record]) -> list[StoredMessage]:
    found: list[StoredMessage] = []
    under: dict[str, int] = {}
    for place, record in enumerate(records):
        after = under.get(text_raw(record, "parentUuid"), -1)
        what = record.get("type")
        at = moment_of(record.get("timestamp"))
        if what == "assistant":
            found.append(StoredMessage(place, place + 1, _SAID, _said(record), after, at))
            after = len(found) - 1
        elif what in ("user", "tool_result"):
            names = _heard(record)
            last = found[-1] if found else None
            if last is not None and not last.said and last.after == after:
                found[-1] = last._replace(end=place + 1, names=last.names | names)
            else:
                found.append(StoredMessage(place, place + 1, _HEARD, names, after, at))
        under[text_raw(record, "uuid")] = after
    return found


def _said(record: Record) -> frozenset[str]:
    parts = dicts_at(dict_at(record, "message"), "parts")
    text = "".join(text_raw(part, "text") for part in parts if part.get("thought") is not True)
    calls: list[Json] = [_call(dict_at(part, "functionCall")) for part in parts if "functionCall" in part]
    message: Record = {"role": "assistant", "content": text}
    return names_of("chat", {**message, "tool_calls": calls} if calls else message)


def _call(shape: Record) -> Record:
    function: Record = {
        "name": text_raw(shape, "name"),
        "arguments": msgspec.json.encode(shape.get("args")).decode(),
    }
    return {"id": text_raw(shape, "id"), "type": "function", "function": function}


def _heard(record: Record) -> frozenset[str]:
    parts = dicts_at(dict_at(record, "message"), "parts")
    names: frozenset[str] = frozenset()
    for part in parts:
        answer = dict_at(part, "functionResponse")
        if answer:
            call, output = text_raw(answer, "id"), text_raw(dict_at(answer, "response"), "output")
            names |= names_of("chat", {"role": "tool", "tool_call_id": call, "content": output})
            names |= answered_name([call])
        elif text_raw(part, "text"):
            names |= names_of("chat", {"role": "user", "content": text_raw(part, "text")})
    return names


def _renamed(line: bytes, record: Record, old: str, new: str) -> bytes | None:
    del old
    return replaced(line, ("sessionId",), new) if record else None


def _session_of(records: Sequence[Record]) -> str:
    return next((name for record in records if (name := text_raw(record, "sessionId"))), "")


def _placed(source: Path, session: str) -> Path:
    return source.with_name(f"{session}.jsonl")


QWEN: Final = StoredForm(
    name="qwen",
    entries=_entries,
    renamed=_renamed,
    session_of=_session_of,
    minted=lambda: str(uuid.uuid4()),
    placed=_placed,
    tight=True,
    makes_anew=True,
)
