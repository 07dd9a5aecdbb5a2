"""perdure's own half: durable turns with one effect, measured as the peers are.

A turn is: the model's reply and the promise durable, the tool runs, its outcome and the next request
durable. Reply and result each bring half of the payload, new and incompressible. The model and the tool
cost nothing, so what is measured is the runtime: the whole public path, `perdure.open` and `store.start`.
"""

import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path
from typing import Any

import perdure
from benchmarks.peers.meter import Texts
from perdure.adapters.sqlite.writer import Writer as StoreWriter
from perdure.adapters.tools.tool import Tool
from perdure.driver import drive
from perdure.driver.prompting import Prompter
from perdure.driver.writer import RunWriter
from perdure.intention.reply import Call, Reply
from perdure.log.events import Usage
from perdure.wire.prompt import Prompt


class _Endless:
    """A model that calls the tool until the run has had its turns, at no cost of its own."""

    def __init__(self, texts: Texts, turns: int, marks: list[float], first: int) -> None:
        self.texts, self.turns, self.marks = texts, turns + first, marks
        self.asked = first

    async def ask(
        self,
        prompt: Prompt,
        *,
        key: str,
        on_text: Callable[[str], None] | None,
        timeout: float,  # noqa: ASYNC109 - the port's signature
    ) -> Reply:
        self.marks.append(time.perf_counter())
        del prompt, key, on_text, timeout
        self.asked += 1
        if self.asked > self.turns:
            return Reply(text="done")
        return Reply(
            text=self.texts.fresh(),
            calls=(Call(f"c{self.asked}", "work", {"n": self.asked}),),
            usage=Usage(10, 10),
        )

    async def close(self) -> None:
        """Nothing is held."""


def agent_of(turns: int, payload_bytes: int, marks: list[float], *, first: int = 0) -> perdure.Agent:
    """An agent that makes `turns` turns, noting in `marks` when its model is asked; `first` were made before."""
    texts = Texts(payload_bytes)

    @perdure.tool(effect="idempotent")
    async def work(n: int) -> str:
        """Do one piece of work."""
        del n
        return texts.fresh()

    assert isinstance(work, Tool)
    return perdure.Agent(
        name="bench", instructions="work", tools=[work], model=_Endless(texts, turns, marks, first)
    )


def measure_turns(place: Path | str, *, runs: int, turns: int, payload_bytes: int = 2048) -> dict[str, Any]:
    """Drive `runs` runs of `turns` turns in one process and return the figures of the timed stretch."""
    with perdure.open(place) as store:
        warm: list[float] = []
        store.start(agent_of(3, payload_bytes, warm), "warm up", run="warm").wait()
        marks: list[list[float]] = [[] for _ in range(runs)]
        agents = [agent_of(turns, payload_bytes, mark) for mark in marks]
        for agent in agents:
            agent.rules()  # an agent is made ready once, not once for each of its runs
        began, cpu = time.perf_counter(), time.process_time()
        running = [store.start(agent, "go", run=f"run-{index}") for index, agent in enumerate(agents)]
        with ThreadPoolExecutor(1) as waiter:
            outcomes = [waiter.submit(run.wait).result() for run in running]
        took, cpu = time.perf_counter() - began, time.process_time() - cpu
        assert all(isinstance(outcome, perdure.Finished) for outcome in outcomes), outcomes
    gaps = [later - earlier for mark in marks for earlier, later in pairwise(mark)]
    return {
        "runs": runs,
        "turns": turns,
        "turns_per_s": runs * turns / took,
        "turn_ms_median": statistics.median(gaps) * 1000,
        "turn_cpu_ms": cpu / (runs * turns) * 1000,
    }


Timed = tuple[Any, str, str]
"""(a class or module, a function of it, what that does)"""

PARTS: tuple[Timed, ...] = (
    (RunWriter, "_decide", "deciding (step, fold, identity, contract)"),
    (RunWriter, "_batch", "sealing (JSON, SHA-256)"),
    (Prompter, "prompt", "rendering the prompt"),
    (drive, "wanted", "saying what is wanted"),
)
IN_SQLITE: Timed = (StoreWriter, "_together", "two transactions (statements, compression, two commits)")


def measure_parts(
    place: Path | str,
    *,
    runs: int = 1,
    turns: int = 400,
    payload_bytes: int = 2048,
    parts_of_store: Sequence[Timed] = (IN_SQLITE,),
) -> dict[str, float]:
    """CPU milliseconds a turn in each part of the turns of `runs` runs; the parts are timed from outside, one by one."""
    parts: dict[str, float] = {}

    def timed(owner: Any, name: str, label: str) -> tuple[Any, str, Any]:
        inner = getattr(owner, name)

        def outer(*args: Any, **named: Any) -> Any:
            began = time.thread_time()
            try:
                return inner(*args, **named)
            finally:
                parts[label] = parts.get(label, 0.0) + time.thread_time() - began

        setattr(owner, name, outer)
        return owner, name, inner

    swaps = [timed(*each) for each in (*parts_of_store, *PARTS)]
    try:
        whole = measure_turns(place, runs=runs, turns=turns, payload_bytes=payload_bytes)
    finally:
        for owner, name, inner in swaps:
            setattr(owner, name, inner)
    found = {label: seconds / (runs * turns) * 1000 for label, seconds in parts.items()}
    found["the rest (event loop, tasks, threads, model and tool)"] = whole["turn_cpu_ms"] - sum(
        found.values()
    )
    return found


def measure_disk(directory: Path, *, turns: int, payload_bytes: int = 2048) -> int:
    """Bytes that one run of `turns` turns leaves in a store that is closed, an empty store's taken off."""
    with perdure.open(directory) as store:
        store.start(agent_of(1, payload_bytes, []), "warm up", run="warm").wait()
    before = _disk(directory)
    with perdure.open(directory) as store:
        store.start(agent_of(turns, payload_bytes, []), "go", run="long").wait()
    return _disk(directory) - before


def _disk(directory: Path) -> int:
    return sum(path.stat().st_size for path in directory.rglob("*") if path.is_file())


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as place:
        runs_asked, turns_asked = (int(each) for each in (*sys.argv[1:3], *("1", "200")[len(sys.argv) - 1 :]))
        sys.stdout.write(json.dumps(measure_turns(Path(place), runs=runs_asked, turns=turns_asked)) + "\n")
