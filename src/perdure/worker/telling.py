"""What a worker says of its work: a line for people, or an object for programs, each with run and position."""

import json
import sys
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final

from perdure.values.digest import Json

Tell = Callable[..., None]

_LEVELS: Final = frozenset({"run.failed", "run.parked", "worker.silent", "worker.judged", "worker.adrift"})
"""What somebody may want to be woken for."""


class Teller:
    """Writes lines to standard error, whole ones whatever thread they come from."""

    def __init__(self, *, as_json: bool) -> None:
        """Say it to people, or as JSON to programs."""
        self.process: str = ""
        """this process, as the registry has it"""
        self._as_json: bool = as_json
        self._guard: threading.Lock = threading.Lock()

    def __call__(self, event: str, **words: Json) -> None:
        """Say that ``event`` has come, with what there is to know of it."""
        warns = event in _LEVELS
        at = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        if self._as_json:
            level = "warning" if warns else "info"
            said = {"at": at, "level": level, "event": event, "process": self.process, **words}
            line = json.dumps(said, ensure_ascii=False, default=str)
        else:
            rest = " ".join(
                f"{name}={_spelled(value)}" for name, value in words.items() if value not in ("", None)
            )
            line = f"{at[11:23]} {event} {rest}".rstrip()
        with self._guard:
            sys.stderr.write(line + "\n")
            sys.stderr.flush()


def _spelled(value: Json) -> str:
    text = str(value)
    return json.dumps(text, ensure_ascii=False) if " " in text or "\n" in text else text
