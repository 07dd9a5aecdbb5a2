"""The ledger of a run that pages nothing: its model calls as they were counted, and nothing saved or lost.

``perdure.page.ledger`` keeps that of runs with a conversation; both are told in the same words.
"""

from collections.abc import Iterable

from perdure.log import events as e
from perdure.log.envelope import Event
from perdure.page.ledger import Billed, Ledger, Totals


def plain_ledger(events: Iterable[Event]) -> Ledger:
    """Return the accounts of the run in ``events``: a row for each time that the model was asked."""
    rows: list[Billed] = []
    for event in events:
        match event.body:
            case e.ModelRequested():
                rows.append(Billed(len(rows) + 1, event.at, "main", "open", calls=1))
            case e.ModelReplied() if rows:
                rows[-1] = _answered(rows[-1], event.body.usage, event.at)
            case e.ModelFailed() if rows:
                rows[-1] = rows[-1]._replace(status="failed", error=event.body.error)
            case _:
                pass
    return Ledger(tuple(rows), (), _totals(rows))


def _answered(row: Billed, usage: e.Usage, at: int) -> Billed:
    return row._replace(
        status="answered",
        input_tokens=usage.input_tokens,
        read_tokens=usage.cache_read_tokens,
        write_tokens=usage.cache_write_tokens,
        output_tokens=usage.output_tokens,
        cost_microusd=usage.cost_microusd,
        alone_microusd=usage.cost_microusd,
        window_tokens=usage.input_tokens,
        alone_tokens=usage.input_tokens,
        whole_ms=max(at - row.at, 0) // 1_000_000,
    )


def _totals(rows: list[Billed]) -> Totals:
    cost = sum(row.cost_microusd for row in rows)
    peak = max((row.window_tokens for row in rows), default=0)
    return Totals(
        requests=len(rows),
        calls=len(rows),
        input_tokens=sum(row.input_tokens for row in rows),
        read_tokens=sum(row.read_tokens for row in rows),
        write_tokens=sum(row.write_tokens for row in rows),
        output_tokens=sum(row.output_tokens for row in rows),
        cost_microusd=cost,
        alone_microusd=cost,
        peak_tokens=peak,
        alone_peak_tokens=peak,
        failed=sum(row.status == "failed" for row in rows),
    )
