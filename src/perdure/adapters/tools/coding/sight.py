"""What one tool may see and touch: a desk, asked for that tool."""

import os
from typing import Final, NamedTuple

from perdure.adapters.tools.desk import Desk, Touch
from perdure.adapters.tools.outcomes import NotDone

_LOOK_BYTES: Final = 1024 * 1024
"""Of a file that may be secret: keys and settings are a few kilobytes."""


class Sight(NamedTuple):
    """A desk as one tool sees it. All paths are relative to the root and lead through no link."""

    desk: Desk
    tool: str

    def judge(self, path: str, touch: Touch = "read") -> None:
        """Raise ``NotDone`` where the tool may not touch ``path``."""
        reason = self.desk.barred(self.tool, touch, path)
        if reason:
            raise NotDone(reason)

    def judge_writing(self, path: str) -> None:
        """Raise ``NotDone`` where the tool may not write to ``path``."""
        self.judge(path, "write")

    def hides(self, path: str) -> bool:
        """Tell whether the tool may not show that there is something at ``path``."""
        return bool(self.desk.barred(self.tool, "read", path))

    def hides_content(self, path: str, content: bytes) -> bool:
        """Tell whether a file at ``path`` is secret for what it holds."""
        return any(word in content for word in self.desk.telltales(path))

    def judge_content(self, path: str, descriptor: int) -> None:
        """Raise ``NotDone`` where the open file is secret for what it holds."""
        if self.desk.telltales(path) and self.hides_content(path, os.pread(descriptor, _LOOK_BYTES, 0)):
            raise NotDone(f"{path!r} holds a secret, and is shown to nobody")
