"""Claude Code's sessions: ``projects/<directory>/<session>.jsonl``, one record a line, each naming its parent.

What they hold, and how it is read:
- A reply stands in several records with one message id; results of its calls may stand between them, each under the
  record of its own call. All of them together are one message of the next request.
- Attachments are rendered into messages when they are sent; they stand under the message that they came with.
- A record under an earlier reply than the last says that the person went back in the client; all branches stay in
  the file, and the newest record says which one goes on. So a file cut after a line is the file as it once stood.
- A compaction begins a chain without a parent.
"""

import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from perdure.profile.moments import moment_of
from perdure.values.digest import Json
from perdure.wire.reading import dict_at, dicts_in, text_raw
from perdure.wrap.transcripts.lines import replaced
from perdure.wrap.transcripts.naming import answered_name, names_of
from perdure.wrap.transcripts.nouns import Record, StoredForm, StoredMessage

_CHAINED: Final = ("user", "assistant", "attachment", "system", "progress")
_OF_THE_OLD: Final = ("file-history-snapshot", "cost-state", "last-prompt", "summary")
"""Records about the session that was: backups of files under its name, what it cost, where it ended."""


class _Group:
    """Records that make up one message."""

    def __init__(self, record: int, after: int, at: int, *, said: bool) -> None:
        self.record: int = record
        self.end: int = record
        self.after: int = after
        self.at: int = at
        self.said: bool = said
        self.content: list[Json] = []
        self.single: set[str] = set()

    def take(self, place: int, content: Json) -> None:
        blocks: list[Json] = [{"type": "text", "text": content}] if isinstance(content, str) else []
        blocks = content if isinstance(content, list) else blocks
        self.end = place + 1
        self.content += blocks
        self.single |= names_of("messages", {"role": self.role, "content": blocks})

    @property
    def role(self) -> str:
        return "assistant" if self.said else "user"

    def entry(self) -> StoredMessage:
        names = names_of("messages", {"role": self.role, "content": self.content})
        calls = [text_raw(block, "tool_use_id") for block in dicts_in(self.content)]
        if not self.said:
            names = names | self.single | answered_name([call for call in calls if call])
        return StoredMessage(self.record, self.end, self.said, names, self.after, self.at)


class _Reader:
    """The lines of one session, taken in one by one."""

    def __init__(self) -> None:
        self.groups: list[_Group] = []
        self._under: dict[str, int] = {}
        """record -> the reply that it stands after, or belongs to"""
        self._replies: dict[str, int] = {}
        self._open: dict[int, _Group] = {}
        """what was said to the model since it last began to speak, by the reply that it stands after"""

    def take(self, place: int, record: Record) -> None:
        what = record.get("type")
        if what not in _CHAINED or record.get("isSidechain") is True:
            return
        after = self._under.get(text_raw(record, "parentUuid"), -1)
        message = dict_at(record, "message")
        if what == "assistant" and not _is_made_up(record, message):
            after = self._said(place, record, message, after)
        elif what == "user":
            self._heard(place, record, message, after)
        self._under[text_raw(record, "uuid")] = after

    def _said(self, place: int, record: Record, message: Record, after: int) -> int:
        name = text_raw(message, "id") or text_raw(record, "uuid")
        known = self._replies.get(name)
        if known is None:
            known = self._replies[name] = len(self.groups)
            self._open.clear()
            self.groups.append(_Group(place, after, moment_of(record.get("timestamp")), said=True))
        self.groups[known].take(place, message.get("content"))
        return known

    def _heard(self, place: int, record: Record, message: Record, after: int) -> None:
        group = self._open.get(after)
        if group is None:
            group = self._open[after] = _Group(place, after, moment_of(record.get("timestamp")), said=False)
            self.groups.append(group)
        group.take(place, message.get("content"))


def _is_made_up(record: Record, message: Record) -> bool:
    """Tell whether the client itself wrote a reply, for the screen or to keep the order of roles."""
    return text_raw(message, "model") == "<synthetic>" or record.get("isApiErrorMessage") is True


def _entries(records: Sequence[Record]) -> list[StoredMessage]:
    reader = _Reader()
    for place, record in enumerate(records):
        reader.take(place, record)
    return [group.entry() for group in reader.groups]


def _renamed(line: bytes, record: Record, old: str, new: str) -> bytes | None:
    del old
    if not record or record.get("type") in _OF_THE_OLD:
        return None
    return replaced(line, ("sessionId",), new)


def _session_of(records: Sequence[Record]) -> str:
    return next((name for record in records if (name := text_raw(record, "sessionId"))), "")


def _placed(source: Path, session: str) -> Path:
    return source.with_name(f"{session}.jsonl")


CLAUDE: Final = StoredForm(
    name="claude",
    entries=_entries,
    renamed=_renamed,
    session_of=_session_of,
    minted=lambda: str(uuid.uuid4()),
    placed=_placed,
    tight=False,
    makes_anew=False,
)
