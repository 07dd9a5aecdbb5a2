"""A conversation that is held for tests: the policy decides, the fold takes in, a modelled provider counts.

The provider is ``perdure.page.cache``, so prefixes are read only where the same blocks were written before. What
stands in a page's place is looked up in the state, as the gateway does.
"""

from collections.abc import Callable
from typing import NamedTuple

from perdure.log import events as e
from perdure.log.envelope import Event
from perdure.page.alone import MILLION, alone
from perdure.page.cache import Block, Mark, PromptCache, Served
from perdure.page.caching import CacheRule
from perdure.page.policy import moves, pins
from perdure.projection.evolve import evolve
from perdure.projection.state import Conversation, Page, State

SECOND = 1_000_000_000
TTL = 300 * SECOND
RULE = CacheRule("test", "", "longest", 0, TTL, 0, 1, 0, 0, 100, 1250, 1250, "", "2026-11-25")
TARIFF = e.Tariff(input=3_000_000, read=300_000, write=3_750_000, output=15_000_000, ttl=TTL)
UNCACHED = e.Tariff(input=3_000_000, read=3_000_000, write=3_000_000, output=15_000_000)
SUBSCRIBED = e.Tariff(3_000_000, 300_000, 3_750_000, 15_000_000, TTL, subscription=True)

Moves = Callable[[State, e.RequestForwarded, int], tuple[e.Body, ...]]
Pins = Callable[[State, e.PageFaulted], tuple[e.Body, ...]]


class Result(NamedTuple):
    """What a tool gave."""

    tokens: int
    about: str = "make"
    preview: int = 0
    tool: str = "Bash"
    exempt: str = ""
    call: str = "call"
    name: str = ""
    """of the page, where the test chooses it"""


