"""``perdure show``: how a run stands and what leads on, or one event in full."""

import time

import click

from perdure.assembly.presence import Driver, driver_of
from perdure.assembly.stores.addresses import Address
from perdure.assembly.submitting import placed_of
from perdure.cli.drawing.ink import clean, count, inked, money, span
from perdure.cli.drawing.tables import facts, table, wrapped
from perdure.cli.ending import FINISHED
from perdure.cli.files import at_option, show_file
from perdure.cli.options import example, json_option, run_argument, store_option
from perdure.cli.out import plain, put
from perdure.cli.place import Place, opened
from perdure.cli.spoken.events import say_event, shape_of_event
from perdure.cli.standing.guests import guest_shape
from perdure.cli.standing.placed import placed_ways, say_submitted, why_not
from perdure.cli.standing.portrait import budgets, receipts_of
from perdure.cli.standing.resting import (
    Step,
    approval_steps,
    effect_steps,
    rest_shape,
    standing,
    step_lines,
    steps,
)
from perdure.cli.standing.suspects import known_of, suspect_shape
from perdure.driver.books import text_of
from perdure.log.carrying import check_moved
from perdure.projection.state import Effect, State
from perdure.values.digest import Json
from perdure.wrap.transcripts.asked import is_wrapped


@click.command(
    epilog=example("perdure show march", "perdure show march 31", "perdure show code src/greet.py --at 18")
)
@run_argument
@click.argument("what", metavar="[POSITION|FILE]", required=False)
@at_option
@store_option
@json_option
def show(*, run: str, what: str | None, position: int | None, store: Address | None, as_json: bool) -> int:
    """Show how RUN stands, with POSITION one event in full, or with FILE a file as it was.

    A FILE goes to standard output byte for byte (with --json: what is known of it); one whose name is a
    number is named as ./7.

    What it waits for; what is open, what is known of that, and the commands that settle it; receipts,
    money and budgets. Of an event: its body, the blobs that it names, and what led to it.
    """
    with opened(store) as place:
        if what is not None and what.isdigit() and int(what):
            put(shape_of_event(place, run, int(what))) if as_json else say_event(place, run, int(what))
            return FINISHED
        if what is not None:
            return show_file(place, run, what.removeprefix("./"), position, as_json=as_json)
        if position is not None:
            raise click.UsageError("--at goes with a FILE; `perdure at RUN N` shows the state.")
        placed = placed_of(place.store.books, run)
        row = place.store.inspector.row(run)
        if not row.position and placed is not None:
            check_moved(run, row.holder)
            return say_submitted(placed, step_lines(_ways(place, run)), as_json=as_json)
        state = place.store.state(run)
        if as_json:
            put(_shape(place, state))
        else:
            _say(place, state)
    return FINISHED


def _shape(place: Place, state: State) -> dict[str, Json]:
    row = place.store.inspector.row(state.run)
    driver = driver_of(row)
    return {
        **rest_shape(place, state),
        "agent": state.agent,
        "tenant": state.tenant,
        "lineage": state.lineage,
        "parent": row.parent,
        "head": row.head.hex(),
        "driver": {"presence": driver.presence, "pid": driver.pid or None, "epoch": driver.epoch},
        "open": [suspect_shape(place, state, effect, _now()) for effect in state.world.open.values()],
        "approvals": plain([item for item in state.world.approvals.values() if item.phase == "asked"]),
        "receipts": [_receipt(place, effect) for effect in state.world.receipts.values()],
        "counters": plain(state.world.counters),
        **({"not_driven": why} if (why := _unplaced(place, state.run)) else {}),
        **({"wrapped": guest_shape(row, state)} if is_wrapped(state) else {}),
    }


def _receipt(place: Place, effect: Effect) -> dict[str, Json]:
    return {
        "key": effect.key,
        "tool": effect.tool,
        "what": effect.what,
        "effect": effect.effect,
        "outcome": effect.outcome,
        "run": effect.run,
        "started": effect.started,
        "settled": effect.settled,
        "sends": effect.send,
        "by": effect.by,
        "result": text_of(place.store.books, effect.result) if effect.result is not None else None,
        "error": effect.error,
    }


def _unplaced(place: Place, run: str) -> str:
    """Return why workers don't drive the run, where it is theirs and they don't."""
    placed = placed_of(place.store.books, run)
    return why_not(placed) if placed is not None else ""


