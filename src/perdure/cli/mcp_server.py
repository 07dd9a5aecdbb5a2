"""``perdure mcp-server``: an agent looks at its own run, over MCP on the standard streams."""

from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec
from typing import Protocol, cast

import click

from perdure import __version__
from perdure.assembly.store import Store
from perdure.assembly.stores.addresses import Address
from perdure.cli.drawing.ink import inked
from perdure.cli.ending import FINISHED
from perdure.cli.options import example, json_option, store_option
from perdure.cli.out import put
from perdure.cli.place import opened
from perdure.values.digest import Json
from perdure.values.errors import BadInput


class _View(Protocol):
    bound: str


class _Views(Protocol):
    def __call__(self, store: Store, *, run: str, every_run: bool, allow: frozenset[str]) -> _View: ...


class _Serves(Protocol):
    def __call__(self, view: _View, *, version: str, ready: Callable[[], None]) -> None: ...


_Offers = Callable[[_View], list[dict[str, Json]]]


@click.command(
    epilog=example(
        "perdure mcp-server --run march",
        "perdure mcp-server --run march --allow note --allow checkpoint",
        "perdure mcp-server --run march --tools",
        "claude mcp add perdure -- perdure mcp-server --run march --store ./state",
    )
)
@click.option(
    "--run",
    metavar="NAME",
    envvar="PERDURE_RUN",
    default="",
    help="The run that is shown [default: PERDURE_RUN].",
)
@click.option(
    "--all-runs",
    is_flag=True,
    help="Show all runs, for an assistant of your own; of clients' conversations only the cost.",
)
@click.option(
    "--allow",
    multiple=True,
    metavar="TOOL",
    type=click.Choice(["checkpoint", "note"]),
    help="Let the agent use a tool that changes the log: checkpoint or note. Denied by default.",
)
@click.option("--tools", "only_tools", is_flag=True, help="Only list the tools that it would offer.")
@store_option
@json_option
def mcp_server(
    *,
    run: str,
    all_runs: bool,
    allow: tuple[str, ...],
    only_tools: bool,
    store: Address | None,
    as_json: bool,
) -> int:
    """Let an agent look at its own run: log, receipts, files as they were, pages that left its window, cost.

    It speaks MCP on its standard streams, for a client to start. It shows one run and changes nothing: `checkpoint`
    and `note` are there only where --allow says so, and nobody goes back by it: `rewind_dry_run` only shows what
    going back would do. Secrets, and handles of other credentials, are never shown.
    """
    if find_spec("mcp") is None:
        raise BadInput("the parts of MCP aren't installed", hint="pip install 'perdure[mcp]'")
    # Another room on this floor: it is found by its name, as a command is.
    views = cast("_Views", import_module("perdure.mcp.own.view").View)
    with opened(store) as place:
        view = views(place.store, run="" if all_runs else run, every_run=all_runs, allow=frozenset(allow))
        if only_tools:
            offers = cast("_Offers", import_module("perdure.mcp.own.offers").listed)(view)
            if as_json:
                put({"run": view.bound or None, "tools": offers})
            else:
                for offer in offers:
                    click.echo(f"{inked(str(offer['name']), 'tool', bold=True)}  {offer['description']}")
            return FINISHED
        if view.bound:
            place.store.inspector.row(view.bound)
        serves = cast("_Serves", import_module("perdure.mcp.own.serving").serve_stdio)
        serves(view, version=__version__, ready=lambda: _said(view.bound))
    return FINISHED


def _said(run: str) -> None:
    """Say on standard error that it serves; standard output is the protocol's."""
    click.echo(inked(f"perdure shows {run or 'all runs of the store'} over MCP", "quiet"), err=True)
