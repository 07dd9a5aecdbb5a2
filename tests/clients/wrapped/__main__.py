"""``python -m tests.clients.wrapped``: real clients under ``perdure wrap``. The second half of ``make test-clients``.

A client that can't be installed has failed, and fewer than four installed is an error.
"""

import json
import sys
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context

import click

from tests.clients.installing import NotInstalled, installed
from tests.clients.kinds import NODE
from tests.clients.wrapped.kinds import WRAPPED, Wrapped
from tests.clients.wrapped.scenarios import SCENARIOS, Outcome, fit, shown

INSTALLED_MIN = 4


@click.command()
@click.option("--client", "names", multiple=True, help="Only clients whose name begins so.")
@click.option(
    "--scenario", "scenarios", multiple=True, type=click.Choice(list(SCENARIOS)), help="Only these."
)
@click.option("--jobs", default=2, show_default=True, help="How many clients run at once.")
def main(names: tuple[str, ...], scenarios: tuple[str, ...], jobs: int) -> None:
    """Run real clients under ``perdure wrap``, killed, resumed and taken back."""
    chosen = [kind for kind in WRAPPED if not names or kind.name.startswith(names)]
    missing = {kind.name: why for kind in chosen if (why := _missing(kind))}
    wanted = [name for name in SCENARIOS if not scenarios or name in scenarios]
    outcomes: dict[str, dict[str, Outcome]] = {kind.name: {} for kind in chosen}
    with ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) as pool:
        asked = {
            pool.submit(shown, kind.name, name): (kind.name, name)
            for kind in chosen
            if kind.name not in missing
            for name in wanted
            if fit(kind, name)
        }
        for each in as_completed(asked):
            client, name = asked[each]
            outcomes[client][name] = each.result()
            _tell(client, name, each.result())
    passed = [
        name
        for name, each in outcomes.items()
        if name not in missing and not any(outcome.failed for outcome in each.values())
    ]
    every = [outcome for each in outcomes.values() for outcome in each.values()]
    summary = {
        "clients": len(chosen),
        "installed": len(chosen) - len(missing),
        "passed": len(passed),
        "scenarios": len(every),
        "kills": sum(each.kills for each in every),
        "rewound": sum(each.rewound for each in every),
        "rewind_mismatches": sum(each.mismatches for each in every),
    }
    print(json.dumps(summary))
    if not names and summary["installed"] < INSTALLED_MIN:
        sys.exit(f"only {summary['installed']} clients could be installed; {INSTALLED_MIN} are needed")
    sys.exit(len(passed) < len(chosen))


def _missing(kind: Wrapped) -> str:
    """Return why ``kind`` can't be had; empty where it is installed."""
    try:
        installed(NODE)
        installed(kind.client)
    except NotInstalled as reason:
        print(f"{kind.name:16} not installed: {reason}", flush=True)
        return str(reason)
    return ""


def _tell(client: str, name: str, outcome: Outcome) -> None:
    mark = "failed" if outcome.failed else "ok"
    print(f"{client:16} {name:22} {mark:7}{outcome.seconds:6.1f} s  {outcome.requests} requests", flush=True)
    for each in outcome.failed:
        print(f"    {each}", flush=True)


if __name__ == "__main__":
    main()
