"""``perdure gateway``: serve one, see how it is, and switch a conversation's paging while it runs."""

import asyncio
import http.client
from collections.abc import Callable, Coroutine
from importlib import import_module
from importlib.util import find_spec
from typing import Final, cast
from urllib.parse import urlsplit

import click
import msgspec

from perdure.assembly.foreign.gateways import MODES, RECORDS, GatewaySettings, Mode, Record, upstreams_of
from perdure.assembly.foreign.paging import Switch, switch_paging
from perdure.assembly.stores.addresses import Address, address_of
from perdure.cli.drawing.ink import inked, money
from perdure.cli.drawing.tables import Cell, facts, table
from perdure.cli.ending import FINISHED
from perdure.cli.options import by_option, example, json_option, run_argument, store_option
from perdure.cli.out import put
from perdure.cli.place import address_meant, opened
from perdure.values.digest import Json
from perdure.values.errors import BadInput

Serve = Callable[[GatewaySettings, Callable[[int], None]], Coroutine[None, None, None]]

_ADDRESS: Final = "http://127.0.0.1:8787"
_ANSWER_SECONDS: Final = 10.0


@click.group(
    invoke_without_command=True,
    epilog=example(
        "perdure gateway",
        "ANTHROPIC_BASE_URL=http://127.0.0.1:8787 claude",
        "perdure gateway --port 9000 --upstream chat=http://127.0.0.1:8080 --mode nocache",
        "perdure gateway freeze gw-claude-cli.0f3a9c41d2.77b1e0c9aa.1",
    ),
)
@click.option("--port", default=8787, show_default=True, metavar="PORT", help="0: any that is free.")
@click.option("--host", default="127.0.0.1", show_default=True, metavar="HOST", help="Where to listen.")
@click.option(
    "--upstream",
    "upstreams",
    multiple=True,
    metavar="[API=]URL",
    help="Where requests go: for all, or for messages, chat, responses, anthropic or openai.",
)
@click.option(
    "--mode", default="safe", show_default=True, type=click.Choice(MODES), help="What may be moved."
)
@click.option("--room", default=0, metavar="TOKENS", help="Under what `--mode room` keeps the window.")
@click.option(
    "--record",
    default="full",
    show_default=True,
    type=click.Choice(RECORDS),
    help="What is kept of requests.",
)
@click.option(
    "--token", default="", envvar="PERDURE_GATEWAY_TOKEN", metavar="WORD", help="What clients have to show."
)
@click.option(
    "--trust", "trusted", multiple=True, metavar="CLIENT", help="Take a client as tested, at any version."
)
@store_option
@json_option
@click.pass_context
def gateway(
    ctx: click.Context,
    *,
    port: int,
    host: str,
    upstreams: tuple[str, ...],
    mode: str,
    room: int,
    record: str,
    token: str,
    trusted: tuple[str, ...],
    store: Address | None,
    as_json: bool,
) -> int:
    """Serve a gateway between agents and their providers, until a signal ends it.

    Each conversation becomes a run of the store: what the agent sent, what moved in its window, what it cost.
    `observe` changes no byte. `safe` moves a result out of the window only where that is expected to save money,
    and pauses where moves have lost money. `room` keeps the window under --room. `nocache` is for providers
    that cache nothing.
    """
    if ctx.invoked_subcommand is not None:
        return FINISHED
    if find_spec("aiohttp") is None:
        raise BadInput("the gateway's parts aren't installed", hint="pip install 'perdure[gateway]'")
    settings = GatewaySettings(
        address_meant(store).absolute(),
        host,
        port,
        upstreams_of(upstreams),
        cast("Mode", mode),
        room,
        cast("Record", record),
        token,
        frozenset(name.lower() for name in trusted),
    )
    # Another room on this floor: it is found by its name, as a command is.
    serve = cast("Serve", import_module("perdure.gateway.serving").serve_until_told)
    asyncio.run(serve(settings, _announced(settings, as_json=as_json)))
    if as_json:
        put({"ended": True})
    else:
        click.echo(inked("ended; all conversations are in the log", "quiet"), err=True)
    return FINISHED


def _announced(settings: GatewaySettings, *, as_json: bool) -> Callable[[int], None]:
    def listening(port: int) -> None:
        host = f"[{settings.host}]" if ":" in settings.host else settings.host
        base = f"http://{host}:{port}" + (f"/-/{settings.token}" if settings.token else "")
        points = {"ANTHROPIC_BASE_URL": base, "OPENAI_BASE_URL": f"{base}/v1"}
        if as_json:
            put(
                {
                    "listening": f"http://{host}:{port}",
                    "port": port,
                    "mode": settings.mode,
                    "record": settings.record,
                    "upstreams": dict(settings.upstreams),
                    "store": str(address_of(settings.store)),
                    "environment": points,
                }
            )
            return
        click.echo(f"{inked('●', 'good', bold=True)} listening at http://{host}:{port}, mode {settings.mode}")
        rows = [(api, url) for api, url in settings.upstreams]
        rows += [("store", str(address_of(settings.store))), ("record", settings.record)]
        rows += [("for clients", f"{name}={value}") for name, value in points.items()]
        click.echo(facts(rows, indent="  "))

    return listening


