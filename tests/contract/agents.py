"""A small agent that the contract's tests judge, and figures that say nothing has happened yet."""

from collections.abc import Callable, Mapping

from perdure.contract import Allowed, Contract, Figures, Law, Refusal, Where, compile_law, judge
from perdure.intention.declaration import Declaration, Definition
from perdure.values.digest import Json

PAY = Declaration(
    "pay",
    effect="once",
    on_divergence="ask",
    schema={
        "type": "object",
        "properties": {
            "invoice": {"type": "string"},
            "amount_cents": {"type": "integer", "minimum": 1},
            "currency": {"enum": ["EUR", "USD"], "default": "EUR"},
            "rate": {"type": "number"},
            "urgent": {"type": "boolean"},
            "note": {"anyOf": [{"type": "string"}, {"type": "null"}]},
            "to": {
                "type": "object",
                "properties": {"iban": {"type": "string"}, "name": {"type": "string"}},
                "required": ["iban"],
            },
            "tags": {"type": "array", "items": {"type": "string"}},
            "labels": {"type": "object", "additionalProperties": {"type": "string"}},
        },
        "required": ["invoice", "amount_cents"],
    },
)
FILES: dict[str, Json] = {
    "type": "object",
    "properties": {
        "path": {"type": "string"},
        "edits": {
            "type": "array",
            "items": {"type": "object", "properties": {"path": {"type": "string"}}},
        },
    },
}
READ_FILE = Declaration("read_file", effect="read", schema=FILES)
WRITE_FILE = Declaration("write_file", effect="workspace", schema=FILES)
FETCH = Declaration(
    "fetch", effect="read", schema={"type": "object", "properties": {"url": {"type": "string"}}}
)
OPEN = Declaration("open_tool", effect="once", schema={"type": "object"})

AGENT = Definition("payables", "pay what is due", "scripted", (PAY, READ_FILE, WRITE_FILE, FETCH, OPEN))
WHERE = Where("march", "march", "acme")
NOON = 1_700_049_600_000_000_000
"""2023-11-15 12:00 UTC"""


def law_of(contract: Contract | None = None, agent: Definition = AGENT) -> Law:
    """Return the law of the agent under ``contract``."""
    return compile_law(agent, contract or Contract())


def figures(
    *,
    turns: int = 0,
    calls: Mapping[str, int] | None = None,
    spent: int = 0,
    tokens: int = 0,
    cost: int = 0,
    elapsed_ns: int = 0,
    at: int = NOON,
    used: Mapping[str, int] | None = None,
    repeats: Callable[[str, str], int] = lambda _tool, _digest: 0,
) -> Figures:
    """Return figures of a run to which only what is named has happened."""
    counters = used or {}
    return Figures(
        turns, calls or {}, spent, tokens, cost, elapsed_ns, at, lambda name: counters.get(name, 0), repeats
    )


def judged(
    law: Law, tool: str, arguments: dict[str, Json], now: Figures | None = None, where: Where = WHERE
) -> Allowed | Refusal:
    """Judge a call of the agent's tool."""
    declaration = law.definition.tool(tool)
    assert declaration is not None
    return judge(law, declaration, arguments, now or figures(), where)


def allowed(verdict: Allowed | Refusal) -> Allowed:
    """Return the verdict, which must allow."""
    assert isinstance(verdict, Allowed), verdict
    return verdict


def refused(verdict: Allowed | Refusal | None) -> Refusal:
    """Return the verdict, which must refuse."""
    assert isinstance(verdict, Refusal), verdict
    return verdict


def bill(amount: int = 100, **more: Json) -> dict[str, Json]:
    """Return arguments of a payment."""
    return {"invoice": "R-1", "amount_cents": amount, **more}
