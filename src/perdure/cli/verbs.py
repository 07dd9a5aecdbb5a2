"""The commands by name, where each lives, and the line that help shows; nothing here is loaded."""

from typing import Final, NamedTuple


class Verb(NamedTuple):
    """A command that is imported when it runs."""

    home: str
    """module:attribute"""
    part: str
    """the heading under which help lists it"""
    words: str


HELP: Final = """
Run agents that survive anything. What an agent did is in its log: kill it wherever you like, resume
it, and nothing is lost or done twice.

\b
  perdure run payables.py:agent "Pay the March invoices" --run march
  perdure resume march
  perdure log march
"""

EPILOG: Final = """
The store is a directory, a PostgreSQL database (postgresql://...) or a .toml file that describes one: --store
LOCATION, else PERDURE_STORE, else ./state if that is one, else ./.perdure; where there is none, that of wrapped
clients, ~/.local/state/perdure.

\b
Exit codes: 0 finished   3 waits for a person    4 failed or refused
            2 wrong use  5 another writer has it
"""

_AROUND: Final = "Around an agent that you have"
_DRIVE: Final = "Drive"
_DECIDE: Final = "Decide, where a person must"
_LOOK: Final = "Look"
_TIME: Final = "Move in time"
_PROVE: Final = "Prove"
_CONTEXT: Final = "Watch and keep an agent's context"
_KEEP: Final = "Keep"

VERBS: Final = {
    "wrap": Verb(
        "perdure.cli.wrap:wrap", _AROUND, "Run an agent client as it is, with log, receipts and files kept."
    ),
    "hooks": Verb("perdure.cli.hooks:hooks", _AROUND, "Have a client's own tools judged, by its own hooks."),
    "mcp": Verb("perdure.cli.mcp:mcp", _AROUND, "Stand between any MCP client and its servers."),
    "mcp-server": Verb(
        "perdure.cli.mcp_server:mcp_server", _AROUND, "Let an agent look at its own run, over MCP."
    ),
    "run": Verb("perdure.cli.driving:run", _DRIVE, "Start an agent on a task and drive it until it rests."),
    "resume": Verb("perdure.cli.driving:resume", _DRIVE, "Go on with a run, after a crash or a pause."),
    "submit": Verb("perdure.cli.fleet.workers:submit", _DRIVE, "Give a task to workers, which drive it."),
    "worker": Verb(
        "perdure.cli.fleet.worker:worker", _DRIVE, "Drive runs of a shared store, as one of many."
    ),
    "message": Verb("perdure.cli.people:message", _DRIVE, "Say something to a run's model."),
    "cancel": Verb("perdure.cli.people:cancel", _DRIVE, "End a run."),
    "approve": Verb("perdure.cli.people:approve", _DECIDE, "Allow exactly what was asked."),
    "deny": Verb("perdure.cli.people:deny", _DECIDE, "Forbid what was asked."),
    "settle": Verb("perdure.cli.settling:settle", _DECIDE, "Say how an effect in doubt ended."),
    "ls": Verb("perdure.cli.standing.listing:ls", _LOOK, "List the runs of a store."),
    "show": Verb("perdure.cli.standing.showing:show", _LOOK, "Show how a run stands, one event, or a file."),
    "log": Verb("perdure.cli.spoken.logs:log", _LOOK, "Read a run's events; -f follows."),
    "feed": Verb("perdure.cli.feed:feed", _LOOK, "Follow all runs of a store at once."),
    "at": Verb("perdure.cli.travelling.travel:at", _LOOK, "Show the state of a run at a position."),
    "diff": Verb("perdure.cli.travelling.travel:diff", _LOOK, "Show what changed between two positions."),
    "files": Verb("perdure.cli.files:files", _LOOK, "List a run's files as they were at a position."),
    "blame": Verb("perdure.cli.files:blame", _LOOK, "Say why each line of a file is there."),
    "export": Verb(
        "perdure.cli.files:export", _LOOK, "Write a run's files elsewhere: directory, tar, commit."
    ),
    "cost": Verb(
        "perdure.cli.spending.cost:cost", _LOOK, "Show what a run's requests cost, and what moves saved."
    ),
    "profile": Verb(
        "perdure.cli.spending.profile:profile", _LOOK, "Show where the tokens and the money of sessions went."
    ),
    "fork": Verb("perdure.cli.travelling.travel:fork", _TIME, "Begin a new run as another run's prefix."),
    "rewind": Verb(
        "perdure.cli.travelling.travel:rewind",
        _TIME,
        "Take a run and its files back; the world's memory stays.",
    ),
    "revert": Verb(
        "perdure.cli.travelling.reverting:revert", _TIME, "Undo one effect or change of files; keep the rest."
    ),
    "replay": Verb("perdure.cli.proving:replay", _PROVE, "Decide a run again and compare."),
    "verify": Verb("perdure.cli.proving:verify", _PROVE, "Check that a log is what was written."),
    "contract": Verb("perdure.cli.contracts:contract", _PROVE, "Check a contract, or try it on a run."),
    "gateway": Verb(
        "perdure.cli.gateway:gateway", _CONTEXT, "Keep any agent's context for money and room, over HTTP."
    ),
    "store": Verb(
        "perdure.cli.keeping.stores:store",
        _KEEP,
        "Back up, measure, bound, thin, free, move or release a store.",
    ),
    "doctor": Verb("perdure.cli.doctor:doctor", _KEEP, "Check this machine and a store."),
    "demo": Verb("perdure.cli.demo:demo", _KEEP, "See invoices paid once, whatever is killed."),
}
