"""An agent: what it is told, the model it asks, its tools, and the contract it is held to."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple
from weakref import WeakKeyDictionary

from perdure.adapters.models.port import ModelAdapter
from perdure.adapters.tools.builtin import subagent
from perdure.adapters.tools.secret import SecretSource, no_secrets
from perdure.adapters.tools.tool import AnyTool, Tool, tool
from perdure.assembly.agents.context import ContextMode, paging_of
from perdure.contract import Contract, Law, compile_law, contract_bytes, contract_digest
from perdure.intention.declaration import (
    VERSION_DIGITS,
    Declaration,
    Definition,
    Paging,
    definition_bytes,
    definition_digest,
    read_definition,
)
from perdure.page.handles import RECALL_NAME
from perdure.values.digest import Json
from perdure.values.errors import BadTool
from perdure.values.ids import checked_name
from perdure.values.limits import TURNS_MAX


class SubAgent(NamedTuple):
    """An agent as a tool of another: each call is a child run of its own."""

    declaration: Declaration
    agent: "Agent"


class Rules(NamedTuple):
    """An agent made ready: definition and contract with their digests and stored forms."""

    definition: str
    contract: str
    law: Law
    blobs: tuple[tuple[str, bytes], ...]


def rules_of(definition: Definition, contract: Contract) -> Rules:
    """Return both made ready. Raises ``BadContract`` if they don't fit."""
    named = definition_digest(definition), contract_digest(contract)
    stored = definition_bytes(definition), contract_bytes(contract)
    # from the stored form, so that a replay decides under the very same law
    law = compile_law(read_definition(stored[0]), contract)
    return Rules(*named, law, ((named[0], stored[0]), (named[1], stored[1])))


