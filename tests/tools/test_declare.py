"""What ``@tool`` declares, refuses and warns of."""

import re
import uuid
import warnings
from collections.abc import Callable
from typing import cast

import pytest

from perdure.adapters.tools.builtin import ask_person, subagent, wait
from perdure.adapters.tools.checks import IdentityWarning
from perdure.adapters.tools.context import Context
from perdure.adapters.tools.outcomes import Found, Never
from perdure.adapters.tools.tool import Options, declare, tool
from perdure.adapters.tools.transactions import SQLiteDatabase
from perdure.intention.declaration import Definition, EffectClass, definition_bytes, read_definition
from perdure.values.errors import BadTool


def send(invoice: str, amount: int, note: str = "") -> str:
    """Send money."""
    return f"{invoice}{amount}{note}"


def probe(ctx: Context, invoice: str) -> Found | Never:
    return Found({"invoice": invoice, "key": ctx.key})


def undo(ctx: Context, receipt: object, **arguments: object) -> None:
    del ctx, receipt, arguments


def check(ctx: Context, receipt: object, amount: int) -> bool:
    return bool(ctx and receipt and amount)


def poll(ctx: Context, reference: object) -> str:
    return f"{ctx.key}{reference}"


def test_a_bare_tool_is_once_and_stays_a_function():
    made = tool(send)
    assert made("a", 1, note="b") == "a1b"
    assert made.declaration.name == "send"
    assert made.declaration.description == "Send money."
    assert made.declaration.effect == "once"
    assert made.declaration.on_divergence == "ask"
    assert made.declaration.timeout == 60_000_000_000
    assert not made.is_async


def test_everything_declared_stands_in_the_declaration_and_survives_the_log():
    @tool(
        effect="probeable",
        identity=("invoice",),
        scope="tenant",
        volatile=["note"],
        probe=probe,
        undo=undo,
        check=check,
        poll=poll,
        visible_within=1.5,
        timeout=20,
        name="pay",
        description="Pay it.",
        sends_max=2,
    )
    async def send_money(ctx: Context, invoice: str, amount: int, note: str) -> str:
        return f"{ctx.key}{invoice}{amount}{note}"

    made = send_money.declaration
    assert (made.name, made.description, made.effect) == ("pay", "Pay it.", "probeable")
    assert (made.identity, made.scope, made.volatile) == (("invoice",), "tenant", ("note",))
    assert (made.probes, made.undoes, made.checks, made.polls) == (True, True, True, True)
    assert (made.visible_within, made.timeout, made.sends_max) == (1_500_000_000, 20_000_000_000, 2)
    assert made.on_divergence == "refuse"
    assert send_money.is_async
    assert send_money.wants_context
    assert "ctx" not in str(made.schema)
    definition = Definition("agent", "", "scripted", (made, wait, ask_person, subagent("helper", "helps")))
    assert read_definition(definition_bytes(definition)) == definition


@pytest.mark.parametrize(
    ("options", "divergence"),
    [
        (Options(effect="once", identity=["invoice"]), "ask"),
        (Options(effect="idempotent", identity=["invoice"]), "refuse"),
        (Options(effect="idempotent"), "allow"),
        (Options(effect="read"), "allow"),
        (Options(effect="once", on_divergence="allow"), "allow"),
    ],
)
def test_divergence_is_judged_by_the_safe_side_of_the_class_unless_declared(
    options: Options, divergence: str
):
    assert declare(send, **options).declaration.on_divergence == divergence


@pytest.mark.parametrize(
    ("options", "wrong", "cure"),
    [
        (Options(identity=["bill"]), "'bill', which is no argument", "invoice, amount, note"),
        (Options(volatile=["bill"]), "'bill', which is no argument", "invoice, amount, note"),
        (Options(reads=["bill.path"]), "'bill.path', which is no argument", "invoice, amount, note"),
        (Options(connects=["url"]), "'url', which is no argument", "invoice, amount, note"),
        (Options(identity=["note"], volatile=["note"]), "in identity and in volatile", "take it out"),
        (Options(identity=[]), "identity is empty", "invoice"),
        (Options(effect="read", identity=["invoice"]), "means nothing for read", "leave identity out"),
        (Options(scope="tenant"), "needs an identity", "identity"),
        (Options(effect="probeable"), "needs a probe", "probe="),
        (Options(effect="once", probe=probe), "never asked", "probeable"),
        (Options(effect="transactional"), "needs a database", "SQLiteDatabase"),
        (Options(database=SQLiteDatabase("a.db")), "means nothing for once", "transactional"),
        (Options(effect="read", undo=undo), "a read changes nothing", "drop them"),
        (Options(effect="workspace", undo=undo), "goes back", "drop undo"),
        (Options(timeout=0), "timeout", "seconds"),
        (Options(sends_max=0), "sends_max", "how often"),
        (Options(key_lifetime=5), "for idempotent", "drop it"),
        (Options(effect="idempotent", key_lifetime=0), "above 0", "drop it"),
        (Options(visible_within=5), "for probeable", "drop it"),
        (Options(name="no spaces"), "can't name a tool", "letters"),
        (Options(effect="probeable", probe=lambda ctx, other: None), "asks for 'other'", "invoice"),
        (Options(effect="probeable", probe=lambda: None), "takes 0 parameters", "ctx"),
        (Options(undo=lambda ctx, invoice: None), "'invoice' where ctx and receipt", "begin with"),
        (Options(undo=lambda ctx: None), "called as undo(ctx, receipt, **arguments)", "receipt"),
        (Options(poll=lambda ctx, reference, amount: None), "asks for 'amount'", "default"),
    ],
)
def test_a_declaration_that_contradicts_itself_is_refused_with_its_cure(
    options: Options, wrong: str, cure: str
):
    with pytest.raises(BadTool, match=re.escape(wrong)) as caught:
        declare(send, **options)
    assert cure in caught.value.hint
    assert str(caught.value).startswith("tool ")


