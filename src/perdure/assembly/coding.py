"""The tools of an agent that works on code, declared by what this host can keep."""

from perdure.adapters.tools.coding.toolset import make_tools
from perdure.adapters.tools.tool import AnyTool


def coding_tools(*, confined: bool = False) -> tuple[AnyTool, ...]:
    """Return ``read``, ``write``, ``edit``, ``glob``, ``grep`` and ``shell`` for an agent's workspace.

    ``confined`` says whether the shell's network is off and it writes nowhere but in the workspace. Where that is
    kept, ``shell`` is declared ``workspace``: what it did goes back with the files. Where it isn't, it is ``once``.
    """
    return make_tools(confined=confined)
