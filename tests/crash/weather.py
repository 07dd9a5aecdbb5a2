"""An agent with a tool of every class and a random plan, for bad weather."""

import random
from collections.abc import Sequence

from perdure import Agent, Contract, ask_person, wait
from perdure.contract import ApprovalRule, Budget
from perdure.intention.reply import Call, Reply
from perdure.testing import ScriptedModel, World, say
from perdure.testing.kit import book_of, look_of, mail_of, order_of, pay_of, scribble_of
from perdure.values.digest import name_of
from perdure.wire.prompt import Prompt, Said
from tests.crash.cases import crew_of, deploy_of_world, ship_of_world

TOOLS = ("look", "look", "book", "order", "pay", "pay", "mail", "ship", "deploy", "wait", "crew", "scribble")


class Planned(World):
    """A world with a plan of what is to be done in it, drawn from how many worlds there were before."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        chance = random.Random(seed)
        self.plan_of_acts: list[tuple[str, str]] = [
            (chance.choice(TOOLS), f"act {number}") for number in range(chance.randint(2, 7))
        ]
        self.contract: Contract | None = chance.choice((None, None, ASKS, COUNTS))
        self.together: int = chance.randint(1, 3)


ASKS = Contract(approvals=(ApprovalRule(name="mail", tools=("mail", "pay")),))
COUNTS = Contract(budgets=(Budget(name="few", of="calls", max=6, per="lineage"),))


def call_of(tool: str, act: str, name: str) -> Call:
    """Return the call that does ``act`` with ``tool``."""
    match tool:
        case "look":
            return Call(name, tool, {"what": act})
        case "wait":
            return Call(name, tool, {"seconds": 20})
        case "crew":
            return Call(name, tool, {"task": act})
        case "pay":
            return Call(name, tool, {"act": act, "reference": name})
        case _:
            return Call(name, tool, {"act": act})


def scripted(world: Planned) -> ScriptedModel:
    """Return a model that does what the conversation doesn't show yet, in an order of its own."""

    def reply(prompt: Prompt) -> Reply:
        said: Sequence[Said] = [entry for entry in prompt.entries if isinstance(entry, Said)]
        shown = {int(call.id.split("-")[1]) for entry in said for call in entry.reply.calls}
        left = [place for place in range(len(world.plan_of_acts)) if place not in shown]
        if not left:
            return say("All is done.")
        calls = [
            call_of(
                *world.plan_of_acts[place], f"c-{place}-{name_of(len(said), place, len(prompt.entries))[:6]}"
            )
            for place in left[: world.together]
        ]
        return Reply(calls=tuple(calls), stop="calls")

    return ScriptedModel(reply)


def clerk(world: Planned) -> Agent:
    """Return the agent."""
    tools = [
        look_of(world),
        scribble_of(world),
        book_of(world),
        order_of(world),
        pay_of(world),
        mail_of(world),
        ship_of_world(world),
        deploy_of_world(world),
        crew_of(world),
        wait,
        ask_person,
    ]
    return Agent(
        name="clerk",
        instructions="Do it all.",
        tools=tools,
        model=scripted(world),
        contract=world.contract,
        workspace=world.workspace,
        turns_max=60,
    )
