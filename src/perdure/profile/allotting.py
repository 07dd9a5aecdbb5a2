"""How many tokens each segment takes: estimated from characters, and made to agree with what the provider counted.

Invariants:
- Wherever usage is recorded, the segments of a request together take the input tokens that the provider counted,
  unless a client quietly took something out again: then they are more for a request or two, never for long.
- A copy in a later stretch takes what its original takes; only a client's rewriting makes it less.
- What the transcript doesn't hold has a place of its own, a hole, and gets what the known words leave over.
"""

from collections.abc import Sequence
from typing import Final, NamedTuple

FRONT_TOKENS_MAX: Final = 30_000
"""Of system prompt and schemas, where it can't be told how much of a first request is lost history: clients with many
tools take about this much."""

SAMPLE_CHARACTERS: Final = 20_000
"""New text that a session must have before its own density is believed."""

DENSITY_MIN: Final = 1.2
DENSITY_MAX: Final = 6.0
"""Characters per token: below are scripts with a token or more to a letter, above are rows of blanks."""


class Strand(NamedTuple):
    """What is known of a segment before it has tokens."""

    size: int
    tokens: int = -1
    """where they are known"""
    origin: int = -1
    """the place that it is a copy of"""
    hole: str = ""
    """'system', 'schema', 'history', 'other' or 'thought', where the transcript holds no words for it"""
    thought: bool = False
    replied: bool = False


class Growth(NamedTuple):
    """A request: its prompt is ``woven[base:last]``, of which ``new`` and later stand in it for the first time."""

    base: int
    new: int
    last: int
    input: int
    """tokens as counted; -1 where they weren't"""
    output: int = 0
    """tokens of the reply before it; 0 where they aren't known"""
    rewritten: bool = False
    """whether the client took out or shortened something that it had sent before"""
    read: int = 0
    """tokens that the provider read from its cache: so far the prompt begins as the one before"""


def density_of(woven: Sequence[Strand], steps: Sequence[Growth], density: float) -> float:
    """Return the characters per token that the session's own usage shows; ``density`` where it shows too little."""
    characters = tokens = before = 0
    for step in steps:
        grown, before = step.input - before, step.input
        places = range(step.new, step.last)
        if step.new == step.base or step.input < 0 or any(woven[place].hole for place in places):
            continue
        fresh = [place for place in places if not (woven[place].replied and step.output)]
        size = sum(woven[place].size for place in fresh if woven[place].tokens < 0)
        grown -= step.output + sum(max(woven[place].tokens, 0) for place in fresh)
        if size >= 1_000 and grown > 0:
            characters, tokens = characters + size, tokens + grown
    if characters < SAMPLE_CHARACTERS or not tokens:
        return density
    return min(max(characters / tokens, DENSITY_MIN), DENSITY_MAX)


def allotted(
    woven: Sequence[Strand], steps: Sequence[Growth], density: float, shares: dict[str, float]
) -> list[int]:
    """Return the tokens of each segment; ``shares`` says how what is left over goes to the holes in front."""
    tokens = [_estimate(each, density) for each in woven]
    stood = 0
    for step in steps:
        places = range(step.new, step.last)
        if step.new == step.base:
            stood = 0
            for place in places:
                if woven[place].origin >= 0:
                    tokens[place] = tokens[woven[place].origin]
                    stood += tokens[place]
            places = [place for place in places if woven[place].origin < 0]
        known = stood + sum(tokens[place] for place in places)
        if step.rewritten or (step.new == step.base and 0 <= step.input < known):
            _rewrite(tokens, woven, step)
        elif step.input >= 0:
            _fit(tokens, woven, places, step, step.input - stood, shares)
        stood = (
            sum(tokens[step.base : step.last])
            if step.new == step.base
            else stood + sum(tokens[place] for place in places)
        )
    return tokens


def _estimate(each: Strand, density: float) -> int:
    return 0 if each.hole else each.tokens if each.tokens >= 0 else -int(-each.size // density)


def _fit(
    tokens: list[int],
    woven: Sequence[Strand],
    places: Sequence[int],
    step: Growth,
    grown: int,
    shares: dict[str, float],
) -> None:
    """Make the new segments of a request take what it grew by."""
    holes = [place for place in places if woven[place].hole not in ("", "thought")]
    words = [place for place in places if woven[place].hole in ("", "thought")]
    spoken = [place for place in words if woven[place].replied]
    heard = [place for place in words if not woven[place].replied]
    _think(tokens, woven, spoken, min(step.output, grown - sum(tokens[place] for place in heard)))
    known = sum(tokens[place] for place in words)
    if grown <= 0:
        return
    if holes and grown > known:
        _fill(tokens, woven, holes, grown - known, shares)
    elif spoken and heard and sum(tokens[place] for place in spoken) // 2 < step.output < grown:
        _scale(tokens, spoken, step.output)
        _scale(tokens, heard, grown - step.output)
    else:
        _scale(tokens, words, grown)


def _think(tokens: list[int], woven: Sequence[Strand], spoken: Sequence[int], output: int) -> None:
    """Thoughts without words take what a reply's words leave over of its tokens."""
    silent = [place for place in spoken if woven[place].hole == "thought"]
    over = output - sum(tokens[place] for place in spoken)
    for place in silent:
        tokens[place] = max(over // len(silent), 0)


def _fill(
    tokens: list[int], woven: Sequence[Strand], holes: Sequence[int], over: int, shares: dict[str, float]
) -> None:
    lost = next((place for place in holes if woven[place].hole == "history"), None)
    if lost is not None:
        tokens[lost] = max(over - FRONT_TOKENS_MAX, 0)
        over -= tokens[lost]
    front = [place for place in holes if place != lost]
    weights = [shares.get(woven[place].hole, 1.0) for place in front]
    for place, weight in zip(front[:-1], weights, strict=False):
        tokens[place] = int(over * weight / (sum(weights) or 1))
    if front:
        tokens[front[-1]] = over - sum(tokens[place] for place in front[:-1])
    elif lost is not None:
        tokens[lost] += over


def _rewrite(tokens: list[int], woven: Sequence[Strand], step: Growth) -> None:
    """Take from a prompt what the client took out of it.

    What the cache still held in front is as it was. Behind that thoughts are the first to be missing, then whatever
    had been sent before, and at last the new words.
    """
    reach, kept = 0, step.base
    while kept < step.last and reach + tokens[kept] <= step.read:
        reach += tokens[kept]
        kept += 1
    old = [place for place in range(kept, step.last) if woven[place].origin >= 0]
    thoughts = [place for place in old if woven[place].thought]
    for places in (thoughts, old, range(kept, step.last), range(step.base, step.last)):
        over = sum(tokens[step.base : step.last]) - step.input
        taken = sum(tokens[place] for place in places)
        if taken and over <= taken:
            _scale(tokens, places, taken - over)
            return


def _scale(tokens: list[int], places: Sequence[int], total: int) -> None:
    """Make ``places`` take ``total`` together, each its share; the odd tokens go to the largest."""
    before = sum(tokens[place] for place in places)
    if not places:
        return
    if not before:
        tokens[places[-1]] = total
        return
    for place in places:
        tokens[place] = tokens[place] * total // before
    largest = max(places, key=tokens.__getitem__)
    tokens[largest] += total - sum(tokens[place] for place in places)
