"""Agents of several versions and with a tenant's budget; ``BILLING`` says which version this process has."""

import os

from perdure import Agent, Contract, ask_person
from perdure.contract import Budget
from perdure.testing import ScriptedModel
from tests.worker.agents import _next, order, send

billing = Agent(
    name="billing",
    instructions="bill",
    tools=[send, ask_person] if os.environ.get("BILLING", "1") == "1" else [send, order, ask_person],
    model=ScriptedModel(_next),
    version=os.environ.get("BILLING", "1"),
)

thrifty = Agent(
    name="thrifty",
    instructions="spend little",
    tools=[send],
    model=ScriptedModel(_next),
    contract=Contract(
        budgets=(Budget(name="five letters", of="calls", max=5, per="tenant", tools=("send",)),)
    ),
)
