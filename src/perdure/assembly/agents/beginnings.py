"""What a run's stream begins with when a writer takes it up: the facts of a fork, of another agent, of a death."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from perdure.assembly.agents.agent import Agent
from perdure.assembly.files.timeline import files_of
from perdure.driver.books import Books, read_state
from perdure.driver.writer import Heard
from perdure.log import events as e
from perdure.log.port import Lease, RunRow
from perdure.orchestrator.draft import content_of
from perdure.orchestrator.step import STEP
from perdure.projection.state import Message, State, World
from perdure.projection.workspace import RULE
from perdure.values.errors import AgentChanged, RunExists

FORK_SIGN: Final = "~"
"""Between the name of a directory and the fork that works in a copy of it."""

BEGIN: Final = "begin it with `perdure run`, or with `perdure submit` where workers drive it"
"""What to do with a run that was named and not begun: whoever began it was cut off before anything was said to it."""

_SERVICES_GONE: Final = (
    "Your services died with the program that ran them. What was done since can't be done again, so the "
    "files are as they were left. Start the services anew that you need."
)

_MOVED: Final = (
    "You go on on another machine. The files are as they were recorded last: what was changed after that, and services "
    "that ran, stayed behind. Look before you rely on them."
)


def opened_by(agent: Agent, run: str, tenant: str, *, depth: int = 0, parent: str | None = None) -> Heard:
    """Return the fact that ``agent`` begins the run."""
    rules = agent.rules()
    opened = e.RunOpened(
        agent=agent.name,
        definition=rules.definition,
        contract=rules.contract,
        lineage=run,
        tenant=tenant,
        step=STEP,
        depth=depth,
        parent=parent,
        root=str(agent.workspace.resolve()) if agent.workspace is not None else "",
    )
    return Heard(opened, rules.blobs)


def still_begins(state: State, facts: tuple[Heard, ...]) -> tuple[Heard, ...]:
    """Return ``facts`` that a run begins with; none if somebody has begun it since it was looked at, before our lease.

    Raises ``RunExists`` if they have something to say that would be dropped.
    """
    if facts[1:] and state.position:
        raise RunExists(f"there is a run {state.run!r} already")
    return facts if not state.position else ()


def forked(store: Books, row: RunRow, *, why: str = "", root: str = "") -> tuple[Heard, ...]:
    """Return what a fork begins with, as long as its stream holds nothing but the parent's prefix.

    Whoever writes first to a fork says it: until then the open effects of the prefix look like its own.
    ``root`` is the directory that it gets; empty for the one beside its parent's.
    """
    if row.parent is None or row.position > row.forked_at:
        return ()
    files = files_of(store, row.parent, row.forked_at)
    parent = read_state(store, row.parent).state.root
    named = (
        (root or beside(parent, row.run), files.tree, files.image) if parent and files.tree else ("", "", "")
    )
    fork = e.RunForked(row.parent, row.forked_at, row.tenant, STEP, why, *named)
    claims = tuple(claim for claim in store.claims(scope=f"lineage:{row.lineage}") if claim.run != row.run)
    worlds = [
        read_state(store, other.run).state.world
        for other in store.rows(lineage=row.lineage)
        if other.run != row.run
    ]
    names = dict.fromkeys(name for world in worlds for name in world.counters)
    counters = tuple(store.counters(tuple(names)))
    learned = e.MemoryLearned(claims, counters, _denials(worlds), tell=True)
    return Heard(fork), Heard(learned)


def beside(parent: str, run: str) -> str:
    """Return the directory that fork ``run`` of a run in ``parent`` gets unless somebody names another.

    Empty where the parent has none.
    """
    if not parent:
        return ""
    known = Path(parent)
    return str(known.with_name(f"{known.name}{FORK_SIGN}{run}"))


def root_of(agent: Agent, row: RunRow, known: str, begins: Sequence[Heard]) -> str:
    """Return the run's directory: a fork's own, or the log's if it is still there, or the agent's."""
    if agent.workspace is None:
        return ""
    for each in begins:
        if isinstance(each.body, e.RunForked):
            known = each.body.root
    keeps = known and (row.parent is not None or Path(known).is_dir())
    return known if keeps else str(agent.workspace.resolve())


def adopted(agent: Agent, state: State) -> tuple[Heard, ...]:
    """Return the fact that the agent's definition or contract is another one now, if it is.

    Raises ``AgentChanged`` if this agent can't go on with the run.
    """
    rules = agent.rules()
    if (state.definition, state.contract) == (rules.definition, rules.contract):
        return ()
    if agent.name != state.agent:
        raise AgentChanged(f"run {state.run} belongs to agent {state.agent!r}, not {agent.name!r}")
    for effect in state.world.open.values():
        known = rules.law.definition.tool(effect.tool)
        if known is None or (known.effect != effect.effect and not effect.undoes):
            now = "gone" if known is None else f"declared {known.effect!r} now"
            raise AgentChanged(
                f"run {state.run} has {effect.tool} ({effect.what}) open as {effect.effect!r}, "
                f"and the tool is {now}",
                hint="settle it first (`perdure show` says how), or resume with the agent as it was",
            )
    return (Heard(e.ContractAdopted(rules.contract, rules.definition, "resume"), rules.blobs),)


def bereaved(state: State) -> tuple[Heard, ...]:
    """Return what it means that processes died with their writer: they go back to where they were recorded.

    What deeds in the workspace have done to them since is gone with them, so the run goes back as well, and
    those deeds are judged and done anew; what people have said since is said again. A deed in doubt puts both
    back by itself. Where one has left the workspace since it can't be done again: then the files stay, and the
    model is told that its services are gone.
    """
    live = state.live
    if not live.image or live.put_back is not None or state.closed:
        return ()
    known = [state.world.receipts.get(each.key) or state.world.open.get(each.key) for each in live.touched]
    if any(each is None or each.effect != "workspace" for each in known):
        text = content_of(_SERVICES_GONE)[0]
        return (Heard(e.MessageReceived(f"services-{state.position}", RULE, text)),)
    if any(each is not None and not each.outcome for each in known):
        return ()
    why = "the processes died with their writer"
    to = live.tree_position if known else state.position
    said = [each for each in live.entries.values() if isinstance(each, Message) and each.position > to]
    again = (e.MessageReceived(f"{each.id}+{to}", each.sender, each.text) for each in said)
    return (Heard(e.RunRewound(to, RULE, why, live.tree, live.image)), *map(Heard, again))


def displaced(state: State) -> tuple[Heard, ...]:
    """Return what it means that the run's files are on another host: here they are as they were recorded last.

    Deeds in the workspace since then are judged and done anew. Others can't be: then the model is told what is missing.
    """
    live = state.live
    if not live.tree or live.put_back is not None or state.closed:
        return ()
    known = [state.world.receipts.get(each.key) or state.world.open.get(each.key) for each in live.touched]
    if any(each is not None and not each.outcome for each in known):
        # A deed in doubt puts the files back by itself.
        return ()
    anew = all(each is not None and each.effect == "workspace" for each in known)
    to = live.tree_position if known and anew else state.position
    back = e.RunRewound(to, RULE, "its files were on another host", live.tree)
    said = [each for each in live.entries.values() if isinstance(each, Message) and each.position > to]
    heard: list[e.Body] = [
        back,
        *(e.MessageReceived(f"{each.id}+{to}", each.sender, each.text) for each in said),
    ]
    if not anew or live.image:
        heard.append(e.MessageReceived(f"moved-{state.position}", RULE, content_of(_MOVED)[0]))
    return tuple(map(Heard, heard))


def acquired(lease: Lease, *, attends: bool, root: str = "") -> Heard:
    """Return the fact that a writer is there."""
    body = e.LeaseAcquired(
        holder="attendant" if attends else "driver",
        attends=attends,
        dead=tuple(lease.dead),
        open=tuple(lease.alive),
        root=root,
    )
    return Heard(body)


def bereft(lease: Lease, state: State) -> tuple[Heard, ...]:
    """Return what a run learns of its own acts whose events are lost; nothing if it knows of all of them.

    It is said before a writer's first decision, so that nothing equal begins; the model is told once there is one.
    """
    known = state.world.open, state.world.receipts
    claims = tuple(claim for claim in lease.lost if all(claim.key not in table for table in known))
    return (Heard(e.MemoryLearned(claims, tell=bool(state.position))),) if claims else ()


def _denials(worlds: Sequence[World]) -> tuple[e.DenialSeen, ...]:
    """Return what people forbade in these runs, each once."""
    seen: dict[str, e.DenialSeen] = {}
    for world in worlds:
        for approval in world.denied.values():
            asked = world.approvals[approval]
            seen[approval] = e.DenialSeen(approval, asked.key, asked.arguments, asked.by)
    return tuple(seen.values())
