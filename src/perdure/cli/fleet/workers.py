"""``perdure worker ls`` and what people tell workers; ``perdure submit``."""

import time
from contextlib import ExitStack
from typing import cast

import click

from perdure.assembly.stores.addresses import Address
from perdure.assembly.stores.fleet import Base, bases_of
from perdure.assembly.stores.fleet import fence as fenced_off
from perdure.assembly.submitting import hand_over, placed_of
from perdure.cli.drawing.ink import Tone, inked, span
from perdure.cli.drawing.tables import Cell, table
from perdure.cli.ending import FINISHED
from perdure.cli.options import by_option, example, json_option, run_argument, store_option
from perdure.cli.out import put
from perdure.cli.place import address_meant, opened
from perdure.log.placing import Placed, ProcessSeen
from perdure.values.digest import Json
from perdure.values.errors import BadInput
from perdure.values.limits import WORKER_SILENT_SECONDS


@click.command(epilog=example("perdure worker ls", "perdure worker ls --json"))
@click.option("--all", "ended", is_flag=True, help="Those that have ended, too.")
@store_option
@json_option
def ls(*, ended: bool, store: Address | None, as_json: bool) -> int:
    """List the processes that drive runs, and the runs that none drives: parked ones, and those that wait for a worker."""
    with ExitStack() as stack:
        bases = _bases(store, stack)
        processes = [(base, each) for base in bases for each in base.registry.processes(ended=ended)]
        stuck = [each for base in bases for each in base.placements.stuck()]
    if as_json:
        shapes: list[Json] = [_shape(base, each) for base, each in processes]
        runs: list[Json] = [
            {
                "run": each.run,
                "agent": each.agent,
                "tenant": each.tenant,
                "status": each.status,
                "tries": each.tries,
                "parked": each.parked,
                "waits": each.waits,
            }
            for each in stuck
        ]
        put({"workers": shapes, "runs": runs})
        return FINISHED
    if processes:
        head = ("WORKER", "STATE", "RUNS", "SEEN", "UP", "AGENTS", "PROBES")
        click.echo(table([_cells(each) for _, each in processes], head=head))
    else:
        click.echo("no worker is known: start one with `perdure worker --agents MODULE:NAME`")
    if stuck:
        click.echo(
            "\n" + table([_stuck_cells(each) for each in stuck], head=("RUN", "AGENT", "STATE", "WHY"))
        )
    return FINISHED


@click.command(
    epilog=example('perdure worker fence web-3 --by "Ada, on call"', "perdure worker fence web-3/1234")
)
@click.argument("process", metavar="HOST[/PID]")
@by_option
@store_option
@json_option
def fence(*, process: str, by: str, store: Address | None, as_json: bool) -> int:
    """Say that a silent worker's host is fenced or destroyed, so that nothing of it can still be sent.

    Only then are deeds that it had begun settled or tried again, and the logs of its runs are told who said so. First see that it is so: a machine that comes back
    with its network may still send what it had promised.
    """
    with ExitStack() as stack:
        bases = _bases(store, stack)
        books = stack.enter_context(opened(store)).store.books
        fenced = [
            each.name
            for base in bases
            for each in base.registry.processes()
            if _is_meant(each, process) and fenced_off(base, books, each, by=by, now=time.time_ns())
        ]
        if not fenced:
            raise BadInput(
                f"no open process is called {process!r}",
                hint="`perdure worker ls` shows them: HOST or HOST/PID",
            )
    if as_json:
        put({"fenced": cast("Json", fenced), "by": by})
    else:
        for name in fenced:
            click.echo(
                f"{inked('✓', 'good', bold=True)} {name} has ended, says {by}; its deeds in doubt are looked at"
            )
    return FINISHED


@click.command("unpark", epilog=example("perdure worker unpark march"))
@run_argument
@by_option
@store_option
@json_option
def unpark_(*, run: str, by: str, store: Address | None, as_json: bool) -> int:
    """Let workers drive a parked RUN again, once what it died of is mended."""
    with opened(store) as place:
        place.store.unpark(run, by=by)
    if as_json:
        put({"run": run, "parked": False, "by": by})
    else:
        click.echo(f"{inked('✓', 'good', bold=True)} workers drive {run} again, says {by}")
    return FINISHED


