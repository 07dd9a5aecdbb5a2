"""``perdure wrap``: an agent client as it is, in the foreground, with its run kept beside it."""

import os
import shlex
from importlib.util import find_spec
from pathlib import Path
from typing import Final, cast

import click

from perdure.assembly.foreign.gateways import MODES, Mode
from perdure.assembly.stores.addresses import Address, address_of
from perdure.cli.drawing.ink import Line, Tone, clean, count, inked, money
from perdure.cli.drawing.tables import facts
from perdure.cli.homes import home_store
from perdure.cli.options import ADDRESS, example, json_option
from perdure.cli.out import plain
from perdure.values.errors import BadInput
from perdure.values.limits import MCP_PATIENCE_SECONDS
from perdure.wrap.order import Summary
from perdure.wrap.wish import Cover, Wish
from perdure.wrap.wrapping import wrapped

_PARTS: Final = ("aiohttp", "mcp")


@click.command(
    context_settings={"ignore_unknown_options": False, "allow_interspersed_args": False},
    epilog=example(
        "perdure wrap -- claude",
        'perdure wrap --run fix-login -- claude -p "Fix the login test"',
        "perdure wrap --contract house.yaml --effects effects.yaml -- codex",
        "perdure wrap --resume fix-login",
    ),
)
@click.argument("words", metavar="CLIENT [ARGS]...", nargs=-1, type=click.UNPROCESSED)
@click.option(
    "--run", default="", metavar="NAME", help="What the run is called [default: by client and day]."
)
@click.option("--resume", default="", metavar="NAME", help="Go on with this run and its client's session.")
@click.option(
    "--root",
    default=".",
    show_default="here",
    metavar="DIR",
    type=click.Path(file_okay=False, path_type=Path),
    help="The directory whose files are recorded.",
)
@click.option(
    "--contract",
    metavar="FILE",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="What may happen.",
)
@click.option(
    "--effects",
    metavar="FILE",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="What the tools of MCP servers do to the world; `perdure mcp init` drafts one.",
)
@click.option(
    "--profile",
    metavar="FILE",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A profile of a client that isn't known.",
)
@click.option(
    "--mode", default="safe", show_default=True, type=click.Choice(MODES), help="What may be moved."
)
@click.option("--room", default=0, metavar="TOKENS", help="Under what `--mode room` keeps the window.")
@click.option(
    "--upstream",
    "upstreams",
    multiple=True,
    metavar="[API=]URL",
    help="Where requests go [default: where the client would send them].",
)
@click.option("--port", default=0, metavar="PORT", help="Of the gateway [default: any that is free].")
@click.option(
    "--patience",
    default=MCP_PATIENCE_SECONDS,
    show_default=True,
    type=click.FloatRange(min=0),
    metavar="SECONDS",
    help="How long a call waits for a person.",
)
@click.option("--isolate", is_flag=True, help="Give the client a copy of the directory, in a sandbox.")
@click.option(
    "--hooks/--no-hooks",
    "hooks",
    default=None,
    help="Whether the client's own tools are judged and recorded one by one [default: with a contract].",
)
@click.option("--quiet", is_flag=True, help="Say nothing but warnings.")
@click.option(
    "--store",
    "store",
    metavar="LOCATION",
    type=ADDRESS,
    help="The store [default: PERDURE_STORE, ~/.local/state/perdure]; not in the directory that is recorded.",
)
@json_option
def wrap(
    *,
    words: tuple[str, ...],
    run: str,
    resume: str,
    root: Path,
    contract: Path | None,
    effects: Path | None,
    profile: Path | None,
    mode: str,
    room: int,
    upstreams: tuple[str, ...],
    port: int,
    patience: float,
    isolate: bool,
    hooks: bool | None,
    quiet: bool,
    store: Address | None,
    as_json: bool,
) -> int:
    """Run an agent client as it is, with its model calls, tool effects and files in one run of the log.

    Its requests go through a gateway, its MCP servers through perdure, and its directory is recorded at each
    request; it is pointed there for this session alone, and its settings stay as they are. It has the terminal to
    itself. The command ends with the client's exit code; --json tells how the run stands, on standard error.
    """
    if not words and not resume:
        raise BadInput("which client?", hint="perdure wrap -- claude")
    if run and resume:
        raise BadInput("--run names a new run, --resume one that is there", hint="give one of the two")
    if mode == "room" and room <= 0:
        raise BadInput("--mode room needs --room TOKENS, under which the window is kept")
    if not all(map(find_spec, _PARTS)):
        raise BadInput("the parts of wrap aren't installed", hint="pip install 'perdure[gateway,mcp]'")
    wish = Wish(
        words=words,
        store=_store(store),
        root=root.resolve(),
        run=run,
        resume=resume,
        contract=_absolute(contract),
        effects=_absolute(effects),
        profile=_absolute(profile),
        mode=cast("Mode", mode),
        room=room,
        upstreams=upstreams,
        port=port,
        hooks=hooks,
        isolate=isolate,
        patience=patience,
    )
    return wrapped(wish, Teller(wish, quiet=quiet, as_json=as_json), os.environ).hand_on()


