"""One life of a program that records a workspace and puts it back; it is killed before a given call of the store.

    python -m benchmarks.harness.life FOLDER MOMENT

It begins the run, or goes on with it, until the run has ended and was taken back to its second turn. A moment
of 0 kills nothing. The last line says how many moments there were.
"""

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import cast

from perdure import Agent, Context, tool
from perdure.adapters.sqlite import SqliteStore
from perdure.assembly.store import Store
from perdure.driver.books import Books
from perdure.log import events as e
from perdure.testing import ScriptedModel, call, say
from perdure.values.errors import UnknownRun

RUN = "life"
LARGE_BYTES = 1_500_000
"""Above what is one blob: it is stored in pieces, by a recipe."""

COUNTED = ("put", "has", "flush", "append", "get")
"""Calls of the store that a recording or a restore is made of; a death comes before one, or right after."""


class Mortal:
    """A store whose caller dies at its ``moment``-th moment."""

    def __init__(self, books: SqliteStore, moment: int) -> None:
        """Count the calls of ``books``."""
        self._books: SqliteStore = books
        self._moment: int = moment
        self.moments: int = 0

    def __getattr__(self, name: str) -> object:
        """Return the store's own method, with a moment before it and one after it."""
        found = cast("Callable[..., object]", getattr(self._books, name))
        if name not in COUNTED:
            return found

        def counted(*args: object, **kwargs: object) -> object:
            self._pass()
            answer = found(*args, **kwargs)
            self._pass()
            return answer

        return counted

    def _pass(self) -> None:
        self.moments += 1
        if self.moments == self._moment:
            os.kill(os.getpid(), signal.SIGKILL)


@tool(effect="workspace")
def change(ctx: Context, step: int) -> str:
    """Change files: new ones, old ones, a large one, a link, a mode, a deletion."""
    root = ctx.workspace
    assert root is not None
    (root / f"step-{step}.txt").write_text(f"{step}\n" * step)
    (root / "growing.txt").write_text("".join(f"line {number}\n" for number in range(step * 3)))
    (root / "large.bin").write_bytes(
        bytes((number * step) % 251 for number in range(1000)) * (LARGE_BYTES // 1000)
    )
    folder = root / "folder" / f"of-{step % 2}"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "deep.txt").write_text(str(step))
    link = root / "newest"
    link.unlink(missing_ok=True)
    link.symlink_to(f"step-{step}.txt")
    (root / "growing.txt").chmod(0o600 if step % 2 else 0o755)
    (root / f"step-{step - 2}.txt").unlink(missing_ok=True)
    return f"step {step}"


def agent_in(project: Path) -> Agent:
    """Return the agent."""
    steps = [call("change", step=number) for number in (1, 2, 3)]
    model = ScriptedModel([*steps, say("done")])
    return Agent(name="worker", instructions="Work.", tools=[change], model=model, workspace=project)


def live(folder: Path, moment: int, make: "type[Mortal]" = Mortal) -> int:
    """Live until the run has ended and is taken back; return how many moments there were."""
    project = folder / "project"
    project.mkdir(exist_ok=True)
    books = SqliteStore(folder / "store")
    mortal = make(books, moment)
    with Store(cast("Books", cast("object", mortal)), books.close, scratch=folder / "scratch") as store:
        agent = agent_in(project)
        try:
            state = store.state(RUN)
        except UnknownRun:
            state = None
        if state is None or not state.position:
            store.start(agent, "Go.", run=RUN).wait()
        elif store.books.inbox(RUN):
            # It died when the rewind was told and not yet taken in: going on would do the third turn again.
            store.call(store.house.attend(RUN))
        elif not any(isinstance(each.body, e.RunRewound) for each in store.events(RUN)):
            store.resume(agent, RUN).wait()
        if not any(isinstance(each.body, e.RunRewound) for each in store.events(RUN)):
            store.rewind(RUN, to=second_turn(store), by="operator")
        elif store.state(RUN).live.put_back is not None:
            store.call(store.house.attend(RUN))
    return mortal.moments


def second_turn(store: Store) -> int:
    """Return the position at which the model was first asked for its third turn."""
    asked = [each.position for each in store.events(RUN) if isinstance(each.body, e.ModelRequested)]
    numbers = [each.body.turn for each in store.events(RUN) if isinstance(each.body, e.ModelRequested)]
    return asked[numbers.index(3)]


if __name__ == "__main__":
    print(live(Path(sys.argv[1]), int(sys.argv[2])))
