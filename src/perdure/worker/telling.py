"""What a worker says of its work: a line for people, or an object for programs, each with run, tenant, position and epoch.

Invariant: no credential of the process's surroundings and no password of an address is said, whoever wrote the words.
"""

import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Final

from perdure.values.digest import Json
from perdure.values.limits import WORKER_WORDS_MAX
from perdure.worker.outlet import Outlet

Tell = Callable[..., None]

EVENTS: Final[Mapping[str, str]] = {
    "run.taken": "the run of a silent process is taken over, which is named",
    "run.rests": "a run was driven until it ended, or waits: for what, until when, after how many seconds",
    "run.left": "another worker has the run after all",
    "run.waits": "the run can't be driven now; it is looked at again in seconds",
    "run.failed": "the agent's code raised something, or the log could not be gone on with; it is tried again",
    "run.parked": "nobody drives the run until a person says so: `perdure worker unpark RUN`",
    "run.let_go": "what was under way was cancelled, since the worker ends",
    "run.unseen": "the store could not be asked about the run",
    "sweep.failed": "the store could not be asked for runs that are called",
    "worker.serving": "it takes runs from here on",
    "worker.exposed": "its figures and probes, which ask for no password, are answered to other machines as well",
    "worker.drains": "it was told to end, and gives its runs back",
    "worker.leaves": "it could not give these runs back in time",
    "worker.ended": "it has ended, with this code; or another process of this host has, which is named",
    "worker.broke": "a part of it ended that should go on, so it ends as well",
    "worker.outdated": "the store's tables were made too new for it, so it ends",
    "worker.astray": "its clock and the database's are far apart: it begins nothing until they are not",
    "worker.risky": "the store's server does without something that acknowledged events need where a machine crashes",
    "worker.unheard": "the store did not answer its sign of life",
    "worker.adrift": "the store has not been heard of for seconds: it begins nothing",
    "worker.silent": "another process was silent for too long, and may not go on",
    "worker.judged": "this process was judged silent, and ends at once",
    "worker.alone": "the store was not heard of for too long, and the process ends at once",
    "worker.end_unsaid": "it could not tell the registry that it has ended",
}
"""All that is said, and when."""

LAST: Final = frozenset({"worker.ended", "worker.judged", "worker.alone", "worker.broke"})
"""After which the process may end at once."""

WARNINGS: Final = frozenset(
    {
        "run.failed",
        "run.parked",
        "worker.silent",
        "worker.judged",
        "worker.adrift",
        "worker.alone",
        "worker.astray",
        "worker.broke",
        "worker.exposed",
        "worker.leaves",
        "worker.outdated",
        "worker.risky",
    }
)
"""What somebody may want to know of at once."""


class Teller:
    """Writes lines to standard error, whole ones whatever thread they come from."""

    def __init__(self, *, as_json: bool, hushed: Callable[[str], str] = str) -> None:
        """Say it to people, or as JSON to programs, each text as ``hushed`` returns it."""
        self.process: str = ""
        """this process, as the registry has it"""
        self._as_json: bool = as_json
        self._hushed: Callable[[str], str] = hushed
        self._outlet: Outlet = Outlet()

    def __call__(self, event: str, **words: Json) -> None:
        """Say that ``event`` has come, with what there is to know of it."""
        warns = event in WARNINGS
        at = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        told = {
            name: self._hushed(value) if isinstance(value, str) else value for name, value in words.items()
        }
        if self._as_json:
            level = "warning" if warns else "info"
            said = {"at": at, "level": level, "event": event, "process": self.process, **told}
            line = json.dumps(said, ensure_ascii=False, default=str)
        else:
            rest = " ".join(
                f"{name}={_spelled(value)}" for name, value in told.items() if value not in ("", None)
            )
            line = f"{at[11:23]} {event} {rest}".rstrip()
        self._outlet.say(line)
        if event in LAST:
            self.drain()

    def drain(self) -> None:
        """What was said is written, unless nobody reads it."""
        self._outlet.drain()


def words_of(error: BaseException) -> str:
    """Return what is wrong as a text that any store can keep, whatever somebody's code has put into it."""
    said = f"{type(error).__name__}: {error}".replace("\0", "\N{REPLACEMENT CHARACTER}")
    said = said.encode("utf-8", "replace").decode()
    return said if len(said) <= WORKER_WORDS_MAX else f"{said[:WORKER_WORDS_MAX]}..."


def _spelled(value: Json) -> str:
    text = str(value)
    return json.dumps(text, ensure_ascii=False) if " " in text or "\n" in text else text
