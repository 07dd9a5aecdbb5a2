"""An agent whose tools give long results, and a model that is metered as a provider meters it."""

from collections.abc import Callable, Sequence
from typing import TypeVar

import msgspec

from perdure import Agent, tool
from perdure.adapters.tools.tool import AnyTool
from perdure.intention.declaration import Declaration, Paging
from perdure.intention.reply import Reply
from perdure.log import events as e
from perdure.page.handles import handles_in
from perdure.testing import ScriptedModel, World, call, say
from perdure.testing.scripted import turns_of
from perdure.wire.prompt import Answered, Prompt
from tests.orchestrator.bench import Bench

MINUTE_NS = 60 * 10**9
TARIFF = e.Tariff(
    input=3_000_000, read=300_000, write=3_750_000, output=15_000_000, ttl=5 * MINUTE_NS, minimum=1024
)
"""A model that reads its cache at a tenth, and keeps it for five minutes."""

PAGING = Paging("safe", tariff=TARIFF)
NOCACHE = Paging("nocache", tariff=e.Tariff(input=3_000_000, output=15_000_000))

B = TypeVar("B", bound=e.Body)
Next = Callable[[Prompt], Reply] | Reply


def long_text(name: str, lines: int = 300) -> str:
    """Return what ``fetch`` gives: source code with a token in the middle that no preview shows."""
    body = "".join(f"    value_{line} = compute({line}, '{name}')\n" for line in range(lines // 2))
    return f"def {name}() -> None:\n{body}    token = 'secret of {name}'\n{body}    return None\n"


@tool(effect="read")
async def fetch(name: str) -> str:
    """Fetch a long text."""
    return long_text(name)


@tool(effect="read")
async def count(upto: int) -> list[dict[str, int]]:
    """Count, and give no text but JSON."""
    return [{"number": number, "square": number * number} for number in range(upto)]


class Metered(ScriptedModel):
    """A scripted model whose replies say what they took, by what stood in the prompt before."""

    def __init__(self, script: Sequence[Next], *, tariff: e.Tariff = TARIFF, density: int = 300) -> None:
        """Say ``script``; tokens are ``density`` bytes to the hundred."""
        super().__init__(self._metered)
        self._lines: tuple[Next, ...] = tuple(script)
        self._tariff: e.Tariff = tariff
        self._density: int = density
        self._before: bytes = b""

    def _metered(self, prompt: Prompt) -> Reply:
        line = self._lines[turns_of(prompt)]
        reply = line if isinstance(line, Reply) else line(prompt)
        whole, cached = spelled(prompt), 0
        if self._tariff.ttl:
            cached = next(
                (
                    at
                    for at, (one, other) in enumerate(zip(whole, self._before, strict=False))
                    if one != other
                ),
                min(len(whole), len(self._before)),
            )
        self._before = whole
        return msgspec.structs.replace(reply, usage=self._usage(len(whole), cached))

    def _usage(self, size: int, cached: int) -> e.Usage:
        tokens, read = size * 100 // self._density, cached * 100 // self._density
        price = self._tariff
        fresh = (tokens - read) * (price.write or price.input)
        cost = (read * price.read + fresh + 200 * price.output) // 1_000_000
        return e.Usage(tokens, 200, read, tokens - read if price.ttl else 0, cost)


def spelled(prompt: Prompt) -> bytes:
    """Return all that a prompt says, as bytes: equal prompts have equal ones."""
    return msgspec.json.encode(prompt)


class PagingBench(Bench):
    """A bench whose agent pages its window."""

    def __init__(
        self,
        script: Sequence[Next],
        *,
        paging: Paging | str = PAGING,
        tools: Sequence[AnyTool | Declaration] = (fetch, count),
    ) -> None:
        """Begin with an empty store."""
        super().__init__(lambda _: tools, [])
        self.paging: Paging | str = paging
        tariff = paging.tariff if isinstance(paging, Paging) else TARIFF
        self.model: ScriptedModel = Metered(script, tariff=tariff)

    def agent(self) -> Agent:
        """Return the agent, made anew; it asks the same model."""
        return Agent(
            name="clerk",
            instructions="Do what is asked.",
            tools=self.tools(World()),
            model=self.model,
            turns_max=80,
            context=self.paging,  # pyright: ignore[reportArgumentType]
        )

    def kill_at(self, number: int) -> None:
        """Let the program die at the moment of that number."""
        self.history.course.dooms.append(lambda here: here.number == number)

    def bodies(self, kind: type[B]) -> list[B]:
        """Return the events of a kind."""
        return [event.body for event in self.events() if isinstance(event.body, kind)]


def answers(prompt: Prompt) -> list[str]:
    """Return what stands for each answered call in ``prompt``."""
    return [entry.text for entry in prompt.entries if isinstance(entry, Answered)]


def recalled(which: int, **more: int | str) -> Callable[[Prompt], Reply]:
    """Return a reply that asks for the page whose handle stands in the answer number ``which``."""

    def asking(prompt: Prompt) -> Reply:
        (handle,) = handles_in(answers(prompt)[which])[:1]
        return call("perdure_recall", page=handle, **more)

    return asking


def fetches(count: int) -> list[Next]:
    """Return replies that fetch so many texts, one after the other."""
    return [call("fetch", name=f"part{number}") for number in range(count)]


DONE = say("done")
