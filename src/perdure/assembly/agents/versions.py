"""Which version of its agent a run is pinned to, and taking it to another one.

Invariants:
- The log says it: the definition that a run was begun with, or last adopted, has the version in it.
- A run goes to another version only when a person says so, after it was looked whether it can; that is recorded.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from perdure.assembly.agents.agent import Agent
from perdure.assembly.agents.beginnings import adopted
from perdure.assembly.agents.trial import Trial, Tried
from perdure.assembly.inspect import Inspector
from perdure.driver.books import Books, read_state, within
from perdure.driver.writer import Heard
from perdure.intention.declaration import read_definition, version_of
from perdure.log import events as e
from perdure.projection.state import State
from perdure.values.errors import BadInput


class VersionChange(NamedTuple):
    """What it would mean for a run to be driven by another version of its agent."""

    run: str
    agent: str
    before: str
    """the version that it is pinned to"""
    after: str
    tools_gone: tuple[str, ...]
    tools_new: tuple[str, ...]
    tools_changed: tuple[str, ...]
    """declared otherwise"""
    judged_otherwise: tuple[Tried, ...]
    """intentions of its past that the new contract would have judged otherwise"""
    facts: tuple[Heard, ...]
    """what is recorded when it is done"""


def pinned(books: Books, run: str) -> str | None:
    """Return the version that the run is pinned to; None if it hasn't begun. Raises ``UnknownRun``."""
    state = read_state(books, run).state
    return version_in(books, state) if state.definition else None


def version_in(books: Books, state: State) -> str:
    """Return the version that ``state`` names."""
    return version_of(read_definition(books.get(state.definition)), state.definition)


def migration_of(books: Books, run: str, agent: Agent, *, by: str) -> VersionChange:
    """Return what taking ``run`` to this version of its agent means; nothing is written.

    Raises ``AgentChanged`` if it can't be: another agent, or effects are open that this one doesn't cover; ``BadInput``
    if it is closed; ``BadContract``.
    """
    state = read_state(books, run).state
    if not state.definition or state.closed:
        raise BadInput(f"{run} has ended, or has not begun: there is nothing to take to another version")
    before = version_in(books, state)
    found = adopted(agent, state)
    rules = agent.rules()
    old = {tool.name: tool for tool in read_definition(books.get(state.definition)).tools}
    new = {tool.name: tool for tool in rules.law.definition.tools}
    said = f"taken from version {before} to {agent.version} by {by}"
    facts = tuple(
        Heard(e.ContractAdopted(each.body.contract, each.body.definition, said), each.blobs)
        for each in found
        if isinstance(each.body, e.ContractAdopted)
    )
    return VersionChange(
        run,
        agent.name,
        before,
        agent.version,
        tuple(sorted(old.keys() - new.keys())),
        tuple(sorted(new.keys() - old.keys())),
        tuple(sorted(name for name in old.keys() & new.keys() if old[name] != new[name])),
        tuple(_otherwise(Trial(books, agent.contract).over(Inspector(books).events(run)))),
        facts,
    )


def put_ahead(books: Books, migration: VersionChange) -> None:
    """The new version's definition and contract are in the store, ahead of the fact that names them."""
    part = within(books, migration.run)
    for fact in migration.facts:
        for name, content in fact.blobs:
            part.put(name, content)
    part.flush()


def _otherwise(tried: Iterable[Tried]) -> Iterable[Tried]:
    return (each for each in tried if each.then != each.now)


def runs_at(books: Books, agent: str, version: str) -> Sequence[str]:
    """Return runs of ``agent`` that go on and are pinned to ``version``, oldest first."""
    found: list[str] = []
    for row in books.rows():
        if row.position and row.status in ("running", "waiting"):
            state = read_state(books, row.run).state
            if state.agent == agent and not state.depth and version_in(books, state) == version:
                found.append(row.run)
    return found
