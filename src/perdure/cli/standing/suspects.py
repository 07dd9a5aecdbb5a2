"""What is known of an open effect: what a person needs in order to settle it."""

from typing import assert_never

import msgspec

from perdure.cli.drawing.ink import count, moment, span
from perdure.cli.out import plain
from perdure.cli.place import Place
from perdure.cli.standing.resting import effect_steps
from perdure.driver.books import arguments_of
from perdure.effect import doubt as ways
from perdure.projection.state import Effect, State
from perdure.values.digest import Json

_TIMES = {1: "once", 2: "twice"}


def known_of(place: Place, state: State, effect: Effect, now: int) -> list[tuple[str, str]]:
    """Return what is known, by name."""
    known = {
        "stands": _stands(effect),
        "why": effect.doubt,
        "sent": _sent(state, effect, now),
        "arguments": msgspec.json.encode(_arguments(place, state, effect)).decode(),
        "probes": _probes(effect, now),
        "child": effect.child,
        "next": _next(place, state, effect, now),
    }
    return [(name, words) for name, words in known.items() if words]


def suspect_shape(place: Place, state: State, effect: Effect, now: int) -> dict[str, Json]:
    """Return an open effect as programs are shown it."""
    ended = ways.ended_at(state, effect)
    return {
        "key": effect.key,
        "tool": effect.tool,
        "what": effect.what,
        "effect": effect.effect,
        "phase": effect.phase,
        "doubt": effect.doubt,
        "arguments": _arguments(place, state, effect),
        "attempt": effect.attempt,
        "sends": effect.send,
        "first_sent_at": effect.first_at,
        "last_sent_at": effect.sent_at,
        "sender_epoch": effect.epoch,
        "sender_ended_at": ended or None,
        "probes": effect.probes,
        "verdict": effect.verdict,
        "evidence": effect.evidence,
        "reference": plain(effect.reference),
        "started": effect.started,
        "child": effect.child or None,
        "next": _next(place, state, effect, now),
        "steps": plain(effect_steps(place, state, effect)),
    }


def _stands(effect: Effect) -> str:
    match effect.phase:
        case "started":
            return "it was sent, and no answer is recorded"
        case "pending":
            return f"the other side works on it, until {moment(effect.give_up)} at most"
        case "doubted":
            return "in doubt: it may have happened"
        case "settled":
            return effect.outcome
        case _:
            assert_never(effect.phase)


def _sent(state: State, effect: Effect, now: int) -> str:
    times = _TIMES.get(effect.send, f"{effect.send} times")
    when = f"{moment(effect.sent_at)}, {span(max(now - effect.sent_at, 0))} ago"
    first = f", the first time {moment(effect.first_at)}" if effect.send > 1 else ""
    ended = ways.ended_at(state, effect)
    sender = f"by the writer of epoch {effect.epoch}"
    fate = (
        "which sends no more" if ended else "which may still be sending" if effect.epoch < state.epoch else ""
    )
    return f"{times}, {when}{first}, {sender}{f', {fate}' if fate else ''}"


def _probes(effect: Effect, now: int) -> str:
    if not effect.probes:
        return ""
    last = f"{effect.verdict} {span(max(now - effect.probed_at, 0))} ago"
    evidence = f": {effect.evidence}" if effect.evidence else ""
    return f"{count(effect.probes, 'probe')}, the last said {last}{evidence}"


def _next(place: Place, state: State, effect: Effect, now: int) -> str:
    """Say what will happen with it by itself, if anything will."""
    if effect.child:
        return f"it goes on when run {effect.child} does"
    match effect.phase:
        case "pending":
            return "it is asked after while the run is driven"
        case "started":
            return "if its sender is dead, `perdure resume` puts it in doubt and does what its class allows"
        case _:
            pass
    return _way(place, state, effect, now)


def _way(place: Place, state: State, effect: Effect, now: int) -> str:
    declaration = place.store.inspector.law(state).definition.tool(effect.tool)
    match ways.way_out(state, declaration, effect, now):
        case ways.Ask(text):
            return f"a person must say. {text}"
        case ways.Send():
            return "it is sent again, under the same key"
        case ways.SendAt(due):
            return f"it is sent again, under the same key, in {span(max(due - now, 0))}"
        case ways.Probe():
            return "the tool's probe looks whether it happened"
        case ways.ProbeAt(due):
            return f"the tool's probe looks in {span(max(due - now, 0))}"
        case ways.Restore():
            return "the workspace is put back to before it, and it is done again"
        case ways.GiveUp(why):
            return f"it counts as not done: {why}"


def _arguments(place: Place, state: State, effect: Effect) -> dict[str, Json]:
    if not (effect.proposed or effect.undoes):
        return {}
    return arguments_of(place.store.books, state, effect)
