"""Pays invoices. The bank is a file here, so that this runs anywhere: bank.csv is its ledger."""

import asyncio
from pathlib import Path

from perdure import Agent, Context, Found, Never, tool
from perdure.testing import ScriptedModel, call, say

BANK = Path("bank.csv")
OPEN = {"INV-1": 12000, "INV-2": 4550, "INV-3": 80000}


@tool(effect="read")
def open_invoices() -> dict[str, int]:
    """Return the open invoices with their amounts in cents."""
    return OPEN


def book(line: str) -> None:
    with BANK.open("a") as ledger:
        ledger.write(line + "\n")


def find_payment(ctx: Context) -> Found | Never:
    booked = BANK.read_text().splitlines() if BANK.exists() else []
    return next((Found(line) for line in booked if ctx.key in line), Never())


@tool(effect="probeable", identity=("invoice",), probe=find_payment)
async def pay(ctx: Context, invoice: str, amount_cents: int) -> str:
    """Pay one invoice at the bank."""
    book(f"{invoice},{amount_cents},{ctx.key}")
    await asyncio.sleep(2)  # it is booked, and the bank is slow to say so: kill -9 here
    return f"{invoice} is paid"


pays = [call("pay", invoice=name, amount_cents=cents) for name, cents in OPEN.items()]
model = ScriptedModel([call("open_invoices"), *pays, say("All paid.")])  # or "anthropic:claude-sonnet-4-5"
agent = Agent(name="payables", instructions="Pay each invoice.", tools=[open_invoices, pay], model=model)
