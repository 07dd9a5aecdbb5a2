"""`python -m benchmarks.context`: policies on the recorded sessions, in under a minute; a session's name shows it alone."""

import sys
from collections.abc import Sequence

from benchmarks.context.compare import POLICIES, standing
from benchmarks.context.corpora import Session, corpora


def main(words: Sequence[str]) -> None:
    """Print a line for each policy, and how ours does on each session."""
    known = corpora()
    sessions = [each for each in known.sessions if not words or any(word in each.name for word in words)]
    print(f"{len(sessions)} sessions; cost as a share of append-only, faults of pages moved")
    for name in POLICIES:
        print(f"{name:22}", "  ".join(_cells(sessions, name)), flush=True)
    for session in sessions:
        cells = "  ".join(
            f"{charge} {run.ratio:.3f} ({run.played.faulted}/{run.played.moved})"
            for charge in ("loose", "strict")
            for run in standing([session], POLICIES["ours"], charge).runs
        )
        print(f"  {session.name:34} {len(session.trace.requests):4} requests  {cells}")


def _cells(sessions: list[Session], name: str) -> list[str]:
    cells: list[str] = []
    for charge in ("loose", "strict"):
        for source in ("claude-code", "codex"):
            mine = [session for session in sessions if session.source == source]
            if not mine:
                continue
            found = standing(mine, POLICIES[name], charge)
            worst = found.worst
            cells.append(
                f"{source[:6]} {charge} {found.cost:.3f} worst {worst.ratio if worst else 1:.2f} "
                f"({found.faulted}/{found.moved})"
            )
    return cells


if __name__ == "__main__":
    main(sys.argv[1:])
