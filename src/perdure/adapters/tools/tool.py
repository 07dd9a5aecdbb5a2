"""A Python function as a tool: what ``@tool`` makes of it."""

import functools
from collections.abc import Callable, Sequence
from typing import Generic, ParamSpec, TypedDict, TypeVar, Unpack, cast, overload

from perdure.adapters.tools.checks import KEYED, check_declaration, warn_of_minted
from perdure.adapters.tools.companion import Companion, companion
from perdure.adapters.tools.context import Context
from perdure.adapters.tools.convert import Reader, reader_for
from perdure.adapters.tools.database import Database
from perdure.adapters.tools.docstring import described
from perdure.adapters.tools.schema import reader_of, schema_of
from perdure.adapters.tools.signature import Function, Parameter, is_async, is_context, parameters_of
from perdure.intention.declaration import Bounded, Declaration, Divergence, EffectClass, Scope
from perdure.values.digest import Json
from perdure.values.errors import BadTool
from perdure.values.limits import SENDS_MAX, TIMEOUT_SECONDS

P = ParamSpec("P")
R_co = TypeVar("R_co", covariant=True)

NS_PER_SECOND = 1_000_000_000


class Options(TypedDict, total=False):
    """What ``@tool(...)`` declares. Times are seconds."""

    effect: EffectClass
    """what it does to the world; 'once' unless said otherwise"""
    identity: Sequence[str] | None
    """arguments that make two calls the same business act"""
    scope: Scope
    """where the identity counts: in this lineage, or in all runs of the tenant"""
    volatile: Sequence[str]
    """arguments that say nothing about what is done"""
    probe: Function | None
    """probe(ctx, **arguments) -> Found(result) | Never() | Never(barred=True) | Unknown(why)"""
    undo: Function | None
    """undo(ctx, receipt, **arguments)"""
    check: Function | None
    """check(ctx, receipt, **arguments) -> None or True, or False or words on how it drifted"""
    poll: Function | None
    """poll(ctx, reference) -> result | Pending(...)"""
    key_lifetime: float | None
    """how long the other side honours our key"""
    visible_within: float | None
    """how long after its sender's end an effect may stay invisible to the probe"""
    timeout: float
    """how long one call may take before its outcome counts as unknown"""
    on_divergence: Divergence | None
    """what becomes of a call with a known identity and other arguments"""
    database: Database | None
    """where a transactional tool writes"""
    name: str | None
    description: str | None
    sends_max: int | None
    """how often one promised effect may be requested before a person decides"""
    reads: Sequence[str]
    """arguments that are paths to be read, for the contract's reach; ``edits.path`` goes into lists"""
    writes: Sequence[str]
    """arguments that are paths to be written"""
    connects: Sequence[str]
    """arguments that are URLs"""
    keeps: Sequence[Bounded]
    """what it keeps to the contract's reach by itself, whatever its arguments are"""


class Tool(Generic[P, R_co]):
    """A function with its declaration; calling it calls the function and records nothing."""

    def __init__(
        self,
        function: Callable[P, R_co],
        declaration: Declaration,
        reader: Reader,
        *,
        wants_context: bool,
        companions: dict[str, Companion | None],
        database: Database | None,
    ) -> None:
        """Hold what ``@tool`` has found and checked."""
        functools.update_wrapper(self, function)
        self.function: Callable[P, R_co] = function
        self.declaration: Declaration = declaration
        self.bind: Reader = reader
        """turns arguments as JSON into typed values; raises ``BadInput``"""
        self.is_async: bool = is_async(function)
        self.wants_context: bool = wants_context
        self.probe: Companion | None = companions["probe"]
        self.undo: Companion | None = companions["undo"]
        self.check: Companion | None = companions["check"]
        self.poll: Companion | None = companions["poll"]
        self.database: Database | None = database

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R_co:
        """Call the function."""
        return self.function(*args, **kwargs)

    def call(self, ctx: Context, bound: dict[str, object]) -> object:
        """Call the function with bound arguments, and with ``ctx`` if it wants one; may need awaiting."""
        function = cast("Function", self.function)
        return function(ctx, **bound) if self.wants_context else function(**bound)

    def __repr__(self) -> str:
        """Show name and class."""
        return f"<tool {self.declaration.name}: {self.declaration.effect}>"


AnyTool = Tool[..., object]


@overload
def tool(function: Callable[P, R_co], /) -> Tool[P, R_co]: ...


@overload
def tool(**options: Unpack[Options]) -> Callable[[Callable[P, R_co]], Tool[P, R_co]]: ...


