"""A PostgreSQL database that transactional tools write to; needs the extra ``postgres``."""

import re
from collections.abc import Callable
from importlib.util import find_spec
from typing import TYPE_CHECKING, Final

from perdure.adapters.tools.context import Transaction
from perdure.adapters.tools.outcomes import Found, Never
from perdure.values.digest import Json
from perdure.values.errors import BadInput

if TYPE_CHECKING:
    from perdure.adapters.tools.postgres.deeds import Deeds

_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_$]{0,62}")


class PostgresDatabase:
    """The database at ``dsn``; each call connects anew. It may be the store's own, or any other."""

    def __init__(self, dsn: str, *, role: str = "", schema: str = "perdure_tools") -> None:
        """Name the database.

        ``role`` is what a tool's statements run as; empty: who logs in. Neither may reach a store's tables.
        ``schema`` is where the table of receipts is; it is made if it isn't there and who logs in may do so.
        """
        for name in filter(None, (role, schema)):
            if _NAME.fullmatch(name) is None:
                raise BadInput(
                    f"{name!r} can't be the name of a role or schema here", hint="use letters, digits and _"
                )
        self._dsn: str = dsn
        self._role: str = role
        self._schema: str = schema
        self._opened: Deeds | None = None

    def __repr__(self) -> str:
        """Show no address: it may hold a password."""
        return f"PostgresDatabase(role={self._role!r}, schema={self._schema!r})"

    def check(self) -> None:
        """Raise unless tools can write there and reach no store's tables: ``ToolTooMighty``, ``BadTool``, psycopg's errors."""
        self._deeds().check()

    def perform(self, key: str, send: int, time_limit: float, body: Callable[[Transaction], Json]) -> Json:
        """Run ``body`` in one transaction, settle (``key``, ``send``) in the same, and return its result.

        Raises ``NotDone`` if nothing was committed, and ``Unknown`` where that can't be told. Blocks.
        """
        return self._deeds().perform(key, send, time_limit, body)

    def resolve(self, key: str, sends: int) -> Found | Never:
        """Return the result of whichever of the first ``sends`` sends was committed.

        Where none was, all of them are barred first: a sender that still runs can't commit. Raises ``Unknown`` while the
        database can't be reached, or while one of them is in mid-commit.
        """
        return self._deeds().resolve(key, sends)

    def _deeds(self) -> "Deeds":
        if self._opened is None:
            if find_spec("psycopg") is None:
                raise BadInput(
                    "a tool writes to PostgreSQL, whose parts aren't installed",
                    hint="pip install 'perdure[postgres]'",
                )
            from perdure.adapters.tools.postgres.deeds import Deeds  # noqa: PLC0415 - an extra

            self._opened = Deeds(self._dsn, self._role, self._schema)
        return self._opened
