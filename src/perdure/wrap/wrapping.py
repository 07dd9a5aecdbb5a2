"""One session of an unmodified client, wrapped: from what a person asks to how the client ended.

Invariants:
- The client starts only once its run is held and everything that it will meet is there.
- Nothing of the user's is written; what is made for the session lies in one private folder, and goes with it.
- Whatever is refused, is refused before the client starts, and leaves nothing behind.
- This process has no threads, since it forks, and holds neither store nor gateway: its end takes nothing along.
"""

import os
import select
import time
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Final, NamedTuple

from perdure.assembly.foreign.wraps import PrivateFolder, make_folder
from perdure.values.errors import KeeperFailed, PerdureError, WorkspaceBusy, WrapTaken
from perdure.values.limits import KEEPER_START_SECONDS
from perdure.wrap import leftovers
from perdure.wrap.crews import crew_of
from perdure.wrap.fitting import OVERLAYS, Fitted, Planned, cover_of, fitted, order_of, planned, standpoint_of
from perdure.wrap.foreground import Ended, Foreground, Signals, program_of
from perdure.wrap.keeping import Kept, Sockets, listening
from perdure.wrap.order import Ready
from perdure.wrap.wish import Voice, Wish


class _Stage(NamedTuple):
    """What stands before the client comes."""

    folder: PrivateFolder
    sockets: Sockets
    kept: Kept


def wrapped(wish: Wish, voice: Voice, environment: Mapping[str, str]) -> Ended:
    """Run the client of ``wish`` in the foreground with its run kept; return how it ended.

    Raises ``ClientMissing``, ``UnknownClient``, ``Unlistenable``, ``WrapTaken``, ``RunExists``, ``NotWrapped``,
    ``KeeperFailed``, and what opening the store raises.
    """
    plan = planned(wish)
    program_of(plan.words[0], environment)
    if plan.bare:
        return _alone(plan, environment)
    ended = leftovers.cleared()
    if ended:
        voice.warns(f"{ended} client(s) of a wrapper that was killed had gone on without it, and were ended")
    with ExitStack() as opened:
        standpoint = standpoint_of(plan, environment)
        stage = _staged(wish, {**environment, **plan.ours}, opened, servers=bool(standpoint.has.servers))
        fit = fitted(plan, standpoint)
        if fit.apart is not None:
            fit.apart.make()
        try:
            stage.kept.keep(order_of(fit, stage.sockets, stage.folder.path))
            ready = _await_ready(stage.kept)
        except PerdureError:
            if fit.apart is not None:
                fit.apart.unmake()
            raise
        voice.begins(cover_of(fit, ready))
        return _run(stage, fit, voice)


def _alone(plan: Planned, environment: Mapping[str, str]) -> Ended:
    """The client is called for something else than a session: nothing is kept of that."""
    with Signals() as signals:
        client = Foreground(plan.words, environment)
        while (ended := client.look()) is None:
            signals.await_any((), None)
            for each in signals.handed_on():
                client.hand(each)
    return ended


def _staged(wish: Wish, environment: Mapping[str, str], opened: ExitStack, *, servers: bool) -> _Stage:
    """A keeper is on its way, and loads what it needs while the client is looked at."""
    folder = make_folder()
    opened.callback(folder.let_go)
    sockets = listening(wish.port, folder.path)
    opened.callback(sockets.close)
    kept = Kept(sockets, folder.path, environment, servers=servers)
    opened.callback(kept.close)
    return _Stage(folder, sockets, kept)


def _await_ready(kept: Kept) -> Ready:
    """Return once the run is held. Raises what the keeper says against it, or ``KeeperFailed``."""
    latest = time.monotonic() + KEEPER_START_SECONDS
    while kept.ready is None:
        if kept.refused is not None:
            raise _for_two(kept.refused)
        heard, _, _ = select.select((kept.said,), (), (), max(0.0, latest - time.monotonic()))
        if not heard:
            raise KeeperFailed(f"the keeper wasn't ready within {KEEPER_START_SECONDS:.0f} s")
        kept.hear()
    return kept.ready


def _for_two(error: PerdureError) -> PerdureError:
    """Return the error with what one can do about another wrap in the same place."""
    return WrapTaken(str(error)) if isinstance(error, WorkspaceBusy) else error


def _run(stage: _Stage, fit: Fitted, voice: Voice) -> Ended:
    """The client runs in the foreground, and its keeper beside it, one after another if need be."""
    kept = stage.kept
    with Signals() as signals:
        client = _started(stage, fit, voice)
        while (ended := client.look()) is None:
            ready = signals.await_any(() if kept.said < 0 else (kept.said,), None)
            for each in signals.handed_on():
                client.hand(each)
            if ready:
                kept.hear()
                if kept.refused is not None:
                    stage.sockets.close()  # nobody serves them: what asks there is refused at once
        kept.end(_how(ended), voice.waits)
    failure = str(kept.refused) if kept.refused is not None else ""
    voice.ends(kept.summary, restarts=kept.restarts, failure=failure)
    return ended


def _started(stage: _Stage, fit: Fitted, voice: Voice) -> Foreground:
    """Return the client, in the foreground. Raises ``ClientMissing``, and the run says that it never came."""
    try:
        # Not beside the socket: some clients read no settings below a directory that all can write, as /tmp is.
        beside = stage.folder.beside(fit.wish.store.local / OVERLAYS)
        dress = fit.dressed(stage.sockets, beside)
        for note in dress.notes:
            voice.warns(note)
        for path, text in dress.files.items():
            _written(path, text)
        enter = fit.entrance((stage.folder.path, beside))
        client = Foreground((fit.words[0], *dress.arguments), dress.environment, enter)
    except (PerdureError, OSError) as error:
        stage.kept.end(f"the client was never started: {error}")
        raise
    crew = crew_of(client.pid, str(stage.sockets.path))
    leftovers.noted_client(stage.folder.path, crew)
    stage.kept.client_started(crew)
    return client


def _written(path: Path, text: str) -> None:
    """The file is there, for its user alone."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, _PRIVATE)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)


def _how(ended: Ended) -> str:
    if ended.signal:
        return f"the client was ended by signal {ended.signal}"
    return f"the client ended with exit code {ended.code}"


_PRIVATE: Final = 0o600
