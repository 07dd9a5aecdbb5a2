"""What is killed everywhere: one small agent for each class of effect, and for each way a run can take."""

from collections.abc import Callable, Mapping, Sequence
from typing import Final, NamedTuple

from perdure import Agent, Context, Contract, Found, Never, Partial, Pending, Unknown, ask_person, tool, wait
from perdure.adapters.tools.tool import AnyTool
from perdure.assembly.agents.agent import SubAgent
from perdure.assembly.people import People
from perdure.contract import ApprovalRule
from perdure.intention.declaration import Declaration
from perdure.intention.reply import Reply
from perdure.projection.state import State
from perdure.testing import ScriptedModel, World, call, say, together
from perdure.testing.kit import book_of, look_of, mail_of, order_of, pay_of, scribble_of
from perdure.testing.lives import Act
from perdure.testing.scripted import Script
from perdure.values.digest import Json
from perdure.wire.prompt import Prompt, Said, UserText

Tools = Sequence[AnyTool | SubAgent | Declaration]


class Case(NamedTuple):
    """A small agent, a script for its model, and what goes wrong in its world."""

    tools: Callable[[World], Tools]
    script: Script
    plan: Callable[[World], object] = lambda world: world
    then: tuple[Act, ...] = ()
    contract: Contract | None = None
    workspace: bool = False

    def agent(self, world: World) -> Agent:
        """Return the agent as one life of the program makes it."""
        return Agent(
            name="clerk",
            instructions="Do what is asked.",
            tools=self.tools(world),
            model=ScriptedModel(self.script),
            contract=self.contract,
            workspace=world.workspace if self.workspace else None,
        )

    def world(self) -> World:
        """Return a world in which nothing was done yet."""
        world = World()
        self.plan(world)
        return world


def alone(make: Callable[[World], AnyTool]) -> Callable[[World], Tools]:
    """Return the tools of an agent that has only this one."""
    return lambda world: (make(world),)


def ship_of_world(world: World) -> AnyTool:
    """Return a ``once`` tool that does half of what is asked."""

    @tool(effect="once")
    async def ship(ctx: Context, act: str) -> Partial:
        world.apply(f"{act} left", key=ctx.key)
        return Partial(done="left", undone="right")

    return ship


def deploy_of_world(world: World) -> AnyTool:
    """Return an ``idempotent`` tool whose other side takes twenty seconds."""

    async def arrived(ctx: Context, reference: Json) -> Json | Pending:
        del ctx
        world.asked["poll"] += 1
        world.moment("asked after")
        return "arrived" if world.asked["poll"] > 4 else Pending(reference, 5.0)

    @tool(effect="idempotent", poll=arrived, identity=("act",))
    async def deploy(ctx: Context, act: str) -> Pending:
        world.honour(act, key=ctx.key)
        return Pending({"job": act}, 5.0)

    return deploy


def blind_of(world: World) -> AnyTool:
    """Return a ``probeable`` tool whose probe is blind twice before it sees."""

    async def find(ctx: Context) -> Found | Never | Unknown:
        world.asked["probe"] += 1
        return world.find(ctx.key) if world.asked["probe"] > 2 else Unknown("no connection")

    @tool(effect="probeable", identity=("act",), probe=find, visible_within=1)
    async def pay(ctx: Context, act: str) -> Json:
        return world.apply(act, key=ctx.key)

    return pay


def barring_of(world: World) -> AnyTool:
    """Return a ``probeable`` tool, not async, whose probe bars the requests that have done nothing."""

    def find(ctx: Context) -> Found | Never:
        return world.bar(ctx.key, ctx.send)

    @tool(effect="probeable", identity=("act",), probe=find)
    def pay(ctx: Context, act: str) -> Json:
        world.admit(ctx.key, ctx.send)
        return world.apply(act, key=ctx.key)

    return pay


def lasting_of(world: World) -> AnyTool:
    """Return an ``idempotent`` tool whose key is honoured for a second only."""

    @tool(effect="idempotent", identity=("act",), key_lifetime=1.0)
    async def order(ctx: Context, act: str) -> Json:
        return world.honour(act, key=ctx.key)

    return order


def crew_of(world: World) -> SubAgent:
    """Return a sub-agent that pays what its task names."""

    def script(prompt: Prompt) -> Reply:
        if any(isinstance(entry, Said) for entry in prompt.entries):
            return say("paid")
        task = next(entry.text for entry in prompt.entries if isinstance(entry, UserText))
        return call("pay", act=f"{task} by a child")

    crew = Agent(name="crew", instructions="Pay.", tools=[pay_of(world)], model=ScriptedModel(script))
    return crew.as_tool("Pays things.")


def lone_crew_of(world: World) -> SubAgent:
    """Return a sub-agent that sends a mail, which only a person can vouch for."""
    script = [call("mail", act="child's"), say("sent")]
    crew = Agent(name="crew", instructions="Mail.", tools=[mail_of(world)], model=ScriptedModel(script))
    return crew.as_tool("Mails things.")


