"""The session's file of a request, among those that the client has stored."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from perdure.values.errors import SessionUnknown
from perdure.values.limits import SESSIONS_SEARCHED_MAX
from perdure.wrap.transcripts.lines import Lines, read_lines
from perdure.wrap.transcripts.matching import cut_for
from perdure.wrap.transcripts.nouns import Cut, SentRequest, StoredForm


class KeptSession(NamedTuple):
    """A file that holds a request."""

    path: Path
    session: str
    lines: Lines
    cut: Cut


def held_in(form: StoredForm, patterns: Sequence[str], sent: SentRequest, named: str = "") -> KeptSession:
    """Return the newest session that holds ``sent``; the one ``named`` so is looked at first.

    Raises ``SessionUnknown`` where none does.
    """
    looked = 0
    for path in _stored(patterns, named):
        looked += 1
        try:
            lines = read_lines(path)
        except SessionUnknown:
            continue
        cut = cut_for(form, form.entries(lines.records), len(lines.raw), sent)
        if cut is not None:
            return KeptSession(path, form.session_of(lines.records), lines, cut)
    where = ", ".join(patterns) or "no place is known"
    raise SessionUnknown(f"none of the client's {looked} newest sessions holds turn {sent.number} ({where})")


def stored_as(patterns: Sequence[str], session: str) -> Path | None:
    """Return the file of the session of that name; None where there is none."""
    return next((path for pattern in patterns for path in matching(pattern) if session in path.name), None)


def _stored(patterns: Sequence[str], named: str) -> Iterator[Path]:
    """Yield the files of sessions, the one ``named`` first, then the newest first."""
    paths = [path for pattern in patterns for path in matching(pattern)]
    found = sorted((path for path in paths if path.is_file()), key=_age, reverse=True)
    first = [path for path in found if named and named in path.name]
    yield from [*first, *(path for path in found if path not in first)][:SESSIONS_SEARCHED_MAX]


def matching(pattern: str) -> Iterator[Path]:
    """Yield the paths that a pattern names, absolute, with ``*`` in it or without."""
    whole = Path(pattern)
    inside = [place for place, part in enumerate(whole.parts) if "*" in part]
    if not inside:
        yield from (whole,) if whole.exists() else ()
        return
    yield from Path(*whole.parts[: inside[0]]).glob(str(Path(*whole.parts[inside[0] :])))


def _age(path: Path) -> int:
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return 0
