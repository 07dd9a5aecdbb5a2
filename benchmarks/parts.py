"""The parts of an evidence, measured one after the other; the last line is one JSON object.

A part that can't be measured leaves its keys null, says why, and the whole ends with an error: a figure is measured in
this run or not printed at all.
"""

import json
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

from benchmarks.probes import machine

Figures = dict[str, Any]
Part = tuple[str, Callable[[], Figures], tuple[str, ...]]
"""(what it is called, what measures it, the keys that it has to fill)"""


def say(text: str) -> None:
    """Tell a person what is going on."""
    print(
        f"[{time.strftime('%H:%M:%S')}] {text}" if not text.startswith(" ") else text,
        file=sys.stderr,
        flush=True,
    )


def measured(parts: Sequence[Part]) -> NoReturn:
    """Measure all parts, print the figures, and end."""
    began = time.perf_counter()
    figures: Figures = {"machine": machine()}
    missing: list[str] = []
    for name, part, keys in parts:
        say(name)
        part_began = time.perf_counter()
        try:
            found = part()
        except Exception as why:  # noqa: BLE001 - the other parts are still measured; this one is told and ends it badly
            say(f"  not measured: {why!r}")
            traceback.print_exc()
            found = {}
        figures |= dict.fromkeys(keys) | found
        missing += [key for key in keys if figures[key] is None]
        say(f"  {time.perf_counter() - part_began:.0f} s: {json.dumps({key: figures[key] for key in keys})}")
    figures["seconds"] = round(time.perf_counter() - began)
    if missing:
        say(f"not measured: {', '.join(missing)}")
    print(json.dumps({name: _short(value) for name, value in figures.items()}), flush=True)
    sys.exit(1 if missing else 0)


def _short(value: object) -> object:
    return round(value, 5) if isinstance(value, float) else value
