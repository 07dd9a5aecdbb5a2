"""``perdure verify`` and ``perdure replay``: is the log what was written, and does it follow?"""

import click

from perdure.assembly.inspect import Verified
from perdure.assembly.stores.addresses import Address
from perdure.cli.drawing.ink import Tone, clean, count, inked
from perdure.cli.ending import FAILED, FINISHED
from perdure.cli.options import example, json_option, run_argument, shard_found, store_option
from perdure.cli.out import put
from perdure.cli.place import opened
from perdure.replay.redo import Replayed
from perdure.values.digest import Json

_DIFF: dict[str, Tone] = {"+": "good", "-": "bad", "@": "head"}


@click.command(
    epilog=example(
        "perdure verify march --json",
        "perdure verify march --head 39:7e3ce022c6a1...",
        "perdure verify --all",
    )
)
@click.argument("run", metavar="[RUN]", required=False)
@click.option("--all", "every", is_flag=True, help="Verify every run of the store.")
@click.option(
    "--head", metavar="POSITION:DIGEST", help="A head that you remember; the log must still hold it."
)
@click.option("--chain", is_flag=True, help="The chain of digests only: fast, nothing is decoded.")
@store_option
@json_option
@shard_found
def verify(
    *,
    run: str | None,
    every: bool,
    head: str | None,
    chain: bool,
    store: Address | None,
    as_json: bool,
) -> int:
    """Check that the log of RUN is what was written: chain, gaps, places, folds, snapshots, blobs.

    Ends with code 4 at the first thing that is wrong, naming its position. Only a head that you keep
    elsewhere shows that the end was cut off or an old copy restored: give it with --head.
    """
    if (run is None) == (not every):
        raise click.UsageError("Name a run, or say --all.")
    if every and head:
        raise click.UsageError("--head belongs to one run.")
    with opened(store) as place:
        if run is not None and head is None:
            place.store.inspector.row(run)  # a run that is gone is wrong use, unless its head is remembered
        names = [run] if run is not None else [row.run for row in place.runs()]
        found = [place.store.inspector.verify(name, head=head, chain_only=chain) for name in names]
    if as_json:
        shapes: list[Json] = [dict(_shape(each)) for each in found]
        put(shapes[0] if run is not None else {"ok": all(each.ok for each in found), "runs": shapes})
    else:
        for each in found:
            _say(each)
    return FINISHED if all(each.ok for each in found) else FAILED


def _shape(found: Verified) -> dict[str, Json]:
    shape: dict[str, Json] = {"ok": found.ok, "run": found.run, "events": found.events, "head": found.head}
    return shape if found.ok else {**shape, "position": found.position, "wrong": found.wrong}


def _say(found: Verified) -> None:
    if found.ok:
        words = f"{inked(found.run, 'plain', bold=True)} is as it was written: {count(found.events, 'event')}"
        click.echo(f"{inked('✓', 'good', bold=True)} {words}")
        click.echo(inked(f"  head {found.events}:{found.head}", "quiet"))
    else:
        where = f" at {found.position}" if found.position else ""
        click.echo(
            f"{inked('✗', 'bad', bold=True)} {inked(found.run, 'plain', bold=True)}{where}: {clean(found.wrong)}"
        )


@click.command(epilog=example("perdure replay march"))
@run_argument
@store_option
@json_option
def replay(*, run: str, store: Address | None, as_json: bool) -> int:
    """Decide RUN again from what its log recorded, and compare: no model is asked, nothing is done.

    Ends with code 4 at the first difference, which is shown as a diff.
    """
    with opened(store) as place:
        place.store.inspector.row(run)
        found = place.store.replay(run)
    if as_json:
        put(_replayed(run, found))
    elif found.difference is None:
        words = (
            f"{count(found.events, 'event')} decided again from {count(found.facts, 'fact')}, each the same"
        )
        click.echo(f"{inked('✓', 'good', bold=True)} {inked(run, 'plain', bold=True)}: {words}")
    else:
        where = f"{found.difference.position} (decided at {found.difference.cause})"
        sign = inked("✗", "bad", bold=True)
        click.echo(f"{sign} {inked(run, 'plain', bold=True)} would go on otherwise from {where}")
        for line in found.difference.diff().splitlines():
            click.echo(f"  {inked(clean(line), _DIFF.get(line[:1], 'plain'))}")
    return FINISHED if found.difference is None else FAILED


def _replayed(run: str, found: Replayed) -> dict[str, Json]:
    different = found.difference
    return {
        "ok": different is None,
        "run": run,
        "events": found.events,
        "facts": found.facts,
        "step": found.step,
        "difference": None
        if different is None
        else {
            "position": different.position,
            "cause": different.cause,
            "recorded": different.recorded,
            "decided": different.decided,
            "diff": different.diff(),
        },
    }
