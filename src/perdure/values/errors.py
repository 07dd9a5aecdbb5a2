"""Errors, sorted by what the caller must do. Codes never change; each has a page in docs/errors/.

A refusal of the contract is no error: it is a value that goes back to the model.
"""

from typing import ClassVar


class PerdureError(Exception):
    """Every error of perdure: a sentence, a code, and what to do next."""

    code: ClassVar[str] = "P000"
    next_step: ClassVar[str] = "see docs/errors/P000.md"

    def __init__(self, message: str, *, hint: str = "") -> None:
        """Hold ``message`` (what is wrong, naming the field) and ``hint`` (the cure)."""
        super().__init__(message)
        self.hint: str = hint or self.next_step


class FixTheCall(PerdureError):
    """The caller asked for something that can't be: change the call."""


class TryAgain(PerdureError):
    """Nothing is wrong with the call; the same one may succeed later."""


class AskSomeone(PerdureError):
    """A person has to decide before this can go on."""


class StopNow(PerdureError):
    """An assumption is broken: going on could lose or repeat something."""


class BadName(FixTheCall):
    """A name doesn't have the shape of one."""

    code: ClassVar[str] = "P101"
    next_step: ClassVar[str] = "choose another name"


class UnknownRun(FixTheCall):
    """No run of that name is in this store."""

    code: ClassVar[str] = "P102"
    next_step: ClassVar[str] = "list the runs with `perdure ls`"


class RunExists(FixTheCall):
    """A run of that name is there already."""

    code: ClassVar[str] = "P103"
    next_step: ClassVar[str] = "resume it with `perdure resume`, or choose another name with --run"


class BadPosition(FixTheCall):
    """The run has no such position, or one can't go there."""

    code: ClassVar[str] = "P104"
    next_step: ClassVar[str] = "look at `perdure log RUN`"


class BadTool(FixTheCall):
    """A tool's declaration contradicts itself or its function."""

    code: ClassVar[str] = "P105"
    next_step: ClassVar[str] = "correct the @tool(...) line it names"


class BadContract(FixTheCall):
    """A contract has an unknown key, tool or a condition that doesn't type-check."""

    code: ClassVar[str] = "P106"
    next_step: ClassVar[str] = "correct the line it names; `perdure contract check FILE` looks again"


class BadInput(FixTheCall):
    """A value from outside doesn't have the form that is asked for."""

    code: ClassVar[str] = "P107"
    next_step: ClassVar[str] = "correct the field it names"


class Unsettled(FixTheCall):
    """There is no such effect in doubt, or it is settled already."""

    code: ClassVar[str] = "P108"
    next_step: ClassVar[str] = "see what is open with `perdure show RUN`"


class NoUndo(FixTheCall):
    """This effect can't be reverted."""

    code: ClassVar[str] = "P109"
    next_step: ClassVar[str] = "declare undo= on the tool, or put it right by hand"


class AgentChanged(FixTheCall):
    """The agent given to resume is not able to go on with this run."""

    code: ClassVar[str] = "P110"
    next_step: ClassVar[str] = "resume with the agent that began the run"


class OtherVersion(AgentChanged):
    """The run is pinned to another version of its agent than this worker has."""


class BadRoot(FixTheCall):
    """This directory can't be an agent's workspace."""

    code: ClassVar[str] = "P111"
    next_step: ClassVar[str] = "give the agent a directory of its own"


class RestoreRefused(FixTheCall):
    """The workspace isn't put back, since somebody else's work in it would be lost."""

    code: ClassVar[str] = "P112"
    next_step: ClassVar[str] = "look at the paths it names, then say whether they are kept or discarded"


class MergeConflict(FixTheCall):
    """What is to be undone was changed again since: a person has to put the two together."""

    code: ClassVar[str] = "P113"
    next_step: ClassVar[str] = "change the files it names by hand"


class SandboxMissing(FixTheCall):
    """Something has to be confined, and this machine has no sandbox that can."""

    code: ClassVar[str] = "P114"
    next_step: ClassVar[str] = "`perdure doctor` says what is missing, and what would enable it"


class ImageFailed(FixTheCall):
    """The image of the processes can't be taken, or can't be brought back to life."""

    code: ClassVar[str] = "P115"
    next_step: ClassVar[str] = (
        "the files are recorded all the same; stop the service it names, or start it anew"
    )


