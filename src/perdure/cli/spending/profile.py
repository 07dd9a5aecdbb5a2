"""``perdure profile``: where the tokens and the money of recorded sessions went."""

from collections import Counter
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from perdure.assembly.recorded.own_traces import run_traces
from perdure.assembly.recorded.profiles import Gathering, Profile
from perdure.assembly.recorded.profiling import Headway, traces
from perdure.assembly.stores.addresses import Address
from perdure.cli.drawing.ink import count, one_line
from perdure.cli.drawing.writing import write_page
from perdure.cli.ending import FINISHED
from perdure.cli.options import example, json_option, store_option
from perdure.cli.out import plain, put
from perdure.cli.place import address_meant, opened, seems_there
from perdure.cli.spending.profile_page import page
from perdure.cli.spending.profile_view import assumed, show
from perdure.values.errors import BadTranscript

TTLS: Final = {"5m": 300, "30m": 1800, "1h": 3600}
TROUBLES_TOLD: Final = 12
"""Kinds of trouble, by file and reason, that are listed; a directory of other files has one for each."""


@click.command(
    epilog=example(
        "perdure profile ~/.claude/projects/my-project",
        "perdure profile ~/.codex/sessions --html profile.html",
        "perdure profile march --store state",
    )
)
@click.argument("paths", metavar="PATH...", nargs=-1, required=True)
@click.option(
    "--html", metavar="FILE", type=click.Path(dir_okay=False, path_type=Path), help="Write a page to look at."
)
@click.option(
    "--ttl", type=click.Choice(list(TTLS)), help="How long the cache lives, where no request says it."
)
@click.option("--model", metavar="NAME", default="", help="Price every request as this model's.")
@click.option("--quick", is_flag=True, help="Leave out what each policy would have saved.")
@store_option
@json_option
def profile(
    *,
    paths: tuple[str, ...],
    html: Path | None,
    ttl: str | None,
    model: str,
    quick: bool,
    store: Address | None,
    as_json: bool,
) -> int:
    """Show where the tokens and the money of recorded sessions went.

    PATH is a file or directory with sessions of Claude Code, of Codex, or of chat messages as JSON, also
    compressed with gzip; or the name of a run.
    """
    troubles: Counter[str] = Counter()
    gathering = Gathering(model=model, ttl=TTLS[ttl] * 1_000_000_000 if ttl else 0, quick=quick)
    runs = [name for name in paths if not Path(name).exists() and _is_run(name, store)]
    files = [Path(name) for name in paths if name not in runs]
    for name in runs:
        with opened(store) as place:
            for trace in run_traces(place.store, name):
                gathering.add(trace)
    if files:
        _gather(gathering, files, troubles, quiet=as_json)
    found = gathering.profile()
    if not found.sessions:
        raise BadTranscript("there is no session in which a model was asked", hint=_first(troubles))
    if html is not None:
        write_page(html, page(found, dict(troubles)))
    _tell(found, troubles, html, as_json=as_json)
    return FINISHED


def _tell(found: Profile, troubles: Counter[str], html: Path | None, *, as_json: bool) -> None:
    if as_json:
        put({"profile": plain(found), "left_out": dict(troubles), "html": str(html) if html else None})
        return
    show(found)
    for line in assumed(found.total, dict(troubles.most_common(TROUBLES_TOLD))):
        click.echo(line)
    if len(troubles) > TROUBLES_TOLD:
        click.echo(f"left out  {count(len(troubles) - TROUBLES_TOLD, 'more file or reason')}")
    if html is not None:
        click.echo(f"written to {html}")


def _gather(gathering: Gathering, files: list[Path], troubles: Counter[str], *, quiet: bool) -> None:
    """Read the sessions, and show how far it has come where a person looks on."""
    with _progress(quiet=quiet) as progress:
        task = progress.add_task("reading", total=None)

        def told(headway: Headway) -> None:
            trouble = headway.trouble
            if trouble is not None:
                troubles[f"{one_line(str(trouble.path))}: {one_line(trouble.why)}"] += 1
            words = f"{count(gathering.sessions, 'session')}  {one_line(headway.path.name, 40)}"
            progress.update(task, total=headway.total, advance=headway.read, description=words)

        for trace in traces(files, told):
            gathering.add(trace)


@contextmanager
def _progress(*, quiet: bool) -> Generator[Progress]:
    console = Console(stderr=True)
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TaskProgressColumn(),
        TimeRemainingColumn(),
    )
    with Progress(
        *columns, console=console, transient=True, disable=quiet or not console.is_terminal
    ) as progress:
        yield progress


def _is_run(name: str, store: Address | None) -> bool:
    """Tell whether ``name`` is a run of the store that is meant; where there is no store, there is no run."""
    if not seems_there(address_meant(store)):
        return False
    with opened(store) as place:
        return place.has(name)


def _first(troubles: Counter[str]) -> str:
    return f"look at it: {next(iter(troubles))}" if troubles else ""
