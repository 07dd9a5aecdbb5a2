"""``perdure doctor``: can agents be run here, and is the store well?"""

import click

from perdure.assembly.stores.addresses import Address
from perdure.cli.checks import machine_checks, store_checks
from perdure.cli.drawing.ink import Tone, clean, inked
from perdure.cli.ending import FAILED, FINISHED
from perdure.cli.options import agent_option, example, json_option, shard_found, store_option
from perdure.cli.origins import agent_of, origin_here, recall
from perdure.cli.out import put
from perdure.cli.place import address_meant, opened
from perdure.cli.servers import Check
from perdure.cli.wheel import tools_speak_aside

_SIGNS: dict[str, tuple[str, Tone]] = {"ok": ("✓", "good"), "warn": ("!", "doubt"), "fail": ("✗", "bad")}


@click.command(epilog=example("perdure doctor", "perdure doctor march --drift"))
@click.argument("run", metavar="[RUN]", required=False)
@click.option("--drift", is_flag=True, help="Ask the tools' checks whether what RUN did is still so.")
@agent_option
@store_option
@json_option
@shard_found
def doctor(*, run: str | None, drift: bool, agent: str | None, store: Address | None, as_json: bool) -> int:
    """Check this machine and a store: Python, SQLite, syncing, disk, clock, models; the store's runs.

    Each finding says what to do next. Ends with code 4 if one of them fails. With RUN and --drift: look
    whether the world still is as the run's receipts say; what isn't is recorded, and the model is told.
    """
    if drift != (run is not None):
        raise click.UsageError("RUN and --drift go together.")
    if run is not None:
        return _drift(run, agent, store, as_json=as_json)
    directory = address_meant(store)
    found: list[Check] = []
    for check in (*machine_checks(directory), *store_checks(directory)):
        found.append(check)
        if not as_json:
            _say(check)
    well = all(check.status != "fail" for check in found)
    if as_json:
        put({"ok": well, "store": str(directory), "checks": found})
    return FINISHED if well else FAILED


def _drift(run: str, agent: str | None, store: Address | None, *, as_json: bool) -> int:
    with opened(store) as place:
        place.store.inspector.row(run)
        origin = origin_here(agent) if agent else recall(place, run)
        with tools_speak_aside():
            found = place.store.look_for_drift(agent_of(origin, place.store.state(run)), run)
    if as_json:
        put({"ok": not found, "run": run, "drift": found})
        return FAILED if found else FINISHED
    for text in found:
        click.echo(f"{inked('!', 'bad', bold=True)} {clean(text)}")
    if not found:
        click.echo(
            f"{inked('✓', 'good', bold=True)} the world is as the receipts of {run} say, as far as checks look"
        )
    return FAILED if found else FINISHED


def _say(check: Check) -> None:
    sign, tone = _SIGNS[check.status]
    click.echo(f"{inked(sign, tone, bold=True)} {check.name.ljust(14)} {clean(check.text)}")
    if check.next:
        click.echo(f"  {' ' * 14} {inked(check.next, 'ask')}")
