"""A provider's prompt cache, as far as tokens and money are concerned: what a request reads, writes, and pays whole.

Invariants:
- Two prefixes are the same when all their blocks are, in order; nothing else is compared.
- read + written + plain is what the request holds. Nothing below the rule's minimum is ever read or written.
- An entry lives its time from its last use, and use is a read of it or a write over it.

A model of it, not a copy: entries are never lost before their time, and are there from the moment a request
comes. What a real provider loses shows up as a difference to what it counted (``benchmarks.context``).

Cost of an ask: what differs from the ask before is walked in Python, what is the same is compared in C.
"""

from collections.abc import Sequence
from typing import Final, NamedTuple

from perdure.page.caching import CacheRule


class Block(NamedTuple):
    """A block of a prompt. Keep the objects: two asks with the same ones are compared by identity."""

    digest: str
    tokens: int


class Mark(NamedTuple):
    """The prefix that ends with the block at ``place`` is to be kept."""

    place: int
    long: bool = False
    """for the longer of the provider's two lives"""


class Served(NamedTuple):
    """What became of a request's tokens."""

    read: int
    written: int
    plain: int
    long: int = 0
    """those of ``written`` that are kept for the longer life"""


_PATHS_MAX: Final = 64
"""Prompts that a cache of longest prefixes remembers: each is the newest of its branch."""


