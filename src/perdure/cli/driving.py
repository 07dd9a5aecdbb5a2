"""``perdure run`` and ``perdure resume``."""

import uuid

import click

from perdure.assembly.stores.addresses import Address
from perdure.cli.options import agent_option, example, json_option, run_argument, store_option
from perdure.cli.origins import agent_of, origin_here, remember
from perdure.cli.place import opened
from perdure.cli.wheel import Manner, drive, go_on, tools_speak_aside
from perdure.driver.books import name_for


@click.command(
    epilog=example(
        'perdure run payables.py:agent "Pay the March invoices" --run march',
        'perdure run payables.py:agent "Pay them" --model openai:gpt-5.1 --json',
    )
)
@click.argument("agent", metavar="FILE:NAME")
@click.argument("task", metavar="TASK")
@click.option(
    "--run", "name", metavar="NAME", help="What to call the run [default: the agent's name and a number]."
)
@click.option("--tenant", default="default", metavar="NAME", help="Whose budgets and receipts it shares.")
@click.option(
    "--model",
    default="",
    metavar="SPEC",
    help="Another model for this run: anthropic:..., openai:..., local.",
)
@click.option("--base-url", default="", metavar="URL", help="Where the model's API is.")
@click.option("-q", "--quiet", is_flag=True, help="Print the answer and errors only.")
@store_option
@json_option
def run(
    *,
    agent: str,
    task: str,
    name: str | None,
    tenant: str,
    model: str,
    base_url: str,
    quiet: bool,
    store: Address | None,
    as_json: bool,
) -> int:
    """Start an agent on TASK and drive it until it is finished, or waits for a person.

    FILE:NAME is a Python file and the Agent in it, or module:name. The answer goes to standard
    output, all else to standard error. Ctrl-C lets go of the run, which can be resumed.
    """
    origin = origin_here(agent, model=model, base_url=base_url)
    with tools_speak_aside():
        made = agent_of(origin)
    label = name or f"{made.name}-{uuid.uuid4().hex[:8]}"
    with opened(store, create=True) as place:
        label = name_for(place.store.books, label, tenant)
        if not place.has(label):
            # Before the start: a run that is killed in its first moment must be found again.
            remember(place, label, origin)
        return drive(
            place,
            label,
            lambda on_text: place.store.start(made, task, run=label, tenant=tenant, on_text=on_text),
            Manner(quiet, as_json),
        )


@click.command(epilog=example("perdure resume march", "perdure resume march --agent payables.py:agent"))
@run_argument
@agent_option
@click.option("--take-over", is_flag=True, help="Fence off a writer that can't be proved dead.")
@click.option("-q", "--quiet", is_flag=True, help="Print the answer and errors only.")
@store_option
@json_option
def resume(
    *,
    run: str,
    agent: str | None,
    take_over: bool,
    quiet: bool,
    store: Address | None,
    as_json: bool,
) -> int:
    """Go on with RUN where its log ends, in the directory and with the agent that it was begun with.

    Nothing that was done is done again; what is in doubt is settled by what the tool promises, or
    waits for a person. One process drives a run at a time: a second one ends with code 5.
    """
    with opened(store) as place:
        return go_on(place, run, agent, Manner(quiet, as_json), take_over=take_over)
