"""After a person has told a run something: go on with it, or say how it stands."""

import shlex
from collections.abc import Mapping

import click

from perdure.cli.drawing.ink import clean, inked
from perdure.cli.drawing.tables import wrapped
from perdure.cli.ending import FAILED, FINISHED
from perdure.cli.out import put
from perdure.cli.place import Place
from perdure.cli.standing.resting import rest_shape, step_lines, steps
from perdure.cli.wheel import Manner, go_on
from perdure.projection.state import State
from perdure.values.digest import Json
from perdure.wrap.transcripts.asked import is_wrapped


def told(
    place: Place,
    state: State,
    words: str,
    *,
    resume: bool,
    agent: str | None,
    as_json: bool,
    shape: Mapping[str, Json] | None = None,
) -> int:
    """Say ``words``, and drive the run on if ``resume`` says so; return the exit code.

    Programs that don't drive it on are given ``shape`` beside how it rests.
    """
    left = state.live.workspace_error if state.live.put_back is not None else ""
    if not as_json:
        click.echo(f"{inked('✓', 'good', bold=True)} {clean(words)}", err=resume)
        if left and not resume:
            why = f"but its files could not be put back: {clean(left)}"
            click.echo(f"{inked('!', 'bad', bold=True)} {why}", err=True)
    if resume:
        return go_on(place, state.run, agent, Manner(as_json=as_json))
    if as_json:
        put({**rest_shape(place, state), **(shape or {})})
    elif place.store.books.inbox(state.run):
        click.echo(inked("  whoever drives it takes that in at once", "quiet"))
    elif not state.closed:
        if state.status == "waiting" and state.wait_text:
            click.echo("\n".join(f"  {line}" for line in wrapped(f"it waits: {clean(state.wait_text)}", 2)))
            click.echo(step_lines(steps(place, state)))
        else:
            how = "wrap --resume" if is_wrapped(state) else "resume"
            click.echo(f"  go on with  {inked(f'perdure {how} {shlex.quote(state.run)}{place.flag}', 'ask')}")
    return FAILED if left else FINISHED