class PromptCache:
    """The prompt cache of one provider, for one model and one account."""

    __slots__: tuple[str, ...] = ("_kept", "_nodes", "_past", "_paths", "_rule", "_tree", "_ttl")

    def __init__(self, rule: CacheRule, ttl: int = 0) -> None:
        """Behave as ``rule`` says; ``ttl`` in ns, where another than the rule's shorter one was seen."""
        self._rule: CacheRule = rule
        self._ttl: int = ttl or rule.ttl
        self._kept: dict[int, tuple[int, int]] = {}
        """node of a prefix that was written -> until when it lives, and how long from each use"""
        self._tree: dict[tuple[int, Block], int] = {}
        """(node, next block) -> node; 0 is the empty prefix"""
        self._past: list[Block] = []
        """the blocks of the newest ask, and for each of them its node and the tokens up to its end"""
        self._nodes: list[tuple[int, int]] = []
        self._paths: list[tuple[int, list[Block]]] = []
        """for longest prefixes: when, and what was sent, the newest last"""

    def ask(self, blocks: Sequence[Block], marks: Sequence[Mark], at: int) -> Served:
        """Serve a request that came at ``at`` (ns, never earlier than the one before), and keep what it says."""
        match self._rule.kind:
            case "none":
                return Served(0, 0, sum(block.tokens for block in blocks))
            case "longest":
                return self._ask_longest(list(blocks), at)
            case "marked" | "pointed":
                return self._ask_marked(list(blocks), marks, at)

    def peek(self, blocks: Sequence[Block], marks: Sequence[Mark], at: int) -> int:
        """Return the tokens that such a request would read, and change nothing."""
        match self._rule.kind:
            case "none":
                return 0
            case "longest":
                sent = list(blocks)
                return self._read_longest(sent, [tokens for _, tokens in self._walk(sent)], at)
            case "marked" | "pointed":
                nodes = self._walk(list(blocks))
                hit = self._found(nodes, self._places(len(nodes), marks), at)
                return nodes[hit][1] if hit >= 0 else 0

    def lose(self, blocks: Sequence[Block], places: int) -> None:
        """Of these blocks' prefixes, those that are longer than ``places`` blocks are kept no more."""
        sent = list(blocks)
        for node, _ in self._walk(sent)[places:]:
            self._kept.pop(node, None)
        self._paths = [
            (then, past[:places] if common(past, sent) > places else past) for then, past in self._paths
        ]

    def keep(self, blocks: Sequence[Block], places: int, at: int) -> None:
        """Somebody else sent the first ``places`` of these blocks at ``at``, and marked their end."""
        if places <= 0:
            return
        sent = list(blocks)
        node, tokens = self._walk(sent)[places - 1]
        if tokens >= self._rule.minimum:
            lives = max(self._kept.get(node, (0, 0))[1], self._ttl)
            self._kept[node] = (at + lives, lives)
        self._paths.append((at, sent[:places]))

    # -- prefixes that are kept at marks ------------------------------------------------------------

    def _ask_marked(self, blocks: list[Block], marks: Sequence[Mark], at: int) -> Served:
        nodes = self._walk(blocks)
        places = self._places(len(blocks), marks)
        hit = self._found(nodes, places, at)
        read = 0
        if hit >= 0:
            node, read = nodes[hit]
            lives = self._kept[node][1]
            self._kept[node] = (at + lives, lives)
        end, long_end = read, read
        for place, long in places:
            node, tokens = nodes[place]
            if tokens < self._rule.minimum:
                continue
            lives = self._rule.ttl_long if long and self._rule.ttl_long else self._ttl
            self._kept[node] = (at + lives, lives)
            end = max(end, tokens)
            long_end = max(long_end, tokens) if long else long_end
        total = nodes[-1][1] if nodes else 0
        return Served(read, end - read, total - end, long_end - read)

    def _places(self, count: int, marks: Sequence[Mark]) -> list[Mark]:
        """Return the marks that count in a request of ``count`` blocks, in order: the last ones."""
        if self._rule.kind == "pointed":
            marks = (*marks, Mark(count - 1))
        places = {mark.place: mark for mark in marks if 0 <= mark.place < count}
        return sorted(places.values())[-self._rule.marks :]

    def _found(self, nodes: list[tuple[int, int]], marks: list[Mark], at: int) -> int:
        """Return the place of the longest prefix that is kept and looked at; -1 if there is none."""
        lowest = len(nodes)
        for mark in reversed(marks):
            back = self._rule.look_back or len(nodes)
            for place in range(min(mark.place, lowest - 1), max(mark.place - back, -1), -1):
                if self._kept.get(nodes[place][0], (-1, 0))[0] >= at:
                    return place
            lowest = min(lowest, max(mark.place - back, -1) + 1)
        return -1

    def _walk(self, blocks: list[Block]) -> list[tuple[int, int]]:
        """Return for each block the node of the prefix that ends with it, and that prefix' tokens."""
        same = common(self._past, blocks)
        nodes, tree = self._nodes[:same], self._tree
        node, tokens = nodes[-1] if nodes else (0, 0)
        for block in blocks[same:]:
            step = (node, block)
            node = tree.setdefault(step, len(tree) + 1)
            tokens += block.tokens
            nodes.append((node, tokens))
        self._past, self._nodes = blocks, nodes
        return nodes

    # -- the longest prefix that was ever sent ------------------------------------------------------

    def _ask_longest(self, blocks: list[Block], at: int) -> Served:
        ends = [tokens for _, tokens in self._walk(blocks)]
        read = self._read_longest(blocks, ends, at)
        total = ends[-1] if ends else 0
        paths = [
            (then, past)
            for then, past in self._paths
            if (not self._ttl or then + self._ttl >= at) and common(past, blocks) < len(past)
        ]
        self._paths = [*paths, (at, blocks)][-_PATHS_MAX:]
        kept = total - total % self._rule.step
        written = max(0, kept - read) if kept >= self._rule.minimum else 0
        return Served(read, written, total - read - written)

    def _read_longest(self, blocks: list[Block], ends: list[int], at: int) -> int:
        best = 0
        for then, past in self._paths:
            if not self._ttl or then + self._ttl >= at:
                same = common(past, blocks)
                best = max(best, ends[same - 1] if same else 0)
        best -= best % self._rule.step
        return best if best >= self._rule.minimum else 0


def common(past: list[Block], blocks: list[Block]) -> int:
    """Return how many blocks in front are the same in both."""
    low, high = 0, min(len(past), len(blocks))
    if past[:high] == blocks[:high]:
        return high
    while high - low > 1:
        middle = (low + high) // 2
        if past[low:middle] == blocks[low:middle]:
            low = middle
        else:
            high = middle
    return low
