"""Scripts of replies, drawn: any number of rounds in which the model only recalls, and one in which it ends."""

from hypothesis import strategies as st

from perdure.values.digest import Json
from tests.wire.streaming.provider import RECALL, Ask, Block, Script, Thought, Words

_words = st.text(st.characters(codec="utf-8", exclude_categories=("Cs", "Cc")), min_size=1, max_size=9).map(
    lambda text: text.strip() or "x"
)
_arguments = st.dictionaries(_words, st.integers(-9, 9) | _words, max_size=2)


@st.composite
def replies(draw: st.DrawFn, *, mixed: bool | None = None) -> tuple[Script, ...]:
    """Draw the rounds of one reply; ``mixed`` says whether the last one recalls beside the client's own calls."""
    number = draw(st.integers(0, 3))
    thinks = draw(st.booleans())
    recalling = [Script(_pure(draw, at, thinks), at) for at in range(1, number + 1)]
    last = number + 1
    also = draw(st.booleans()) if mixed is None else mixed
    blocks = [*_said(draw, f"{last}", thinks), *_calls(draw, last, "Bash", 1 if also else 0)]
    if also:
        blocks += _calls(draw, last, RECALL, 1)
        blocks = [*blocks[:-1], *_calls(draw, last, "Edit", 0), blocks[-1]] if draw(st.booleans()) else blocks
    if not any(isinstance(block, Words | Ask) for block in blocks):
        blocks.append(Words("done"))
    return (*recalling, Script(tuple(blocks), last))


def _pure(draw: st.DrawFn, at: int, thinks: bool) -> tuple[Block, ...]:
    return (*_said(draw, f"{at}", thinks and (at == 1 or draw(st.booleans()))), *_calls(draw, at, RECALL, 1))


def _said(draw: st.DrawFn, name: str, thinks: bool) -> list[Block]:
    blocks: list[Block] = []
    if thinks:
        blocks += [Thought(f"{name}.{number} {draw(_words)}") for number in range(draw(st.integers(1, 2)))]
    if draw(st.booleans()):
        blocks.append(Words(draw(_words)))
    return blocks


def _calls(draw: st.DrawFn, at: int, tool: str, least: int) -> list[Block]:
    number = draw(st.integers(least, 2))
    calls: list[Block] = []
    for place in range(number):
        arguments: dict[str, Json] = {**draw(_arguments)}
        calls.append(Ask(f"{tool}-{at}-{place}", tool, arguments))
    return calls
