"""What the scripted model has wrapped clients do, and, by hand, how the files stand after each step."""

import re
from typing import Final

from msgspec.structs import replace

from perdure.testing.upstream.ledgers import Ledgers
from perdure.testing.upstream.narrator import Narrator, Verse
from perdure.testing.upstream.plots import Act, Command, Plot, Put, ToolUse
from perdure.testing.upstream.question import Question, Utterance
from perdure.testing.upstream.signet import Signet
from tests.clients.wrapped.trees import Tree

SEED: Final = "seed.txt"
BLOB: Final = "x" * 5000
PAID: Final = {"payee": "Ada", "cents": 500, "reference": "rent", "invoice": "INV-1"}

# Each step may be done again without another outcome: a client whose session can't go on begins at the first.
# Nothing is forced, since Codex refuses `rm -f`; nothing is substituted, since Gemini CLI refuses `$(...)`.
_BEGIN: Final[Plot] = (
    (Command("mkdir -p src && printf 'one\\n' > src/one.txt && chmod 755 src/one.txt"),),
    (Put("two.txt", "two\nand more of it\n"),),
    (
        Command(
            f"printf 'one\\nmore\\n' > src/one.txt; ln -sfn src/one.txt link; [ ! -e {SEED} ] || rm {SEED}"
        ),
    ),
)
_END: Final[Plot] = (
    (Put("six.txt", "six\n"),),
    (Command("[ ! -e deep ] || rm -r deep; mv two.txt src/two.txt"),),
)
_ONE, _TWO = "755 one\n", "two\nand more of it\n"
_THIRD: Final[Tree] = {"link": "-> src/one.txt", "src/one.txt": "755 one\nmore\n", "two.txt": _TWO}
_FIFTH: Final[Tree] = {**_THIRD, "deep/er/blob.bin": BLOB, "deep/empty/": ""}

TREES: Final[tuple[Tree, ...]] = (
    {SEED: "seed\n"},
    {SEED: "seed\n", "src/one.txt": _ONE},
    {SEED: "seed\n", "src/one.txt": _ONE, "two.txt": _TWO},
    _THIRD,
    _THIRD,
    _FIFTH,
    {**_FIFTH, "six.txt": "six\n"},
    {"link": "-> src/one.txt", "six.txt": "six\n", "src/one.txt": "755 one\nmore\n", "src/two.txt": _TWO},
)
"""the files after so many steps, from none; permissions stand before the content where they aren't 644"""

HELD: Final = 5
"""the step whose command can be made to wait"""


def plot_of(tool: str, *, flag: str = "", go: str = "") -> Plot:
    """Return the steps of one session: the fourth calls an MCP tool where there is one.

    With ``flag`` and ``go`` the fifth step's command makes the one file, and waits for the other, half a minute at most.
    """
    fourth: Act = ToolUse(tool, dict(PAID)) if tool else Command("true")
    wait = f"touch {flag}; timeout 30 sh -c 'until [ -e {go} ]; do sleep 0.1; done'; "
    blob = "mkdir -p deep/er deep/empty && printf '%05000d' 0 | tr 0 x > deep/er/blob.bin"
    return (*_BEGIN, (fourth,), (Command((wait if flag else "") + blob),), *_END)


_CUT_SHORT: Final = re.compile(r"interrupt|abort|unknown|cancel|terminated|killed", re.IGNORECASE)


class Careful(Narrator):
    """A model that does a step again where its client says that it was cut short, as it does after it was killed."""

    def done(self, question: Question) -> int:
        """Return the last step that is known to be done."""
        whole = [p for p in question.passages if p.role != "result" or not _CUT_SHORT.search(p.text)]
        return super().done(replace(question, passages=tuple(whole)))


MARK: Final = "mark.sh"
MARKING: Final = "mkdir -p copies; for f in part-*.txt; do cp $f copies/; done; test -e part-4.txt\n"
"""What Aider runs after each of its edits: a command that changes files, and fails until the last part is there."""

TALKED: Final[tuple[Tree, ...]] = tuple(
    {
        MARK: MARKING,
        **{f"part-{n}.txt": f"part {n}\n" for n in range(1, steps + 1)},
        **{f"copies/part-{n}.txt": f"part {n}\n" for n in range(1, steps + 1)},
    }
    for steps in range(5)
)


class Dictating(Narrator):
    """A model without tools, which says in its answer what files are to be: one part after another, four of them."""

    def __init__(self, signet: Signet) -> None:
        super().__init__((), Ledgers("none"), signet)

    def answer(self, question: Question) -> Verse:
        """Return the next part: it is read off the answers that stand in the conversation."""
        said = "\n".join(p.text for p in question.passages if p.role == "assistant")
        step = 1 + max((n for n in range(1, 5) if f"\npart-{n}.txt\n" in f"\n{said}"), default=0)
        if step > 4:
            return Verse(Utterance(text="All parts are there."), "main", step)
        text = f"Part {step} comes next.\n\npart-{step}.txt\n```\npart {step}\n```\n"
        return Verse(Utterance(text=text), "main", step)
