"""Which agent drives a run: read from a file or a module, and remembered beside the log.

Machine paths don't belong in the log, which may be read elsewhere; so they stand in a small file per
run, ``agents/RUN.json`` in the store's directory. Losing it costs one ``--agent``.
"""

import importlib
import importlib.util
import os
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import NamedTuple, cast
from urllib.parse import urlsplit

import msgspec

from perdure.assembly.agents.agent import Agent
from perdure.cli.place import Place
from perdure.projection.state import State
from perdure.values.errors import AgentChanged, BadInput, PerdureError
from perdure.wrap.transcripts.asked import is_wrapped


class Origin(msgspec.Struct, frozen=True, omit_defaults=True):
    """Where a run's agent comes from."""

    agent: str
    """as it was given: ``payables.py:agent`` or ``package.module:agent``"""
    directory: str
    """the working directory it was given in: relative paths of the agent mean this one"""
    model: str = ""
    base_url: str = ""


class Named(NamedTuple):
    """An agent's name in two parts: the file or module, and the variable, if it was given."""

    source: str
    variable: str


def origin_here(agent: str, *, model: str = "", base_url: str = "") -> Origin:
    """Return the origin of an agent that is named in this working directory."""
    return Origin(agent, str(Path.cwd()), model, base_url)


def remember(place: Place, run: str, origin: Origin) -> None:
    """From here on ``perdure resume RUN`` finds the agent. An address with a password isn't kept."""
    if "@" in urlsplit(origin.base_url).netloc:
        origin = msgspec.structs.replace(origin, base_url="")
    path = _path(place, run)
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f"{path.name}.{os.getpid()}")
    fresh.write_bytes(msgspec.json.format(msgspec.json.encode(origin)) + b"\n")
    fresh.replace(path)


def recall(place: Place, run: str) -> Origin:
    """Return what is remembered of the run, or of the run that it was forked or spawned from.

    Raises ``BadInput`` where nothing is.
    """
    name: str | None = run
    while name:
        path = _path(place, name)
        if path.exists():
            try:
                return msgspec.json.decode(path.read_bytes(), type=Origin)
            except msgspec.MsgspecError as error:
                raise BadInput(
                    f"{path} can't be read: {error}", hint="name the agent with --agent"
                ) from error
        row = place.store.inspector.row(name)
        name = row.parent or place.store.state(name).parent
    if is_wrapped(place.store.state(run)):
        raise BadInput(
            f"run {run!r} is a wrapped client's, which goes on in its terminal",
            hint=f"perdure wrap --resume {run}{place.flag}",
        )
    raise BadInput(
        f"nothing is remembered of the agent of run {run!r}",
        hint=f"name it: perdure resume {run} --agent FILE:NAME",
    )


def agent_of(origin: Origin, state: State | None = None) -> Agent:
    """Return the agent of ``origin``, in its directory; with ``state``, the one of that run.

    A child run belongs to an agent that is a tool of the named one. Raises ``BadInput`` and
    ``AgentChanged``.
    """
    _enter(origin.directory)
    agent = load(origin.agent)
    if origin.model:
        agent.model = origin.model
    if origin.base_url:
        agent.base_url = origin.base_url
    if state is None or state.agent in ("", agent.name):
        return agent
    found = next((one for one in _family(agent) if one.name == state.agent), None)
    if found is None:
        raise AgentChanged(f"run {state.run} belongs to agent {state.agent!r}, and {origin.agent} has none")
    return found


def _enter(directory: str) -> None:
    if Path.cwd() == Path(directory):
        return
    try:
        os.chdir(directory)
    except OSError as error:
        raise BadInput(
            f"the run was begun in {directory}, which can't be entered: {error.strerror}",
            hint="name the agent anew with --agent FILE:NAME",
        ) from error


