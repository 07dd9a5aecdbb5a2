"""Clients that store their sessions as the real ones do, and can load them again: the truth that cuts are held to.

Each keeps what it would send as plain messages beside its file, and knows nothing of how files are cut.
"""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

from perdure.wire.bodies.nouns import Endpoint

BASE = "Be a coding agent."


class Sent(NamedTuple):
    """A request as it went out."""

    body: bytes
    at: int
    lines: int
    """of the file when it went out"""
    session: list[dict[str, Any]]
    """what it said, without what is made anew for each session"""


class Visitor:
    """What all three share: a clock, lines, requests."""

    endpoint: Endpoint = "messages"

    def __init__(self, path: Path, session: str) -> None:
        self.path = path
        self.session = session
        self.lines: list[dict[str, Any]] = []
        self.history: list[dict[str, Any]] = []
        self.asked: list[Sent] = []
        self.said: list[int] = []
        """lines at which a reply begins"""
        self.now = 1_790_000_000
        self.count = 0
        path.parent.mkdir(parents=True, exist_ok=True)

    def name(self, what: str) -> str:
        self.count += 1
        return f"{what}_{self.session[-6:]}_{self.count:04}"

    @property
    def stamp(self) -> str:
        self.now += 3
        return f"{iso(self.now)}"

    def write(self, *records: dict[str, Any]) -> None:
        self.lines += records
        text = "".join(
            json.dumps(each, ensure_ascii=False, separators=(",", ":")) + "\n" for each in self.lines
        )
        self.path.write_text(text, encoding="utf-8")

    def ask(self) -> Sent:
        self.now += 1
        body = json.dumps(self.body()).encode()
        sent = Sent(body, self.now * 10**9, len(self.lines), json.loads(json.dumps(self.history)))
        self.asked.append(sent)
        self.note()
        return sent

    def note(self) -> None:
        """Write what the client notes of a request, if anything."""

    def body(self) -> dict[str, Any]:
        raise NotImplementedError

    def say(self, text: str, *, reminded: bool = False) -> None:
        raise NotImplementedError

    def reply(self, text: str, commands: list[str], *, eager: bool = False) -> None:
        """The model answers with words and calls, and the client carries the calls out."""
        raise NotImplementedError

    def go_back(self, turn: int) -> None:
        """A person goes back in the client to before the request with this place."""
        raise NotImplementedError

    def compact(self, summary: str) -> None:
        raise NotImplementedError

    @staticmethod
    def loaded(path: Path) -> list[dict[str, Any]]:
        """What the client would send first if it went on with the session in ``path``."""
        raise NotImplementedError


def iso(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
