"""Codex's rollouts: ``sessions/YYYY/MM/DD/rollout-<time>-<session>.jsonl``, items of the Responses API among events.

What they hold, and how it is read:
- ``response_item`` is an item as it is sent, but for notes of the client's own; the rest is for the screen, or says in
  which setting the items after it were made.
- The instructions that stand in front aren't among the items: the client makes that item anew, with an id that it
  derives from the session's name.
- ``compacted`` puts another history in place of all before it.
"""

import os
import time
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from perdure.profile.moments import moment_of
from perdure.wire.bodies.digests import cache_digest
from perdure.wire.reading import dict_at, dicts_at, text_raw
from perdure.wrap.transcripts.lines import replaced
from perdure.wrap.transcripts.naming import answered_name, names_of
from perdure.wrap.transcripts.nouns import Record, StoredForm, StoredMessage

_HEARD: Final = False
_NOTES: Final = "internal_chat_message_metadata_passthrough"
"""What an item in a file has beside what is sent."""


def _entries(records: Sequence[Record]) -> list[StoredMessage]:
    found: list[StoredMessage] = []
    after = -1
    for place, record in enumerate(records):
        what, shape = record.get("type"), dict_at(record, "payload")
        if what == "compacted":
            after = -1
            found.append(_compacted(place, record, shape))
        if what != "response_item" or not shape:
            continue
        said = _is_said(shape)
        at = moment_of(record.get("timestamp"))
        joins = bool(found) and not said and not found[-1].said and found[-1].after == after
        if joins:
            before = found[-1]
            found[-1] = before._replace(end=place + 1, names=before.names | _names(shape))
        else:
            found.append(StoredMessage(place, place + 1, said, _names(shape), after, at))
        after = len(found) - 1 if said else after
    return found


def _compacted(place: int, record: Record, shape: Record) -> StoredMessage:
    """Return the history that took the place of all before it: from here on it is what was said to the model."""
    names = {name for item in dicts_at(shape, "replacement_history") for name in _names(item)}
    return StoredMessage(place, place + 1, _HEARD, frozenset(names), -1, moment_of(record.get("timestamp")))


def _is_said(item: Record) -> bool:
    what = text_raw(item, "type")
    return (
        what == "reasoning"
        or what.endswith("_call")
        or (what == "message" and text_raw(item, "role") == "assistant")
    )


def _names(item: Record) -> frozenset[str]:
    sent = {name: value for name, value in item.items() if name != _NOTES}
    bare = cache_digest({name: value for name, value in sent.items() if name != "id"})
    answers = text_raw(item, "call_id") if text_raw(item, "type").endswith("_output") else ""
    return names_of("responses", sent) | {bare} | answered_name([answers] if answers else [])


def _renamed(line: bytes, record: Record, old: str, new: str) -> bytes | None:
    """Whatever is called by the session's name; one that began as another's fork tells of that one, too."""
    shape = dict_at(record, "payload")
    for name in ("id", "session_id", "thread_id"):
        if shape.get(name) == old:
            line = replaced(line, ("payload", name), new)
    return line if record else None


def _session_of(records: Sequence[Record]) -> str:
    heads = (dict_at(record, "payload") for record in records if record.get("type") == "session_meta")
    return next((name for shape in heads if (name := text_raw(shape, "id"))), "")


def _minted() -> str:
    """Return a UUID of version 7, as the client gives: sessions are listed in the order of their names."""
    stamp = (time.time_ns() // 1_000_000).to_bytes(6, "big")
    raw = bytearray(stamp + os.urandom(10))
    raw[6] = raw[6] & 0x0F | 0x70
    raw[8] = raw[8] & 0x3F | 0x80
    return str(uuid.UUID(bytes=bytes(raw)))


def _placed(source: Path, session: str) -> Path:
    """Return its place among the sessions of today, where the client looks for the newest."""
    now = time.localtime()
    root = source.parents[3] if len(source.parents) > 3 else source.parent
    day = root / f"{now.tm_year:04}" / f"{now.tm_mon:02}" / f"{now.tm_mday:02}"
    return day / f"rollout-{time.strftime('%Y-%m-%dT%H-%M-%S', now)}-{session}.jsonl"


CODEX: Final = StoredForm(
    name="codex",
    entries=_entries,
    renamed=_renamed,
    session_of=_session_of,
    minted=_minted,
    placed=_placed,
    tight=True,
    makes_anew=True,
)
