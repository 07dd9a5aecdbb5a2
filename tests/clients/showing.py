"""What one client showed, in all of its scenarios."""

import time
import traceback
from pathlib import Path
from typing import Any

from msgspec.structs import asdict

from tests.clients.kinds import CLIENTS_KNOWN, Client
from tests.clients.scenarios import WINDOW_FREE, Outcome, fit, played

RECORDED = "uncached"
"""The scenario whose course is stored: pages leave in it, and are asked for."""


def shown_of(named: str, missing: str, wanted: list[str], keep: Path | None) -> dict[str, Any]:
    """Put the client of that name through the scenarios that fit it, and tell each as it ends."""
    client = next(each for each in CLIENTS_KNOWN if each.name == named)
    scenarios: dict[str, Any] = {}
    shown: dict[str, Any] = {
        "version": client.version,
        "api": client.api,
        "installed": not missing,
        "passed": False,
        "scenarios": scenarios,
    }
    if missing:
        return shown | {"why": missing}
    room = 0
    for name in wanted:
        if not fit(client, name):
            continue
        outcome = _outcome(client, name, room, keep if name == RECORDED else None)
        scenarios[name] = asdict(outcome)
        room = room or outcome.first_tokens + WINDOW_FREE
        _tell(client, name, outcome)
    shown["passed"] = all(not each["failed"] for each in scenarios.values())
    return shown


def _outcome(client: Client, name: str, room: int, path: Path | None) -> Outcome:
    began = time.monotonic()
    try:
        return played(client, name, room=room, keep=path)
    except Exception:  # noqa: BLE001 - one client's disaster is told, and the next is run
        return Outcome([traceback.format_exc(limit=-3)[-900:]], seconds=time.monotonic() - began)


def _tell(client: Client, name: str, outcome: Outcome) -> None:
    mark = "failed" if outcome.failed else "ok"
    counts = {
        "requests": outcome.requests,
        "hidden": outcome.hidden,
        "recalled": outcome.recalled,
        "seen": outcome.seen,
        "moves": outcome.moves,
        "client breaks": outcome.client_breaks,
        "breaks": outcome.breaks,
    }
    words = ", ".join(f"{value} {word}" for word, value in counts.items() if value)
    words += f", cost {outcome.cost:.3f}" if outcome.cost else ""
    print(f"{client.name:28} {name:11} {mark:7}{outcome.seconds:6.1f} s  {words}", flush=True)
    for each in outcome.failed:
        print(f"    {each}", flush=True)
