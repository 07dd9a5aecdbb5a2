"""What was simulated, as a table and a drawing for terminals and for documents."""

from collections.abc import Sequence

from benchmarks.scale.sizing.fleet import Outcome

BAR = 40
HEAD = (
    "workers",
    "runs each",
    "shards",
    "turns/s",
    "p50",
    "p99",
    "worker",
    "shard",
    "group",
    "conns",
    "WAL MB/s",
    "undriven",
)


def table(outcomes: Sequence[Outcome]) -> str:
    """Return a row for each fleet; times in milliseconds beyond thinking, shares in percent."""
    rows = [
        (
            f"{each.wish.workers}",
            f"{each.wish.runs_per_worker}",
            f"{each.wish.shards}",
            f"{each.turns_per_s:,.0f}",
            f"{each.turn_ms_p50:.0f}",
            f"{each.turn_ms_p99:.0f}",
            f"{each.worker_busy:.0%}",
            f"{each.shard_busy:.0%}",
            f"{each.batches_per_group:.1f}",
            f"{each.connections_per_shard:,.0f}",
            f"{each.wal_mb_per_s:.1f}",
            f"{each.undriven_share:.2%}",
        )
        for each in outcomes
    ]
    lines = [HEAD, tuple("---:" for _ in HEAD), *rows]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)


def bars(outcomes: Sequence[Outcome]) -> str:
    """Return what is busy in each fleet, drawn."""
    lines: list[str] = []
    for each in outcomes:
        name = f"{each.wish.workers:>5} workers x {each.wish.runs_per_worker}, {each.wish.shards} shard{'s' * (each.wish.shards > 1)}"
        lines.append(f"{name:<30} worker  {_bar(each.worker_busy)}")
        lines.append(f"{'':<30} shard   {_bar(each.shard_busy)}")
    return "\n".join(lines)


def _bar(share: float) -> str:
    filled = round(min(share, 1.0) * BAR)
    return f"{'#' * filled}{'.' * (BAR - filled)} {share:.0%}"
