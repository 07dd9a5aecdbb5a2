"""The outside world of a test: it counts what really happens to it, whatever it answers.

A tool under test calls ``apply`` (or ``honour``, which does a thing once per key) where the real one
would call a bank, a mail server or a cloud. ``counts`` says afterwards how often each act was done.
"""

import asyncio
import shutil
import sqlite3
import tempfile
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Literal, NamedTuple, Protocol, Self, runtime_checkable

from perdure.adapters.tools.outcomes import Found, Never, NotDone
from perdure.adapters.tools.transactions import SQLiteDatabase
from perdure.testing.moments import living
from perdure.values.digest import Json

Fault = Literal["refuse", "break", "lose", "hang", "stall"]
"""How one request goes wrong: it is refused with ``NotDone``; it breaks before anything is done; it is
done and the answer is lost; it is done and no answer comes; nothing is done and no answer comes."""


@runtime_checkable
class Counted(Protocol):
    """All that a crash enumeration has to know of a world."""

    def counts(self) -> Mapping[str, int]:
        """Return how often each act was really done."""
        ...


class Applied(NamedTuple):
    """Something that was done."""

    act: str
    key: str


class CountingWorld:
    """A world that counts. Everything in it survives the death of the program."""

    def __init__(self) -> None:
        """Begin with nothing done."""
        self.applied: list[Applied] = []
        """in order"""
        self.asked: Counter[str] = Counter()
        """requests by act, done or not"""
        self._answers: dict[str, Json] = {}
        self.barred: set[str] = set()
        """requests (key/send) that can't be done any more"""
        self.trouble: Callable[[str], Fault | None] | None = None
        """says how a request of an act goes wrong for which nothing is planned"""
        self._faults: defaultdict[str, deque[Fault]] = defaultdict(deque)
        self._directory: Path | None = None
        self._database: SQLiteDatabase | None = None

    def __enter__(self) -> Self:
        """Return the world."""
        return self

    def __exit__(self, *error: object) -> None:
        """Remove its files."""
        self.close()

    # -- what tools do -------------------------------------------------------------------------------

    def apply(self, act: str, *, key: str = "", answer: Json = "done") -> Json:
        """Do ``act``, whoever asks and however often; return ``answer``."""
        self._ask(act)
        fault = self._fault(act)
        if fault == "stall":
            raise RuntimeError(f"{act!r} broke before anything was done")
        self._do(act, key, answer)
        return self._answer(fault, act, answer)

    def honour(self, act: str, *, key: str, answer: Json = "done") -> Json:
        """Do ``act`` once for each ``key``; a repeat gets the first answer, unless that is lost again."""
        self._ask(act)
        known = key in self._answers
        fault = self._fault(act, known=known)
        if fault == "stall" and not known:
            raise RuntimeError(f"{act!r} broke before anything was done")
        if not known:
            self._do(act, key, answer)
        return self._answer(fault, act, self._answers[key])

    async def apply_late(self, act: str, *, key: str = "", answer: Json = "done") -> Json:
        """Like ``apply``, for async tools: under 'hang' and 'stall' it doesn't come back."""
        self._ask(act)
        fault = self._fault(act)
        if fault == "stall":
            await asyncio.Event().wait()
        self._do(act, key, answer)
        if fault == "hang":
            await asyncio.Event().wait()
        return self._answer(fault, act, answer)

    def find(self, key: str) -> Found | Never:
        """Answer a probe: what was done under ``key``."""
        return Found(self._answers[key]) if key in self._answers else Never()

    def bar(self, key: str, sends: int) -> Found | Never:
        """Answer a probe; where nothing was done under ``key``, its first ``sends`` requests are barred."""
        if key in self._answers:
            return Found(self._answers[key])
        self.barred.update(f"{key}/{send}" for send in range(1, sends + 1))
        self._changed()
        return Never(barred=True)

    def admit(self, key: str, send: int) -> None:
        """Raise ``NotDone`` if this request of ``key`` was barred."""
        if f"{key}/{send}" in self.barred:
            raise NotDone("a successor has looked, and barred this request")

    def moment(self, words: str = "") -> None:
        """Say, inside of a tool, that the program may die here."""
        life = living.get()
        if life is not None:
            life.course.changed()
            life.moment("world", "inside", lambda: words)

    @property
    def directory(self) -> Path:
        """A directory of this world's own."""
        if self._directory is None:
            self._directory = Path(tempfile.mkdtemp(prefix="perdure-world-"))
        return self._directory

    @property
    def workspace(self) -> Path:
        """An agent's workspace in this world."""
        path = self.directory / "workspace"
        path.mkdir(exist_ok=True)
        return path

    @property
    def database(self) -> SQLiteDatabase:
        """A database for transactional tools, with a table ``acts (act)`` that is counted."""
        if self._database is None:
            path = self.directory / "acts.sqlite"
            with sqlite3.connect(path) as db:
                db.execute("CREATE TABLE IF NOT EXISTS acts (act TEXT)")
            db.close()
            self._database = SQLiteDatabase(path)
        return self._database

    # -- what tests plan and ask -----------------------------------------------------------------------

    def plan(self, act: str, *faults: Fault) -> Self:
        """Let the next requests of ``act`` go wrong like this; the ones after go well."""
        self._faults[act].extend(faults)
        return self

    def counts(self) -> Mapping[str, int]:
        """Return how often each act was really done."""
        counted = Counter(done.act for done in self.applied)
        counted.update(self._written())
        return dict(counted)

    def count(self, act: str) -> int:
        """Return how often ``act`` was really done."""
        return self.counts().get(act, 0)

    def did(self, key: str) -> bool:
        """Tell whether something was done under ``key``: what only an all-knowing person could say."""
        return any(done.key == key for done in self.applied)

    def answered(self, key: str) -> Json:
        """Return what was answered, or should have been, to what was done under ``key``."""
        return self._answers.get(key)

    def close(self) -> None:
        """Remove what it has on disk."""
        if self._directory is not None:
            shutil.rmtree(self._directory)
            self._directory, self._database = None, None

    # -- inside ----------------------------------------------------------------------------------------

    def _written(self) -> list[str]:
        """Return the acts in the database, and the lines of the workspace's ``acts.txt``."""
        found: list[str] = []
        if self._database is not None:
            db = sqlite3.connect(self._database.path)
            try:
                rows: list[tuple[str]] = db.execute("SELECT act FROM acts").fetchall()
                found += (act for (act,) in rows)
            finally:
                db.close()
        if self._directory is not None and (lines := self._directory / "workspace" / "acts.txt").exists():
            found += lines.read_text().splitlines()
        return found

    def _ask(self, act: str) -> None:
        life = living.get()
        if life is not None:
            life.moment("world", "before", lambda: act)
        self.asked[act] += 1
        self._changed()

    def _fault(self, act: str, *, known: bool = False) -> Fault | None:
        """Return how this request goes wrong, or raise where it ends before anything is done.

        Where its key is ``known`` to have done it, nothing says any more that it wasn't done.
        """
        planned = self._faults[act]
        fault = planned.popleft() if planned else self.trouble(act) if self.trouble is not None else None
        match fault:
            case "refuse" if known:
                return "lose"
            case "refuse":
                raise NotDone(f"{act!r} is refused")
            case "break":
                raise RuntimeError(f"{act!r} broke before anything was done")
            case _:
                return fault

    def _do(self, act: str, key: str, answer: Json) -> None:
        self.applied.append(Applied(act, key))
        if key:
            self._answers.setdefault(key, answer)
        self._changed()
        self.moment(f"{act} is done")

    def _answer(self, fault: Fault | None, act: str, answer: Json) -> Json:
        if fault is not None:
            raise ConnectionError(f"the answer to {act!r} was lost")
        return answer

    def _changed(self) -> None:
        life = living.get()
        if life is not None:
            life.course.changed()
