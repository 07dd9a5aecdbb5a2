"""``python -m tests.clients``: real clients through the gateway to a strict provider. ``make test-clients``.

A client that can't be installed has failed, and fewer than four installed is an error. What was shown is written to
``benchmarks/context/clients.json``, unless only some clients or scenarios were asked for.
"""

import json
import sys
import time
import traceback
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
from msgspec.structs import asdict

from benchmarks.context.clients import SHOWN, commit, source_digest
from tests.clients.installing import NotInstalled, installed
from tests.clients.kinds import CLIENTS_KNOWN, NODE, Client
from tests.clients.scenarios import SCENARIOS, WINDOW_FREE, Outcome, fit, played

INSTALLED_MIN = 4
RECORDED = "uncached"
"""The scenario whose course is stored: pages leave in it, and are asked for."""


@click.command()
@click.option("--client", "names", multiple=True, help="Only clients whose name begins so.")
@click.option(
    "--scenario", "scenarios", multiple=True, type=click.Choice(list(SCENARIOS)), help="Only these."
)
@click.option(
    "--keep",
    type=click.Path(path_type=Path),
    help="Where to store recordings, in tests/clients/recordings for CI.",
)
def main(names: tuple[str, ...], scenarios: tuple[str, ...], keep: Path | None) -> None:
    """Run real clients through the gateway to a strict provider."""
    began: dict[str, Any] = {"commit": commit(), "source": source_digest()}
    chosen = [c for c in CLIENTS_KNOWN if not names or c.name.startswith(names)]
    # `bare` first: it tells how much every request of that client holds.
    wanted = [name for name in SCENARIOS if not scenarios or name in scenarios or name == "bare"]
    shown = {client.name: _shown(client, wanted, keep) for client in chosen}
    passed = [name for name, each in shown.items() if each["passed"]]
    kinds = {client.folder for client in chosen if shown[client.name]["installed"]}
    summary: dict[str, Any] = {
        **began,
        "changed": source_digest() != began["source"],
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "clients": shown,
        "clients_installed": len(kinds),
        "clients_passed": len(passed),
        "clients_total": len(chosen),
        "prefix_breaks": _sum(shown, "breaks"),
    }
    if not names and not scenarios:
        SHOWN.write_text(json.dumps(summary, indent=1) + "\n", encoding="utf-8")
    told = {name: value for name, value in summary.items() if name != "clients"}
    told |= {each: _sum(shown, each) for each in ("recalled", "seen", "moves", "client_breaks", "hidden")}
    print(json.dumps(told))
    if not names and len(kinds) < INSTALLED_MIN:
        sys.exit(f"only {len(kinds)} clients could be installed; {INSTALLED_MIN} are needed")
    sys.exit(len(passed) < len(chosen))


def _shown(client: Client, wanted: list[str], keep: Path | None) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "version": client.version,
        "api": client.api,
        "installed": False,
        "passed": False,
    }
    scenarios: dict[str, Any] = {}
    shown["scenarios"] = scenarios
    try:
        installed(NODE)
        installed(client)
    except NotInstalled as reason:
        print(f"{client.name:28} not installed: {reason}", flush=True)
        return shown | {"why": str(reason)}
    shown["installed"] = True
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


def _sum(shown: dict[str, dict[str, Any]], field: str) -> int:
    return sum(each[field] for client in shown.values() for each in client["scenarios"].values())


if __name__ == "__main__":
    main()
