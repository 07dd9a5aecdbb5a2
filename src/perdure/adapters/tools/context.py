"""What a tool is told about the call beside its arguments."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from perdure.adapters.tools.desk import Desk
from perdure.adapters.tools.secret import Secrets
from perdure.values.errors import BadTool

SqlValue = None | int | float | str | bytes


class Transaction(Protocol):
    """The database transaction in which a transactional tool writes. It is committed for the tool."""

    def execute(self, statement: str, values: Iterable[object] = ()) -> Iterator[tuple[SqlValue, ...]]:
        """Run one statement and return its rows."""
        ...


def _unheard(text: str) -> None:
    del text


@dataclass(frozen=True, slots=True)
class Context:
    """One call of a tool, seen from inside it."""

    run: str = ""
    key: str = ""
    """the effect key: the same however often this effect is requested; give it to the other side"""
    attempt: int = 1
    send: int = 1
    """which request of this key it is, from 1"""
    position: int = 0
    """of the event that promises this effect"""
    deadline_ns: int | None = None
    """when the answer stops counting, in nanoseconds since the epoch"""
    workspace: Path | None = None
    """where the agent's files are, if it has any"""
    desk: Desk | None = field(default=None, repr=False)
    """the workspace as the built-in coding tools reach it"""
    secrets: Secrets = field(default_factory=Secrets)
    transaction_open: Transaction | None = field(default=None, repr=False)
    on_log: Callable[[str], None] = field(default=_unheard, repr=False)

    @property
    def transaction(self) -> Transaction:
        """The transaction of a transactional tool; raises ``BadTool`` in any other."""
        if self.transaction_open is None:
            raise BadTool(
                "ctx.transaction is there only in a transactional tool",
                hint='declare the tool with effect="transactional" and database=...',
            )
        return self.transaction_open

    def log(self, text: str) -> None:
        """Put a line into the trace; it is not kept in the log and the model doesn't see it."""
        self.on_log(text)

    def secret_values(self) -> tuple[str, ...]:
        """Return the secrets that this call was given, for ``scrub``."""
        return self.secrets.secret_values()
