"""The recorded sessions in ``../shared/data/transcripts``, ready to be played; each file once, at its own terms."""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from perdure.assembly.pricing import rates_of
from perdure.assembly.recorded.profiling import traces
from perdure.page.caching import HOUR_NS, MINUTE_NS
from perdure.profile.route import Priced, Route, route
from perdure.profile.settling import settled
from perdure.profile.terms import recorded_terms, without_cache
from perdure.profile.trace import Trace
from perdure.profile.witness import Witnessed, witnessed

TRANSCRIPTS = Path(__file__).parents[3] / "shared" / "data" / "transcripts"


class Session(NamedTuple):
    """One recorded session, or one sub-agent of it."""

    corpus: str
    name: str
    trace: Trace
    seen: Witnessed
    """at its recorded terms"""

    @property
    def source(self) -> str:
        """'claude-code', 'codex' or 'chat'."""
        return self.trace.source


class Corpora(NamedTuple):
    """What was read, and what was left out and why."""

    sessions: tuple[Session, ...]
    uncounted: tuple[Session, ...]
    """without usage: their tokens are estimates, and no cache can be compared with"""
    left_out: tuple[str, ...]


def corpora(place: Path = TRANSCRIPTS, say: Callable[[str], None] = lambda _: None) -> Corpora:
    """Read every session below ``place``, a directory for each corpus."""
    found: list[Session] = []
    uncounted: list[Session] = []
    left_out: list[str] = []
    for directory in sorted(path for path in place.iterdir() if path.is_dir()):
        for path in sorted(directory.glob("*.json*")):
            for trace in traces([path]):
                session = _session(directory.name, path, trace)
                if any(request.usage.cache_read_tokens for request in trace.requests):
                    found.append(session)
                elif trace.source == "chat":
                    uncounted.append(session)
                else:
                    left_out.append(
                        f"{session.name}: its {len(trace.requests)} requests read nothing from a cache"
                    )
        read = [each for each in (*found, *uncounted) if each.corpus == directory.name]
        say(f"{directory.name}: {len(read)} sessions and sub-agents")
    sessions, repeated = _distinct(found)
    return Corpora(sessions, tuple(uncounted), (*left_out, *repeated))


def _session(corpus: str, path: Path, trace: Trace) -> Session:
    part = trace.name.partition("/")[2]
    name = f"{corpus}/{path.name.split('.')[0]}" + (f"/{part[:7]}" if part else "")
    calm = settled(trace)
    return Session(corpus, name, calm, witnessed(route(calm, recorded(calm))))


def recorded(trace: Trace) -> Priced:
    """Return the terms of each request as recorded: its model, and the life of what it wrote."""
    return recorded_terms(trace, rates_of)


def living(trace: Trace, ttl: int) -> Priced:
    """Return the terms had every entry lived for ``ttl`` ns: 5 minutes or an hour where the provider sells both."""
    return recorded_terms(trace, rates_of, ttl)


def uncached(trace: Trace) -> Priced:
    """Return the terms without any prompt cache."""
    inner = recorded(trace)
    return lambda exchange: without_cache(inner(exchange))


def _distinct(sessions: list[Session]) -> tuple[tuple[Session, ...], tuple[str, ...]]:
    """Leave out the sessions that another one repeats: a resumed session's file begins with its history."""
    kept: list[Session] = []
    left_out: list[str] = []
    counted: set[tuple[int, int, int]] = set()
    for session in sorted(sessions, key=lambda each: -len(each.trace.requests)):
        keys = {
            (each.at, each.usage.input_tokens, each.usage.output_tokens) for each in session.trace.requests
        }
        if len(keys & counted) * 2 > len(keys):
            left_out.append(f"{session.name}: a longer file of the same session repeats it")
            continue
        counted |= keys
        kept.append(session)
    return tuple(sorted(kept, key=lambda each: each.name)), tuple(left_out)


LIVES = {"5 min": 5 * MINUTE_NS, "1 h": HOUR_NS}


def ready(session: Session, priced: Priced) -> Route:
    """Return the session's route at other terms, with nothing but the rules."""
    return route(session.trace, priced)
