"""perdure: a transactional runtime for LLM agents. The agent is its log.

The names below are the public ones; they load when they are first used, so importing is quick.
"""

from importlib import import_module
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from perdure.adapters.tools.builtin import ask_person, wait
    from perdure.adapters.tools.context import Context
    from perdure.adapters.tools.outcomes import Found, Never, NotDone, Partial, Pending, Unknown
    from perdure.adapters.tools.postgres.database import PostgresDatabase
    from perdure.adapters.tools.tool import tool
    from perdure.adapters.tools.transactions import SQLiteDatabase
    from perdure.assembly.agents.agent import Agent
    from perdure.assembly.agents.coding import coding_tools
    from perdure.assembly.outcomes import Failed, Finished, Waiting
    from perdure.assembly.run import Run
    from perdure.assembly.store import Store
    from perdure.assembly.store import open_store as open  # noqa: A004 - read as perdure.open
    from perdure.contract import Contract
    from perdure.intention.declaration import Paging
    from perdure.values.errors import PerdureError

__version__ = "0.1.0"

_HOMES = {
    "Agent": "perdure.assembly.agents.agent",
    "Context": "perdure.adapters.tools.context",
    "Contract": "perdure.contract",
    "Failed": "perdure.assembly.outcomes",
    "Finished": "perdure.assembly.outcomes",
    "Found": "perdure.adapters.tools.outcomes",
    "Never": "perdure.adapters.tools.outcomes",
    "NotDone": "perdure.adapters.tools.outcomes",
    "Paging": "perdure.intention.declaration",
    "Partial": "perdure.adapters.tools.outcomes",
    "Pending": "perdure.adapters.tools.outcomes",
    "PerdureError": "perdure.values.errors",
    "PostgresDatabase": "perdure.adapters.tools.postgres.database",
    "Run": "perdure.assembly.run",
    "SQLiteDatabase": "perdure.adapters.tools.transactions",
    "Store": "perdure.assembly.store",
    "Unknown": "perdure.adapters.tools.outcomes",
    "Waiting": "perdure.assembly.outcomes",
    "ask_person": "perdure.adapters.tools.builtin",
    "coding_tools": "perdure.assembly.agents.coding",
    "open": "perdure.assembly.store",
    "tool": "perdure.adapters.tools.tool",
    "wait": "perdure.adapters.tools.builtin",
}

__all__ = [
    "Agent",
    "Context",
    "Contract",
    "Failed",
    "Finished",
    "Found",
    "Never",
    "NotDone",
    "Paging",
    "Partial",
    "Pending",
    "PerdureError",
    "PostgresDatabase",
    "Run",
    "SQLiteDatabase",
    "Store",
    "Unknown",
    "Waiting",
    "ask_person",
    "coding_tools",
    "open",
    "tool",
    "wait",
]


def __getattr__(name: str) -> object:
    """Load a public name from its room."""
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'perdure' has no attribute {name!r}")
    found = cast("object", getattr(import_module(home), "open_store" if name == "open" else name))
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    """List the public names."""
    return sorted((*__all__, "__version__"))