class BadAddress(FixTheCall):
    """A store's location is none that can be opened, or a file that describes a store can't be read."""

    code: ClassVar[str] = "P116"
    next_step: ClassVar[str] = (
        "name a directory, postgresql://USER@HOST/DATABASE, or a .toml file that describes a store"
    )


class WrongShards(FixTheCall):
    """The file that describes the shards isn't what the shards themselves know."""

    code: ClassVar[str] = "P117"
    next_step: ClassVar[str] = "use the newest file, with all shards in it, on every machine"


class Moved(FixTheCall):
    """The run was moved to another store: here it is only read."""

    code: ClassVar[str] = "P118"
    next_step: ClassVar[str] = (
        "drive it where it is now; `perdure store copy SOURCE TARGET --back` takes an unused copy back"
    )


class GatewayExposed(FixTheCall):
    """A gateway would be open to other machines without a token."""

    code: ClassVar[str] = "P515"
    next_step: ClassVar[str] = "give it a --token, which its clients show, or let it listen on 127.0.0.1"


class Unlistenable(FixTheCall):
    """The gateway can't listen at that address."""

    code: ClassVar[str] = "P516"
    next_step: ClassVar[str] = "choose another --port, or end what listens there"


class Held(TryAgain):
    """Another live writer holds the run."""

    code: ClassVar[str] = "P201"
    next_step: ClassVar[str] = "wait for it, or take the run over with --take-over"


class Busy(TryAgain):
    """The store did not take the write within its bound."""

    code: ClassVar[str] = "P202"
    next_step: ClassVar[str] = "try again; look for a process that holds the store"


class WorkspaceBusy(TryAgain):
    """Another run works in that directory."""

    code: ClassVar[str] = "P203"
    next_step: ClassVar[str] = "wait for it, or give this run a directory of its own"


class Suspended(AskSomeone):
    """The run's store was restored or copied; a person has to release it."""

    code: ClassVar[str] = "P301"
    next_step: ClassVar[str] = "read why with `perdure store stats`, then `perdure store release`"


class Unreplicated(AskSomeone):
    """The store is declared synchronous, and its server doesn't wait for a standby."""

    code: ClassVar[str] = "P302"
    next_step: ClassVar[str] = (
        "set synchronous_standby_names on the server, or say `perdure store replication --asynchronous`"
    )


class OldPrimary(AskSomeone):
    """This server was left behind: the store has gone on on another one."""

    code: ClassVar[str] = "P303"
    next_step: ClassVar[str] = "shut this server down and make it a standby of the new primary (pg_rewind)"


class Unwitnessed(AskSomeone):
    """The claims of this store are told to a witness, and this process was told of none."""

    code: ClassVar[str] = "P304"
    next_step: ClassVar[str] = "name the witness: open the store by the file that describes it"


class Fenced(StopNow):
    """Another writer has taken the run over; this one may not write any more."""

    code: ClassVar[str] = "P401"
    next_step: ClassVar[str] = "let the other writer go on"


class Conflict(StopNow):
    """The run's stream is longer than its writer believed."""

    code: ClassVar[str] = "P402"
    next_step: ClassVar[str] = "resume the run, which reads the stream again"


class StoreFailed(StopNow):
    """The store could not make a write durable; nothing more is written to it."""

    code: ClassVar[str] = "P403"
    next_step: ClassVar[str] = "free space or mend the disk, then resume: every acknowledged event is there"


class StoreDamaged(StopNow):
    """Bytes in the store are not what was written."""

    code: ClassVar[str] = "P404"
    next_step: ClassVar[str] = "find the place with `perdure verify`, and restore a backup"


class StoreNewer(StopNow):
    """The store was written by a newer perdure."""

    code: ClassVar[str] = "P405"
    next_step: ClassVar[str] = "upgrade perdure"


class StoreReadOnly(StopNow):
    """The store can be read and not written."""

    code: ClassVar[str] = "P406"
    next_step: ClassVar[str] = "mend the permissions of the directory, or work on a copy"


class BlobMissing(StopNow):
    """A blob that an event names is not in the store."""

    code: ClassVar[str] = "P407"
    next_step: ClassVar[str] = "restore it from a backup"


class Broken(StopNow):
    """A check inside perdure failed; this is a fault of ours."""

    code: ClassVar[str] = "P408"
    next_step: ClassVar[str] = "report it with the run's log"


