"""Agents for the tests of the command line: scripted, and with tools that wait where a test wants it.

A tool that ``gate`` holds opens the pipe ``ready`` (the test then knows that it is under way) and goes
on when the test has opened ``go``. What was done in the world stands in ``world.txt``.
"""

from pathlib import Path

from perdure import Agent, Context, Contract, NotDone, Partial, ask_person, tool
from perdure.contract import ApprovalRule, Budget, Rule, ToolRules
from perdure.testing.scripted import ScriptedModel, call, say, together

__all__ = ["agent", "asking", "chained", "doubtful", "endless", "parent", "patient", "publisher", "slow"]


def world(line: str) -> None:
    """Write down what has happened in the world."""
    with Path("world.txt").open("a", encoding="utf-8") as file:
        file.write(f"{line}\n")


def gate() -> None:
    """Wait for the test."""
    if Path("ready").exists():
        Path("ready").write_text("here", encoding="utf-8")
        with Path("go").open("rb", buffering=0) as go:
            go.read(2)


def take_back(ctx: Context, receipt: str, invoice: str, amount_cents: int) -> str:
    """Pay back."""
    del ctx, receipt, amount_cents
    world(f"refund {invoice}")
    return f"refunded {invoice}"


@tool(effect="read")
def read_invoice(invoice: str) -> dict[str, str]:
    """Read an invoice."""
    print(f"reading {invoice}")
    return {"invoice": invoice, "payee": "Acme \x1b[31mred"}


@tool(effect="once", identity=("invoice",), undo=take_back)
def pay(invoice: str, amount_cents: int) -> str:
    """Pay an invoice."""
    if invoice == "INV-LOST":
        raise ConnectionError("no reply")
    if amount_cents == 0:
        raise NotDone("nothing to pay")
    world(f"pay {invoice} {amount_cents}")
    return f"paid {invoice}"


@tool(effect="once", identity=("invoice",))
def pay_slowly(invoice: str) -> str:
    """Pay an invoice, when the gate opens."""
    world(f"pay {invoice}")
    gate()
    return f"paid {invoice}"


@tool(effect="idempotent")
def note(text: str) -> str:
    """Note something, when the gate opens."""
    gate()
    return f"noted {text}"


@tool(effect="once")
def mail(to: list[str]) -> Partial:
    """Mail to several, as far as that goes."""
    return Partial(to[:1], to[1:])


agent = Agent(
    name="clerk",
    instructions="Pay the invoices.",
    tools=[read_invoice, pay, mail],
    model=ScriptedModel(
        [
            together(
                call("read_invoice", invoice="INV-1"),
                call("read_invoice", invoice="INV-2"),
                text="Let me look.",
            ),
            call("pay", invoice="INV-1", amount_cents=12000),
            call("pay", invoice="INV-2", amount_cents=500),
            call("pay", invoice="INV-3", amount_cents=0),
            call("mail", to=["ada", "grace"]),
            call("fly", to="the moon"),
            say("Two are paid.\nOne had nothing to pay."),
        ]
    ),
)

doubtful = Agent(
    name="doubtful",
    instructions="Pay.",
    tools=[pay],
    model=ScriptedModel([call("pay", invoice="INV-LOST", amount_cents=700), say("It is paid.")]),
)

asking = Agent(
    name="asking",
    instructions="Pay.",
    tools=[pay, ask_person],
    model=ScriptedModel(
        [
            call("pay", invoice="INV-1", amount_cents=90_000),
            call("ask_person", question="Which account?"),
            say("Done."),
        ]
    ),
    contract=Contract(
        tools={"pay": ToolRules(amount="args.amount_cents")},
        rules=(Rule(name="sane", tools=("pay",), require="args.amount_cents < 1000000"),),
        approvals=(
            ApprovalRule(name="large", tools=("pay",), when="args.amount_cents > 1000", who="treasurer"),
        ),
        budgets=(Budget(name="daily", of="spend", max=100_000, per="tenant", every="day"),),
    ),
)

slow = Agent(
    name="slow",
    instructions="Pay.",
    tools=[pay_slowly],
    model=ScriptedModel([call("pay_slowly", invoice="INV-9"), say("Slowly paid.")]),
)

patient = Agent(
    name="patient",
    instructions="Note.",
    tools=[note],
    model=ScriptedModel([call("note", text="this"), say("It is noted.")]),
)

endless = Agent(
    name="endless",
    instructions="Read.",
    tools=[read_invoice],
    model=ScriptedModel([call("read_invoice", invoice="INV-1"), say("never said")]),
    turns_max=1,
)

parent = Agent(
    name="parent",
    instructions="Let the others work.",
    tools=[doubtful.as_tool("Pays what is lost.")],
    model=ScriptedModel([call("doubtful", task="Pay INV-LOST"), say("They are done.")]),
)


@tool(effect="once", identity=("invoice", "copy"))
def archive(invoice: str, copy: int) -> str:
    """File a paid invoice."""
    world(f"archive {invoice} {copy}")
    return "filed"


def still_there(ctx: Context, receipt: str, page: str) -> str | None:
    """Look whether the page is still there."""
    del ctx, receipt
    return None if Path(page).exists() else f"{page} is gone"


@tool(effect="idempotent", check=still_there)
def publish(page: str) -> str:
    """Publish a page."""
    Path(page).write_text("hello", encoding="utf-8")
    return page


publisher = Agent(
    name="publisher",
    instructions="Publish.",
    tools=[publish],
    model=ScriptedModel([call("publish", page="index.html"), say("Published.")]),
)

chained = Agent(
    name="chained",
    instructions="Pay, then file.",
    tools=[pay, archive],
    model=ScriptedModel(
        [
            call("pay", invoice="INV-77", amount_cents=1),
            call("archive", invoice="INV-77", copy=1),
            say("Filed."),
        ]
    ),
)
