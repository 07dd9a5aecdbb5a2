"""``perdure contract check`` and ``perdure contract try``."""

from pathlib import Path

import click

from perdure.assembly.agents.agent import Agent
from perdure.assembly.agents.trial import Trial, Tried, contract_problems, loaded_contract
from perdure.assembly.stores.addresses import Address
from perdure.cli.drawing.ink import Tone, clean, count, inked
from perdure.cli.ending import FAILED, FINISHED
from perdure.cli.options import example, json_option, store_option
from perdure.cli.origins import load
from perdure.cli.out import put
from perdure.cli.place import opened
from perdure.cli.spoken.words import spoken
from perdure.cli.wheel import tools_speak_aside
from perdure.values.errors import BadContract

_SIGNS: dict[str, tuple[str, Tone]] = {
    "refused": ("⊘", "bad"),
    "asked": ("⚑", "ask"),
    "allowed": ("✓", "good"),
}


@click.group()
def contract() -> None:
    """Check a contract, or try it on a recorded run."""


@contract.command(epilog=example("perdure contract check contract.yaml --agent payables.py:agent"))
@click.argument("file", metavar="FILE", type=click.Path(path_type=Path))
@click.option("--agent", metavar="FILE:NAME", help="Also check it against this agent's tools.")
@json_option
def check(*, file: Path, agent: str | None, as_json: bool) -> int:
    """Tell all that is wrong with the contract in FILE, each with its line and its cure.

    Ends with code 4 if anything is.
    """
    with tools_speak_aside():
        made = _agent(file, agent) if agent else None
        found = contract_problems(file, made)
    if as_json:
        put({"ok": not found, "file": str(file), "problems": found})
    else:
        for problem in found:
            place = f"{problem.file}:{problem.line}" if problem.line else problem.file
            click.echo(f"{inked('✗', 'bad', bold=True)} {inked(place, 'head')}  {clean(problem.text)}")
            click.echo(inked(f"    {clean(problem.cure)}", "quiet"))
        if not found:
            beside = f", and fits {agent}" if agent else ""
            click.echo(f"{inked('✓', 'good', bold=True)} {file} is in order{beside}")
    return FAILED if found else FINISHED


def _agent(file: Path, agent: str) -> Agent | None:
    """Return the agent; None if it can't be made because this very contract is wrong."""
    try:
        return load(agent)
    except BadContract:
        if contract_problems(file, None):
            return None
        raise


@contract.command("try", epilog=example("perdure contract try strict.yaml --run march"))
@click.argument("file", metavar="FILE", type=click.Path(path_type=Path))
@click.option("--run", required=True, metavar="RUN", help="The recorded run.")
@store_option
@json_option
def try_(*, file: Path, run: str, store: Address | None, as_json: bool) -> int:
    """Judge every intention of a recorded run by the contract in FILE: what would it have refused?

    Each is judged in the state of its moment. Ends with code 4 if anything would have been refused.
    """
    rules = loaded_contract(file)
    with opened(store) as place:
        judged = list(Trial(place.store.books, rules).over(place.store.events(run)))
    refused = sum(each.now == "refused" for each in judged)
    asked = sum(each.now == "asked" for each in judged)
    if as_json:
        put({"run": run, "judged": len(judged), "refused": refused, "asked": asked, "rulings": judged})
    else:
        for each in judged:
            if each.now != each.then or each.now != "allowed":
                _say(each)
        allowed = len(judged) - refused - asked
        click.echo(
            f"{count(len(judged), 'intention')}: {allowed} allowed, {asked} asked about, {refused} refused"
        )
    return FAILED if refused else FINISHED


def _say(tried: Tried) -> None:
    sign, tone = _SIGNS[tried.now]
    act = f"{tried.tool} {spoken(tried.arguments)}".rstrip() if tried.tool else "the model would not be asked"
    then = "" if tried.then == tried.now else f"  (then {tried.then})"
    begin = f"{inked(f'{tried.position:>5}', 'quiet')}  {inked(sign, tone, bold=True)}"
    click.echo(f"{begin} {inked(tried.now, tone)} {clean(act)}{inked(then, 'quiet')}")
    if tried.reason:
        rule = f"{tried.rule}: " if tried.rule else ""
        click.echo(inked(f"         {clean(rule + tried.reason)}", "quiet"))
