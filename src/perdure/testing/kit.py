"""A tool of every class, doing things to a counting world."""

from perdure.adapters.tools.context import Context
from perdure.adapters.tools.outcomes import Found, Never
from perdure.adapters.tools.tool import AnyTool, tool
from perdure.testing.world import CountingWorld
from perdure.values.digest import Json

TIMEOUT_SECONDS = 30.0
VISIBLE_SECONDS = 2.0


def tools_of(world: CountingWorld) -> tuple[AnyTool, ...]:
    """Return one tool of each class: look, scribble, book, order, pay and mail."""
    return (
        look_of(world),
        scribble_of(world),
        book_of(world),
        order_of(world),
        pay_of(world),
        mail_of(world),
    )


def look_of(world: CountingWorld) -> AnyTool:
    """Return a ``read``."""

    @tool(effect="read")
    async def look(what: str) -> str:
        """Look at something."""
        world.moment(f"looks at {what}")
        return f"{what} was done {world.count(what)} times"

    return look


def scribble_of(world: CountingWorld) -> AnyTool:
    """Return a ``workspace`` tool, which adds a line to ``acts.txt``."""

    @tool(effect="workspace")
    async def scribble(ctx: Context, act: str) -> str:
        """Write a line."""
        world.moment("before the line")
        with ((ctx.workspace or world.workspace) / "acts.txt").open("a") as lines:
            lines.write(f"{act}\n")
        world.moment("after the line")
        return "written"

    return scribble


def book_of(world: CountingWorld) -> AnyTool:
    """Return a ``transactional`` tool."""

    @tool(effect="transactional", database=world.database, identity=("act",))
    def book(ctx: Context, act: str) -> str:
        """Book it."""
        ctx.transaction.execute("INSERT INTO acts VALUES (?)", (act,))
        world.moment(f"{act} is written, not committed")
        return "booked"

    return book


def order_of(world: CountingWorld) -> AnyTool:
    """Return an ``idempotent`` tool."""

    @tool(effect="idempotent", identity=("act",), timeout=TIMEOUT_SECONDS)
    async def order(ctx: Context, act: str) -> Json:
        """Order it."""
        return world.honour(act, key=ctx.key, answer=f"ordered {act}")

    return order


def pay_of(world: CountingWorld) -> AnyTool:
    """Return a ``probeable`` tool with an undo."""

    async def find(ctx: Context) -> Found | Never:
        return world.find(ctx.key)

    async def refund(ctx: Context, receipt: Json, act: str) -> Json:
        del receipt
        return world.apply(f"undo {act}", key=ctx.key)

    @tool(
        effect="probeable",
        identity=("act",),
        volatile=("reference",),
        probe=find,
        visible_within=VISIBLE_SECONDS,
        undo=refund,
        timeout=TIMEOUT_SECONDS,
    )
    async def pay(ctx: Context, act: str, reference: str = "") -> Json:
        """Pay it."""
        del reference
        return await world.apply_late(act, key=ctx.key, answer=f"paid {act}")

    return pay


def mail_of(world: CountingWorld) -> AnyTool:
    """Return a tool that is ``once``."""

    @tool(effect="once", timeout=TIMEOUT_SECONDS)
    async def mail(ctx: Context, act: str) -> Json:
        """Send it."""
        return await world.apply_late(act, key=ctx.key, answer=f"sent {act}")

    return mail
