"""``perdure settle``: a person knows what nothing else can know."""

import click

from perdure.assembly.stores.addresses import Address
from perdure.cli.options import by_option, example, json_option, resume_option, run_argument, store_option
from perdure.cli.place import opened
from perdure.cli.spoken.words import Names
from perdure.cli.standing.resting import result_of
from perdure.cli.telling import told

SPOKEN = {
    "succeeded": "it happened",
    "failed": "it did not happen",
    "retry": "it did not happen, and is done again",
}


@click.command(
    epilog=example(
        'perdure settle march 5b102c51 --succeeded --result \'{"receipt": "T-1042"}\' --resume',
        "perdure settle march 5b102c51 --retry",
    )
)
@run_argument
@click.argument("key", metavar="KEY")
@click.option("--succeeded", "outcome", flag_value="succeeded", type=str, help="It happened.")
@click.option(
    "--failed", "outcome", flag_value="failed", type=str, help="It did not happen; the model is told."
)
@click.option("--retry", "outcome", flag_value="retry", type=str, help="It did not happen; do it again.")
@click.option("--result", metavar="JSON", help="With --succeeded: what the tool would have returned.")
@click.option("--note", default="", metavar="TEXT", help="How you know; it is logged.")
@by_option
@resume_option
@store_option
@json_option
def settle(
    *,
    run: str,
    key: str,
    outcome: str | None,
    result: str | None,
    note: str,
    by: str,
    go_on: bool,
    agent: str | None,
    store: Address | None,
    as_json: bool,
) -> int:
    """Say how the effect of KEY in RUN ended, after looking at the world.

    KEY may be shortened. `perdure show RUN` lists what is in doubt, and what is known of it. What
    you say is believed: the agent goes on as if the tool had answered it.
    """
    if outcome is None:
        raise click.UsageError("Say how it ended: --succeeded, --failed or --retry.")
    if result is not None and outcome != "succeeded":
        raise click.UsageError("--result belongs to --succeeded.")
    with opened(store) as place:
        found = [item for item in place.store.state(run).world.open if item.startswith(key)]
        act = Names(place.store.state(run)).act(found[0]) if len(found) == 1 else key
        said = result_of(result) if result is not None else None
        state = place.store.settle(run, key, outcome, result=said, by=by, note=note)
        words = f"{act}: {SPOKEN[outcome]}, says {by}"
        return told(place, state, words, resume=go_on, agent=agent, as_json=as_json)
