"""How a run rests, and which commands lead on."""

import shlex
from typing import Final, NamedTuple, cast

import click
import msgspec

from perdure.assembly.presence import driver_of
from perdure.assembly.submitting import placed_of
from perdure.cli.drawing.ink import clean, count, inked, is_terminal, money
from perdure.cli.drawing.tables import wrapped
from perdure.cli.ending import FAILED, FINISHED, WAITING
from perdure.cli.out import plain
from perdure.cli.place import Place
from perdure.cli.spoken.words import KEY_CHARACTERS
from perdure.cli.standing.guests import guest_word, ways_on
from perdure.cli.standing.placed import placed_ways
from perdure.driver.books import text_of
from perdure.projection.conversations import OWN
from perdure.projection.state import Approval, Effect, State
from perdure.values.digest import Json
from perdure.wrap.transcripts.asked import is_wrapped

_FOREIGN: Final = ("wrap:", "mcp:", "gateway:")
"""How the agent's name begins in runs that a foreign client moves."""


class Step(NamedTuple):
    """Something that a person can do, and the command that does it."""

    words: str
    command: str


def exit_code(state: State) -> int:
    """Return the exit code for a run that rests in ``state``."""
    match state.status:
        case "finished":
            return FINISHED
        case "failed" | "cancelled":
            return FAILED
        case "waiting" | "running":
            return WAITING


def steps(place: Place, state: State) -> list[Step]:
    """Return what can be done about everything that the run waits for."""
    found: list[Step] = []
    for approval in state.world.approvals.values():
        if approval.phase == "asked":
            found += approval_steps(place, state, approval)
    for effect in state.world.open.values():
        found += effect_steps(place, state, effect)
    run = shlex.quote(state.run)
    if state.wait == "person":
        found.append(Step("answer", f'perdure message {run} "..." --resume{place.flag}'))
    if is_wrapped(state):
        return [*found, *(Step(*way) for way in ways_on(place, state))]
    talk = state.live.conversation
    if talk is not None and talk.api != OWN:
        return [Step("see what it cost", f"perdure cost {run}{place.flag}")]
    placed = placed_of(place.store.books, state.run)
    if placed is not None and not state.closed:
        found += (Step(*way) for way in placed_ways(place, placed))
    elif not found and not state.closed:
        found.append(Step("go on", f"perdure resume {run}{place.flag}"))
    return found


def approval_steps(place: Place, state: State, approval: Approval) -> list[Step]:
    """Return the two answers to a question."""
    end = f"{shlex.quote(state.run)} {approval.id}{_then(state)}{place.flag}"
    return [Step("allow it", f"perdure approve {end}"), Step("forbid it", f"perdure deny {end}")]


def effect_steps(place: Place, state: State, effect: Effect) -> list[Step]:
    """Return what settles an effect in doubt; a child run that waits has steps of its own."""
    if effect.child:
        return [Step("see why the child waits", f"perdure show {shlex.quote(effect.child)}{place.flag}")]
    if effect.effect == "read" or effect.phase == "started":
        return []
    begin = f"perdure settle {shlex.quote(state.run)} {short_key(state, effect.key)}"
    end = f"{_then(state)}{place.flag}"
    return [
        Step("it happened", f"{begin} --succeeded --result '...'{end}"),
        Step("it did not happen", f"{begin} --failed{end}"),
        Step("it did not; do it again", f"{begin} --retry{end}"),
    ]


def _then(state: State) -> str:
    """Return what drives the run on after a person's word; a foreign client goes on by itself."""
    return "" if state.agent.startswith(_FOREIGN) else " --resume"


def short_key(state: State, key: str) -> str:
    """Return as much of ``key`` as names it among the run's open effects."""
    size = KEY_CHARACTERS
    while sum(other.startswith(key[:size]) for other in state.world.open) > 1:
        size += 1
    return key[:size]


def rest_shape(place: Place, state: State) -> dict[str, Json]:
    """Return how the run rests, as programs are shown it."""
    waits = state.status == "waiting"
    wait: Json = {"for": state.wait, "text": state.wait_text} if waits else None
    todo: list[Json] = []
    if not state.closed:
        todo += [plain(step) for step in steps(place, state)]
    return {
        "run": state.run,
        "status": state.status,
        "position": state.position,
        "answer": text_of(place.store.books, state.answer) if state.status == "finished" else None,
        "why": state.why,
        "wait": wait,
        "turns": state.world.turns,
        "tokens": state.world.tokens,
        "cost_microusd": state.world.cost_microusd,
        "steps": todo,
    }


def say_rest(place: Place, state: State, *, quiet: bool = False) -> None:
    """Print the answer on standard output, and on standard error how the run rests."""
    if state.status == "finished":
        answer = text_of(place.store.books, state.answer)
        if not quiet:
            click.echo(f"{inked('✓', 'good', bold=True)} {_summary(state)}", err=True)
        click.echo(clean(answer) if is_terminal() else answer)
        return
    if quiet:
        return
    if state.closed:
        click.echo(f"{inked('✗', 'bad', bold=True)} {_summary(state)}", err=True)
        click.echo("\n".join(f"  {line}" for line in wrapped(clean(state.why), 2)), err=True)
        return
    click.echo(f"{inked('‖', 'ask', bold=True)} {_summary(state)}", err=True)
    for line in wrapped(clean(state.wait_text), 2):
        click.echo(f"  {line}", err=True)
    click.echo(step_lines(steps(place, state)), err=True)


def step_lines(found: list[Step], indent: str = "  ") -> str:
    """Return the steps, aligned, ready to be copied."""
    width = max((len(step.words) for step in found), default=0)
    return "\n".join(
        f"{indent}{inked(step.words.ljust(width), 'quiet')}  {inked(step.command, 'ask')}" for step in found
    )


def standing(place: Place, state: State) -> str:
    """Return the run's status as a person would say it: whether anybody drives it counts."""
    if is_wrapped(state) and not state.closed:
        return guest_word(place.store.inspector.row(state.run), state)
    match state.status:
        case "running":
            return (
                "running"
                if driver_of(place.store.inspector.row(state.run)).presence == "alive"
                else "stopped"
            )
        case "waiting":
            return "waits for a person" if state.needs_person else f"waits for a {state.wait}"
        case _:
            return state.status


def _summary(state: State) -> str:
    words = "waits for a person" if state.status == "waiting" and state.needs_person else state.status
    parts = [f"{inked(state.run, 'plain', bold=True)} {words}", count(state.world.turns, "turn")]
    done = sum(receipt.outcome == "succeeded" for receipt in state.world.receipts.values())
    if done:
        parts.append(f"{count(done, 'effect')} done")
    if state.world.tokens:
        parts.append(count(state.world.tokens, "token"))
    if state.world.cost_microusd:
        parts.append(money(state.world.cost_microusd))
    return " · ".join(parts)


def result_of(text: str) -> Json:
    """Return what ``--result`` means: JSON if it is JSON, else the text itself."""
    try:
        return cast("Json", msgspec.json.decode(text))
    except msgspec.DecodeError:
        return text
