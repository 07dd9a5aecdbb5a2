"""The same inputs make the same bytes; deciding changes nothing but what it returns; folding never refuses."""

import os
import subprocess
import sys
import types
import typing
from collections.abc import Mapping
from functools import cache
from pathlib import Path

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from perdure.driver.books import reply_of
from perdure.log.envelope import Event, unseal
from perdure.log.events import KIND_OF, KINDS, Body
from perdure.orchestrator.draft import Fact
from perdure.orchestrator.step import step
from perdure.projection.evolve import RULES, evolve
from perdure.projection.state import State
from perdure.replay.redo import batches
from perdure.testing.lives import Ending, History, run_until_rest
from perdure.testing.witness import law_named
from perdure.values.table import Table
from tests.crash.cases import CASES

ROOT = Path(__file__).parents[2]
EXAMPLES = settings(max_examples=40, deadline=None, derandomize=True)


def printed(seed: str) -> str:
    """Return what ``tests.orchestrator.printed`` prints in a process with this hash seed."""
    environment = {**os.environ, "PYTHONHASHSEED": seed}
    program = [sys.executable, "-m", "tests.orchestrator.printed"]
    return subprocess.run(
        program, cwd=ROOT, env=environment, capture_output=True, text=True, check=True
    ).stdout


def test_the_same_inputs_write_the_same_bytes_whatever_the_hash_seed():
    first, second = printed("1"), printed("2")
    assert first.count("\n") > len(CASES)
    assert first == second


def spelled(state: State) -> bytes:
    """Return all of a state as bytes."""
    return msgspec.json.encode(state, enc_hook=unfolded)


def unfolded(value: object) -> object:
    """Return a table as its pairs, in their order."""
    if isinstance(value, Table):
        table: Table[object, object] = value
        return [[str(key), item] for key, item in table.items()]
    raise NotImplementedError(f"a state can't hold {type(value).__name__}")


@EXAMPLES
@given(name=st.sampled_from(sorted(CASES)), kill=st.integers(8, 60))
def test_a_decision_disturbs_nothing_and_is_made_the_same_again(name: str, kill: int):
    case = CASES[name]
    world = case.world()
    history = History(lambda: case.agent(world), world, kills=(kill,))
    try:
        assert decided_twice(run_until_rest(history, "Go.", then=case.then)) > 0
    finally:
        history.discard()


def decided_twice(ending: Ending) -> int:
    """Decide every fact twice; return how many there were."""
    facts = 0
    state = State()
    events = [unseal(stored) for stored in ending.store.read("run", 0, 2**31)]
    for batch in batches(events):
        first = batch[0]
        after = evolve(state, first)
        law = law_named(ending.store, after.definition, after.contract)
        turn = after.live.turn if first.kind in ("model.replied", "run.rewound") else state.live.turn
        fact = Fact(first.body, first.at, first.epoch, reply_of(ending.store, turn))
        before = spelled(state)
        one, two = (step(state, fact, law, run="run") for _ in range(2))
        assert spelled(state) == before
        assert one.events == two.events == tuple(batch)
        assert spelled(one.state) == spelled(two.state)
        state, facts = one.state, facts + 1
    return facts


NAMES = st.sampled_from(["a", "b", "c", "model", "start", "pay"])
NUMBERS = st.integers(0, 40)
TEXTS: Mapping[str, list[str]] = {
    "outcome": ["succeeded", "failed", "partial"],
    "verdict": ["found", "never", "barred", "unknown"],
    "status": ["finished", "failed", "cancelled", "waiting"],
    "effect": ["read", "workspace", "transactional", "idempotent", "probeable", "once"],
}


@cache
def made(kind: type[msgspec.Struct]) -> st.SearchStrategy[msgspec.Struct]:
    """Return what makes values of a struct, from few names, so that events meet each other."""
    hints = typing.get_type_hints(kind)
    fields = {
        name: st.sampled_from(TEXTS[name]) if name in TEXTS else typed(hints[name])
        for name in kind.__struct_fields__
    }
    return st.builds(kind, **fields)


def typed(hint: object) -> st.SearchStrategy[object]:
    """Return what makes values of this type."""
    origin, inner = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        return st.one_of(*(typed(each) for each in inner))
    if origin is tuple:
        return st.lists(typed(inner[0]), max_size=2).map(tuple)
    if origin is dict:
        return st.just({"a": 1})
    if isinstance(hint, type) and issubclass(hint, msgspec.Struct):
        return made(hint)
    simple = {int: NUMBERS, bool: st.booleans(), type(None): st.none(), str: NAMES}
    return simple[hint] if isinstance(hint, type) and hint in simple else NAMES


def test_every_kind_of_event_has_a_rule():
    assert set(RULES) == set(KINDS.values())


@settings(EXAMPLES, max_examples=150)
@given(bodies=st.lists(st.one_of(*(made(kind) for kind in KINDS.values())), min_size=1, max_size=40))
def test_any_events_in_any_order_fold_to_a_state(bodies: list[Body]):
    state = State()
    for position, body in enumerate(bodies, 1):
        event = Event("run", position, position, position // 7, 0, body)
        before = spelled(state)
        after = evolve(state, event)
        assert spelled(state) == before
        assert after.position == position, KIND_OF[type(body)]
        assert spelled(after) == spelled(evolve(state, event))
        state = after
