"""Several runs of one tenant at once, which want the same invoices paid out of the same budget, in bad weather."""

import asyncio
import random
from collections.abc import Sequence
from typing import Final, NamedTuple

from perdure import Agent, Context, Contract, Found, Never, ask_person, tool
from perdure.adapters.tools.tool import AnyTool
from perdure.assembly.house import House
from perdure.contract import Budget, ToolRules
from perdure.intention.declaration import EffectClass
from perdure.intention.reply import Call, Reply
from perdure.testing import ScriptedModel, World, say
from perdure.testing.disks import MakeDisk, MemoryDisk
from perdure.testing.lives import History
from perdure.testing.oracle import Judged, judged
from perdure.testing.world import Fault
from perdure.wire.prompt import Answered, Prompt, Said

RUNS: Final = 4
PRICE: Final = 30
BUDGET: Final = 100
FAULTS: Final[Sequence[Fault]] = ("refuse", "break", "lose", "hang")
EFFECTS: Final[Sequence[EffectClass]] = ("probeable", "idempotent", "once")

CONTRACT: Final = Contract(
    tools={"pay": ToolRules(amount=PRICE)},
    budgets=(Budget(name="daily", of="spend", max=BUDGET, per="tenant", every="day"),),
)


class Crowd(NamedTuple):
    """What became of one seed."""

    judged: Judged
    paid: int
    """invoices, each once"""
    statuses: tuple[str, ...]
    deaths: int


def payer(world: World, effect: EffectClass) -> AnyTool:
    """Return a tool whose identity counts for the whole tenant."""

    async def find(ctx: Context) -> Found | Never:
        return world.find(ctx.key)

    @tool(
        effect=effect,
        identity=("invoice",),
        scope="tenant",
        volatile=("reference",),
        probe=find if effect == "probeable" else None,
        visible_within=1 if effect == "probeable" else None,
        timeout=20,
    )
    async def pay(ctx: Context, invoice: str, reference: str) -> str:
        await asyncio.sleep(0.5)
        if effect == "idempotent":
            world.honour(invoice, key=ctx.key)
        else:
            await world.apply_late(invoice, key=ctx.key)
        return "paid"

    return pay


class Wanting:
    """A model that wants its invoices paid, and asks a person where another run has one in doubt."""

    def __init__(self, invoices: Sequence[str], name: str) -> None:
        self.invoices: Sequence[str] = invoices
        self.name: str = name

    def __call__(self, prompt: Prompt) -> Reply:
        said = [entry for entry in prompt.entries if isinstance(entry, Said)]
        if isinstance(entry := prompt.entries[-1], Answered) and entry.text.startswith("Refused (in doubt)"):
            return Reply(calls=(Call(f"a{len(said)}", "ask_person", {"question": "It is in doubt."}),))
        doubtful = {
            entry.call_id
            for entry in prompt.entries
            if isinstance(entry, Answered) and entry.text.startswith("Refused (in doubt)")
        }
        shown = {
            call.id.split("-")[1]
            for entry in said
            for call in entry.reply.calls
            if call.id not in doubtful and call.tool == "pay"
        }
        left = [invoice for invoice in self.invoices if invoice not in shown]
        if not left:
            return say("All is done.")
        reference = f"{self.name}/{len(said)}"
        return Reply(
            calls=(Call(f"c{len(said)}-{left[0]}", "pay", {"invoice": left[0], "reference": reference}),)
        )


def crowd(seed: int, make_disk: MakeDisk = MemoryDisk) -> Crowd:
    """Play one seed."""
    chance = random.Random(seed)
    world = World()
    effect = chance.choice(EFFECTS)
    wants = [chance.sample([f"i{number}" for number in range(5)], 3) for _ in range(RUNS)]
    trouble, deaths = chance.choice((0.0, 0.2, 0.5)), chance.choice((0.0, 0.01, 0.03))
    calm = [False]
    history = History(
        lambda: Agent(name="none", instructions="", model=ScriptedModel([])), world, make_disk=make_disk
    )
    world.trouble = lambda act: chance.choice(FAULTS) if not calm[0] and chance.random() < trouble else None

    def agent(number: int) -> Agent:
        model = ScriptedModel(Wanting(wants[number], f"run-{number}"))
        tools = [payer(world, effect), ask_person]
        return Agent(name="payer", instructions="Pay.", tools=tools, model=model, contract=CONTRACT)

    async def drive(house: House, number: int) -> None:
        await asyncio.sleep(number / 10 if not calm[0] else number)
        run = f"run-{number}"
        rows = history.store.rows(run)
        if rows and rows[0].position:
            await house.resume(agent(number), run)
        else:
            await house.start(agent(number), "Pay.", run=run)

    async def all_at_once(house: House, _: Agent) -> None:
        await asyncio.gather(*(drive(house, number) for number in range(RUNS)))

    try:
        for life in range(30):
            calm[0] = life > 5
            history.course.dooms[:] = [] if calm[0] else [lambda here: chance.random() < deaths]
            ended = history.live(all_at_once)
            if ended and not history.operator.answers() and calm[0]:
                break
        ending = history.ending()
        rows = history.store.rows()
        return Crowd(
            judged(ending, None),
            sum(world.counts().values()),
            tuple(row.status for row in rows),
            len(ending.course.deaths),
        )
    finally:
        history.discard()
