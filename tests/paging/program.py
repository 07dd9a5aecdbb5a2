"""A program whose agent pages its window in a real store, and that is killed while its model is asked.

``python -m tests.paging.program DIRECTORY [KILL]``: starts the run, or takes it up. Each prompt is written to the
directory before it is answered; at ask number KILL of this life the process kills itself. The file that the agent
reads is written anew at the start of each life: what left the window may only come from the log.
"""

import os
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import perdure
from perdure import Agent, Paging, tool
from perdure.intention.reply import Reply
from perdure.testing import call
from perdure.wire.prompt import Prompt
from tests.paging.kit import DONE, NOCACHE, Metered, Next, fetches, long_text, recalled, spelled

SCRIPT: Sequence[Next] = [
    call("read_notes", path="notes.txt"),
    *fetches(7),
    recalled(0),
    recalled(1),
    DONE,
]


def notes(life: int) -> str:
    """Return what stands in the file in that life."""
    return f"notes of life {life}\n" + long_text(f"life{life}")


class Watched(Metered):
    """A model that writes down what it is asked with, and dies where it is told to."""

    def __init__(self, directory: Path, kill: int) -> None:
        """Write prompts below ``directory``."""
        super().__init__(SCRIPT, tariff=NOCACHE.tariff)
        self._directory: Path = directory
        self._kill: int = kill
        self._asks: int = 0

    async def ask(
        self,
        prompt: Prompt,
        *,
        key: str,
        on_text: Callable[[str], None] | None = None,
        timeout: float = 60.0,  # noqa: ASYNC109 - the port's signature
    ) -> Reply:
        """Write the prompt down; then answer, or die."""
        self._asks += 1
        turn, attempt = key.rsplit("-", 2)[1:]
        (self._directory / f"prompt-{int(turn):03d}-{attempt}.json").write_bytes(spelled(prompt))
        if self._asks == self._kill:
            os.kill(os.getpid(), signal.SIGKILL)
        return await super().ask(prompt, key=key, on_text=on_text, timeout=timeout)


def main(directory: Path, kill: int) -> None:
    """Live one life."""
    lives = directory / "lives"
    life = int(lives.read_text()) + 1 if lives.exists() else 1
    lives.write_text(str(life))
    file = directory / "notes.txt"
    file.write_text(notes(life))

    @tool(effect="read", reads=("path",))
    async def read_notes(path: str) -> str:
        """Read the notes."""
        return (directory / path).read_text()

    @tool(effect="read")
    async def fetch(name: str) -> str:
        """Fetch a long text."""
        return long_text(name)

    agent = Agent(
        name="clerk",
        instructions="Do what is asked.",
        tools=[read_notes, fetch],
        model=Watched(directory, kill),
        context=Paging("nocache", tariff=NOCACHE.tariff),
    )
    with perdure.open(directory / "store") as store:
        rows = {row.run for row in store.runs()}
        run = store.resume(agent, "run") if "run" in rows else store.start(agent, "Go.", run="run")
        run.wait()
        print(run.state.status)
        print(store.verify("run").ok, store.replay("run").difference)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 0)
