"""The model of a provider's prompt cache, beside a slow one that is written down from the rules."""

from dataclasses import dataclass, field

from hypothesis import given
from hypothesis import strategies as st

from perdure.page.cache import Block, Mark, PromptCache, Served
from perdure.page.caching import HOUR_NS, MINUTE_NS, NONE, CacheRule, cache_rule

CLAUDE, GPT, POINTED = cache_rule("claude-opus-5"), cache_rule("gpt-5.2"), cache_rule("gpt-6-sol")
SYSTEM = Block("system", 5000)


def turns(count: int, tokens: int = 300) -> list[Block]:
    return [SYSTEM, *(Block(f"turn {number}", tokens) for number in range(count))]


@dataclass
class Slow:
    """Every prefix is a tuple of blocks; nothing is shared, nothing is clever."""

    rule: CacheRule
    kept: dict[tuple[Block, ...], tuple[int, int]] = field(default_factory=dict)
    sent: list[tuple[int, tuple[Block, ...]]] = field(default_factory=list)

    def ask(self, blocks: list[Block], marks: list[Mark], at: int) -> Served:
        total = sum(block.tokens for block in blocks)
        if self.rule.kind == "none":
            return Served(0, 0, total)
        if self.rule.kind == "longest":
            return self._longest(blocks, at, total)
        if self.rule.kind == "pointed":
            marks = [*marks, Mark(len(blocks) - 1)]
        by_place = {mark.place: mark for mark in marks if 0 <= mark.place < len(blocks)}
        chosen = [by_place[place] for place in sorted(by_place)][-self.rule.marks :]
        looked = {
            place
            for mark in chosen
            for place in range(mark.place, -1, -1)
            if not self.rule.look_back or mark.place - place < self.rule.look_back
        }
        alive = [place for place in looked if self.kept.get(tuple(blocks[: place + 1]), (-1, 0))[0] >= at]
        read = 0
        if alive:
            prefix = tuple(blocks[: max(alive) + 1])
            read = sum(block.tokens for block in prefix)
            self.kept[prefix] = (at + self.kept[prefix][1], self.kept[prefix][1])
        end = long_end = read
        for place, long in chosen:
            prefix = tuple(blocks[: place + 1])
            tokens = sum(block.tokens for block in prefix)
            if tokens >= self.rule.minimum:
                lives = self.rule.ttl_long if long and self.rule.ttl_long else self.rule.ttl
                self.kept[prefix] = (at + lives, lives)
                end = max(end, tokens)
                long_end = max(long_end, tokens) if long else long_end
        return Served(read, end - read, total - end, long_end - read)

    def _longest(self, blocks: list[Block], at: int, total: int) -> Served:
        best = 0
        for then, past in self.sent:
            if self.rule.ttl and then + self.rule.ttl < at:
                continue
            tokens = 0
            for ours, theirs in zip(blocks, past, strict=False):
                if ours != theirs:
                    break
                tokens += ours.tokens
            best = max(best, tokens)
        self.sent.append((at, tuple(blocks)))
        step, least = self.rule.step, self.rule.minimum
        read = best // step * step if best // step * step >= least else 0
        kept = total // step * step
        written = max(0, kept - read) if kept >= least else 0
        return Served(read, written, total - read - written)


block = st.builds(Block, st.sampled_from("abc"), st.sampled_from([40, 128, 600, 1500]))
ask = st.tuples(
    st.lists(block, max_size=30),
    st.lists(st.builds(Mark, st.integers(-1, 31), st.booleans()), max_size=6),
    st.sampled_from([0, 1, 4 * MINUTE_NS, 6 * MINUTE_NS, 31 * MINUTE_NS, 61 * MINUTE_NS]),
)


