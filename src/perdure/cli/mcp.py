"""``perdure mcp``: stand between any MCP client and its servers; draft an effects file."""

import asyncio
import sys
from collections.abc import Callable, Coroutine, Sequence
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple, cast

import click

from perdure.assembly.agents.trial import loaded_contract
from perdure.assembly.stores.addresses import Address
from perdure.cli.drawing.ink import count, inked
from perdure.cli.ending import FINISHED
from perdure.cli.options import example, json_option, store_option
from perdure.cli.out import put
from perdure.cli.place import address_meant
from perdure.contract import Contract
from perdure.values.errors import BadInput
from perdure.values.limits import MCP_PATIENCE_SECONDS

if TYPE_CHECKING:
    from perdure.mcp.servers import Server
    from perdure.mcp.settings import Standing

EFFECTS: Final = "perdure.effects.yaml"
"""The effects file, beside the file of servers or in the directory that the gateway is started in."""

_PORT_MAX: Final = 65535
_COMMAND: Final = "perdure mcp: command"


class Named(NamedTuple):
    """Which servers are meant."""

    command: tuple[str, ...]
    url: str
    headers: tuple[str, ...]
    config: Path | None
    only: tuple[str, ...]
    name: str


class _WithCommand(click.Group):
    """A group that may be followed by ``--`` and a server's command."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if "--" in args:
            place = args.index("--")
            ctx.meta[_COMMAND] = tuple(args[place + 1 :])
            args = args[:place]
        return super().parse_args(ctx, args)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args[0] not in self.commands:
            raise click.UsageError(
                f"{args[0]!r} is no command of `perdure mcp`. A server's command stands after --.", ctx
            )
        return super().resolve_command(ctx, args)


def _server_options(command: Callable[..., object]) -> Callable[..., object]:
    for option in (
        click.option(
            "--name",
            default="",
            metavar="NAME",
            help="What the server is called [default: after its program].",
        ),
        click.option("--only", multiple=True, metavar="NAME", help="Of those in --config, only these."),
        click.option(
            "--config",
            metavar="FILE",
            type=click.Path(dir_okay=False, path_type=Path),
            help="A file of servers, as Claude (.mcp.json) or VS Code has it.",
        ),
        click.option(
            "--header",
            "headers",
            multiple=True,
            metavar="NAME:VALUE",
            help="Sent with each request to --url.",
        ),
        click.option("--url", default="", metavar="URL", help="A server that speaks streamable HTTP."),
    ):
        command = option(command)
    return command


@click.group(
    cls=_WithCommand,
    invoke_without_command=True,
    subcommand_metavar="[-- SERVER COMMAND...]",
    epilog=example(
        "perdure mcp -- npx -y @modelcontextprotocol/server-filesystem .",
        "perdure mcp --url https://mcp.example.com/mcp --header 'Authorization: Bearer ...'",
        "perdure mcp --config .mcp.json --contract contract.yaml",
        "perdure mcp --listen 8788 -- python payments.py",
        "perdure mcp init --config .mcp.json",
    ),
)
@_server_options
@click.option("--run", default="", metavar="NAME", help="The run that calls go into [default: mcp-NAME].")
@click.option(
    "--effects",
    metavar="FILE",
    type=click.Path(dir_okay=False, path_type=Path),
    help=f"What the tools do to the world [default: {EFFECTS}, where there is one].",
)
@click.option(
    "--contract",
    metavar="FILE",
    type=click.Path(dir_okay=False, path_type=Path),
    help="What may be called, and what a person has to allow.",
)
@click.option(
    "--patience",
    default=MCP_PATIENCE_SECONDS,
    show_default=True,
    metavar="SECONDS",
    help="How long a client waits for a person before it is told.",
)
@click.option(
    "--listen",
    default="",
    metavar="[HOST:]PORT",
    help="Serve over HTTP, at /mcp, instead of the standard streams. Port 0: any that is free.",
)
@click.option(
    "--token", default="", envvar="PERDURE_MCP_TOKEN", metavar="WORD", help="What clients over HTTP show."
)
@click.option(
    "--take-over", is_flag=True, help="Take the run from another machine whose process is known to be dead."
)
@store_option
@json_option
@click.pass_context
def mcp(
    ctx: click.Context,
    *,
    url: str,
    headers: tuple[str, ...],
    config: Path | None,
    only: tuple[str, ...],
    name: str,
    run: str,
    effects: Path | None,
    contract: Path | None,
    patience: float,
    listen: str,
    token: str,
    take_over: bool,
    store: Address | None,
    as_json: bool,
) -> int:
    """Stand between an MCP client and its servers: put this in a client's settings in the server's place.

    All that client and server say to each other passes. Calls of tools are judged by the contract, done once, and
    recorded: an equal call after a crash is answered with its receipt, one in doubt is not repeated.
    """
    if ctx.invoked_subcommand is not None:
        return FINISHED
    _installed()
    from perdure.mcp.effects import effects_of  # noqa: PLC0415 - the SDK behind it is an extra

    if patience <= 0:
        raise BadInput(f"--patience {patience:g} is no time", hint="seconds, below the client's own timeout")
    servers = _servers(Named(_command(ctx), url, headers, config, only, name))
    settings_of = cast("type[Standing]", import_module("perdure.mcp.settings").Standing)
    settings = settings_of(
        address_meant(store).absolute(),
        run,
        servers,
        effects_of(_beside(effects, config)),
        loaded_contract(contract) if contract else Contract(),
        patience,
        *_address(listen),
        token,
        take_over,
    )
    serve = cast(
        "Callable[[Standing, Callable[[str], None], Callable[[int, str], None]], Coroutine[None, None, None]]",
        import_module("perdure.mcp.serving").until_told,
    )
    asyncio.run(serve(settings, _say, _announced(settings, as_json=as_json)))
    return FINISHED


@mcp.command(
    epilog=example(
        "perdure mcp init --config .mcp.json",
        "perdure mcp init --out payments.effects.yaml -- python payments.py",
    )
)
@_server_options
@click.option(
    "--out",
    metavar="FILE",
    type=click.Path(dir_okay=False, path_type=Path),
    help=f"Where to write [default: {EFFECTS}, beside --config].",
)
@click.option("--force", is_flag=True, help="Write over a file that is there.")
@json_option
@click.pass_context
def init(
    ctx: click.Context,
    *,
    url: str,
    headers: tuple[str, ...],
    config: Path | None,
    only: tuple[str, ...],
    name: str,
    out: Path | None,
    force: bool,
    as_json: bool,
) -> int:
    """Draft an effects file: ask the servers for their tools, and mark what a person has to decide."""
    _installed()
    named = Named(_command(ctx), url, headers, config, only, name)
    place = out or (config.parent if config else Path()) / EFFECTS
    if place.exists() and not force:
        raise BadInput(f"{place} is there already", hint="give another --out, or --force to write over it")
    draft = cast(
        "Callable[[tuple[Server, ...], Callable[[str], None]], Coroutine[None, None, tuple[str, tuple[str, ...], int]]]",
        import_module("perdure.mcp.looking").draft_of,
    )
    text, open_questions, tools = asyncio.run(draft(_servers(named), _say))
    place.write_text(text)
    if as_json:
        put({"file": str(place), "tools": tools, "decide": list(open_questions)})
        return FINISHED
    click.echo(f"{inked('✓', 'good', bold=True)} {place}: {count(tools, 'tool')}")
    for each in open_questions:
        click.echo(f"  {inked('?', 'ask', bold=True)} {each}")
    return FINISHED


def _installed() -> None:
    if find_spec("mcp") is None:
        raise BadInput("the parts that speak MCP aren't installed", hint="pip install 'perdure[mcp]'")


def _command(ctx: click.Context) -> tuple[str, ...]:
    return cast("tuple[str, ...]", ctx.meta.get(_COMMAND, ()))


def _servers(named: Named) -> "tuple[Server, ...]":
    """Return the servers that are meant; raises ``BadInput`` where that isn't clear."""
    from perdure.mcp.servers import Server, name_of, servers_of  # noqa: PLC0415 - as above
    from perdure.mcp.servers import named as checked  # noqa: PLC0415 - as above

    given = [bool(named.command), bool(named.url), named.config is not None]
    if sum(given) != 1:
        raise BadInput(
            "no server is named" if not any(given) else "servers are named in two ways",
            hint="give one of: a command after --, --url, --config",
        )
    if named.config is not None:
        found = servers_of(named.config)
        missing = set(named.only) - {server.name for server in found}
        if missing:
            raise BadInput(
                f"{named.config} names no server {', '.join(sorted(missing))}", hint="see the file"
            )
        return tuple(server for server in found if not named.only or server.name in named.only)
    name = checked(named.name or name_of(named.command, named.url))
    if named.url:
        return (Server(name, "http", url=named.url, headers=_headers(named.headers)),)
    return (Server(name, "stdio", named.command),)


