"""`make evidence-wrap`: everything that wrapping an agent must show, measured now; the last line is one JSON object.

Parts run one after the other, so that none disturbs another's figures; each says on stderr what it does. A part that
can't be measured leaves its keys null, says why, and the whole ends with an error: a figure is measured in this run
or not printed at all. Clients that aren't in `.clients` yet are fetched first, as `make test-clients` does.
"""

import json
import subprocess
import sys
from typing import Final

from benchmarks.parts import Figures, Part, measured, say
from benchmarks.wrap.conformance import conformance
from benchmarks.wrap.driven import fetched
from benchmarks.wrap.overhead import overhead
from benchmarks.wrap.payments import payments
from benchmarks.wrap.processes import ROOT

SCENARIOS: Final = (
    "client killed working",
    "keeper killed working",
    "wrapper killed",
    "all killed working",
    "rewound",
)
"""What every client goes through here; `make test-clients` has them all."""


def client_figures() -> Figures:
    """Every client with a profile: edits and commands, killed in every way, resumed, and taken back."""
    words = [word for name in SCENARIOS for word in ("--scenario", name)]
    with subprocess.Popen(
        [sys.executable, "-m", "tests.clients.wrapped", "--jobs", "3", *words],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        last = ""
        for line in process.stdout or ():
            last = line.strip() or last
            say(f"  {line.rstrip()}")
    shown: Figures = json.loads(last)
    return {
        "clients": shown["clients"],
        "passed": shown["passed"],
        "skipped": shown["clients"] - shown["installed"],
        "client_kills": shown["kills"],
        "client_rewinds": shown["rewound"],
        "rewind_mismatches": shown["rewind_mismatches"],
    }


def payment_figures() -> Figures:
    """One payment however the client died; two without perdure."""
    fetched()
    return payments(say)


PARTS: tuple[Part, ...] = (
    (
        "the MCP project's own conformance suite",
        lambda: conformance(say),
        ("mcp_scenarios", "mcp_scenarios_direct", "mcp_regressions"),
    ),
    ("payments", payment_figures, ("payments", "payments_bare", "blocked_legitimate")),
    (
        "a task of forty turns, bare and wrapped",
        lambda: overhead(say),
        ("overhead_300ms", "overhead_2s", "cpu_ms_per_turn", "cpu_ms_per_turn_bare"),
    ),
    (
        "every client, killed, resumed and rewound",
        client_figures,
        ("clients", "passed", "skipped", "rewind_mismatches"),
    ),
)


def main() -> None:
    """Measure everything and print it."""
    measured(PARTS)


if __name__ == "__main__":
    main()
