"""``perdure doctor``: can agents be run here, and is the store well?"""

from pathlib import Path

import click

from perdure.cli.checks import Check, machine_checks, store_checks
from perdure.cli.ending import FAILED, FINISHED
from perdure.cli.ink import Tone, clean, inked
from perdure.cli.options import example, json_option, store_option
from perdure.cli.out import put
from perdure.cli.place import directory_of

_SIGNS: dict[str, tuple[str, Tone]] = {"ok": ("✓", "good"), "warn": ("!", "doubt"), "fail": ("✗", "bad")}


@click.command(epilog=example("perdure doctor"))
@store_option
@json_option
def doctor(*, store: Path | None, as_json: bool) -> int:
    """Check this machine and a store: Python, SQLite, syncing, disk, clock, models; the store's runs.

    Each finding says what to do next. Ends with code 4 if one of them fails.
    """
    directory = directory_of(store)
    found: list[Check] = []
    for check in (*machine_checks(directory), *store_checks(directory)):
        found.append(check)
        if not as_json:
            _say(check)
    well = all(check.status != "fail" for check in found)
    if as_json:
        put({"ok": well, "store": str(directory), "checks": found})
    return FINISHED if well else FAILED


def _say(check: Check) -> None:
    sign, tone = _SIGNS[check.status]
    click.echo(f"{inked(sign, tone, bold=True)} {check.name.ljust(14)} {clean(check.text)}")
    if check.next:
        click.echo(f"  {' ' * 14} {inked(check.next, 'ask')}")
