"""``python -m tests.clients``: real clients through the gateway to a strict provider. ``make test-clients``.

A client that can't be installed has failed, and fewer than four installed is an error. What was shown is written to
``benchmarks/context/clients.json``, unless only some clients or scenarios were asked for.
"""

import json
import sys
from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, datetime
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import click

from benchmarks.context.clients import SHOWN, commit, source_digest
from tests.clients.installing import NotInstalled, installed
from tests.clients.kinds import CLIENTS_KNOWN, NODE, Client
from tests.clients.scenarios import SCENARIOS
from tests.clients.showing import shown_of

INSTALLED_MIN = 4


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
@click.option("--jobs", default=2, show_default=True, help="How many clients run at once.")
def main(names: tuple[str, ...], scenarios: tuple[str, ...], keep: Path | None, jobs: int) -> None:
    """Run real clients through the gateway to a strict provider."""
    began: dict[str, Any] = {"commit": commit(), "source": source_digest()}
    chosen = [c for c in CLIENTS_KNOWN if not names or c.name.startswith(names)]
    # `bare` first: it tells how much every request of that client holds.
    wanted = [name for name in SCENARIOS if not scenarios or name in scenarios or name == "bare"]
    missing = {client.name: _missing(client) for client in chosen}
    # Each client in a process of its own: a gateway, a provider and a client wait for one another most of the time.
    with ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) as pool:
        asked = {name: pool.submit(shown_of, name, why, wanted, keep) for name, why in missing.items()}
        shown = {name: each.result() for name, each in asked.items()}
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


def _missing(client: Client) -> str:
    """Return why ``client`` can't be had; empty where it is installed."""
    try:
        installed(NODE)
        installed(client)
    except NotInstalled as reason:
        print(f"{client.name:28} not installed: {reason}", flush=True)
        return str(reason)
    return ""


def _sum(shown: dict[str, dict[str, Any]], field: str) -> int:
    return sum(each[field] for client in shown.values() for each in client["scenarios"].values())


if __name__ == "__main__":
    main()
