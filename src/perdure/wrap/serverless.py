"""A run whose client has no MCP servers: nothing is ever done for it."""

from perdure.driver.port import Deed, Finding, InDoubt, Outcome
from perdure.intention.declaration import Declaration

_WHY = "its server isn't among those of the client any more"


class NoServers:
    """The ``Tools`` port where there are none; what an earlier session has begun stays in doubt."""

    async def perform(self, deed: Deed) -> Outcome:
        """Say that nobody can do it: whether an earlier attempt did isn't known here."""
        del deed
        return InDoubt(_WHY, ended=True)

    async def look(self, deed: Deed) -> Finding:
        """Say that nobody can look."""
        del deed
        return Finding("unknown", _WHY)

    async def poll(self, deed: Deed) -> Outcome:
        """Say that nobody can ask."""
        del deed
        return InDoubt(_WHY, ended=True)


def of_client(declaration: Declaration) -> bool:
    """Tell whether a tool is one that the client has by itself."""
    return declaration.builtin == "client"
