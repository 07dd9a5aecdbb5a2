"""A client looked at before it starts: whose profile, which version, which servers, from where it goes on."""

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from perdure.assembly.files.isolating import Isolation
from perdure.assembly.foreign.gateways import Mode, upstreams_of
from perdure.mcp.servers import Server
from perdure.values.digest import Json
from perdure.values.errors import BadInput, NotWrapped
from perdure.values.ids import checked_name
from perdure.wire.bodies.nouns import Api
from perdure.wrap.foreground import program_of
from perdure.wrap.hooks.snippets import hooks_of
from perdure.wrap.keeping import PYTHON, Sockets
from perdure.wrap.order import KeepingOrder, Ready
from perdure.wrap.profiles.dressing import HOOKS, SERVERS, dressed, heeds_hooks, is_bare, takes
from perdure.wrap.profiles.finding import found
from perdure.wrap.profiles.nouns import Dress, FoundServer, Seam, Surroundings, Whereabouts
from perdure.wrap.profiles.reading import known, read_profile, recognised
from perdure.wrap.profiles.resuming import continuing
from perdure.wrap.profiles.sources import places_of
from perdure.wrap.profiles.templates import text_of
from perdure.wrap.profiles.versions import asked_version, untested
from perdure.wrap.profiles.words import ClientProfile
from perdure.wrap.transcripts.started import HIDDEN, Started, hushed, spelled_start
from perdure.wrap.wish import Cover, Wish

if TYPE_CHECKING:
    from perdure.wrap.transcripts.resuming import GoingOn

OVERLAYS: Final = "wraps"
"""The folder of the store below which a session's files for its client lie."""

_SHIM: Final = "perdure.wrap.shim"
_UNMOVED: Final = ("gemini", "unread")
"""APIs of requests in which nothing is moved, whatever the mode."""

_OUTSIDE: Final = "MCP servers work outside of the copy, on the machine as it is"
_UNNAMED: Final = "http://unnamed.invalid"


class Planned(NamedTuple):
    """Which client is to be started, and from where it goes on."""

    profile: ClientProfile
    words: tuple[str, ...]
    """its program and the arguments of its user"""
    continues: "GoingOn | None"
    """None: it begins anew"""
    wish: Wish
    run: str

    @property
    def before(self) -> Started | None:
        """How it was started the last time."""
        return self.continues.started if self.continues is not None else None

    @property
    def hooked(self) -> bool:
        """Whether its hooks are to be heard."""
        if self.wish.hooks is not None:
            return self.wish.hooks
        return self.wish.contract is not None or (self.before is not None and self.before.hooks)

    @property
    def beside(self) -> Path:
        """Where files are laid over the client's settings."""
        return self.wish.store.local / OVERLAYS

    @property
    def ours(self) -> dict[str, str]:
        """Variables by which whatever works for this client finds its run."""
        return {"PERDURE_RUN": self.run, "PERDURE_STORE": str(self.wish.store)}

    @property
    def bare(self) -> bool:
        """Whether it is called for something else than a session."""
        return is_bare(self.profile, self.words[1:])


class Standpoint(NamedTuple):
    """Where a client stands, and what it has there."""

    whereabouts: Whereabouts
    has: Surroundings


class Fitted(NamedTuple):
    """A client, looked at, and what it is given."""

    wish: Wish
    run: str
    ours: Mapping[str, str]
    profile: ClientProfile
    version: str
    untested: str
    words: tuple[str, ...]
    whereabouts: Whereabouts
    has: Surroundings
    continues: "GoingOn | None"
    hooks: Mapping[str, Json]
    started: Started
    apart: Isolation | None
    """the copy that it works in; None: in the directory itself"""

    @property
    def root(self) -> Path:
        """The directory whose files are recorded."""
        return self.wish.root if self.apart is None else self.apart.copy

    def entrance(self, ours: tuple[Path, ...]) -> Callable[[], None]:
        """Return what the client's process calls first; ``ours`` is what it has to reach of this session."""
        if self.apart is None:
            return _as_it_is
        named = (Path(each) for each in self.started.variables.values())
        temporary = Path(self.whereabouts.environment.get("TMPDIR") or "/tmp")  # noqa: S108 - as every program takes it
        return self.apart.entrance((self.whereabouts.home, temporary, *named, *ours))

    @property
    def mode(self) -> Mode:
        """What may be moved in its window: nothing, where its version wasn't tested."""
        return "observe" if self.untested else self.wish.mode

    @property
    def heard_as(self) -> str:
        """The client's name among those whose hooks come: by what we lay over, or since its user says that they do."""
        hooks = self.profile.hooks
        return hooks.client if hooks is not None and (self.hooks or self.wish.hooks is True) else ""

    def dressed(self, sockets: Sockets, folder: Path) -> Dress:
        """Return how it is started so that it meets ``sockets``."""
        token = sockets.token
        shims = {each.name: (*PYTHON, _SHIM, str(sockets.path), each.name) for each in self.has.servers}
        base = f"http://127.0.0.1:{sockets.port}/-/{token}"
        named = self.profile.hooks.client if self.hooks and self.profile.hooks is not None else ""
        seam = Seam(base, token, folder, shims, hooks_of(named, base))
        dress = dressed(self.profile, self.whereabouts, self.has, seam)
        ours = {**self.ours, "PERDURE_SOCKET": str(sockets.path)}
        return dress._replace(environment={**dress.environment, **_unproxied(dress.environment), **ours})


