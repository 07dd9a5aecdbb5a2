"""The whole lab: every figure on policies once, as tables to read and as keys for the evidence.

Where a key says neither, ``worst_session``, ``bound_claude`` and ``bound_codex`` are with loose faults charged,
``captured`` is the least of all four shares, and ``nocache``, ``bound_nocache``, ``room_peak`` and ``room_cost`` are
with strict ones; each stands beside it with the other charge.
"""

import time
from collections.abc import Callable, Sequence
from typing import Any

from benchmarks.context.compare import OURS, POLICIES, Standing, contender, ours, standing
from benchmarks.context.corpora import Corpora, Session
from benchmarks.context.figures import (
    CHARGES,
    ROOM_SHARE,
    Below,
    bare,
    below,
    captured,
    lives,
    replay,
    room,
    uncached_standing,
    unmatched,
    windows,
)

Figures = dict[str, Any]
Say = Callable[[str], None]
SOURCES = {"claude": "claude-code", "codex": "codex"}


class Lab:
    """Figures and tables in the making."""

    def __init__(self, known: Corpora, say: Say) -> None:
        """Measure on ``known``, telling ``say`` what is under way."""
        self.figures: Figures = {}
        self.text: list[str] = []
        self._known: Corpora = known
        self._say: Say = say
        self._sessions: dict[str, list[Session]] = {
            name: [each for each in known.sessions if each.source == source]
            for name, source in SOURCES.items()
        }
        self._corpora: dict[str, list[Session]] = {}
        for each in known.sessions:
            self._corpora.setdefault(each.corpus, []).append(each)

    def run(self) -> None:
        """Measure everything, replay first."""
        began = time.perf_counter()
        parts = (self._replay, self._policies, self._windows, self._lives, self._uncached, self._room)
        for part in parts:
            self._say((part.__doc__ or "").partition(".")[0])
            part()
        self.figures["lab_seconds"] = round(time.perf_counter() - began)

    def _table(self, heads: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        self.text += ["", "| " + " | ".join(heads) + " |", "|" + "---|" * len(heads)]
        self.text += ["| " + " | ".join(row) + " |" for row in rows]

    def _replay(self) -> None:
        """Append-only against what the providers counted."""
        rows: list[list[str]] = []
        for name, mine in {**self._corpora, "all": list(self._known.sessions)}.items():
            one = replay(mine)
            rows.append([
                name, f"{len(mine)}", f"{one.predicted} of {one.requests}", f"{one.read:+.2%}", f"{one.written:+.2%}",
                f"{one.read_by_rules:+.2%}", f"{one.written_by_rules:+.2%}",
            ])  # fmt: skip
        heads = [
            "corpus",
            "sessions",
            "requests that the rules predict",
            "reads",
            "writes",
            "by rules: reads",
            "writes",
        ]
        self._table(heads, rows)
        off = unmatched(self._known.sessions)
        self.text += ["", "Not matched within 3 % by themselves:", "", *(f"- {each}" for each in off)]
        self.text += ["", "Left out:", "", *(f"- {each}" for each in self._known.left_out)]
        self.figures |= {"replay_error": replay(self._known.sessions).error, "replay_unmatched": len(off)}

    def _policies(self) -> None:
        """Policies and bounds at recorded terms."""
        rows: list[list[str]] = []
        mine_own: dict[tuple[str, str], Standing] = {}
        for name in POLICIES:
            cells: list[str] = []
            for charge in CHARGES:
                for source, mine in self._sessions.items():
                    found = contender(mine, name, charge)
                    cells += [f"{found.cost:.3f}", f"{found.faulted}/{found.moved}"]
                    if name == OURS:
                        mine_own[source, charge] = found
            rows.append([name, *cells])
            self._say(f"  {name}: {' '.join(cells)}")
        least = {
            (source, charge): below(mine, charge)
            for charge in CHARGES
            for source, mine in self._sessions.items()
        }
        for label, field in (("a plan that knows the future", "plan"), ("**bound**", "bound")):
            rows.append([label])
            for charge in CHARGES:
                for source in self._sessions:
                    rows[-1] += [f"{getattr(least[source, charge], field):.3f}", ""]
        row = ["ours, with a mark of its own"]
        for charge in CHARGES:
            for corpus in self._sessions.values():
                marked = standing(corpus, POLICIES[OURS], charge)
                row += [f"{marked.cost:.3f}", f"{marked.faulted}/{marked.moved}"]
        rows.append(row)
        heads = [f"{source}, {charge}" for charge in CHARGES for source in self._sessions]
        self._table(["policy", *(cell for head in heads for cell in (head, "faults"))], rows)
        self._ours(mine_own, least)

    def _ours(self, found_ours: dict[tuple[str, str], Standing], least: dict[tuple[str, str], Below]) -> None:
        figures = self.figures
        for (source, charge), found in found_ours.items():
            figures[f"{source}_{charge}"] = found.cost
            figures[f"bound_{source}_{charge}"] = least[source, charge].bound
            figures[f"captured_{source}_{charge}"] = captured(found.cost, least[source, charge].bound)
        loose = [run for (_, charge), found in found_ours.items() if charge == "loose" for run in found.runs]
        worst = max(loose, key=lambda run: run.ratio)
        figures |= {
            "worst_session": worst.ratio,
            "bound_claude": figures["bound_claude_loose"],
            "bound_codex": figures["bound_codex_loose"],
            "captured": min(figures[f"captured_{source}_{charge}"] for source, charge in found_ours),
        }
        rows: list[list[str]] = []
        for run in loose:
            strict = next(
                each
                for found in found_ours.values()
                for each in found.runs
                if each.session is run.session and each is not run
            )
            rows.append([
                run.session.name, f"{len(run.session.trace.requests)}", f"{run.ratio:.3f}",
                f"{run.played.faulted}/{run.played.moved}", f"{strict.ratio:.3f}",
                f"{strict.played.faulted}/{strict.played.moved}",
            ])  # fmt: skip
        self._table(["session", "requests", "loose", "faults", "strict", "faults"], rows)
        rows = [
            [name, *(f"{ours(mine, charge).cost:.3f}" for charge in CHARGES)]
            for name, mine in self._corpora.items()
        ]
        self._table(["corpus", *CHARGES], rows)

    def _windows(self) -> None:
        """The bound against the optimum, on small windows."""
        found = windows(self._known.sessions)
        self.text += [
            "",
            (
                f"On {found.windows} windows of 8 requests and 4 pages ({found.given_up} given up) the bound is at "
                f"least {found.least:.1%} of the optimum; {found.beaten} policies beat the optimum."
            ),
        ]
        self.figures |= {"bound_of_optimum": found.least, "beaten": found.beaten, "windows": found.windows}

    def _lives(self) -> None:
        """Other lives of the cache's entries."""
        rows: list[list[str]] = []
        for source, mine in self._sessions.items():
            for charge in CHARGES:
                found = lives(mine, charge)
                rows.append([f"{source}, {charge}", *(f"{each.cost:.3f}" for each in found.values())])
                self.figures |= {
                    f"{source}_{charge}_{name.replace(' ', '_')}": each.cost for name, each in found.items()
                }
        self._table(["ours, by the rules alone", "5 min", "1 h"], rows)

    def _uncached(self) -> None:
        """Servers without a prompt cache."""
        rows: list[list[str]] = []
        groups = {
            **self._corpora,
            "tau-bench": list(self._known.uncounted),
            "all": list(self._known.sessions),
        }
        for name, mine in groups.items():
            if mine:
                row = [name]
                for charge in CHARGES:
                    cost, least = uncached_standing(mine, charge).cost, below(mine, charge, bare).bound
                    row += [f"{cost:.3f}", f"{least:.3f}"]
                    if name == "all":
                        self.figures |= {f"nocache_{charge}": cost, f"bound_nocache_{charge}": least}
                rows.append(row)
        self.figures |= {
            "nocache": self.figures["nocache_strict"],
            "bound_nocache": self.figures["bound_nocache_strict"],
        }
        self._table(["without a cache", "loose", "bound", "strict", "bound"], rows)

    def _room(self) -> None:
        """A window that is kept small."""
        rows: list[list[str]] = []
        for charge in CHARGES:
            found = room(self._known.sessions, charge)
            rows.append([
                charge, f"{found.peak:.3f}", f"{found.cost:.3f}", f"{found.worst:.3f}",
                f"{found.later} of {found.compacted}", f"{found.free:.0%}",
            ])  # fmt: skip
            self.figures |= {f"room_peak_{charge}": found.peak, f"room_cost_{charge}": found.cost}
        self.figures |= {
            "room_peak": self.figures["room_peak_loose"],
            "room_cost": self.figures["room_cost_loose"],
        }
        title = f"room, {ROOM_SHARE:.0%} of each peak"
        heads = [title, "median peak", "cost", "worst", "first compactions later", "free then"]
        self._table(heads, rows)