class StoreFull(StopNow):
    """The store has reached its budget: no content of workspaces is recorded beyond it."""

    code: ClassVar[str] = "P409"
    next_step: ClassVar[str] = (
        "free some with `perdure store gc`, let old checkpoints go with `perdure store thin`, or allow more with "
        "`perdure store budget`"
    )


# -- a store on a server ---------------------------------------------------------------------------------


class StoreAway(Busy):
    """The store's server can't be reached."""

    code: ClassVar[str] = "P410"
    next_step: ClassVar[str] = "see that the server runs and can be reached from here, then try again"


class StoreSilent(StoreAway):
    """The store's server takes what is asked and says nothing: whoever asks again soon waits as long again."""


class StoreDenied(FixTheCall):
    """The store's server refuses to let this user in, or to do what was asked."""

    code: ClassVar[str] = "P411"
    next_step: ClassVar[str] = "correct the address, or have the server's owner allow it"


class StoreOlder(FixTheCall):
    """The store's tables are older than this perdure needs."""

    code: ClassVar[str] = "P412"
    next_step: ClassVar[str] = (
        "run `perdure store migrate`; older workers may go on meanwhile where it says so"
    )


class MigrationChanged(StopNow):
    """The store's tables were made by another text than this perdure has under the same number."""

    code: ClassVar[str] = "P413"
    next_step: ClassVar[str] = "use the perdure that made the tables, or one of its later releases"


class StandbyAway(StoreFailed):
    """A change is on the primary, and the synchronous standby that has to have it as well doesn't answer."""

    code: ClassVar[str] = "P416"
    next_step: ClassVar[str] = (
        "start the standby, or take it out of synchronous_standby_names; then ask again: what was done is found, and not "
        "done twice"
    )


class ObjectsRefused(StoreFailed):
    """The object store answers and says no, for good: a person has to put something right there or in the settings."""

    code: ClassVar[str] = "P414"
    next_step: ClassVar[str] = (
        "do what it names; until then large content waits in PostgreSQL, and nothing is lost"
    )


class ObjectsAway(Busy):
    """The object store can't be reached, or doesn't answer in time."""

    code: ClassVar[str] = "P415"
    next_step: ClassVar[str] = (
        "look at its state and the way to it; until it is back large content waits in PostgreSQL"
    )


class BadPaging(FixTheCall):
    """What an agent says of its context window is none of the ways that there are."""

    code: ClassVar[str] = "P505"
    next_step: ClassVar[str] = 'give context="safe", "observe", "off" or Paging(...)'


class BadTranscript(FixTheCall):
    """What was given to be profiled isn't there, or holds no session of a kind that is known."""

    code: ClassVar[str] = "P525"
    next_step: ClassVar[str] = (
        "name files or directories of Claude Code (~/.claude/projects), Codex (~/.codex/sessions) or chat JSON, or a run"
    )


class ServerFailed(FixTheCall):
    """An MCP server can't be started, or doesn't say what it can do."""

    code: ClassVar[str] = "P601"
    next_step: ClassVar[str] = "start it by itself, as the command has it, and read what it says"


class BadProfile(FixTheCall):
    """A client's profile has a word that isn't one, or lacks one."""

    code: ClassVar[str] = "P615"
    next_step: ClassVar[str] = "correct the word it names; docs/how-to/write-a-client-profile.md has them all"


class UnknownClient(FixTheCall):
    """No profile is of that program."""

    code: ClassVar[str] = "P616"
    next_step: ClassVar[str] = (
        "name the client's own program, or write a profile for it and give it with --profile FILE"
    )


class BadSettings(FixTheCall):
    """A settings file of the client can't be read, so where its requests go and which servers it has isn't known."""

    code: ClassVar[str] = "P617"
    next_step: ClassVar[str] = "mend the file it names; the client itself reads it as well"


class NoWayToProvider(FixTheCall):
    """Where the client's requests go without us can't be found out, or can't be changed from outside."""

    code: ClassVar[str] = "P618"
    next_step: ClassVar[str] = (
        "name the provider's address with --upstream URL, or choose a provider that has one"
    )


class ClientMissing(FixTheCall):
    """The client that is to be wrapped isn't installed, or can't be started."""

    code: ClassVar[str] = "P609"
    next_step: ClassVar[str] = "install it, or give the path of its program"


class KeeperFailed(StopNow):
    """The process that keeps a wrapped session's run could not begin, or ended again and again."""

    code: ClassVar[str] = "P610"
    next_step: ClassVar[str] = "mend what its last words name; the run is as it was"