@click.command(epilog=example("perdure worker take march"))
@run_argument
@store_option
@json_option
def take(*, run: str, store: Address | None, as_json: bool) -> int:
    """Give RUN, which was begun by `perdure run`, to workers from here on."""
    with opened(store) as place:
        agent = place.store.state(run).agent
        taken = hand_over(place.store.books, run, agent)
        placed = placed_of(place.store.books, run)
        agent = placed.agent if placed is not None else agent
    if as_json:
        put({"run": run, "agent": agent, "taken": taken})
    else:
        click.echo(f"{inked('✓', 'good', bold=True)} workers that have {agent} drive {run}")
    return FINISHED


@click.command(
    epilog=example(
        'perdure submit payables "Pay the March invoices" --run march',
        'perdure submit payables "Pay them" --tenant acme --store postgresql://perdure@db/perdure',
    )
)
@click.argument("agent", metavar="AGENT")
@click.argument("task", metavar="TASK")
@click.option(
    "--run", "name", metavar="NAME", help="What to call the run [default: the agent's name and a number]."
)
@click.option("--tenant", default="default", metavar="NAME", help="Whose budgets and receipts it shares.")
@store_option
@json_option
def submit(
    *, agent: str, task: str, name: str | None, tenant: str, store: Address | None, as_json: bool
) -> int:
    """Have workers begin a run on TASK and drive it; AGENT is the name that they know the agent by.

    The run is durable when this returns, and goes on whatever becomes of this terminal.
    """
    with opened(store) as place:
        run = place.store.submit(agent, task, run=name, tenant=tenant)
        known = _known_agents(place.address)
    if as_json:
        put({"run": run.name, "agent": agent, "tenant": tenant, "workers": agent in known})
        return FINISHED
    click.echo(f"{inked('✓', 'good', bold=True)} {run.name} is given to workers")
    if agent not in known:
        has = f"; they have {', '.join(sorted(known))}" if known else ""
        click.echo(f"{inked('!', 'doubt', bold=True)} no worker that runs now has the agent {agent}{has}")
    click.echo(f"  {inked(f'perdure log {run.name} -f{place.flag}', 'ask')}  to follow it")
    return FINISHED


def _known_agents(address: Address) -> set[str]:
    with ExitStack() as stack:
        return {
            name
            for base in _bases(address, stack)
            for each in base.registry.processes()
            if not _is_silent(each)
            for name in each.agents
        }


def _bases(store: Address | None, stack: ExitStack) -> list[Base]:
    bases = list(bases_of(address_meant(store)))
    for base in bases:
        stack.callback(base.close)
    return bases


def _is_meant(process: ProcessSeen, spoken: str) -> bool:
    host, _, pid = spoken.rpartition("/")
    here = (process.station, process.host)
    return spoken in (*here, process.name) or (host in here and pid == str(process.pid))


def _is_silent(process: ProcessSeen) -> bool:
    """Whether it was judged so, or nobody is there who could judge it: a lone worker that was killed."""
    return process.lapsed or process.silent_seconds > WORKER_SILENT_SECONDS


def _word(process: ProcessSeen) -> tuple[str, Tone]:
    if process.ended:
        return "ended", "quiet"
    if _is_silent(process):
        return "silent", "doubt"
    if process.draining:
        return "drains", "ask"
    return "serves", "good"


def _cells(process: ProcessSeen) -> list[Cell]:
    word, tone = _word(process)
    return [
        (f"{process.station}/{process.pid}", "plain"),
        (word if not process.ended else f"ended: {process.proof}", tone),
        (f"{process.driving} of {process.concurrency}", "plain"),
        (f"{span(round(process.silent_seconds * 1e9))} ago", "quiet"),
        (span(round(process.age_seconds * 1e9)), "quiet"),
        (", ".join(process.agents), "model"),
        (process.address, "quiet"),
    ]


def _stuck_cells(placed: Placed) -> list[Cell]:
    state: tuple[str, Tone] = ("parked", "bad") if placed.parked else ("waits", "ask")
    return [(placed.run, "plain"), (placed.agent, "model"), state, (placed.parked or placed.waits, "plain")]


def _shape(base: Base, process: ProcessSeen) -> dict[str, Json]:
    return {
        "process": process.name,
        "shard": base.name,
        "station": process.station,
        "pid": process.pid,
        "state": _word(process)[0],
        "address": process.address,
        "version": process.version,
        "format": process.format,
        "engine": process.engine,
        "agents": dict(process.agents),
        "concurrency": process.concurrency,
        "driving": process.driving,
        "silent_seconds": round(process.silent_seconds, 3),
        "age_seconds": round(process.age_seconds, 3),
        "proof": process.proof,
        "proved_by": process.proved_by,
    }
