"""The section on workspaces of benchmarks/RESULTS.md, written from a measurement."""

import json
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.probes import machine
from benchmarks.sections import replaced, section
from benchmarks.workspace.figures import LARGE, QUICK_S, SLOW_S, SMALL, Cost, cost_figures
from benchmarks.workspace.rows import Row

RESULTS = Path(__file__).parents[1] / "RESULTS.md"
HEADING = "## Workspaces"

WORDS = {
    "sandbox alone": "a sandbox, and nobody keeps the files",
    "L0": "perdure L0: every file is looked at",
    "L1": "perdure L1: overlay as detector",
    "L2": "perdure L2: with a service of 100 MB in memory",
    "copy": "full copy (`cp -a`)",
    "git": "shadow git (`add -A`, `commit`)",
    "restic": "restic",
}


def kept_section(page: str) -> str:
    """Return the section on workspaces of a page; empty if it has none."""
    return section(page, HEADING)


def write_section(cost: Cost, seconds: float, *, full: bool) -> str:
    """Put the section in place of the old one; return it."""
    text = _section(cost, seconds, full=full)
    RESULTS.write_text(replaced(RESULTS.read_text(), HEADING, text))
    return text


def _section(cost: Cost, seconds: float, *, full: bool) -> str:
    about, figures = machine(), cost_figures(cost)
    command = "make bench-workspace FULL=1" if full else "make bench-workspace"
    absent = [f"Not measured here: {name} ({why})." for name, why in cost.absent.items()]
    return "\n".join(
        (
            HEADING,
            "",
            (
                f"Written by `{command}` on {datetime.now(UTC):%Y-%m-%d}, {seconds:.0f} s, on {about['cpu']}, "
                f"{about['cores']} cores, {about['kernel']}, {about['filesystem']}, Python {about['python']}. An agent with a "
                "shell works in a tree of source files (20 KB each in the mean); three of four turns only read, the "
                "others change five files. Each figure is what keeping the workspace adds to the same turns without it, "
                "in the same run: L1 and L2 beside the same sandbox, the rest beside a plain shell. The others stand "
                "behind perdure's own coordinator, so they work while the model thinks as well. *Path* is what a user "
                "waits for: from the model's answer to the tool, and from the tool to the next question."
            ),
            *absent,
            "",
            *_goals(figures),
            *_tables(cost),
            "The figures behind this section:",
            "",
            "```json",
            json.dumps(figures),
            "```",
            "",
        )
    )


def _goals(figures: dict[str, object]) -> list[str]:
    def shown(name: str, form: str) -> str:
        value = figures[name]
        return form.format(value) if isinstance(value, float) else "not measured"

    return [
        f"At {SMALL:,} files, the worse of L0 and L1:",
        "",
        "| what | figure | goal |",
        "|---|---|---|",
        f"| path, of a turn with {QUICK_S} s of thinking | {shown('critical_path_300ms', '{:.2%}')} | 1.9 % |",
        f"| path, of a turn with {SLOW_S:.0f} s of thinking | {shown('critical_path_2s', '{:.2%}')} | 0.5 % |",
        f"| CPU per turn, L0 | {shown('cpu_ms_l0', '{:.1f} ms')} | 100 ms |",
        f"| CPU per turn, L1 | {shown('cpu_ms_l1', '{:.1f} ms')} | 10 ms |",
        f"| turns without a checkpoint | {shown('skipped', '{:.0%}')} | 75 % change nothing |",
        f"| memory of the process, {LARGE:,} files | {shown('rss_mb_50000_files', '{:.0f} MB')} | 300 MB |",
        "",
    ]


def _tables(cost: Cost) -> list[str]:
    lines: list[str] = []
    settings = dict.fromkeys((row.files, row.wait_s, row.setting) for row in cost.rows)
    for files, wait_s, setting in settings:
        rows = [row for row in cost.rows if (row.files, row.wait_s, row.setting) == (files, wait_s, setting)]
        lines += [
            f"{files:,} files, {wait_s:g} s of thinking, {setting}:",
            "",
            (
                "| | turns | path p50 | p99 | of the turn | CPU | one look | all looks | skipped | stored per turn | back one turn "
                "| first record | in the shell |"
            ),
            "|---|---|---|---|---|---|---|---|---|---|---|---|---|",
            *map(_line, rows),
            "",
        ]
    return lines


def _line(row: Row) -> str:
    kept = row.system != "sandbox alone"
    cells = (
        WORDS[row.system],
        f"{row.turns}",
        f"{row.path_ms:.1f} ms",
        f"{row.path_ms_p99:.1f} ms",
        f"{row.share:.2%}",
        f"{row.cpu_ms:.1f} ms",
        f"{row.look_ms:.0f} ms" if kept else "",
        f"{row.looks_s:.2f} s" if kept else "",
        f"{row.skipped} of {row.looks}" if kept else "",
        _bytes(row.bytes_per_turn),
        f"{row.restore_ms:.0f} ms" if row.restore_ms else "",
        f"{row.first_look_ms / 1000:.1f} s" if row.first_look_ms else "",
        f"{row.tool_ms:+.0f} ms",
    )
    return f"| {' | '.join(cells)} |"


def _bytes(count: float) -> str:
    return f"{count / 1e6:.1f} MB" if count >= 1e5 else f"{count / 1e3:.1f} KB"