class WrapTaken(AskSomeone):
    """Another client is wrapped in this directory."""

    code: ClassVar[str] = "P611"
    next_step: ClassVar[str] = "end the other one, or give this client a copy of the directory with --isolate"


class NotWrapped(FixTheCall):
    """The run to go on with isn't one of a wrapped client."""

    code: ClassVar[str] = "P612"
    next_step: ClassVar[str] = (
        "list the runs with `perdure ls`, and begin a new one with `perdure wrap -- CLIENT`"
    )


class SessionUnknown(FixTheCall):
    """No session that the client has stored is the one that is needed, or it can't be read."""

    code: ClassVar[str] = "P623"
    next_step: ClassVar[str] = "go back with the files alone: say --no-session"


class NoTurn(FixTheCall):
    """The wrapped run has no such turn."""

    code: ClassVar[str] = "P624"
    next_step: ClassVar[str] = "read the turns with `perdure log RUN --kind request.forwarded`"


class ClientRunning(AskSomeone):
    """The client works in the run: it would write into files that are put back beneath it, with a history that goes on."""

    code: ClassVar[str] = "P625"
    next_step: ClassVar[str] = "end the client, then go back"


class SessionTaken(FixTheCall):
    """There is a file already where the new session would be written; it stays as it is."""

    code: ClassVar[str] = "P626"
    next_step: ClassVar[str] = "call it again: a new session gets a new name each time"


class NoHooks(FixTheCall):
    """That client has no hooks, or none that perdure knows."""

    code: ClassVar[str] = "P605"
    next_step: ClassVar[str] = "name one of those that have: `perdure hooks print --help` lists them"


class UnboundView(FixTheCall):
    """Our MCP server was told of no run, and shows none by itself."""

    code: ClassVar[str] = "P606"
    next_step: ClassVar[str] = "bind it to one with --run NAME, or say --all-runs"


class WrongPrefix(FixTheCall):
    """A client that was resumed asks with another history than the one that it was to go on from."""

    code: ClassVar[str] = "P619"
    next_step: ClassVar[str] = (
        "end the client and resume it with the command that `perdure rewind` or `perdure wrap --resume` printed; to go "
        "on with this history, begin a run of its own with `perdure wrap --run NEW -- CLIENT`"
    )


class RunStopped(StopNow):
    """The run of a wrapped session can't be written any more, so its client is not answered."""

    code: ClassVar[str] = "P620"
    next_step: ClassVar[str] = (
        "end the client, mend what is named, and go on with `perdure wrap --resume NAME`; without perdure the client's own "
        "resume continues the session"
    )


class CursorElsewhere(FixTheCall):
    """A cursor of the feed is of another store, or of a history that this one has lost."""

    code: ClassVar[str] = "P630"
    next_step: ClassVar[str] = (
        "read on from a reader's name, which lives with the store, or from the beginning: what was read may come again"
    )


class CursorForgotten(FixTheCall):
    """What follows a cursor of the feed is not kept any more."""

    code: ClassVar[str] = "P631"
    next_step: ClassVar[str] = (
        "go through the runs once, then read the feed from the beginning of what is kept; a reader with a name is waited for"
    )


# -- workers ------------------------------------------------------------------------------------------


class EngineMissing(FixTheCall):
    """What the task engine keeps in the store isn't there, and this role may not make it."""

    code: ClassVar[str] = "P627"
    next_step: ClassVar[str] = "let the store's owner start a worker once, or let this role make schemas"


class NotPlaced(FixTheCall):
    """Workers don't drive that run: it was begun by a process of its own."""

    code: ClassVar[str] = "P628"
    next_step: ClassVar[str] = (
        "go on with it by `perdure resume RUN`, or give it to workers: `perdure worker take RUN`"
    )


class ClockAstray(FixTheCall):
    """This machine's clock and the server's are far apart: nobody knows which of the two is wrong."""

    code: ClassVar[str] = "P634"
    next_step: ClassVar[str] = "set the clock that is wrong, and let chrony or another service keep it"


class ToolTooMighty(FixTheCall):
    """A transactional tool would run with rights on the store's own tables."""

    code: ClassVar[str] = "P632"
    next_step: ClassVar[str] = (
        "let the tool's database be used by a role that has no rights on the schema perdure"
    )


def require(truth: bool, sentence: str) -> None:
    """Stop with ``Broken`` unless ``truth`` holds; unlike ``assert``, ``-O`` can't remove it."""
    if not truth:
        raise Broken(sentence)
