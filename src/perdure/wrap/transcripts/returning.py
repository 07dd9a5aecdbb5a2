"""Going back to a turn of a wrapped run: what becomes of the client's session, known before anything is done."""

import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from perdure.driver.books import Books, read_state
from perdure.values.errors import BadInput, PerdureError
from perdure.wrap.profiles.reading import known, read_profile
from perdure.wrap.profiles.resuming import continuing
from perdure.wrap.profiles.words import ClientProfile
from perdure.wrap.transcripts.asked import session_named
from perdure.wrap.transcripts.beginnings import newest_start
from perdure.wrap.transcripts.finding import KeptSession, held_in
from perdure.wrap.transcripts.forms import FORMS, why_uncut
from perdure.wrap.transcripts.nouns import SentRequest, StoredForm
from perdure.wrap.transcripts.started import Started
from perdure.wrap.transcripts.writing import cut_session, write_session


class NewSession(NamedTuple):
    """The session that a client goes on with."""

    session: str
    path: Path
    source: Path
    """the client's own, which stays as it is; the same as ``path`` where nothing has to be cut off"""
    stays: int
    """lines of it"""
    lines: int
    """of all that it has"""
    expects: tuple[str, ...]
    content: bytes

    def write(self) -> None:
        """The session is there, if it wasn't already. Raises ``SessionTaken`` where something else is."""
        if self.path != self.source:
            write_session(self.path, self.content)


class Returning(NamedTuple):
    """Where going back to a turn leads."""

    turn: int
    new: NewSession | None
    why: str
    """why there is no session to go on with; empty where there is one"""
    started: Started | None

    def bare_command(self) -> str:
        """Return what goes on without perdure; empty where nothing is known to."""
        if self.new is None or self.started is None:
            return ""
        return bare_command(self.started, self.new.session)


def returning(
    books: Books, run: str, sent: SentRequest, *, session: str = "", cuts: bool = True
) -> Returning:
    """Return where going back to ``sent`` leads; with ``cuts`` a session is cut, which gets the name ``session``.

    Where that names a session of the client's that holds the turn, it is that one, uncut. Nothing is written.
    Raises ``SessionUnknown`` where the client stores sessions in a known format and none of them holds the turn.
    """
    started = newest_start(books, run)
    why = "" if cuts else "nobody asked for one"
    why = why or (
        why_uncut(started.format) if started is not None else "how the client was started is not known"
    )
    if why or started is None:
        return Returning(sent.number, None, why, started)
    named = session or session_named(read_state(books, run, sent.position).state)
    form = FORMS[started.format]
    held = held_in(form, started.sessions, sent, named)
    return Returning(sent.number, _cut(form, held, session), "", started)


def _cut(form: StoredForm, held: KeptSession, session: str) -> NewSession:
    if held.session == session:
        return NewSession(
            session, held.path, held.path, len(held.lines.raw), len(held.lines.raw), held.cut.expects, b""
        )
    new = session or form.minted()
    return NewSession(
        session=new,
        path=form.placed(held.path, new),
        source=held.path,
        stays=held.cut.lines,
        lines=len(held.lines.raw),
        expects=held.cut.expects,
        content=cut_session(form, held.lines, held.cut.lines, held.session, new),
    )


def untouched(books: Books, run: str, sent: SentRequest) -> str:
    """Return the name of the client's session that ends with the reply to ``sent``; empty where none does."""
    started = newest_start(books, run)
    if started is None or started.format not in FORMS:
        return ""
    form = FORMS[started.format]
    named = session_named(read_state(books, run, sent.position).state)
    try:
        held = held_in(form, started.sessions, sent, named)
    except PerdureError:
        return ""
    later = [each for each in form.entries(held.lines.records[held.cut.lines :]) if not each.said]
    return "" if any(not each.said for each in later) else held.session


def bare_command(started: Started, session: str) -> str:
    """Return the command that goes on with ``session`` without perdure; empty where there is none."""
    try:
        words = (started.program, *continuing(profile_of(started), (), session))
    except PerdureError:
        return ""
    return " ".join((*_set(started.variables), shlex.join(words)))


def profile_of(started: Started) -> ClientProfile:
    """Return the profile of the client. Raises ``BadProfile``, ``BadInput`` where it is no longer known."""
    if started.profile_file:
        return read_profile(Path(started.profile_file))
    found = next((each for each in known() if each.name == started.profile), None)
    if found is None:
        raise BadInput(
            f"there is no profile {started.profile!r} any more", hint="give one with --profile FILE"
        )
    return found


def _set(variables: Mapping[str, str]) -> list[str]:
    return [f"{name}={shlex.quote(value)}" for name, value in variables.items()]