def tool(
    function: Callable[P, R_co] | None = None, /, **options: Unpack[Options]
) -> Tool[P, R_co] | Callable[[Callable[P, R_co]], Tool[P, R_co]]:
    """Make a tool of a function: ``@tool`` alone, or ``@tool(effect=..., ...)``; see ``Options``."""
    if function is not None:
        return declare(function)

    def decorate(function: Callable[P, R_co]) -> Tool[P, R_co]:
        return declare(function, **options)

    return decorate


def declare(function: Callable[P, R_co], **options: Unpack[Options]) -> Tool[P, R_co]:
    """Return ``function`` as a tool; raise ``BadTool`` if the declaration contradicts it or itself."""
    name = options.get("name") or cast("str", getattr(function, "__name__", ""))
    label = f"tool {name}"
    everything = parameters_of(function, label=label)
    wants_context = bool(everything) and is_context(everything[0])
    parameters = _arguments(everything, label=label)
    names = tuple(each.name for each in parameters)
    reader = reader_of(name, parameters, label=label)
    said = described(function)
    schema = schema_of(reader, parameters, said.parameters, label=label)
    companions = _companions(names, label, options)
    declaration = _declaration(name, said.summary, schema, companions, options)
    database = options.get("database")
    check_declaration(declaration, arguments=names, database=database is not None, label=label)
    warn_of_minted(declaration, parameters, label=label)
    return Tool(
        function,
        declaration,
        reader_for(reader, label=label),
        wants_context=wants_context,
        companions=companions,
        database=database,
    )


def _declaration(
    name: str,
    summary: str,
    schema: dict[str, Json],
    companions: dict[str, Companion | None],
    options: Options,
) -> Declaration:
    """Return what was declared, with the safe side of what wasn't."""
    effect = options.get("effect", "once")
    identity = options.get("identity")
    description = options.get("description")
    sends_max = options.get("sends_max")
    divergence = options.get("on_divergence")
    return Declaration(
        name=name,
        description=summary if description is None else description,
        schema=schema,
        effect=effect,
        identity=None if identity is None else _names(identity),
        scope=options.get("scope", "lineage"),
        volatile=_names(options.get("volatile", ())),
        on_divergence=divergence or _divergence(effect, identified=identity is not None),
        key_lifetime=_ns(options.get("key_lifetime")),
        visible_within=_ns(options.get("visible_within")),
        probes=companions["probe"] is not None,
        undoes=companions["undo"] is not None,
        checks=companions["check"] is not None,
        polls=companions["poll"] is not None,
        timeout=int(options.get("timeout", TIMEOUT_SECONDS) * NS_PER_SECOND),
        sends_max=SENDS_MAX if sends_max is None else sends_max,
        reads=_names(options.get("reads", ())),
        writes=_names(options.get("writes", ())),
        connects=_names(options.get("connects", ())),
        keeps=tuple(options.get("keeps", ())),
    )


def _arguments(everything: tuple[Parameter, ...], *, label: str) -> tuple[Parameter, ...]:
    """Return the parameters that the model fills in."""
    found = everything[1:] if everything and is_context(everything[0]) else everything
    for each in found:
        if is_context(each):
            raise BadTool(f"{label}: the context {each.name!r} has to be the first parameter")
        if not each.by_name:
            raise BadTool(
                f"{label}: {each.name!r} can't be given by name, so the model can't give it",
                hint="use plain parameters instead of *args, **kwargs and positional-only ones",
            )
    return found


def _companions(arguments: tuple[str, ...], label: str, options: Options) -> dict[str, Companion | None]:
    given = {
        "probe": (options.get("probe"), ("ctx",), arguments),
        "undo": (options.get("undo"), ("ctx", "receipt"), arguments),
        "check": (options.get("check"), ("ctx", "receipt"), arguments),
        "poll": (options.get("poll"), ("ctx", "reference"), ()),
    }
    return {
        role: companion(_bare(function), role=role, about=about, arguments=known, label=label)
        for role, (function, about, known) in given.items()
    }


def _bare(function: Function | None) -> Function | None:
    """Return the function inside a tool, which may serve as a companion of another."""
    return cast("AnyTool", function).function if isinstance(function, Tool) else function


def _names(names: Sequence[str]) -> tuple[str, ...]:
    return (names,) if isinstance(names, str) else tuple(names)


def _ns(seconds: float | None) -> int | None:
    return None if seconds is None else int(seconds * NS_PER_SECOND)


def _divergence(effect: EffectClass, *, identified: bool) -> Divergence:
    """Return what becomes of a diverging call unless the tool says: the safe side of its class."""
    if effect == "once":
        return "ask"
    return "refuse" if identified and effect in KEYED else "allow"
