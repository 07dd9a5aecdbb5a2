"""Where each run stands, as of this transaction: the rows of its runs are locked until it ends.

Invariant: rows are locked in the order of their numbers, before anything else is: whoever takes the same two waits.
"""

from dataclasses import dataclass
from typing import Final

from perdure.adapters.postgres.columns import raw, text, whole
from perdure.adapters.postgres.wire import (
    INT,
    TEXT,
    Many,
    Row,
    Statement,
    read_bool,
    read_bytes,
    read_int,
    read_text,
)

LOCK_RUNS: Final = Statement(
    """
    SELECT number, name, epoch, holder IS NOT NULL, wrote, position, head, status, wake,
        pg_current_xact_id()::text::bigint
    FROM runs WHERE name = ANY($1) ORDER BY number FOR NO KEY UPDATE
    """,
    (Many(TEXT),),
    (
        read_int,
        read_text,
        read_int,
        read_bool,
        read_int,
        read_int,
        read_bytes,
        read_text,
        read_int,
        read_int,
    ),
)
"""Not ``FOR UPDATE``: posts and claims that only name the run need not wait."""

LOCK_NAMES: Final = Statement(
    "SELECT pg_advisory_xact_lock(name) FROM unnest($1) AS names (name)", (Many(INT),), ()
)


@dataclass(slots=True)
class Head:
    """The end of one run's stream, and who may continue it."""

    number: int
    name: str
    epoch: int
    held: bool
    wrote: int
    position: int
    digest: bytes
    status: str
    wake: int | None
    touched: bool = False
    """whether this transaction changes the row"""


def head_of(row: Row) -> Head:
    number, name, epoch, held, wrote, position, digest, status, wake, _ = row
    return Head(
        whole(number),
        text(name),
        whole(epoch),
        held is True,
        whole(wrote),
        whole(position),
        raw(digest),
        text(status),
        None if wake is None else whole(wake),
    )
