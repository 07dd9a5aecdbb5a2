"""``perdure worker migrate`` and ``perdure worker tenant``: what people allow runs and tenants."""

from contextlib import ExitStack

import click

from perdure.assembly.agents.versions import VersionChange, migration_of, put_ahead, runs_at
from perdure.assembly.stores.addresses import Address
from perdure.assembly.stores.fleet import bases_of
from perdure.assembly.submitting import placements_of
from perdure.cli.drawing.ink import count, inked
from perdure.cli.drawing.tables import Cell, table
from perdure.cli.ending import FINISHED
from perdure.cli.options import by_option, example, json_option, shard_found, store_option
from perdure.cli.origins import load_all
from perdure.cli.out import put
from perdure.cli.place import Place, address_meant, opened
from perdure.values.digest import Json
from perdure.values.errors import BadInput


@click.command(
    epilog=example(
        "perdure worker migrate march --agents billing:agent --dry-run",
        'perdure worker migrate march --agents billing:agent --by "Ada"',
        'perdure worker migrate --agent billing --from 1 --to 2 --agents billing:agent --by "Ada"',
    )
)
@click.argument("run", metavar="[RUN]", required=False)
@click.option(
    "--agents", "spoken", required=True, metavar="MODULE:NAME", help="The agent as it is to be from now on."
)
@click.option(
    "--agent", "name", default="", metavar="NAME", help="All runs of this agent that are pinned to --from."
)
@click.option("--from", "before", default="", metavar="VERSION", help="The version that they are pinned to.")
@click.option(
    "--to",
    "after",
    default="",
    metavar="VERSION",
    help="The version that --agents has; else nothing is done.",
)
@click.option("--dry-run", is_flag=True, help="Only say what it would mean.")
@by_option
@store_option
@json_option
@shard_found
def migrate(
    *,
    run: str | None,
    spoken: str,
    name: str,
    before: str,
    after: str,
    dry_run: bool,
    by: str,
    store: Address | None,
    as_json: bool,
) -> int:
    """Let RUN, or all runs of an agent at one version, be driven by another version of it; the log records who said so.

    It is tried first: a run with an effect open that the new version has no tool for stays as it is, and it is said
    which intentions of the past the new contract would have judged otherwise.
    """
    if (run is None) == (not name) or (name and not before):
        raise BadInput("name one RUN, or --agent with --from")
    agents = {each.name: each for each in load_all(spoken)}
    with opened(store) as place:
        runs = [run] if run is not None else list(runs_at(place.store.books, name, before))
        done: list[VersionChange] = []
        for each in runs:
            state = place.store.state(each)
            agent = agents.get(state.agent)
            if agent is None:
                raise BadInput(f"{spoken} has no agent {state.agent!r}, which {each} belongs to")
            if after and agent.version != after:
                raise BadInput(f"{spoken} has version {agent.version} of {agent.name}, not {after}")
            found = migration_of(place.store.books, each, agent, by=by)
            if before and found.before != before:
                raise BadInput(f"{each} is pinned to version {found.before}, not {before}")
            done.append(found)
        for found in () if dry_run else done:
            _record(place, found)
    if as_json:
        put([_shape(each, recorded=not dry_run) for each in done])
        return FINISHED
    for each in done:
        _say(each, recorded=not dry_run)
    if not done:
        click.echo(f"no run of {name} that goes on is pinned to version {before}")
    return FINISHED


def _record(place: Place, migration: VersionChange) -> None:
    if migration.facts:
        put_ahead(place.store.books, migration)
        place.store.call(place.store.house.attend(migration.run, then=migration.facts))
    placements = placements_of(place.store.books, migration.run)
    placed = placements.look(migration.run) if placements is not None else None
    if placements is not None and placed is not None and placed.waits:
        placements.leave(migration.run, later=0, waits="")
        placements.call(migration.run)


def _shape(migration: VersionChange, *, recorded: bool) -> dict[str, Json]:
    return {
        "run": migration.run,
        "agent": migration.agent,
        "from": migration.before,
        "to": migration.after,
        "tools_gone": list(migration.tools_gone),
        "tools_new": list(migration.tools_new),
        "tools_changed": list(migration.tools_changed),
        "judged_otherwise": [
            {
                "position": each.position,
                "tool": each.tool,
                "then": each.then,
                "now": each.now,
                "reason": each.reason,
            }
            for each in migration.judged_otherwise
        ],
        "recorded": recorded and bool(migration.facts),
    }


def _say(migration: VersionChange, *, recorded: bool) -> None:
    sign = inked("✓", "good", bold=True) if recorded else inked("·", "quiet")
    verb = "is taken" if recorded else "would be taken"
    click.echo(
        f"{sign} {migration.run} {verb} from version {migration.before} to {migration.after} of {migration.agent}"
    )
    for words, tools in (
        ("tools that are gone", migration.tools_gone),
        ("tools that are new", migration.tools_new),
        ("tools that are declared otherwise", migration.tools_changed),
    ):
        if tools:
            click.echo(inked(f"  {words}: {', '.join(tools)}", "quiet"))
    for each in migration.judged_otherwise:
        what = each.tool or "asking the model"
        click.echo(
            inked(
                f"  at {each.position}: {what} was {each.then}, and would be {each.now}: {each.reason}",
                "doubt",
            )
        )


@click.command(
    epilog=example(
        'perdure worker tenant acme --concurrency 4 --by "Ada"',
        "perdure worker tenant --default --concurrency 16",
        "perdure worker tenant acme --no-limit",
        "perdure worker tenant",
    )
)
@click.argument("name", metavar="[TENANT]", required=False)
@click.option("--default", "common", is_flag=True, help="For all tenants that have no limit of their own.")
@click.option(
    "--concurrency", type=click.IntRange(min=0), metavar="N", help="At most so many of its runs at a time."
)
@click.option("--no-limit", is_flag=True, help="None of its own any more.")
@by_option
@store_option
@json_option
def tenant(
    *,
    name: str | None,
    common: bool,
    concurrency: int | None,
    no_limit: bool,
    by: str,
    store: Address | None,
    as_json: bool,
) -> int:
    """Say how many runs of TENANT workers drive at the same time, or list what was said.

    It holds over all workers of the store. Runs beyond it wait for a place; what is under way goes on.
    """
    sets = concurrency is not None or no_limit
    if sets and ((name is None) == (not common) or (concurrency is not None and no_limit)):
        raise BadInput("name one tenant, or --default, and --concurrency N or --no-limit")
    with ExitStack() as stack:
        bases = list(bases_of(address_meant(store)))
        for base in bases:
            stack.callback(base.close)
            if sets:
                base.tenants.set_limit(name or "", concurrency, by)
        limits = [
            each for base in bases for each in base.tenants.limits() if name is None or each.name == name
        ]
    if as_json:
        put(limits)
        return FINISHED
    rows: list[list[Cell]] = [
        [
            (each.name or "(all others)", "plain"),
            (f"{each.concurrency:,} at a time" if each.concurrency is not None else "no limit", "plain"),
            (f"{count(each.driving, 'run')} under way", "quiet"),
            (f"says {each.by}" if each.by else "", "quiet"),
        ]
        for each in limits
    ]
    click.echo(table(rows) if rows else "no tenant has a limit, and none has a run under way")
    return FINISHED
