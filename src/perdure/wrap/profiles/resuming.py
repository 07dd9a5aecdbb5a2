"""How a client goes on with a session of its own, and where its sessions lie."""

from collections.abc import Sequence

from perdure.values.errors import BadInput
from perdure.wrap.profiles.nouns import Whereabouts
from perdure.wrap.profiles.sources import dropped, places_of
from perdure.wrap.profiles.templates import text_of
from perdure.wrap.profiles.words import ClientProfile


def continuing(profile: ClientProfile, arguments: Sequence[str], session: str) -> tuple[str, ...]:
    """Return ``arguments`` so that the client goes on with ``session``, or with its newest where that is empty.

    Raises ``BadInput`` for a client that can't.
    """
    words = profile.resume
    told = () if words is None else words.arguments if session else words.last
    if words is None or not told:
        which = f"session {session!r}" if session else "its newest session"
        raise BadInput(
            f"{profile.title} has no way to go on with {which}",
            hint="start it anew: its files and its log are as they were",
        )
    rest = dropped(dropped(arguments, words.instead, valued=False), words.instead_valued, valued=True)
    made = [text_of(each, {"session": session}) for each in told]
    for index, each in enumerate(rest):
        if each in words.after:
            return (*rest[: index + 1], *made, *rest[index + 1 :])
    return (*made, *rest)


def session_files(profile: ClientProfile, whereabouts: Whereabouts) -> tuple[str, ...]:
    """Return where the client's sessions lie, as paths with ``*``; the newest is the one under way."""
    if profile.transcript is None:
        return ()
    places = places_of(profile, whereabouts)
    return tuple(text_of(each, places) for each in profile.transcript.files)
