"""What a trial leaves for whoever has to find out why its verdict is as it is."""

import contextlib
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Final

import perdure
from perdure.log import events as e
from perdure.values.errors import UnknownRun

_NAMED: Final = re.compile(r"\b(?:job|INV)-(\d{4})")
"""A run or an invoice: of either, the number is the job's."""


def keep_logs(store: perdure.Store, wrong: Iterable[str], place: Path) -> None:
    """Write the logs of all runs that ``wrong`` names, and of their children, to ``place``: a line for each event."""
    left = sorted({f"job-{number}" for line in wrong for number in _NAMED.findall(line)})
    for run in left:
        with contextlib.suppress(UnknownRun):
            events = tuple(store.events(run))
            left += [each.body.child for each in events if isinstance(each.body, e.ChildSpawned)]
            place.mkdir(exist_ok=True)
            lines = [f"{each.position} {each.epoch} {each.kind} {each.body}\n" for each in events]
            (place / f"{run}.txt").write_text("".join(lines))