def _ways(place: Place, run: str) -> list[Step]:
    placed = placed_of(place.store.books, run)
    return [Step(*way) for way in placed_ways(place, placed)] if placed is not None else []


def _say(place: Place, state: State) -> None:
    _say_head(place, state)
    why = _unplaced(place, state.run)
    if why:
        click.echo(f"\n{inked('‖', 'ask', bold=True)} no worker drives it: {clean(why)}")
        click.echo(step_lines(_ways(place, state.run)))
    if state.status == "waiting" and state.wait not in ("approval", "doubt"):
        lines = wrapped(clean(state.wait_text), 2)
        click.echo(f"\n{inked('‖', 'ask', bold=True)} " + "\n  ".join(lines))
    for effect in state.world.open.values():
        _say_open(place, state, effect)
    for approval in state.world.approvals.values():
        if approval.phase == "asked":
            who = f", of {approval.who}" if approval.who else ""
            click.echo(f"\n{inked('⚑', 'ask', bold=True)} {clean(approval.why)}")
            click.echo(inked(f"  {approval.id}{who}, expires in {span(approval.expires - _now())}", "quiet"))
            click.echo(step_lines(approval_steps(place, state, approval)))
    _say_tables(place, state)
    if not why and not state.closed and not state.world.open and state.wait != "approval":
        click.echo("\n" + step_lines(steps(place, state)))


def _say_head(place: Place, state: State) -> None:
    row = place.store.inspector.row(state.run)
    whose = state.live.client.replace("/", " ") or state.agent.removeprefix("wrap:")
    whose = whose if is_wrapped(state) else f"agent {state.agent}"
    click.echo(f"{inked(state.run, 'plain', bold=True)}  {standing(place, state)}  {inked(whose, 'quiet')}")
    facts = [count(state.position, "event"), count(state.world.turns, "turn")]
    if state.world.tokens:
        facts.append(count(state.world.tokens, "token"))
    if state.world.cost_microusd:
        facts.append(money(state.world.cost_microusd))
    facts.append(f"begun {span(_now() - state.world.opened_at)} ago")
    facts.append(f"tenant {state.tenant}")
    if row.parent:
        facts.append(f"fork of {row.parent} at {row.forked_at}")
    if state.parent:
        facts.append(f"child of {state.parent}")
    facts.append(_driver_words(driver_of(row), "keeps" if is_wrapped(state) else "drives"))
    click.echo(inked(f"  {' · '.join(facts)}", "quiet"))
    if state.status == "finished":
        click.echo(f"  {clean(text_of(place.store.books, state.answer))}")
    elif state.why:
        click.echo(f"  {clean(state.why)}")


def _driver_words(driver: Driver, verb: str) -> str:
    match driver.presence:
        case "nobody":
            return f"nobody {verb} it"
        case "alive":
            return f"process {driver.pid} {verb} it"
        case "dead":
            return f"process {driver.pid} {'kept' if verb == 'keeps' else 'drove'} it and is dead"
        case "unknown":
            return f"process {driver.pid} elsewhere holds it, and can't be seen from here"


def _say_open(place: Place, state: State, effect: Effect) -> None:
    act = f"{effect.tool} {effect.what}".rstrip()
    click.echo(
        f"\n{inked('?', 'doubt', bold=True)} {clean(act)}  {inked(f'{effect.effect} · {effect.key}', 'quiet')}"
    )
    click.echo(facts(known_of(place, state, effect, _now()), indent="  "))
    found = effect_steps(place, state, effect)
    if found:
        click.echo(f"\n{step_lines(found)}")


def _say_tables(place: Place, state: State) -> None:
    receipts = receipts_of(state)
    law = place.store.inspector.law(state)
    limits = table(budgets(law, state, _now()), indent="  ")
    spent = [(name, used) for name, used in state.world.counters.items() if name.endswith(":spent")]
    money_rows = table([[(name, "plain"), (f"{used:,}", "plain")] for name, used in spent], indent="  ")
    for name, body in (("receipts", receipts), ("spent", money_rows), ("budgets", limits)):
        if body:
            click.echo(f"\n{inked(name, 'head', bold=True)}\n{body}")


def _now() -> int:
    return time.time_ns()