@given(st.sampled_from([CLAUDE, GPT, POINTED, NONE, cache_rule("x", "local")]), st.lists(ask, max_size=12))
def test_the_fast_model_serves_as_the_slow_one(
    rule: CacheRule, asks: list[tuple[list[Block], list[Mark], int]]
):
    fast, slow, at = PromptCache(rule), Slow(rule), 0
    for blocks, marks, pause in asks:
        at += pause
        peeked = fast.peek(blocks, marks, at)
        served = fast.ask(blocks, marks, at)
        assert served == slow.ask(blocks, marks, at)
        assert served.read == peeked
        assert served.read + served.written + served.plain == sum(block.tokens for block in blocks)


def test_a_growing_conversation_reads_what_it_wrote():
    cache = PromptCache(CLAUDE)
    assert cache.ask(turns(2), [Mark(0), Mark(2)], 0) == Served(0, 5600, 0)
    assert cache.ask(turns(4), [Mark(0), Mark(4)], MINUTE_NS) == Served(5600, 600, 0)


def test_a_cold_cache_is_written_anew():
    cache = PromptCache(CLAUDE)
    cache.ask(turns(2), [Mark(2)], 0)
    assert cache.ask(turns(2), [Mark(2)], 5 * MINUTE_NS + 1) == Served(0, 5600, 0)


def test_each_use_is_a_new_life():
    cache = PromptCache(CLAUDE)
    reads = [cache.ask(turns(2), [Mark(2)], number * 4 * MINUTE_NS).read for number in range(5)]
    assert reads == [0, 5600, 5600, 5600, 5600]


def test_an_hour_is_an_hour():
    cache = PromptCache(CLAUDE)
    assert cache.ask(turns(2), [Mark(0, long=True), Mark(2)], 0) == Served(0, 5600, 0, 5000)
    assert cache.ask(turns(2), [Mark(0, long=True), Mark(2)], 30 * MINUTE_NS) == Served(5000, 600, 0)
    assert CLAUDE.ttl_long == HOUR_NS


def test_what_lies_more_than_twenty_blocks_before_a_mark_is_not_found():
    near, far = PromptCache(CLAUDE), PromptCache(CLAUDE)
    for cache in (near, far):
        cache.ask(turns(1), [Mark(1)], 0)
    assert near.ask(turns(20), [Mark(20)], 1).read == 5300
    assert far.ask(turns(21), [Mark(21)], 1).read == 0


def test_a_change_in_the_middle_leaves_what_was_marked_before_it():
    cache = PromptCache(CLAUDE)
    before = turns(30)
    cache.ask(before, [Mark(0), Mark(30)], 0)
    after = [*before[:10], Block("a stub", 20), *before[11:]]
    assert cache.ask(after, [Mark(0), Mark(30)], 1).read == SYSTEM.tokens
    longest = PromptCache(GPT)
    longest.ask(before, [], 0)
    assert longest.ask(after, [], 1).read == (5000 + 9 * 300) // 128 * 128


def test_what_is_too_short_is_not_kept():
    cache = PromptCache(cache_rule("claude-haiku-4-5"))
    small = [Block("system", 4000)]
    assert cache.ask(small, [Mark(0)], 0) == Served(0, 0, 4000)
    assert cache.ask(small, [Mark(0)], 1) == Served(0, 0, 4000)


def test_what_the_provider_lost_is_written_anew_once():
    for rule in (CLAUDE, GPT):
        cache, blocks = PromptCache(rule), turns(10)
        cache.ask(blocks, [Mark(4), Mark(10)], 0)
        cache.lose(blocks, 5)
        assert cache.ask(blocks, [Mark(4), Mark(10)], 1).read == (5000 + 4 * 300) // rule.step * rule.step
        assert cache.ask(blocks, [Mark(4), Mark(10)], 2).read == 8000 // rule.step * rule.step


def test_what_another_session_sent_is_found():
    for rule in (CLAUDE, GPT):
        cache = PromptCache(rule)
        cache.keep(turns(3), 1, 0)
        assert cache.ask(turns(10), [Mark(0), Mark(10)], 1).read == 5000 // rule.step * rule.step
