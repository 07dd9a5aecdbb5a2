"""A payment, a kill between call and result, a session cut back, and a model that asks again in other words.

One story is played with a real client, bare or behind `perdure wrap`; the payment server's book is the judge, and
nobody's word counts. In each, the first payment is asked for twice, and a second one was meant. What differs:

- *declared*: the effects file says that an invoice is paid once, and that references are free;
- *undeclared*: nothing is said of the tool, and references have shapes that nobody foresaw;
- *late*: the server's answer comes after the client's death; else it never comes, and the payment stays in doubt.
"""

import random
from collections.abc import Sequence
from pathlib import Path
from typing import Literal, NamedTuple

import msgspec

from benchmarks.wrap.cutting import called_in, cut_back, sessions
from benchmarks.wrap.driven import Kind, Life, Site, site_of
from benchmarks.wrap.metered import Metered
from benchmarks.wrap.person import Asked, Person
from benchmarks.wrap.processes import PERDURE
from benchmarks.wrap.references import drawn
from benchmarks.wrap.script import Pay, Shell, Step, Thinking
from perdure.testing.payments_book import let_go

LATENCY_SECONDS = 0.3
RUN = "story"
PAYEES = ("Ada", "Ben", "Cleo", "Dora", "Emil")
FIRST, SECOND = 2, 4
"""The steps that pay."""
DECLARED = """\
servers:
  payments:
    tools:
      pay: {effect: once, identity: [invoice], volatile: [reference]}
"""
Declared = Literal["declared", "undeclared"]


class Plot(msgspec.Struct, frozen=True):
    """What happens in a story."""

    declared: Declared = "undeclared"
    late: bool = True
    wrapped: bool = True

    @property
    def name(self) -> str:
        """What it is called in words for a person."""
        way = f"{self.declared}, {'answered late' if self.late else 'never answered'}"
        return way if self.wrapped else "bare"


class Told(NamedTuple):
    """What became of it, by the book."""

    plot: Plot
    kind: str
    first: int
    """how often the payment was made that was asked for twice"""
    second: int
    """how often the one was made that was meant"""
    asked: list[Asked]
    """what a person had to say"""
    seen: dict[int, list[str]]
    """what the model got to see, by step"""
    left: list[str]
    """processes that outlived it"""

    @property
    def blocked(self) -> int:
        """How many payments that were meant did not go through by themselves."""
        waited = {each.invoice for each in self.asked if each.answer == "approve"}
        return max(len(waited), 1 - min(1, self.second))


class Strayed(Exception):
    """A story did not come to what it is about; the message says where."""


def script(draw: random.Random) -> tuple[Step, ...]:
    """Return what the model does: two payments, of one amount and to one payee."""
    payee, cents = draw.choice(PAYEES), draw.randint(100, 99_999)
    references = drawn(draw, 5)
    invoices = [f"{draw.choice('ABC')}-{draw.randint(1000, 9999)}-{number}" for number in (1, 2)]
    return (
        Shell("echo begun > notes.txt"),
        Pay(payee, cents, references[:4], invoices[0]),
        Shell("echo paid >> notes.txt"),
        Pay(payee, cents, references[4:], invoices[1]),
        Shell("cat notes.txt"),
    )


def told(kind: Kind, plot: Plot, seed: str, broken: Path | None = None) -> Told:
    """Play a story and return what became of it. Raises ``Strayed`` if it took another course."""
    steps = script(random.Random(seed))
    thinking = Thinking(steps, seed=seed, workspace="", latency=LATENCY_SECONDS)
    with (
        thinking,
        site_of(kind, thinking.url, mishaps=("1:hold",), broken=broken) as site,
        Person(site.store, RUN, site.book) as person,
    ):
        thinking.teller.placed(site.workspace)
        (site.base / "effects.yaml").write_text(DECLARED, encoding="utf-8")
        with Life(kind, site, "Pay the two invoices.", wrapped=wrapping(site, plot)) as life:
            killed = _killed(life, site, plot)
        cut_back(sessions(site.home)[-1], "pay")
        with Life(
            kind, site, "Go on.", again=not plot.wrapped, wrapped=wrapping(site, plot, resume=True)
        ) as life:
            resumed = life.ended()
            if resumed.status:
                raise Strayed(
                    f"{kind.name}, {plot.name}: resumed, it ended with {resumed.status}: {life.said()[-800:]}"
                )
        wrong = thinking.refused() + person.failed
        if wrong:
            raise Strayed(f"{kind.name}, {plot.name}: {wrong[0]}")
        paid = [line.invoice for line in site.book.paid()]
    seen = thinking.teller.results
    if len(steps) not in seen or FIRST not in seen:
        raise Strayed(f"{kind.name}, {plot.name}: it came only to step {max(seen, default=0)}: {seen}")
    first, second = (paid.count(pay.invoice) for pay in steps if isinstance(pay, Pay))
    return Told(plot, kind.name, first, second, person.asked, seen, killed.left + resumed.left)


def wrapping(site: Site, plot: Plot, *, resume: bool = False) -> Sequence[str]:
    """Return the words that stand before the client's own."""
    if not plot.wrapped:
        return ()
    name = ("--resume" if resume else "--run", RUN)
    effects = ("--effects", str(site.base / "effects.yaml")) if plot.declared == "declared" else ()
    return (*PERDURE, "wrap", *name, "--store", str(site.store), *effects, "--")


def _killed(life: Life, site: Site, plot: Plot) -> Metered:
    """Kill the client between the payment and its answer; return how that ended."""
    if not life.until(lambda: bool(site.book.paid())):
        raise Strayed(f"nothing was paid: {life.said()[-800:]}")
    if not life.until(lambda: any(called_in(each, "pay") for each in sessions(site.home))):
        raise Strayed("the client never wrote down its call")
    if not life.strike():
        raise Strayed("there was no client to kill")
    if plot.late:
        let_go(site.book.path).touch()
    return life.ended()
