"""The store in one SQLite file, through APSW: no server, one sync per commit, several processes."""

from perdure.adapters.sqlite.store import SqliteStore

__all__ = ["SqliteStore"]
