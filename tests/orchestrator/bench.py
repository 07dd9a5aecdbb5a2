"""A run in simulated time, step by step: what a person, a program and a world do, one after the other."""

from collections.abc import Callable, Sequence
from typing import Self

from perdure import Agent, Contract
from perdure.adapters.tools.tool import AnyTool
from perdure.assembly.agents.agent import SubAgent
from perdure.assembly.people import People
from perdure.driver.books import Books, text_of
from perdure.intention.declaration import Declaration
from perdure.log import events as e
from perdure.log.envelope import Event, unseal
from perdure.projection.state import State
from perdure.testing import ScriptedModel, SimClock, World
from perdure.testing.lives import Ending, History
from perdure.testing.lives import Script as Work
from perdure.testing.moments import When
from perdure.testing.oracle import Calm, judged
from perdure.testing.scripted import Script
from perdure.wire.prompt import Answered, Prompt, UserText

Tools = Sequence[AnyTool | SubAgent | Declaration]


class Bench:
    """An agent, its world, and the store that its runs are in."""

    def __init__(
        self,
        tools: Callable[[World], Tools],
        script: Script,
        *,
        contract: Contract | None = None,
        workspace: bool = False,
        reword: int | None = None,
        turns_max: int = 50,
    ) -> None:
        """Begin with an empty store and a world in which nothing was done."""
        self.world: World = World()
        self.script: Script = script
        self.contract: Contract | None = contract
        self.tools: Callable[[World], Tools] = tools
        self._workspace: bool = workspace
        self._turns_max: int = turns_max
        self.model: ScriptedModel = ScriptedModel(script, reword=reword)
        self.history: History = History(self.agent, self.world)

    def __enter__(self) -> Self:
        """Return the bench."""
        return self

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        """Whatever was done, the logs have to be sound: chained, folded and decided as they say."""
        try:
            if error is None:
                self.check()
        finally:
            self.history.discard()

    def agent(self) -> Agent:
        """Return the agent, made anew; it asks the same model."""
        self.model.script = self.script
        return Agent(
            name="clerk",
            instructions="Do what is asked.",
            tools=self.tools(self.world),
            model=self.model,
            contract=self.contract,
            workspace=self.world.workspace if self._workspace else None,
            turns_max=self._turns_max,
        )

    @property
    def store(self) -> Books:
        return self.history.store

    @property
    def people(self) -> People:
        return self.history.people

    def check(self) -> None:
        """Hold every run against its own log."""
        ending = self.ending()
        calm = Calm(ending.counts, 10**6, {}, {row.run: row.status for row in self.store.rows()})
        verdict = judged(ending, calm)
        assert not verdict.lost, verdict.lost
        assert not verdict.faults, "\n".join(verdict.faults)

    def ending(self) -> Ending:
        return self.history.ending()

    def live(self, work: Work) -> bool:
        """Live one life; tell whether it ended by itself."""
        return self.history.live(work)

    @property
    def clock(self) -> SimClock:
        return self.history.course.clock

    def kill(self, port: str, when: When = "after", words: str = "", *, at: int = 0) -> None:
        """Let the program die at the next such moment, once so much time has passed (ns)."""
        self.history.course.dooms.append(
            lambda here: (here.port, here.when) == (port, when) and words in here.words() and here.at_ns >= at
        )

    def start(self, text: str = "Go.", *, run: str = "run", tenant: str = "default") -> State:
        """Start a run and drive it until it rests."""
        self.live(lambda house, agent: house.start(agent, text, run=run, tenant=tenant))
        return self.state(run)

    def resume(self, run: str = "run") -> State:
        """Drive it until it rests, in as many lives as that takes."""
        while not self.live(lambda house, agent: house.resume(agent, run)):
            pass
        return self.state(run)

    def attend(self, run: str = "run") -> State:
        """Take its inbox in, without driving it."""
        self.live(lambda house, agent: house.attend(run))
        return self.state(run)

    def fork(self, at: int, *, run: str = "run", new: str = "fork") -> State:
        """Fork it."""
        self.live(lambda house, agent: house.fork(run, at=at, new=new))
        return self.state(new)

    def rewind(self, to: int, *, run: str = "run") -> State:
        """Take it back, and drive it until it rests."""
        self.people.rewind(run, to, by="operator")
        return self.resume(run)

    def state(self, run: str = "run") -> State:
        return self.ending().state(run)

    def events(self, run: str = "run") -> list[Event]:
        """Return all of its events."""
        return [unseal(stored) for stored in self.store.read(run, 0, 10**6)]

    def kinds(self, run: str = "run") -> list[str]:
        """Return the kinds of its events."""
        return [event.kind for event in self.events(run)]

    def position(self, kind: str, number: int = 1, *, run: str = "run") -> int:
        """Return where the ``number``-th event of a kind stands."""
        found = [event.position for event in self.events(run) if event.kind == kind]
        return found[number - 1]

    def refusals(self, run: str = "run") -> list[e.IntentionRefused]:
        """Return what was refused."""
        return [event.body for event in self.events(run) if isinstance(event.body, e.IntentionRefused)]

    def answer(self, run: str = "run") -> str:
        """Return what the run answered."""
        return text_of(self.store, self.state(run).answer)

    @property
    def prompts(self) -> list[Prompt]:
        return [prompt for _, prompt in self.history.witness.prompts]


def told(prompt: Prompt) -> list[str]:
    """Return all that a prompt says to the model."""
    return [entry.text for entry in prompt.entries if isinstance(entry, UserText | Answered)]
