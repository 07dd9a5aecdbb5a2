"""perdure on PostgreSQL, measured as its peers are: the whole public path, `perdure.open` and `store.start`.

What is durable: the reply, what was decided on it and the promise of the effect in one transaction, before the tool
starts; its outcome and the next request in another. It runs in perdure's own environment. `careless` is a build that
doesn't wait for the disk, which the meter has to notice.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import meter
import postgres_meter

import perdure
from perdure.adapters.postgres.link import connecting
from perdure.intention.reply import Call, Reply
from perdure.log.events import Usage
from perdure.wire.prompt import Prompt

ABOUT = meter.About(
    peer="perdure_postgres",
    package="perdure",
    variants=("stock", "careless"),
    concurrency="an asyncio task for each run, one writing connection",
)


class Scripted:
    """A model that calls the tool until the run's course is over, at no cost of its own."""

    def __init__(self, texts: meter.Texts, tally: postgres_meter.Tally) -> None:
        self.course = meter.Course(turns=0, seconds=0)
        self._texts, self._tally = texts, tally

    async def ask(
        self,
        prompt: Prompt,
        *,
        key: str,
        on_text: Callable[[str], None] | None,
        timeout: float,  # noqa: ASYNC109 - the port's signature
    ) -> Reply:
        del prompt, on_text, timeout
        run, turn, _attempt = key.rsplit("-", 2)
        if not self.course.more(run):
            self.course.done(run)
            return Reply(text="done")
        self.course.turn(run)
        self._tally.reply()
        call = Call(f"c{turn}", "work", {"n": int(turn)})
        return Reply(text=self._texts.fresh(), calls=(call,), usage=Usage(10, 10))

    async def close(self) -> None:
        """Nothing is held."""


class Perdure:
    """One store, one agent; a run's course is in its model's hand."""

    def __init__(self, ask: postgres_meter.Ask, texts: meter.Texts, tally: postgres_meter.Tally) -> None:
        @perdure.tool(effect="idempotent")
        async def work(n: int) -> str:
            """Do one piece of work."""
            del n
            tally.effect()
            return texts.fresh()

        if ask.variant == "careless":
            _dont_wait()
        self._model = Scripted(texts, tally)
        self._agent = perdure.Agent(name="bench", instructions="work", tools=[work], model=self._model)
        self._store = perdure.open(ask.dsn)

    def go(self, course: meter.Course, runs: Sequence[str]) -> None:
        self._model.course = course
        with ThreadPoolExecutor(len(runs)) as threads:
            outcomes = list(threads.map(self._one, runs))
        assert all(isinstance(outcome, perdure.Finished) for outcome in outcomes), outcomes

    def _one(self, run: str) -> object:
        return self._store.start(self._agent, "go", run=run).wait()

    def close(self) -> None:
        self._store.close()


def _dont_wait() -> None:
    """From now on no connection of ours waits for the disk: what our own setting of each connection prevents."""
    name = "_SETTLED"
    careful = str(getattr(connecting, name))
    careless = careful.replace("ELSE 'on'", "ELSE 'off'")
    if careless == careful:
        raise AssertionError("connections are settled in another way now: this build isn't careless")
    setattr(connecting, name, careless)


if __name__ == "__main__":
    postgres_meter.main(ABOUT, Perdure)
