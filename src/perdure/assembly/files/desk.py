"""The desk that the built-in tools of one run work at: its workspace, its bounds, its shell."""

from pathlib import Path

from perdure.adapters.tools.desk import Touch
from perdure.adapters.workspace.rules import SECRET_NAMES, IgnoreRules
from perdure.assembly.files.shelter import Shelter
from perdure.assembly.files.workplace import Workplace
from perdure.contract import Law
from perdure.contract.grounds import Grounds, grounds_of


class RunDesk:
    """See ``perdure.adapters.tools.desk.Desk``."""

    def __init__(self, place: Workplace, law: Law, shelter: Shelter) -> None:
        """Work in ``place`` as ``law`` allows."""
        self._place: Workplace = place
        self._law: Law = law
        self._grounds: dict[str, Grounds] = {}
        self._rules: IgnoreRules = IgnoreRules(
            "", SECRET_NAMES if law.definition.secret_files is None else law.definition.secret_files
        )
        self.root: Path = place.root
        self.shell: Shelter = shelter

    def barred(self, tool: str, touch: Touch, path: str) -> str:
        """Return why ``tool`` may not touch ``path``."""
        name = path.rpartition("/")[2]
        if self._rules.secret_by_name(name):
            return f"{path!r} is declared secret: no tool reads or writes it"
        if tool not in self._grounds:
            self._grounds[tool] = grounds_of(self._law.contract, tool)
        return self._grounds[tool].barred(write=touch == "write", path=path)

    def telltales(self, path: str) -> tuple[bytes, ...]:
        """Return what a file at ``path`` holds only if it is secret."""
        return self._rules.secret_by_content(path.rpartition("/")[2])

    def noted(self, path: str, key: str) -> None:
        """Learn that the effect ``key`` has changed ``path``."""
        self._place.noted(path, key)