@gateway.command(
    epilog=example("perdure gateway status", "perdure gateway status --at http://127.0.0.1:9000")
)
@click.option("--at", "address", default=_ADDRESS, show_default=True, metavar="URL", help="The gateway.")
@click.option(
    "--token", default="", envvar="PERDURE_GATEWAY_TOKEN", metavar="WORD", help="What it wants to see."
)
@json_option
def status(*, address: str, token: str, as_json: bool) -> int:
    """Show what a running gateway does: its conversations, what they cost and what was saved."""
    said = _asked(address, token)
    if as_json:
        put(said)
        return FINISHED
    talks = cast("list[dict[str, Json]]", said["conversations"])
    click.echo(f"{inked('●', 'good', bold=True)} {address}, mode {said['mode']}, store {said['store']}")
    rows: list[list[Cell]] = [
        [
            (str(talk["run"]), "plain"),
            (str(talk["client"]), "model"),
            (
                str(talk["mode"]) + (", frozen" if talk["frozen"] else ""),
                "doubt" if talk["frozen"] else "plain",
            ),
            (f"{talk['requests']}", "plain"),
            (f"{talk['window']:,}", "plain"),
            (money(int(cast("int", talk["cost_microusd"]))), "plain"),
            (money(int(cast("int", talk["saved_microusd"]))), "good"),
        ]
        for talk in talks
    ]
    if rows:
        click.echo(
            table(rows, head=("run", "client", "mode", "requests", "window", "cost", "saved"), indent="  ")
        )
    else:
        click.echo(inked("  no conversation is open", "quiet"))
    return FINISHED


def _asked(address: str, token: str) -> dict[str, Json]:
    parts = urlsplit(address)
    if parts.scheme != "http" or not parts.hostname:
        raise BadInput(f"--at {address!r} is no http address", hint=f"as in {_ADDRESS}")
    line = http.client.HTTPConnection(parts.hostname, parts.port or 80, timeout=_ANSWER_SECONDS)
    try:
        line.request("GET", "/perdure/status", headers={"x-perdure-token": token} if token else {})
        with line.getresponse() as answer:
            body = answer.read()
    except OSError as error:
        raise BadInput(
            f"no gateway answers at {address}: {error}", hint="begin one with `perdure gateway`"
        ) from error
    finally:
        line.close()
    if answer.status != http.client.OK:
        raise BadInput(f"{address} answers {answer.status}", hint="give its --token, and its own address")
    try:
        return msgspec.json.decode(body, type=dict[str, Json])
    except msgspec.DecodeError as error:
        raise BadInput(
            f"what answers at {address} is no gateway", hint="give its address with --at"
        ) from error


def _switched(run: str, switch: Switch, by: str, store: Address | None, words: str, *, as_json: bool) -> int:
    with opened(store) as place:
        now = switch_paging(place.store, run, switch, by=by)
    if as_json:
        put({"run": run, "mode": now.mode, "frozen": now.frozen})
    else:
        click.echo(f"{inked('✓', 'good', bold=True)} {run} {words}")
        click.echo(
            inked(f"  mode {now.mode}{', frozen' if now.frozen else ''}, from its next request on", "quiet")
        )
    return FINISHED


@gateway.command(epilog=example("perdure gateway freeze gw-claude-cli.0f3a9c41d2.77b1e0c9aa.1"))
@run_argument
@by_option
@store_option
@json_option
def freeze(*, run: str, by: str, store: Address | None, as_json: bool) -> int:
    """Move nothing more in RUN; what was moved stays so, byte for byte, and the provider's cache stays warm."""
    return _switched(run, "freeze", by, store, "is frozen", as_json=as_json)


@gateway.command(epilog=example("perdure gateway thaw gw-claude-cli.0f3a9c41d2.77b1e0c9aa.1"))
@run_argument
@by_option
@store_option
@json_option
def thaw(*, run: str, by: str, store: Address | None, as_json: bool) -> int:
    """Page RUN again as it began."""
    return _switched(run, "thaw", by, store, "is paged again", as_json=as_json)


@gateway.command(epilog=example("perdure gateway observe gw-claude-cli.0f3a9c41d2.77b1e0c9aa.1"))
@run_argument
@by_option
@store_option
@json_option
def observe(*, run: str, by: str, store: Address | None, as_json: bool) -> int:
    """Change no byte of RUN any more. Where something was moved, this breaks the provider's cache once."""
    return _switched(run, "observe", by, store, "goes through untouched", as_json=as_json)
