"""What the scripted model does, step by step: one message each."""

from typing import Final

import msgspec

from perdure.values.digest import Json


class Fetch(msgspec.Struct, frozen=True):
    """Look at a ledger, whole."""

    file: str
    reading: bool = False
    """by a tool that reads files, where the client has one"""


class Quote(msgspec.Struct, frozen=True):
    """Write down the token of a ledger: it has to be in the prompt, or asked for."""

    file: str


class Small(msgspec.Struct, frozen=True):
    """Run a command with a short answer."""

    word: str


class Pause(msgspec.Struct, frozen=True):
    """Say that the step is done, and wait for the person."""


class Command(msgspec.Struct, frozen=True):
    """Run a command, whatever it does."""

    command: str


class Put(msgspec.Struct, frozen=True):
    """Write a new file: by a tool that writes files, where the client has one."""

    file: str
    text: str


class ToolUse(msgspec.Struct, frozen=True):
    """Call a tool that the client was given, by the end of its name."""

    tool: str
    arguments: dict[str, Json] = {}


Act = Fetch | Quote | Small | Pause | Command | Put | ToolUse
Plot = tuple[tuple[Act, ...], ...]
"""The acts of each message, from step 1."""


def files_of(plot: Plot) -> tuple[str, ...]:
    """Return the ledgers that ``plot`` looks at, each once."""
    return tuple(dict.fromkeys(act.file for acts in plot for act in acts if isinstance(act, Fetch)))


def used_in(plot: Plot) -> tuple[str, ...]:
    """Return the ledgers whose tokens ``plot`` writes down, in order."""
    return tuple(act.file for acts in plot for act in acts if isinstance(act, Quote))


_FIRST: Final[Plot] = (
    (Fetch("ledger-1.txt"),),
    (Small("one"),),
    (Fetch("ledger-2.txt", reading=True),),
    (Small("two"), Small("three")),
    (Quote("ledger-1.txt"),),
    (Fetch("ledger-3.txt"),),
    (Small("four"),),
    (Quote("ledger-2.txt"), Small("five")),
)
_SECOND: Final[Plot] = (
    (Small("six"),),
    (Fetch("ledger-4.txt"),),
    (Small("seven"),),
    (Quote("ledger-3.txt"),),
    (Quote("ledger-4.txt"),),
)

_MANY: Final[Plot] = tuple((Small(f"step-{number}"),) for number in range(140))
"""A gateway moves nothing before a fault is small beside what the conversation has cost: a hundred requests and more."""

_LONG: Final[Plot] = (
    tuple(Fetch(f"ledger-{number}.txt") for number in (1, 2, 6, 7)),
    (Small("one"),),
    tuple(Fetch(f"ledger-{number}.txt") for number in (8, 9, 10, 11)),
    *_MANY,
    (Fetch("ledger-3.txt"),),
    (Small("two"),),
    (Quote("ledger-3.txt"),),
    (Fetch("ledger-4.txt", reading=True),),
    (Small("three"),),
    (Small("four"),),
    (Quote("ledger-4.txt"), Small("five")),
    (Quote("ledger-1.txt"),),
    (Fetch("ledger-5.txt"),),
    (Small("six"),),
    (Quote("ledger-2.txt"),),
    # Whichever page has left by now is asked for.
    *((Quote(f"ledger-{number}.txt"),) for number in range(6, 12)),
)

PLOTS: Final[dict[str, Plot]] = {
    # one leg: pages enter, leave, are asked for
    "hunt": (*_FIRST, (Quote("ledger-3.txt"),)),
    # long enough that moving pages pays, in a mode that watches the bill
    "long": (*_LONG, (Quote("ledger-5.txt"),)),
    "long-two-legs": (*_LONG, (Pause(),), (Small("seven"),), (Quote("ledger-5.txt"),), *_SECOND[:3]),
    # the person speaks twice: resumed, compacted or without the gateway in between
    "two-legs": (*_FIRST, (Pause(),), *_SECOND),
    # as short as can be, for one request and one call
    "short": ((Fetch("ledger-1.txt"),), (Quote("ledger-1.txt"),)),
}
