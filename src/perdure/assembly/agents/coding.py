"""The tools of an agent that works on code, declared by what this host can keep."""

import tempfile
from functools import cache
from pathlib import Path

from perdure.adapters.sandboxes.ladder import probe
from perdure.adapters.tools.coding.toolset import make_tools
from perdure.adapters.tools.tool import AnyTool


def coding_tools(*, network: bool = False, confined: bool | None = None) -> tuple[AnyTool, ...]:
    """Return ``read``, ``write``, ``edit``, ``glob``, ``grep`` and ``shell`` for an agent's workspace.

    Where the shell's network is off and it writes nowhere but in the workspace, it is declared ``workspace``:
    what it did goes back with the files. Where that can't be kept on this host, or with ``network``, it is
    ``once``: nothing can tell what a command did elsewhere. The network is opened only if the contract says
    so, too (``reach: {hosts: ["*"]}``). ``confined`` declares it without looking; the sandbox stays what it is.
    """
    if confined is None:
        confined = not network and _confines()
    return make_tools(confined=confined and not network)


@cache
def _confines() -> bool:
    """Whether a sandbox can be made here, found out by making one: a tenth of a second, once per process."""
    with tempfile.TemporaryDirectory(prefix="perdure-probe-") as place:
        root = Path(place) / "workspace"
        root.mkdir()
        return probe(root, Path(place) / "scratch").rung("sandbox").ok
