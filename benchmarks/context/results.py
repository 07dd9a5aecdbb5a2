"""benchmarks/context/RESULTS.md, written from a run of the lab."""

from datetime import UTC, datetime
from pathlib import Path

from benchmarks.context.lab import Lab
from benchmarks.probes import machine

RESULTS = Path(__file__).with_name("RESULTS.md")

WORDS = """# What moving pages makes of recorded sessions

Written by `python -m benchmarks.context --write` from {sessions} recorded sessions and sub-agents in
`../shared/data/transcripts` ({when}, {machine}). Costs are input costs, faults charged, as shares of what the same
session costs when nothing is moved. *Loose* faults: a moved result is asked for again whenever a later reply made the
same call, made another call about the same path, or quoted words that stood in that result alone. *Strict*: only the
same call. Either is counted once for each result and charged as one call more over the whole prefix, its output, and
the result's text behind what the client sent. Faults are given as results that were asked for again, of results that
were moved.

What is modelled, and how far to trust it:

- Caches as documented (`perdure.page.caching`), marks where Claude Code 2.1 sets them: behind the system prompt and at
  the end. Everybody else's policy sets one mark more at the first block that moved, and behind what is recalled, which
  favours it (age-FIFO costs twice as much without); the gateway leaves marks to the client.
- Tokens of a request are fitted to what the provider counted. What the client took out again is found from that.
- What befell a cache against its rules (entries lost early, a front that other sessions keep warm, calls that aren't
  recorded) is taken from the recorded usage, and happens to every policy alike. The first table says how much that is.
- A strict need was met in the recorded session by calling again, so charging it is more than it can cost.
- The bound is proved in `src/perdure/profile/bound.py`; the plan that knows the future shows that it is nearly reached.
"""


def write(lab: Lab, sessions: int) -> str:
    """Write the page and return it."""
    told = machine()
    name = told if isinstance(told, str) else ", ".join(f"{key} {value}" for key, value in told.items())
    head = WORDS.format(sessions=sessions, when=datetime.now(UTC).date().isoformat(), machine=name)
    page = head + "\n".join(lab.text) + "\n"
    RESULTS.write_text(page, encoding="utf-8")
    return page
