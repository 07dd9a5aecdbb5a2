"""``perdure worker``: drive runs of a shared store, and see who does."""

import asyncio
import os
from collections.abc import Callable, Coroutine
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Final, cast

import click

from perdure import __version__
from perdure.assembly.agents.agent import Agent
from perdure.assembly.foreign.gateways import is_loopback
from perdure.assembly.foreign.hushing import hush_of
from perdure.assembly.stores.addresses import Address
from perdure.assembly.stores.fleet import bases_of
from perdure.cli.ending import FINISHED
from perdure.cli.fleet.worker_people import migrate, tenant
from perdure.cli.fleet.workers import fence, ls, take, unpark_
from perdure.cli.options import example, json_option, store_option
from perdure.cli.origins import load_all
from perdure.cli.out import put
from perdure.cli.place import address_meant
from perdure.cli.wheel import tools_speak_aside
from perdure.values.errors import BadInput
from perdure.values.limits import WORKER_DRAIN_SECONDS, WORKER_SILENT_SECONDS

if TYPE_CHECKING:
    from perdure.worker.serving import Worker, WorkerSettings
    from perdure.worker.telling import Tell

_Serve = Callable[["WorkerSettings", "Tell", Callable[["Worker"], None]], Coroutine[None, None, int]]


_EXPOSED: Final = "other machines reach it, and no password is asked: let only your monitoring through to it"


@click.group(
    commands=(ls, fence, unpark_, take, migrate, tenant),
    invoke_without_command=True,
    epilog=example(
        "perdure worker --store postgresql://perdure@db/perdure --agents payables:agent",
        "perdure worker --store store.toml --agents payables:agent,refunds:agent --concurrency 32 --listen 127.0.0.1:9464",
        "perdure worker ls --store postgresql://perdure@db/perdure",
    ),
)
@click.option(
    "--agents",
    "spoken",
    multiple=True,
    metavar="MODULE:NAME,...",
    help="Agents, or lists of them; a module or FILE.py alone stands for all in it.",
)
@click.option(
    "--concurrency",
    default=8,
    show_default=True,
    type=click.IntRange(1, 1024),
    metavar="N",
    help="Runs at once.",
)
@click.option(
    "--engine",
    default="procrastinate",
    show_default=True,
    type=click.Choice(["procrastinate", "temporal"]),
    help="Which task engine places runs.",
)
@click.option(
    "--listen", default="", metavar="HOST:PORT", help="Answer /healthz, /readyz and /metrics there."
)
@click.option(
    "--drain-seconds",
    default=WORKER_DRAIN_SECONDS,
    show_default=True,
    type=click.FloatRange(0.0, 3600.0),
    metavar="N",
    help="How long what is under way may finish when it is told to end.",
)
@click.option(
    "--takeover-seconds",
    default=WORKER_SILENT_SECONDS,
    show_default=True,
    type=click.FloatRange(1.0, 600.0),
    metavar="N",
    help="After how long a silence another worker's runs are taken over; the same for a whole fleet.",
)
@click.option("--log-json", is_flag=True, help="Log objects to standard error, one a line.")
@store_option
@json_option
@click.pass_context
def worker(
    ctx: click.Context,
    *,
    spoken: tuple[str, ...],
    concurrency: int,
    engine: str,
    listen: str,
    drain_seconds: float,
    takeover_seconds: float,
    log_json: bool,
    store: Address | None,
    as_json: bool,
) -> int:
    """Drive runs of a shared store, placed by a task engine, until a signal ends it.

    Start as many as you like, on as many hosts. SIGTERM lets what is under way finish for --drain-seconds, then gives all
    runs back; a second one does so at once. Code 4 says that something could not be given back in time.
    """
    if ctx.invoked_subcommand is not None:
        return FINISHED
    for package in ("psycopg", "prometheus_client"):
        if find_spec(package) is None:
            raise BadInput("the worker's parts aren't installed", hint="pip install 'perdure[worker]'")
    from perdure.worker.pulse import Bounds  # noqa: PLC0415 - its parts may not be installed
    from perdure.worker.serving import WorkerSettings  # noqa: PLC0415 - as above
    from perdure.worker.telling import Teller  # noqa: PLC0415 - as above

    host, port = _listening(listen)
    location = address_meant(store).absolute()
    hushed = hush_of([base.address for base in bases_of(location)], os.environ)
    settings = WorkerSettings(
        location,
        _agents(spoken),
        __version__,
        concurrency,
        engine,
        host,
        port,
        drain_seconds,
        Bounds.of(takeover_seconds),
        hushed,
    )
    teller = Teller(as_json=log_json, hushed=hushed)

    def serving(now: "Worker") -> None:
        teller.process = now.pulse.name
        names = ", ".join(settings.agents)
        teller("worker.serving", store=str(settings.location), agents=names, probes=now.address)
        if port is not None and not is_loopback(host):
            teller("worker.exposed", probes=now.address, why=_EXPOSED)
        if as_json:
            put({"process": now.pulse.name, "probes": now.address, "agents": list(settings.agents)})

    serve = cast("_Serve", import_module("perdure.worker.serving").serve)
    try:
        return asyncio.run(serve(settings, teller, serving))
    finally:
        teller.drain()


def _agents(spoken: tuple[str, ...]) -> dict[str, Agent]:
    with tools_speak_aside():
        found = [
            agent for each in spoken for name in each.split(",") if name for agent in load_all(name.strip())
        ]
    if not found:
        raise BadInput("a worker needs agents", hint="name them: --agents payables:agent,refunds:agent")
    agents = {agent.name: agent for agent in found}
    if len(agents) < len({id(agent) for agent in found}):
        raise BadInput("two agents of one name were given", hint="a run finds its agent by the name")
    return agents


def _listening(listen: str) -> tuple[str, int | None]:
    if not listen:
        return "", None
    host, colon, port = listen.rpartition(":")
    if not colon or not port.isdigit():
        raise BadInput(f"--listen {listen!r} is no HOST:PORT", hint="as in 127.0.0.1:9464")
    return host.strip("[]") or "127.0.0.1", int(port)
