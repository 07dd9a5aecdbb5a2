"""`make evidence-context`: everything that paging must show, measured now; the last line is one JSON object.

Parts run one after the other, so that none disturbs another's figures; each says on stderr what it does. A part that
can't be measured leaves its keys null, says why, and the whole ends with an error: a figure is measured in this run
or not printed at all. What clients showed takes half an hour and two gigabytes, so it is from the last
`make test-clients`, with its commit; if the sources have changed since, that is said too.
"""

import sys
from typing import Final

from benchmarks.context.clients import last
from benchmarks.context.corpora import TRANSCRIPTS, corpora
from benchmarks.context.lab import Lab
from benchmarks.context.load import ttft
from benchmarks.context.policy_speed import policy_us
from benchmarks.context.thrash import faults_per_version
from benchmarks.parts import Figures, Part, measured, say

LAB_KEYS: Final = (
    "replay_error", "claude_loose", "claude_strict", "codex_loose", "codex_strict", "worst_session", "bound_claude",
    "bound_codex", "captured", "nocache", "bound_nocache", "room_peak", "room_cost",
)  # fmt: skip


def lab_figures() -> Figures:
    """Replay, policies and bounds on the recorded sessions."""
    if not TRANSCRIPTS.is_dir():
        raise FileNotFoundError(f"there are no recorded sessions in {TRANSCRIPTS}")
    known = corpora(say=say)
    lab = Lab(known, say)
    lab.run()
    print("\n".join(lab.text), file=sys.stderr, flush=True)
    return {"sessions": len(known.sessions), **lab.figures}


def client_figures() -> Figures:
    """What real clients showed when they last ran."""
    shown = last()
    found = {
        "clients_passed": shown["clients_passed"],
        "clients_total": shown["clients_total"],
        "clients_commit": shown["commit"],
        "prefix_breaks": shown["prefix_breaks"],
    }
    return found | {"clients_stale": shown["stale"]} if shown["stale"] else found


def load_figures() -> Figures:
    """What the gateway adds to the time to the first token."""
    alone, together, memory = ttft()
    return {"ttft_added_ms_p50": alone, "ttft_added_ms_p99_200": together, "gateway_mb": memory}


PARTS: tuple[Part, ...] = (
    ("a policy's turn", lambda: {"policy_us": policy_us()}, ("policy_us",)),
    (
        "the gateway under load, beside a plain proxy",
        load_figures,
        ("ttft_added_ms_p50", "ttft_added_ms_p99_200"),
    ),
    (
        "three files cycled, seven scanned",
        lambda: {"thrash_faults_per_version": faults_per_version()},
        ("thrash_faults_per_version",),
    ),
    ("the lab", lab_figures, LAB_KEYS),
    ("real clients", client_figures, ("clients_passed", "prefix_breaks")),
)


def main() -> None:
    """Measure everything and print it."""
    measured(PARTS)


if __name__ == "__main__":
    main()
