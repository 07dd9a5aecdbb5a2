"""What a person tells a run: ``approve``, ``deny``, ``message``, ``cancel``."""

import click

from perdure.assembly.stores.addresses import Address
from perdure.cli.options import by_option, example, json_option, resume_option, run_argument, store_option
from perdure.cli.place import Place, opened
from perdure.cli.spoken.words import Names
from perdure.cli.telling import told


@click.command(epilog=example("perdure approve march ap-3f9c21ab77e0 --resume"))
@run_argument
@click.argument("approval", metavar="APPROVAL")
@by_option
@click.option("--note", default="", metavar="TEXT", help="Why; it is logged.")
@resume_option
@store_option
@json_option
def approve(
    *,
    run: str,
    approval: str,
    by: str,
    note: str,
    go_on: bool,
    agent: str | None,
    store: Address | None,
    as_json: bool,
) -> int:
    """Allow exactly what APPROVAL asks: this act, with these arguments, under this contract, once.

    `perdure show RUN` lists what is asked.
    """
    with opened(store) as place:
        why = _why(place, run, approval)
        state = place.store.approve(run, approval, by=by, note=note)
        words = f"{by} allowed {why}"
        return told(place, state, words, resume=go_on, agent=agent, as_json=as_json)


@click.command(epilog=example('perdure deny march ap-3f9c21ab77e0 --note "not before April" --resume'))
@run_argument
@click.argument("approval", metavar="APPROVAL")
@by_option
@click.option("--note", default="", metavar="TEXT", help="Why; the model is told.")
@resume_option
@store_option
@json_option
def deny(
    *,
    run: str,
    approval: str,
    by: str,
    note: str,
    go_on: bool,
    agent: str | None,
    store: Address | None,
    as_json: bool,
) -> int:
    """Forbid what APPROVAL asks. The same act stays forbidden in this run and all its forks."""
    with opened(store) as place:
        why = _why(place, run, approval)
        state = place.store.deny(run, approval, by=by, note=note)
        words = f"{by} denied {why}"
        return told(place, state, words, resume=go_on, agent=agent, as_json=as_json)


@click.command(epilog=example('perdure message march "Skip the invoice of Acme." --resume'))
@run_argument
@click.argument("text", metavar="TEXT")
@click.option("--sender", default="user", metavar="NAME", help="Who says it.")
@click.option("--id", "label", metavar="ID", help="A message with an id that came before changes nothing.")
@resume_option
@store_option
@json_option
def message(
    *,
    run: str,
    text: str,
    sender: str,
    label: str | None,
    go_on: bool,
    agent: str | None,
    store: Address | None,
    as_json: bool,
) -> int:
    """Say TEXT to the model of RUN: an answer to its question, or something new."""
    with opened(store) as place:
        state = place.store.message(run, text, sender=sender, name=label)
        words = f"{run} is told: {text}"
        return told(place, state, words, resume=go_on, agent=agent, as_json=as_json)


@click.command(epilog=example('perdure cancel march --why "the invoices were wrong"'))
@run_argument
@by_option
@click.option("--why", default="", metavar="TEXT", help="Why; it is logged.")
@store_option
@json_option
def cancel(
    *,
    run: str,
    by: str,
    why: str,
    store: Address | None,
    as_json: bool,
) -> int:
    """End RUN, whoever drives it. What is under way is put in doubt, and not forgotten."""
    with opened(store) as place:
        state = place.store.cancel(run, by=by, why=why)
        words = f"{by} ended {run}" + (
            f"; {len(state.world.open)} still in doubt" if state.world.open else ""
        )
        return told(place, state, words, resume=False, agent=None, as_json=as_json)


def _why(place: Place, run: str, approval: str) -> str:
    return Names(place.store.state(run)).approvals.get(approval, approval)
