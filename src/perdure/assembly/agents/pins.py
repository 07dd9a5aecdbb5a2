"""Whether a run may be driven by the version of its agent that is here.

Invariant: it is decided on the state under the lease. Whoever looked before may have seen a run that hadn't begun, and that
another worker has begun, with another version, since.
"""

from perdure.assembly.agents.agent import Agent
from perdure.assembly.agents.beginnings import adopted
from perdure.assembly.agents.family import Going
from perdure.driver.books import Books
from perdure.driver.writer import Heard
from perdure.intention.declaration import read_definition, version_of
from perdure.projection.state import State
from perdure.values.errors import OtherVersion


def adopted_by(going: Going, books: Books, agent: Agent, state: State) -> tuple[Heard, ...]:
    """Return the fact that the run's agent is another one now, if it is; see ``adopted``.

    Raises ``OtherVersion`` where the run keeps its version and this agent has another one.
    """
    if going.pins and state.definition:
        version = version_of(read_definition(books.get(state.definition)), state.definition)
        if version != agent.version:
            raise OtherVersion(
                f"run {state.run} needs agent {agent.name} version {version}, and here it is {agent.version}"
            )
    return adopted(agent, state)
