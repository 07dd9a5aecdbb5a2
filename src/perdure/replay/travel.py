"""Two positions of one run, side by side."""

from typing import Final, NamedTuple

from perdure.projection.state import Effect, Message, State, Turn


class Change(NamedTuple):
    """One thing that is otherwise at the later position: '+' new, '-' gone, '~' changed."""

    sign: str
    part: str
    name: str
    was: str
    now: str


def diff(before: State, after: State) -> tuple[Change, ...]:
    """Return what distinguishes ``after`` from ``before``, part by part."""
    changes: list[Change] = []
    for part, was, now in _parts(before, after):
        for name in was:
            if name not in now:
                changes.append(Change("-", part, name, was[name], ""))
            elif was[name] != now[name]:
                changes.append(Change("~", part, name, was[name], now[name]))
        changes += (Change("+", part, name, "", now[name]) for name in now if name not in was)
    return tuple(changes)


def _parts(before: State, after: State) -> list[tuple[str, dict[str, str], dict[str, str]]]:
    return [(part, view(before), view(after)) for part, view in _VIEWS.items()]


def _run(state: State) -> dict[str, str]:
    return {
        "status": f"{state.status} {state.wait}".strip(),
        "contract": state.contract[:12],
        "definition": state.definition[:12],
        "turns": str(state.world.turns),
        "tokens": str(state.world.tokens),
        "tree": state.live.tree[:12],
    }


def _conversation(state: State) -> dict[str, str]:
    return {str(ordinal): _entry(entry) for ordinal, entry in state.live.entries.items()}


def _entry(entry: Turn | Message) -> str:
    match entry:
        case Message():
            return f"{entry.sender}: {entry.text.text or entry.text.blob}"
        case Turn():
            calls = ", ".join(f"{call.tool}={call.answer or 'open'}" for call in entry.calls)
            return f"turn {entry.number}: {'replied' if entry.replied else 'asked'} {calls}".strip()


def _effect(effect: Effect) -> str:
    outcome = effect.outcome or effect.phase
    return f"{effect.tool} {effect.what} {outcome}, sent {effect.send}x"


def _effects(state: State) -> dict[str, str]:
    found = {key: _effect(effect) for key, effect in state.world.receipts.items()}
    return {**found, **{key: _effect(effect) for key, effect in state.world.open.items()}}


def _approvals(state: State) -> dict[str, str]:
    return {name: item.phase for name, item in state.world.approvals.items()}


def _counters(state: State) -> dict[str, str]:
    return {name: str(used) for name, used in state.world.counters.items()}


def _pages(state: State) -> dict[str, str]:
    return {name: item.moves[-1][1] for name, item in state.live.pages.items()}


def _timers(state: State) -> dict[str, str]:
    return {name: item.why for name, item in state.live.timers.items()}


_VIEWS: Final = {
    "run": _run,
    "conversation": _conversation,
    "effects": _effects,
    "approvals": _approvals,
    "counters": _counters,
    "pages": _pages,
    "timers": _timers,
}
