"""A contract tried against a recorded run: what would it have refused, or asked a person about?

Every intention is judged in the state in which it was judged then. What the tried contract lets through
is counted in counters of its own; what it refuses takes nothing from them. Answers that came from a
receipt were not judged then, and are not judged now. What other runs took from shared budgets isn't seen.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Literal, NamedTuple

from perdure.adapters.contract_files import load_contract, problems
from perdure.assembly.agents.agent import Agent
from perdure.contract import (
    Allowed,
    Contract,
    Figures,
    Law,
    Problem,
    Refusal,
    compile_law,
    judge,
    judge_model,
)
from perdure.contract.budgets import spent_counter
from perdure.driver.books import Readable, reply_of
from perdure.intention.declaration import read_definition
from perdure.intention.reply import Call
from perdure.log import events as e
from perdure.log.envelope import Event
from perdure.orchestrator.figures import figures_of, where_of
from perdure.projection.evolve import evolve
from perdure.projection.state import State
from perdure.values.digest import Json

Ruling = Literal["allowed", "asked", "refused"]


class Tried(NamedTuple):
    """One intention, or one question to the model (``tool`` is empty), judged then and now."""

    position: int
    tool: str
    arguments: dict[str, Json]
    then: Ruling
    now: Ruling
    rule: str = ""
    reason: str = ""
    hint: str = ""


def contract_problems(path: Path, agent: Agent | None) -> list[Problem]:
    """Return all that is wrong with the contract in a file, for ``agent`` if there is one."""
    return problems(path, agent.definition() if agent is not None else None)


def loaded_contract(path: Path) -> Contract:
    """Return the contract in a file; raise ``BadContract`` with all that is wrong with it."""
    return load_contract(path)


class Trial:
    """One run under a contract that it didn't have."""

    def __init__(self, store: Readable, contract: Contract) -> None:
        """Judge by ``contract``; replies and definitions are read from ``store``."""
        self._store: Readable = store
        self._contract: Contract = contract
        self._laws: dict[str, Law] = {}
        self._counters: dict[str, int] = {}
        self._taken: dict[str, tuple[e.Reservation, ...]] = {}
        self._judged: set[tuple[str, int]] = set()
        self._stopped: bool = False

    def over(self, events: Iterable[Event]) -> Iterator[Tried]:
        """Yield every judgement of ``events``, made again. Raises ``BadContract`` if it fits no tool."""
        state = State()
        for event in events:
            match event.body:
                case e.EffectStarted(call=call, key=key, send=1, undoes=None):
                    yield from self._intention(state, event, call, key, "allowed")
                case e.IntentionAccepted(call=call, key=key) | e.EffectStarted(call=call, key=key):
                    yield from self._intention(state, event, call, key, "allowed")
                case e.ApprovalRequested(call=call, key=key):
                    yield from self._intention(state, event, call, key, "asked")
                case e.IntentionRefused(call=call):
                    yield from self._intention(state, event, call, "", "refused")
                case e.ModelRequested():
                    yield from self._model(state, event)
                case e.EffectSettled(key=key, outcome="failed"):
                    self._give_back(key)
                case _:
                    pass
            state = evolve(state, event)

    def _intention(self, state: State, event: Event, name: str, key: str, then: Ruling) -> Iterator[Tried]:
        turn = state.live.turn
        record = next((call for call in turn.calls if call.id == name), None) if turn is not None else None
        reply = reply_of(self._store, turn)
        if record is None or reply is None or (name, record.proposed) in self._judged:
            return
        self._judged.add((name, record.proposed))
        call = reply.calls[record.index]
        if call.arguments is None:
            return
        verdict = self._verdict(state, event, call)
        if isinstance(verdict, Refusal):
            yield _tried(event, call, then, "refused", verdict)
            return
        if then != "refused":
            self._take(key, verdict.reservations)
        if verdict.approval is None:
            yield _tried(event, call, then, "allowed", None)
        else:
            why = Refusal("approvals", verdict.approval.why)
            yield _tried(event, call, then, "asked", why)

    def _verdict(self, state: State, event: Event, call: Call) -> Allowed | Refusal:
        law = self._law(state)
        declaration = law.definition.tool(call.tool)
        if declaration is None:
            return Refusal("tool", f"there is no tool {call.tool!r}")
        return judge(law, declaration, call.arguments or {}, self._figures(state, event.at), where_of(state))

    def _model(self, state: State, event: Event) -> Iterator[Tried]:
        """Tell once where the model would not have been asked any more."""
        if self._stopped:
            return
        refusal = judge_model(self._law(state), self._figures(state, event.at), where_of(state))
        if refusal is not None:
            self._stopped = True
            yield Tried(event.position, "", {}, "allowed", "refused", *refusal)

    def _figures(self, state: State, at: int) -> Figures:
        spent = self._counters.get(spent_counter(where_of(state)), 0)
        return figures_of(state, at)._replace(spent=spent, used=self._used)

    def _used(self, counter: str) -> int:
        return self._counters.get(counter, 0)

    def _law(self, state: State) -> Law:
        law = self._laws.get(state.definition)
        if law is None:
            definition = read_definition(self._store.get(state.definition))
            law = self._laws[state.definition] = compile_law(definition, self._contract)
        return law

    def _take(self, key: str, reserved: tuple[e.Reservation, ...]) -> None:
        self._taken[key] = reserved
        for item in reserved:
            self._counters[item.counter] = self._counters.get(item.counter, 0) + item.amount

    def _give_back(self, key: str) -> None:
        for item in self._taken.pop(key, ()):
            self._counters[item.counter] -= item.amount


def _tried(event: Event, call: Call, then: Ruling, now: Ruling, why: Refusal | None) -> Tried:
    rule, reason, hint = why or ("", "", "")
    return Tried(event.position, call.tool, call.arguments or {}, then, now, rule, reason, hint)