class Talk:
    """One conversation, with everything that was ever written of it."""

    def __init__(
        self,
        *,
        mode: str = "safe",
        tariff: e.Tariff = TARIFF,
        room: int = 0,
        system: int = 30_000,
        moves: Moves = moves,
        pins: Pins = pins,
    ) -> None:
        self.events: list[Event] = []
        self.state = State()
        self.at = SECOND
        self.number = 0
        self.blocks: list[Block | str] = [Block("system", system)]
        """blocks, and pages by handle"""
        self.cost = self.alone_cost = 0
        """what was paid, and what append-only pays with the same provider: in prices of a million"""
        self.windows: list[int] = []
        self.tariff = tariff
        self._moves, self._pins = moves, pins
        self._cache, self._alone = PromptCache(RULE), PromptCache(RULE)
        self._recalled: list[Block] = []
        self._faults: list[str] = []
        self._put(e.RunOpened("gateway:test", "d", "c", "l", "t", 2))
        self._put(
            e.ConversationOpened("test", "messages", "m", mode=mode, recall=True, tariff=tariff, room=room)
        )

    @property
    def talk(self) -> Conversation:
        """The conversation as the state has it."""
        found = self.state.live.conversation
        assert found is not None
        return found

    def page(self, name: str) -> Page:
        """A page as the state has it."""
        return self.state.live.pages[name]

    def ask(
        self,
        *results: Result,
        wait: int = 5,
        said: int = 200,
        again: tuple[str, ...] = (),
        needs: Callable[["Talk"], tuple[str, ...]] = lambda _: (),
        purpose: str = "main",
        broken: str = "",
    ) -> list[e.Body]:
        """Send a request with new results; the reply recalls what ``needs`` names. Returns what was decided."""
        self.at += wait * SECOND
        self.number += 1
        arrived: list[e.Arrived] = []
        if said:
            self.blocks.append(Block(f"said {self.number}", said))
        before = self.whole()
        for index, result in enumerate(results):
            name = result.name or f"p-{self.number}-{index}"
            arrived.append(_arrived(name, result, before))
            before += result.tokens
            self.blocks.append(name)
        body = e.RequestForwarded(
            self.number,
            purpose,
            tokens=before,
            arrived=tuple(arrived),
            again=again,
            broken=broken,
        )
        self._put(body)
        decided = list(self._moves(self.state, body, self.at))
        for move in decided:
            self._put(move)
        first = self._served(self._window())
        self.cost += self._price(first)
        self.alone_cost += self._price(self._alone.ask(self._whole_blocks(), [Mark(10**9)], self.at))
        self._answer([self._usage(first), *(self._recall(name) for name in needs(self))])
        return decided

    def whole(self) -> int:
        """Tokens of the client's request, nothing moved."""
        return sum(block.tokens for block in self._whole_blocks())

    def forget(self) -> None:
        """Let the provider lose all that it has cached, for no reason that is told."""
        self._cache = PromptCache(RULE)

    def _recall(self, name: str) -> e.Usage:
        page = self.page(name)
        fault = e.PageFaulted(name, 0, page.content.size, page.tokens, self.number)
        self._put(fault)
        for pin in self._pins(self.state, fault):
            self._put(pin)
        self.blocks.append(Block(f"recalled {name} {self.number}", page.tokens))
        self._recalled.append(Block(f"recalled {name} {self.number}", page.tokens))
        served = self._served(self._window())
        self.cost += self._price(served) + 60 * self.tariff.output
        return self._usage(served, 60)

    def _answer(self, usages: list[e.Usage]) -> None:
        told = usages[-1]
        total = e.Usage(
            sum(each.input_tokens for each in usages),
            sum(each.output_tokens for each in usages),
            sum(each.cache_read_tokens for each in usages),
            sum(each.cache_write_tokens for each in usages),
            sum(each.cost_microusd for each in usages),
        )
        self.windows.append(told.input_tokens)
        expected = alone(self.state, usages[0], told)
        self._put(e.RequestAnswered(self.number, total, told, len(usages), alone_microusd=expected))

    def _window(self) -> list[Block]:
        pages = self.state.live.pages
        return [
            block
            if isinstance(block, Block)
            else Block(f"{block} {pages[block].shape}", pages[block].shown_tokens)
            for block in self.blocks
        ]

    def _whole_blocks(self) -> list[Block]:
        pages = self.state.live.pages
        recalled = set(self._recalled)
        return [
            block if isinstance(block, Block) else Block(f"{block} whole", pages[block].tokens)
            for block in self.blocks
            if not (isinstance(block, Block) and block in recalled)
        ]

    def _served(self, blocks: list[Block]) -> Served:
        return self._cache.ask(blocks, [Mark(len(blocks) - 1)], self.at)

    def _price(self, served: Served) -> int:
        tariff = self.tariff
        if not tariff.ttl:
            return (served.read + served.written + served.plain) * tariff.input
        return served.read * tariff.read + (served.written + served.plain) * tariff.write

    def _usage(self, served: Served, output: int = 0) -> e.Usage:
        read = served.read if self.tariff.ttl else 0
        tokens = served.read + served.written + served.plain
        cost = (self._price(served) + output * self.tariff.output) // MILLION
        return e.Usage(tokens, output, read, tokens - read if self.tariff.ttl else 0, cost)

    def _put(self, body: e.Body) -> None:
        event = Event("r", len(self.events) + 1, self.at, 1, 0, body)
        self.events.append(event)
        self.state = evolve(self.state, event)


def _arrived(name: str, result: Result, before: int) -> e.Arrived:
    size = result.tokens * 3
    shown = e.Content(result.preview * 3, f"a preview of {name}") if result.preview else None
    return e.Arrived(
        page=name,
        content=e.Content(size, None, f"digest of {name}"),
        tokens=result.tokens,
        call=result.call,
        tool=result.tool,
        about=result.about,
        before=before,
        exempt=result.exempt,
        preview=shown,
        preview_tokens=result.preview,
    )