def load(spoken: str) -> Agent:
    """Return the agent that ``file.py:name`` or ``module:name`` names; a lone agent needs no name."""
    named = _parted(spoken)
    module = _module(named)
    if named.variable:
        found: object = getattr(module, named.variable, None)
        if isinstance(found, Agent):
            return found
        what = "has no such name" if found is None else f"is a {type(found).__name__}, not an Agent"
        raise BadInput(f"agent {spoken!r}: {named.variable} {what}", hint=_offered(module))
    agents = _agents(module)
    if len(agents) != 1:
        raise BadInput(f"agent {spoken!r}: the file has {len(agents)} agents", hint=_offered(module))
    return next(iter(agents.values()))


def load_all(spoken: str) -> list[Agent]:
    """Return the agents that ``module:name`` names: one, several in a list, or without a name all of the module."""
    named = _parted(spoken)
    module = _module(named)
    if not named.variable:
        agents = list(_agents(module).values())
        if not agents:
            raise BadInput(f"agent {spoken!r}: the file has no agents", hint=_offered(module))
        return agents
    found: object = getattr(module, named.variable, None)
    if isinstance(found, Agent):
        return [found]
    if isinstance(found, list | tuple):
        listed = [each for each in cast("list[object]", found) if isinstance(each, Agent)]
        if listed and len(listed) == len(cast("list[object]", found)):
            return listed
    what = (
        "the file has no such name"
        if found is None
        else f"{named.variable} is no Agent, and no list of Agents"
    )
    raise BadInput(f"agent {spoken!r}: {what}", hint=_offered(module))


def _parted(spoken: str) -> Named:
    source, colon, variable = spoken.rpartition(":")
    if not colon or "/" in variable or "\\" in variable:
        return Named(spoken, "")
    return Named(source, variable)


def _module(named: Named) -> ModuleType:
    path = Path(named.source)
    if path.suffix != ".py" and not path.exists():
        return _imported(named.source)
    if not path.is_file():
        raise BadInput(f"agent: there is no file {named.source}", hint="name it as FILE.py:NAME")
    path = path.resolve()
    sys.path.insert(0, str(path.parent))
    taken = path.stem in sys.modules or path.stem in sys.stdlib_module_names
    name = f"agent_file_{path.stem}" if taken else path.stem
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise BadInput(f"agent: {named.source} is not a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    loader = spec.loader
    _run(lambda: loader.exec_module(module), named.source)
    return module


def _imported(name: str) -> ModuleType:
    sys.path.insert(0, str(Path.cwd()))
    root = name.partition(".")[0]
    if not root or (root not in sys.modules and importlib.util.find_spec(root) is None):
        raise BadInput(
            f"agent {name}: there is no module of that name in {Path.cwd()}, and none is installed",
            hint="start where it is, set PYTHONPATH, or name a file: FILE.py:NAME",
        )
    _run(lambda: importlib.import_module(name), name)
    return sys.modules[name]


def _run(work: Callable[[], object], source: str) -> None:
    """Do ``work``, which runs somebody's file; what it raises is told with the line it came from."""
    try:
        work()
    except PerdureError:
        raise
    except (Exception, SystemExit) as error:
        frames = traceback.extract_tb(error.__traceback__)
        own = [
            frame
            for frame in frames
            if "importlib" not in frame.filename and "perdure/cli" not in frame.filename
        ]
        where = f"{Path(own[-1].filename).name}:{own[-1].lineno}: " if own else ""
        raise BadInput(
            f"agent {source}: {where}{type(error).__name__}: {error}",
            hint="mend the file; PERDURE_TRACE=1 shows where it came from",
        ) from error


def _agents(module: ModuleType) -> dict[str, Agent]:
    return {
        name: item
        for name, item in cast("dict[str, object]", vars(module)).items()
        if isinstance(item, Agent)
    }


def _offered(module: ModuleType) -> str:
    names = ", ".join(_agents(module))
    return f"it has: {names}" if names else "write agent = Agent(...) in it"


def _family(agent: Agent) -> list[Agent]:
    return [agent, *(one for child in agent.children.values() for one in _family(child))]


def _path(place: Place, run: str) -> Path:
    return place.local / "agents" / f"{run}.json"
