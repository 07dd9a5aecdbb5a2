"""What an agent may see of runs, and of which.

Invariants:
- Bound to a run, nothing of any other is ever shown: not its name, nor a page, nor a file. A fork's own history
  begins with its parent's prefix; that belongs to it.
- Bound to none, conversations of clients are listed with what they cost, and nothing of what was said in them: pages,
  requests and files of one credential are no other's business.
- Whatever is shown has an end: what is longer is cut, and the answer says how to go on.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final, NamedTuple

from perdure.assembly.foreign.hushing import Hush
from perdure.assembly.store import Store
from perdure.log.port import RunRow
from perdure.projection.state import State
from perdure.values.digest import Json
from perdure.values.errors import BadInput, UnboundView, UnknownRun
from perdure.values.limits import VIEW_BYTES_MAX

ALLOWABLE: Final = ("checkpoint", "note")
"""What changes a run, and is denied unless it was allowed when the server was started."""

BY: Final = "agent"
"""Who leaves notes and marks, as the log has it."""


class Piece(NamedTuple):
    """A stretch of content, whole letters of it."""

    text: str
    start: int
    end: int
    size: int

    def shape(self) -> dict[str, Json]:
        """Return it with how to go on, where something is left."""
        shown: dict[str, Json] = {"text": self.text}
        if self.start or self.end < self.size:
            shown |= {"bytes": f"{self.start}-{self.end} of {self.size}"}
        if self.end < self.size:
            shown["go_on"] = {"after": self.end}
        return shown


class View:
    """One store, seen by one agent."""

    def __init__(
        self,
        store: Store,
        *,
        run: str = "",
        every_run: bool = False,
        allow: frozenset[str] = frozenset(),
        environment: Mapping[str, str] | None = None,
    ) -> None:
        """Show ``run``, or with ``every_run`` all of them; what is in ``allow`` may be changed.

        ``environment`` (this process's own where it isn't given) holds credentials, which are never shown. Raises
        ``UnboundView``, ``BadInput``.
        """
        if not run and not every_run:
            raise UnboundView("`perdure mcp-server` shows an agent a run, and was told of none")
        if run and every_run:
            raise BadInput("a run and all runs are named", hint="say --run or --all-runs")
        for name in allow:
            if name not in ALLOWABLE:
                raise BadInput(f"there is no {name!r} to allow", hint=f"say {' or '.join(ALLOWABLE)}")
        self.store: Store = store
        self.bound: str = run
        self.allow: frozenset[str] = allow
        self._hush: Hush = Hush(None, os.environ if environment is None else environment)

    def run_of(self, named: str) -> str:
        """Return the run that is meant. Raises ``UnknownRun``, also for one that this agent isn't shown."""
        run = self.bound or named
        if named and named != run:
            raise UnknownRun(f"this server shows the run {self.bound!r} alone")
        if not run:
            raise BadInput("no run is named", hint="give `run`; `runs` lists them")
        self.store.inspector.row(run)
        return run

    def rows(self) -> list[RunRow]:
        """Return the runs that are shown, oldest first."""
        return [row for row in self.store.runs() if row.position and self.bound in ("", row.run)]

    def state(self, run: str, at: int | None = None) -> State:
        """Return the run's state at a position, or at its end."""
        return self.store.state(run, at)

    def opened(self, named: str) -> str:
        """Return the run that is meant, for showing what it holds. Raises ``UnknownRun``, ``BadInput``."""
        run = self.run_of(named)
        if not self.bound and self.state(run).live.conversation is not None:
            raise BadInput(
                f"{run} is a client's conversation, and this server is bound to no run",
                hint=f"what it holds is shown by `perdure mcp-server --run {run}` alone",
            )
        return run

    def hushed(self, value: Json) -> Json:
        """Return ``value`` without the credentials around us."""
        return self._hush.hushed(value)

    @property
    def root(self) -> str:
        """The workspace of the bound run; empty without one."""
        return self.state(self.bound).root if self.bound else ""

    def within(self, path: str) -> str:
        """Return ``path`` relative to the workspace: agents know files by their whole paths."""
        root = self.root
        if root and Path(path).is_absolute():
            try:
                return Path(path).relative_to(root).as_posix()
            except ValueError:
                return path
        return path


def piece_of(content: bytes, after: int, limit: int = VIEW_BYTES_MAX) -> Piece:
    """Return what stands in ``content`` behind ``after`` bytes, cut at a line or a letter where it is long."""
    start = min(after, len(content))
    while 0 < start < len(content) and content[start] & 0xC0 == 0x80:
        start -= 1
    end = min(start + limit, len(content))
    if end < len(content):
        line = content.rfind(b"\n", start, end) + 1
        end = line if line > start else end
        while end > start and content[end] & 0xC0 == 0x80:
            end -= 1
        if end == start:
            # Not UTF-8 after all: bytes as they come.
            end = min(start + limit, len(content))
    return Piece(content[start:end].decode("utf-8", "backslashreplace"), start, end, len(content))