def planned(wish: Wish) -> Planned:
    """Return which client ``wish`` is about.

    Raises ``UnknownClient``, ``BadProfile``, ``BadInput``, ``BadName``, ``NotWrapped``, ``NoSession``.
    """
    goes = _going_on(wish) if wish.resume else None
    started = goes.started if goes is not None else None
    words = wish.words or ((started.program, *started.arguments) if started is not None else ())
    if not words:
        raise BadInput(
            f"{wish.resume}: how its client was started isn't known",
            hint=f"say it: perdure wrap --resume {wish.resume} -- CLIENT",
        )
    if any(HIDDEN in word for word in words):
        raise BadInput(
            f"{wish.resume}: its client was given a key on its command line, which isn't kept",
            hint=f"say it again: perdure wrap --resume {wish.resume} -- CLIENT ARGS..., or put the key into its environment",
        )
    path = wish.profile or (Path(started.profile_file) if started and started.profile_file else None)
    profile = read_profile(path) if path is not None else recognised(words[0], known())
    if goes is not None and not goes.anew and (profile.resume is not None or not wish.words):
        words = (words[0], *continuing(profile, words[1:], goes.session))
    run = checked_name(wish.resume or wish.run or _new_name(profile.name, wish.root), field="run")
    return Planned(profile, words, goes, wish, run)


def standpoint_of(plan: Planned, environment: Mapping[str, str]) -> Standpoint:
    """Return where the client of ``plan`` stands, and what it has there; its user's files are only read.

    Raises ``BadSettings``, ``NoWayToProvider``.
    """
    home = Path(environment.get("HOME") or Path.home())
    whereabouts = Whereabouts(home, Path.cwd(), environment, plan.words[1:])
    has = found(plan.profile, whereabouts)
    if not takes(plan.profile, plan.beside, SERVERS):
        has = has._replace(servers=())  # the client will not meet our shims: it starts them itself
    return Standpoint(whereabouts, has)


def fitted(plan: Planned, standpoint: Standpoint) -> Fitted:
    """Return the client of ``plan``, asked for its version."""
    profile, (whereabouts, has) = plan.profile, standpoint
    program = program_of(plan.words[0], whereabouts.environment)
    version = asked_version(profile, program, whereabouts.environment)
    wish, run = plan.wish, plan.run
    apart = Isolation(wish.root, wish.store.local, run)
    return Fitted(
        wish,
        run,
        plan.ours,
        profile,
        version,
        untested(profile, version),
        plan.words,
        whereabouts,
        has,
        plan.continues,
        _hooks(plan, whereabouts),
        _started(profile, plan, version, whereabouts),
        apart if wish.isolate or apart.begun else None,
    )


def _hooks(plan: Planned, whereabouts: Whereabouts) -> Mapping[str, Json]:
    """Return the hooks that the client is given; none where it would pass over them."""
    hooks = plan.profile.hooks
    if hooks is None or not plan.hooked or not heeds_hooks(plan.profile, whereabouts):
        return {}
    if not takes(plan.profile, plan.beside, HOOKS):
        return {}
    return hooks_of(hooks.client)


def order_of(fit: Fitted, sockets: Sockets, folder: Path) -> KeepingOrder:
    """Return what the keeper of ``fit`` is told."""
    wish, profile = fit.wish, fit.profile
    upstreams = dict(fit.has.upstreams) | _asked_for(wish.upstreams)
    return KeepingOrder(
        store=wish.store.secret,
        run=fit.run,
        client=profile.name,
        version=fit.version,
        root=str(fit.root),
        goes_on=bool(wish.resume),
        contract=str(wish.contract or ""),
        effects=fit.started.effects,
        patience=wish.patience,
        toolless=profile.toolless,
        mode=fit.mode,
        room=wish.room,
        upstreams=tuple(upstreams.items()),
        token=sockets.token,
        trusted=() if fit.untested else profile.agents,
        servers=tuple(map(_server, fit.has.servers)),
        hooks=fit.heard_as,
        attached=spelled_start(fit.started),
        transcript=profile.transcript.format if profile.transcript is not None and not fit.untested else "",
        expects=fit.continues.expects if fit.continues is not None else (),
        folder=str(folder),
        listener=sockets.gateway.fileno(),
        door=sockets.door.fileno(),
    )