class Agent:
    """An agent that perdure can run. Nothing happens when it is made; ``Store.start`` runs it."""

    def __init__(
        self,
        *,
        name: str,
        instructions: str,
        tools: Sequence["AnyTool | SubAgent | Declaration | Callable[..., object]"] = (),
        model: str | ModelAdapter,
        contract: str | Path | Contract | None = None,
        workspace: str | Path | None = None,
        secret_files: Sequence[str] | None = None,
        secrets: Mapping[str, str] | SecretSource | None = None,
        settings: Mapping[str, Json] | None = None,
        base_url: str | None = None,
        turns_max: int = TURNS_MAX,
        context: ContextMode | Paging = "safe",
        version: str = "",
    ) -> None:
        """Declare the agent.

        ``tools``: functions with ``@tool``, ``other_agent.as_tool(...)``, or ``wait`` and
        ``ask_person``; a plain function counts as ``once``. ``model``: a name like
        ``"anthropic:claude-..."`` or anything with the model port. ``contract``: a file or a
        ``Contract``. ``workspace``: the directory that ``workspace`` tools change. ``secret_files``:
        globs of names of files in it that are recorded by digest only and can't be put back (``.env`` and
        the like unless said otherwise). ``secrets``: values by name for ``ctx.secrets``. ``settings`` go to the model as they are.
        ``context``: how the window is kept small. ``"safe"`` moves long results out where that is expected to
        save money, and nothing where the model's price isn't known; ``"observe"`` only counts; ``"off"`` leaves
        everything as it is; ``Paging(...)`` says more. ``version``: what workers call this version of the agent; a run
        that was begun with one is driven only by workers that have it. Without one, each change of instructions, model
        or tools makes another.

        Raises ``BadName``, ``BadTool``, ``BadContract`` or ``BadPaging``, each naming what to change.
        """
        self.name: str = checked_name(name, field="agent name")
        self.instructions: str = instructions
        self.model: str | ModelAdapter = model
        self.base_url: str | None = base_url
        self.contract: Contract = _contract(contract)
        self.workspace: Path | None = Path(workspace) if workspace is not None else None
        self.secret_files: tuple[str, ...] | None = None if secret_files is None else tuple(secret_files)
        self.secrets: SecretSource = _secrets(secrets)
        self.turns_max: int = turns_max
        self.context: str | Paging = context
        self._version: str = checked_name(version, field="version") if version else ""
        self.settings: dict[str, Json] = dict(settings or {})
        self.tools: dict[str, AnyTool] = {}
        self.children: dict[str, Agent] = {}
        self._declared: list[Declaration] = [self._add(item) for item in tools]
        names = [declaration.name for declaration in self._declared]
        if len(set(names)) < len(names):
            twice = next(each for each in names if names.count(each) > 1)
            raise BadTool(f"agent {name}: two tools are named {twice!r}")
        if RECALL_NAME in names:
            raise BadTool(
                f"agent {name}: {RECALL_NAME} is perdure's own tool", hint="name the tool otherwise"
            )
        self._rules: Rules | None = None
        self._made: WeakKeyDictionary[asyncio.AbstractEventLoop, ModelAdapter] = WeakKeyDictionary()

    def _add(self, item: object) -> Declaration:
        match item:
            case SubAgent(declaration, agent):
                self.children[declaration.name] = agent
            case Declaration():
                declaration = item
            case Tool():
                declaration = item.declaration
                self.tools[declaration.name] = item
            case _ if callable(item):
                made = tool(item)
                declaration = made.declaration
                self.tools[declaration.name] = made
            case _:
                raise BadTool(f"agent {self.name}: {item!r} is no tool", hint="decorate it with @tool")
        return declaration

    @property
    def model_name(self) -> str:
        """The model as the log names it."""
        return self.model if isinstance(self.model, str) else type(self.model).__name__

    def definition(self) -> Definition:
        """Return what the log keeps of the agent itself: instructions, model and tool declarations."""
        return Definition(
            name=self.name,
            instructions=self.instructions,
            model=self.model_name,
            tools=tuple(self._declared),
            turns_max=self.turns_max,
            settings=self.settings,
            workspace=self.workspace is not None,
            secret_files=self.secret_files,
            paging=paging_of(self.name, self.context, self.model_name, self.base_url),
            version=self._version,
        )

    @property
    def version(self) -> str:
        """What workers call this version of the agent."""
        return self._version or self.rules().definition[:VERSION_DIGITS]

    def rules(self) -> Rules:
        """Return definition and contract, compiled; raise ``BadContract`` if they don't fit."""
        if self._rules is None:
            self._rules = rules_of(self.definition(), self.contract)
        return self._rules

    def ask_with(self) -> ModelAdapter:
        """Return the model to ask: the one given, or one made from its name, once for each loop.

        Connections belong to the loop that opened them; ``stop_asking`` closes them there.
        """
        if not isinstance(self.model, str):
            return self.model
        loop = asyncio.get_running_loop()
        made = self._made.get(loop)
        if made is None:
            from perdure.adapters.models.making import make_model  # noqa: PLC0415 - SDKs are slow to load

            made = self._made[loop] = make_model(self.model, base_url=self.base_url)
        return made

    async def stop_asking(self) -> None:
        """Let go of what was opened in the running loop to ask the model."""
        made = self._made.pop(asyncio.get_running_loop(), None)
        if made is not None:
            await made.close()
        for child in self.children.values():
            await child.stop_asking()

    def as_tool(self, description: str) -> SubAgent:
        """Return this agent as a tool of another; each call becomes a child run."""
        return SubAgent(subagent(self.name, description), self)


def _contract(given: str | Path | Contract | None) -> Contract:
    match given:
        case None:
            return Contract()
        case Contract():
            return given
        case _:
            from perdure.adapters.contract_files import (  # noqa: PLC0415 - only files need YAML
                load_contract,
            )

            return load_contract(Path(given))


def _secrets(given: Mapping[str, str] | SecretSource | None) -> SecretSource:
    match given:
        case None:
            return no_secrets
        case Mapping():
            known = dict(given)
            return known.__getitem__
        case _:
            return given