class Teller:
    """Tells a person on standard error, before the client has the terminal and after."""

    def __init__(self, wish: Wish, *, quiet: bool, as_json: bool) -> None:
        """Say nothing but warnings if ``quiet``; one document at the end if ``as_json``."""
        self._flag: str = f" --store {shlex.quote(str(wish.store))}" if wish.store != _store(None) else ""
        self._quiet: bool = quiet
        self._as_json: bool = as_json
        self._apart: str = ""

    def begins(self, cover: Cover) -> None:
        """What is covered is said, and loudly what isn't as it should be."""
        self._apart = cover.isolated
        if cover.untested:
            self.warns(
                f"{cover.untested}: requests are only observed, and its own transcripts are left alone"
            )
        if self._quiet or self._as_json:
            return
        verb = "goes on" if cover.resumed else "begins"
        name = f"{cover.title} {cover.version}".strip()
        _tell(
            f"{inked('●', 'good', bold=True)} {inked(clean(cover.run), 'head', bold=True)} {verb}: {clean(name)}"
        )
        _tell(facts(list(_covered(cover)), indent="  "))

    def waits(self) -> None:
        """Who waits for the prompt is told why."""
        if not (self._quiet or self._as_json):
            _tell(inked("  waiting for the outcome of what is still under way", "quiet"))

    def ends(self, summary: Summary | None, *, restarts: int, failure: str) -> None:
        """How the run stands is said, and what can be done with it."""
        if failure or summary is None:
            self.warns(failure or "the keeper ended without a word; the log has all that was acknowledged")
        for note in summary.notes if summary is not None else ():
            self.warns(note)
        if summary is None:
            return
        if self._as_json:
            _tell(_json({**cast("dict[str, object]", plain(summary)), "restarts": restarts}))
        elif not self._quiet:
            for line in _ending(summary, restarts, self._flag, self._apart):
                sign = inked(line.sign, line.tone, bold=True) if line.sign else " "
                _tell(f"{sign} {line.words}{inked(f'  {line.aside}', 'quiet') if line.aside else ''}")

    def warns(self, words: str) -> None:
        """Something is said, however quiet it is else."""
        _tell(f"{inked('!', 'doubt', bold=True)} {inked(clean(words), 'doubt')}")


def _covered(cover: Cover) -> list[tuple[str, str]]:
    rows = [("goes on from", each) for each in cover.continues]
    servers = ", ".join(cover.servers)
    effects = f"of {servers}: each once" if servers else "of no MCP server"
    rows.append(("MCP effects", effects + (", as the contract allows" if servers and cover.contract else "")))
    paged = (
        "recorded, and nothing is moved"
        if cover.mode == "observe"
        else f"recorded and paged, mode {cover.mode}"
    )
    rows.append(("model calls", paged))
    place = f"a copy of {cover.root} in {cover.isolated}" if cover.isolated else str(cover.root)
    rows.append(("files", f"{place}: rewindable to each request"))
    rows.append(
        (
            "own tools",
            "recorded and judged, not exactly-once"
            if cover.hooked
            else "recorded with its requests; judged with --contract",
        )
    )
    rows += [("note", each) for each in cover.notes]
    rows.append(("store", str(cover.store)))
    return rows


def _ending(summary: Summary, restarts: int, flag: str, apart: str) -> list[Line]:
    saved = f" ({money(summary.saved_microusd)} saved)" if summary.saved_microusd > 0 else ""
    parts = [count(summary.requests, "request"), money(summary.cost_microusd) + saved]
    parts.append(count(summary.done, "effect") + " done")
    if restarts:
        parts.append(f"keeper started again {count(restarts, 'time')}")
    name = shlex.quote(summary.run)
    lines = [Line("✓", _tone(summary), f"{inked(name, 'head', bold=True)}: {', '.join(parts)}")]
    if summary.doubts:
        words = f"{count(summary.doubts, 'effect')} in doubt"
        lines.append(Line("?", "doubt", words, f"perdure show {name}{flag}"))
    if summary.asked:
        lines.append(
            Line("?", "ask", f"{count(summary.asked, 'question')} for a person", f"perdure show {name}{flag}")
        )
    lines.append(Line("", "quiet", f"perdure log {name}{flag}", "what happened"))
    if summary.recorded:
        lines.append(
            Line("", "quiet", f"perdure rewind {name} --to TURN{flag}", "files and session as they were")
        )
    if apart:
        lines.append(Line("", "quiet", apart, "its files; the directory itself is as it was"))
    lines.append(Line("", "quiet", f"perdure wrap --resume {name}{flag}", "go on"))
    return lines


def _tone(summary: Summary) -> Tone:
    return "doubt" if summary.doubts or summary.asked else "good"


def _tell(text: str) -> None:
    """Say it on standard error; a terminal that is gone hears nothing."""
    try:
        click.echo(text, err=True)
    except OSError:
        return


def _json(document: object) -> str:
    import msgspec  # noqa: PLC0415 - only programs ask for it

    return msgspec.json.encode(document).decode()


def _store(given: Address | None) -> Address:
    named = given or (address_of(found) if (found := os.environ.get("PERDURE_STORE")) else None)
    return (named or address_of(home_store())).resolved()


def _absolute(path: Path | None) -> Path | None:
    return None if path is None else path.absolute()