def undo_last(people: People, state: State) -> object:
    """Undo what was done last."""
    done = [item for item in state.world.receipts.values() if item.outcome == "succeeded" and not item.undoes]
    return people.revert(state.run, done[-1].settled, by="operator")


def rewind_to_start(people: People, state: State) -> object:
    """Go back to the first message."""
    return people.rewind(state.run, 3, by="operator")


APPROVAL: Final = Contract(approvals=(ApprovalRule(name="all", tools=("*",), why="money"),))

PAY: Final = [call("pay", act="p1", reference="r1"), say("paid")]
ORDER: Final = [call("order", act="o1"), say("ordered")]
MAIL: Final = [call("mail", act="m1"), say("sent")]
BOTH: Final = [together(call("pay", act="p1", reference="r"), call("order", act="o1")), say("done")]
LOOKS: Final = [together(call("look", what="a"), call("look", what="b"), call("look", what="c")), say("seen")]
MIXED: Final = [
    together(call("look", what="a"), call("mail", act="m1"), call("look", what="m1"), call("look", what="b")),
    say("done"),
]

CASES: Final[Mapping[str, Case]] = {
    # the classes
    "read": Case(alone(look_of), [call("look", what="a"), say("seen")]),
    "workspace": Case(alone(scribble_of), [call("scribble", act="s1"), say("ok")], workspace=True),
    "transactional": Case(alone(book_of), [call("book", act="b1"), say("booked")]),
    "idempotent": Case(alone(order_of), ORDER),
    "probeable": Case(alone(pay_of), PAY),
    "once": Case(alone(mail_of), MAIL),
    # what tools answer
    "not done": Case(alone(pay_of), PAY, lambda world: world.plan("p1", "refuse")),
    "not done, then again": Case(
        alone(pay_of),
        [PAY[0], call("pay", act="p1", reference="r2"), say("ok")],
        lambda w: w.plan("p1", "refuse"),
    ),
    "probeable, answer lost": Case(alone(pay_of), PAY, lambda world: world.plan("p1", "lose")),
    "probeable, broke before": Case(alone(pay_of), PAY, lambda world: world.plan("p1", "break")),
    "idempotent, answer lost": Case(alone(order_of), ORDER, lambda world: world.plan("o1", "lose")),
    "once, answer lost": Case(alone(mail_of), MAIL, lambda world: world.plan("m1", "lose")),
    "once, broke before": Case(alone(mail_of), MAIL, lambda world: world.plan("m1", "break")),
    "timeout, done": Case(alone(pay_of), PAY, lambda world: world.plan("p1", "hang")),
    "timeout, not done": Case(alone(pay_of), PAY, lambda world: world.plan("p1", "stall")),
    "timeout of once": Case(alone(mail_of), MAIL, lambda world: world.plan("m1", "hang")),
    "partial": Case(alone(ship_of_world), [call("ship", act="x"), say("ok")]),
    "pending": Case(alone(deploy_of_world), [call("deploy", act="d1"), say("ok")]),
    "blind probe": Case(alone(blind_of), [call("pay", act="p1"), say("ok")]),
    "barring probe": Case(alone(barring_of), [call("pay", act="p1"), say("ok")]),
    "short key lifetime": Case(alone(lasting_of), ORDER),
    # what a run can do
    "approval": Case(alone(pay_of), PAY, contract=APPROVAL),
    "approval of once": Case(alone(mail_of), MAIL, contract=APPROVAL),
    "child": Case(lambda world: (crew_of(world),), [call("crew", task="Pay."), say("ok")]),
    "child of once": Case(lambda world: (lone_crew_of(world),), [call("crew", task="Mail."), say("ok")]),
    "undo": Case(alone(pay_of), PAY, then=(undo_last,)),
    "rewind": Case(alone(pay_of), PAY, then=(rewind_to_start,)),
    "rewind of once": Case(alone(mail_of), MAIL, then=(rewind_to_start,)),
    "undo, then rewind": Case(alone(pay_of), PAY, then=(undo_last, rewind_to_start)),
    "wait": Case(lambda world: (wait,), [call("wait", seconds=30), say("ok")]),
    "question": Case(lambda world: (ask_person,), [call("ask_person", question="Which?"), say("ok")]),
    "two effects": Case(lambda world: (pay_of(world), order_of(world)), BOTH),
    "parallel reads": Case(alone(look_of), LOOKS),
    "reads around a deed": Case(lambda world: (look_of(world), mail_of(world)), MIXED),
    "refused call": Case(alone(mail_of), [call("male", act="m1"), call("mail"), *MAIL]),
    "same again": Case(alone(mail_of), [MAIL[0], MAIL[0], say("twice")]),
}