def _headers(given: Sequence[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for each in given:
        name, colon, value = each.partition(":")
        if not colon or not name.strip():
            raise BadInput(
                f"--header {name!r} has no value", hint="as in --header 'Authorization: Bearer ...'"
            )
        found[name.strip()] = value.strip()
    return found


def _address(listen: str) -> tuple[str, int | None]:
    """Return host and port of ``[HOST:]PORT``; no port where nothing is said."""
    host, _, port = listen.rpartition(":")
    if not listen:
        return "127.0.0.1", None
    if not port.isdigit() or int(port) > _PORT_MAX:
        raise BadInput(f"--listen {listen!r} is no port", hint="as in --listen 8788 or 127.0.0.1:0")
    return host.strip("[]") or "127.0.0.1", int(port)


def _beside(effects: Path | None, config: Path | None) -> Path | None:
    """Return the effects file that is meant: the one that is named, or the one that lies there."""
    if effects is not None:
        return effects
    found = (config.parent if config else Path()) / EFFECTS
    return found if found.exists() else None


def _say(words: str) -> None:
    # Standard output is the client's; what is said beside it must not break the protocol.
    sys.stderr.write(f"perdure mcp: {words}\n")
    sys.stderr.flush()


def _announced(settings: "Standing", *, as_json: bool) -> Callable[[int, str], None]:
    def listening(port: int, run: str) -> None:
        url = f"http://{settings.host}:{port}/mcp"
        if as_json:
            put(
                {
                    "listening": url,
                    "port": port,
                    "run": run,
                    "servers": [each.name for each in settings.servers],
                }
            )
        else:
            click.echo(f"{inked('●', 'good', bold=True)} listening at {url}")
            click.echo(f"  run {run}, servers {', '.join(each.name for each in settings.servers)}")

    return listening