def test_an_effect_that_is_no_class_is_refused():
    with pytest.raises(BadTool, match="no class of effects"):
        declare(send, effect=cast("EffectClass", send.__name__))


def gathers(**more: str) -> str:
    return str(more)


def untyped(invoice) -> str:
    return str(invoice)


def late_context(invoice: str, ctx: Context) -> str:
    return f"{invoice}{ctx}"


def positional(invoice: str, /) -> str:
    return invoice


def unknown_type(invoice: str) -> str:
    return invoice


unknown_type.__annotations__["invoice"] = "Nowhere"


@pytest.mark.parametrize(
    ("function", "wrong"),
    [
        (gathers, "'more' can't be given by name"),
        (untyped, "'invoice' has no type"),
        (late_context, "has to be the first parameter"),
        (positional, "'invoice' can't be given by name"),
        (unknown_type, "'Nowhere' in its signature can't be found"),
        (lambda invoice: invoice, "can't name a tool|has no type"),
    ],
)
def test_a_function_that_a_model_can_not_call_is_refused(function: Callable[..., object], wrong: str):
    with pytest.raises(BadTool, match=wrong):
        tool(effect="read")(function)


@pytest.mark.parametrize(
    "name", ["reference", "requestId", "idempotency_key", "created_at", "nonce", "payment_ref"]
)
def test_an_argument_that_a_model_may_mint_anew_is_warned_of(name: str):
    source = f"def act({name}: str) -> str:\n    return {name}\n"
    space: dict[str, object] = {}
    exec(source, space)  # the parameter's name is what varies
    made = space["act"]
    assert callable(made)
    with pytest.warns(IdentityWarning, match=name) as caught:
        tool(effect="once")(made)
    assert "volatile=" in str(caught[0].message)
    assert caught[0].filename == __file__
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        tool(effect="once", volatile=[name])(made)
        tool(effect="once", identity=[name])(made)
        tool(effect="read")(made)


def test_a_uuid_is_warned_of_whatever_its_name():
    def act(thing: uuid.UUID) -> str:
        return str(thing)

    with pytest.warns(IdentityWarning, match="thing"):
        tool(effect="idempotent")(act)


def test_companions_get_the_arguments_that_they_ask_for():
    made = declare(send, effect="probeable", probe=probe, undo=undo, check=check, poll=poll)
    ctx = Context(key="k")
    bound = made.bind({"invoice": "i", "amount": 3})
    assert made.probe is not None
    assert made.check is not None
    assert made.poll is not None
    assert made.probe(ctx, **bound) == Found({"invoice": "i", "key": "k"})
    assert made.check(ctx, {"id": 1}, **bound) is True
    assert made.poll(ctx, "ref") == "kref"


def test_a_tool_may_be_the_probe_of_another():
    @tool(effect="read")
    def find(ctx: Context, invoice: str) -> Never:
        return Never(barred=bool(ctx and invoice))

    made = declare(send, effect="probeable", probe=find)
    assert made.probe is not None
    assert made.probe(Context(), invoice="i") == Never(barred=True)


def test_a_callable_object_and_a_method_are_tools():
    class Teller:
        async def __call__(self, invoice: str) -> str:
            """Tell."""
            return invoice

        def tell(self, invoice: str) -> str:
            return invoice * 2

    teller = Teller()
    called = tool(effect="read", name="tell")(teller)
    assert called.is_async
    assert called.declaration.schema["required"] == ["invoice"]
    method = tool(effect="read")(teller.tell)
    assert method.declaration.name == "tell"
    assert method.call(Context(), method.bind({"invoice": "a"})) == "aa"


def test_builtin_tools_are_declared_with_one_argument_each():
    assert [made.builtin for made in (wait, ask_person, subagent("helper", "helps"))] == [
        "wait",
        "ask",
        "child",
    ]
    assert subagent("helper", "helps").schema["required"] == ["task"]
    assert subagent("helper", "helps").effect == "idempotent"