def cover_of(fit: Fitted, ready: Ready) -> Cover:
    """Return what of the session is covered."""
    wish = fit.wish
    return Cover(
        run=fit.run,
        title=fit.profile.title,
        version=fit.version,
        untested=fit.untested,
        store=wish.store,
        root=wish.root,
        mode="observe" if fit.profile.api in _UNMOVED else fit.mode,
        resumed=ready.resumed,
        servers=tuple(each.name for each in fit.has.servers),
        hooked=bool(fit.heard_as),
        contract=wish.contract is not None or ready.contract,
        isolated=str(fit.root) if fit.apart is not None else "",
        continues=fit.continues.words if fit.continues is not None else (),
        notes=(
            *fit.profile.said,
            *fit.has.notes,
            *((_OUTSIDE,) if fit.apart and fit.has.servers else ()),
            *_unheeded(fit, judged=wish.hooks is True or wish.contract is not None or ready.contract),
        ),
    )


def _unheeded(fit: Fitted, *, judged: bool) -> tuple[str, ...]:
    """Return what a person has to do so that the client runs our hooks, where it would have to judge by them."""
    hooks = fit.profile.hooks
    wanted = judged and fit.wish.hooks is not False and hooks is not None and not fit.hooks
    return (hooks.without,) if wanted and hooks is not None and hooks.without else ()


def _as_it_is() -> None:
    """Return: the client sees the machine as its user does."""


def _going_on(wish: Wish) -> "GoingOn":
    from perdure.assembly.store import open_store  # noqa: PLC0415 - only who goes on looks into the store here
    from perdure.wrap.transcripts.resuming import going_on  # noqa: PLC0415 - as above

    with open_store(wish.store, create=False) as store:
        if not store.books.rows(wish.resume):
            raise NotWrapped(f"there is no run {wish.resume!r} in {wish.store}")
        return going_on(store.books, wish.resume)


def _started(profile: ClientProfile, plan: Planned, version: str, whereabouts: Whereabouts) -> Started:
    """Return how the client is started, for who goes on with it: its user's own words, and where its sessions are."""
    before, wish = plan.before, plan.wish
    own = wish.words or ((before.program, *before.arguments) if before is not None else plan.words)
    effects = str(wish.effects) if wish.effects is not None else before.effects if before is not None else ""
    places = places_of(profile, whereabouts)
    variables = {place.variable for place in profile.places.values() if place.variable}
    transcript = profile.transcript
    return Started(
        profile=profile.name,
        profile_file=str(wish.profile or ""),
        program=own[0],
        arguments=hushed(own[1:]),
        version=version,
        effects=effects,
        hooks=plan.hooked,
        directory=str(whereabouts.directory),
        format=transcript.format if transcript is not None else "",
        sessions=tuple(text_of(each, places) for each in transcript.files) if transcript is not None else (),
        variables={name: value for name in sorted(variables) if (value := whereabouts.environment.get(name))},
    )


def _new_name(client: str, root: Path) -> str:
    """Return a name for a run that says whose it is, where, and when it was begun."""
    place = "".join(sign if sign.isascii() and sign.isalnum() else "-" for sign in root.name).strip("-")[:24]
    return f"{client}-{place or 'root'}-{time.strftime('%m%d-%H%M%S')}"


def _asked_for(given: tuple[str, ...]) -> dict[Api, str]:
    """Return the addresses that ``--upstream`` names, and no others. Raises ``BadInput``."""
    return {api: url for api, url in upstreams_of((_UNNAMED, *given)) if url != _UNNAMED}


def _server(server: FoundServer) -> Server:
    return Server(
        name=server.name,
        kind=server.transport,
        command=server.command,
        env=dict(server.environment),
        cwd=server.directory,
        url=server.url,
        headers=dict(server.headers),
    )


def _unproxied(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the variables that keep requests to this machine from a proxy, beside what the user has in them."""
    made: dict[str, str] = {}
    for name in ("NO_PROXY", "no_proxy"):
        before = environment.get(name, "")
        made[name] = ",".join(filter(None, (before, "127.0.0.1,localhost")))
    return made
