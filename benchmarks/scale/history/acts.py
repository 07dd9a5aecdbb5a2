"""What clients ask of a store, what they are told, and how both are written down.

Invariants of a recording:
- A call stands in its client's file before it is made, and its answer after it has come: who is killed in between
  leaves a call without an answer, and nobody knows whether it was carried out.
- Times are of the machine's monotonic clock, which all processes share.
- A call whose answer says nothing certain (the connection broke, the store was busy) is one without an answer.
"""

from pathlib import Path
from typing import IO, NamedTuple

import msgspec


class Take(msgspec.Struct, frozen=True, tag="take"):
    """Acquire the run."""

    run: str
    token: str
    """unlike any other's; begins with the client's name"""
    take_over: bool = False


class Give(msgspec.Struct, frozen=True, tag="give"):
    """Release the run."""

    run: str
    epoch: int


class Claim(msgspec.Struct, frozen=True, array_like=True):
    """A claim as a batch opens it."""

    key: str
    stem: str


class End(msgspec.Struct, frozen=True, array_like=True):
    """How a batch closes a claim."""

    key: str
    stem: str
    outcome: str


class Write(msgspec.Struct, frozen=True, tag="write"):
    """Append a batch. Heads are digests in hexadecimals."""

    run: str
    epoch: int
    expected: int
    before: str
    head: str
    count: int
    consumed: tuple[str, ...] = ()
    opened: tuple[Claim, ...] = ()
    closed: tuple[End, ...] = ()


class Send(msgspec.Struct, frozen=True, tag="send"):
    """Post to the run's inbox."""

    run: str
    post: str


class Waiting(msgspec.Struct, frozen=True, tag="waiting"):
    """Read the inbox."""

    run: str


class Look(msgspec.Struct, frozen=True, tag="look"):
    """Read the run's row."""

    run: str


class Read(msgspec.Struct, frozen=True, tag="read"):
    """Read the run's events, all of them."""

    run: str


class Remember(msgspec.Struct, frozen=True, tag="remember"):
    """Read the claims of one stem."""

    stem: str


Act = Take | Give | Write | Send | Waiting | Look | Read | Remember


class Granted(msgspec.Struct, frozen=True, tag="granted"):
    """The lease that ``Take`` gave."""

    epoch: int
    dead: tuple[int, ...] = ()


class Refused(msgspec.Struct, frozen=True, tag="refused"):
    """Nothing was written: 'held', 'fenced', 'conflict' or 'remembered'."""

    why: str


class Done(msgspec.Struct, frozen=True, tag="done"):
    """It was done; ``new`` False says that it had been done before."""

    new: bool = True


class At(msgspec.Struct, frozen=True, tag="at"):
    """The stream ends there."""

    position: int
    head: str = ""


class Row(msgspec.Struct, frozen=True, tag="row"):
    """A run's row."""

    position: int
    head: str
    epoch: int
    token: str | None


class Names(msgspec.Struct, frozen=True, tag="names"):
    """Posts that wait, oldest first."""

    posts: tuple[str, ...]


class Claims(msgspec.Struct, frozen=True, tag="claims"):
    """Claims of a stem, oldest first: key, run, outcome."""

    claims: tuple[tuple[str, str, str | None], ...]


Answer = Granted | Refused | Done | At | Row | Names | Claims


class Call(NamedTuple):
    """A call of the history; without an answer ``ended`` and ``answer`` are None."""

    client: str
    act: Act
    began: int
    ended: int | None = None
    answer: Answer | None = None


class History(NamedTuple):
    """Everything that was recorded of one store."""

    calls: tuple[Call, ...]
    ends: dict[str, int]
    """from when on a client's process may be dead; those that live to the end are left out"""


class Line(msgspec.Struct, frozen=True, array_like=True):
    """A line of a client's file: a call, or, later, its answer; None where it says nothing certain."""

    at: int
    act: Act | None = None
    answer: Answer | None = None


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Line).decode


def write_line(file: IO[bytes], line: Line) -> None:
    """The line is with the system: the process's death does not take it back."""
    file.write(_encode(line) + b"\n")
    file.flush()


def read_calls(path: Path, client: str) -> list[Call]:
    """Return what one client asked and was told; the torn last line of one that was killed is none."""
    calls: list[Call] = []
    if not path.exists():
        return calls
    whole, _, _ = path.read_bytes().rpartition(b"\n")
    for line in map(_decode, whole.splitlines()):
        if line.act is not None:
            calls.append(Call(client, line.act, line.at))
        elif line.answer is not None:
            calls[-1] = calls[-1]._replace(ended=line.at, answer=line.answer)
    return calls
