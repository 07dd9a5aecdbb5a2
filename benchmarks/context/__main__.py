"""`python -m benchmarks.context`: policies on the recorded sessions; a session's name shows it alone.

`--write` runs the whole lab and writes RESULTS.md beside this file.
"""

import sys
from collections.abc import Sequence

from benchmarks.context.compare import POLICIES, contender, ours
from benchmarks.context.corpora import TRANSCRIPTS, Session, corpora
from benchmarks.context.figures import CHARGES
from benchmarks.context.lab import SOURCES, Lab
from benchmarks.context.results import write


def main(words: Sequence[str]) -> None:
    """Print a line for each policy, and how ours does on each session."""
    if not TRANSCRIPTS.is_dir():
        sys.exit(f"there are no recorded sessions in {TRANSCRIPTS}")
    known = corpora()
    if "--write" in words:
        lab = Lab(known, lambda text: print(text, file=sys.stderr, flush=True))
        lab.run()
        print(write(lab, len(known.sessions)))
        return
    sessions = [each for each in known.sessions if not words or any(word in each.name for word in words)]
    print(f"{len(sessions)} sessions; cost as a share of append-only (faults of pages moved)")
    for name in POLICIES:
        print(f"{name:22}", "  ".join(_cells(sessions, name)), flush=True)
    for session in sessions:
        cells = "  ".join(
            f"{charge} {run.ratio:.3f} ({run.played.faulted}/{run.played.moved})"
            for charge in CHARGES
            for run in ours([session], charge).runs
        )
        print(f"  {session.name:34} {len(session.trace.requests):4} requests  {cells}")


def _cells(sessions: list[Session], name: str) -> list[str]:
    cells: list[str] = []
    for charge in CHARGES:
        for source in SOURCES.values():
            mine = [session for session in sessions if session.source == source]
            found = contender(mine, name, charge)
            worst = found.worst
            if worst is not None:
                cells.append(
                    f"{source[:6]} {charge} {found.cost:.3f} worst {worst.ratio:.2f} "
                    f"({found.faulted}/{found.moved})"
                )
    return cells


if __name__ == "__main__":
    main(sys.argv[1:])
