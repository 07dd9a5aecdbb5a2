"""Every bound of the system with its reason, in one place."""

from typing import Final

RUN_NAME_CHARACTERS_MAX: Final = 128
"""Longer names break file names and terminal columns; 128 holds any UUID, slug and date."""

EVENT_BYTES_MAX: Final = 1024 * 1024
"""One event; larger payloads are blobs. Keeps a page of 500 events well below memory bounds."""

INLINE_BYTES_MAX: Final = 512
"""Content up to here stands in its event: a blob row costs about as much as it would save."""

ARGUMENTS_INLINE_BYTES_MAX: Final = 1024
"""Arguments up to here are repeated in ``intention.proposed`` so that the log reads well."""

BLOB_BYTES_MAX: Final = 512 * 1024 * 1024
"""One blob; it is held in memory once while it is hashed and compressed."""

BLOB_IN_STORE_BYTES_MAX: Final = 1024 * 1024
"""Blobs up to here share the event's transaction and its one sync; larger ones lie beside."""

RECENT_BYTES_MAX: Final = 4 * 1024 * 1024
"""Newest blobs that one run's driver keeps in memory: some hundred messages, little beside 32 runs."""

TOOL_RESULT_BYTES_MAX: Final = 16 * 1024 * 1024
"""One tool result; more than any context window holds, little enough to keep 32 runs in memory."""

READ_PAGE_EVENTS: Final = 1000
"""Events per read: large enough to hide the query, small enough to stop early."""

BATCH_EVENTS_MAX: Final = 10_000
"""Events in one append; a single decision never comes near, so more is a fault of the caller."""

GROUP_BATCHES_MAX: Final = 256
"""Batches that share one commit; more adds latency and no throughput."""

SNAPSHOT_EVENTS: Final = 512
"""Events between snapshots of a projection: bounds ``at`` and resume to one short fold."""

SNAPSHOT_CHUNK_ITEMS: Final = 64
"""Items per snapshot chunk: unchanged chunks are stored once, changed ones stay small."""

PAGE_MOVES_MAX: Final = 8
"""Moves remembered of one page, the newest: going back past them finds the page evicted, which is
always safe, since its handle gives it back."""

CALLS_PER_REPLY_MAX: Final = 128
"""Tool calls in one reply; providers stop far below, a runaway reply does not."""

BAD_REPLIES_MAX: Final = 5
"""Replies in a row that hold no usable call before the run fails: a model that can't, won't."""

TURNS_MAX: Final = 10_000
"""Turns of one run unless the agent says otherwise: a bound on a loop that nobody watches."""

READS_TOGETHER_MAX: Final = 16
"""Adjacent reads that run side by side: enough to hide latency, few enough for any API."""

SENDS_MAX: Final = 4
"""Times one promised effect is requested (idempotent, or proved not done) before a person decides."""

PROBES_MAX: Final = 6
"""Probes of one doubt before a person is asked: about a minute with doubling pauses."""

PROBE_PAUSE_NS: Final = 1_000_000_000
"""First pause between probes; it doubles."""

PROBE_SECONDS_MAX: Final = 30
"""One probe or resolve; a longer one counts as 'not known'."""

MODEL_ATTEMPTS_MAX: Final = 5
"""Requests of one turn to the model before the run stops as failed."""

MODEL_PAUSE_NS: Final = 1_000_000_000
"""First pause after a failed model request; it doubles."""

MODEL_SECONDS_MAX: Final = 600
"""One model request; the longest reasoning replies seen stay under ten minutes."""

APPROVAL_SECONDS: Final = 7 * 24 * 3600
"""An approval request expires after this unless the contract says otherwise."""

TIMEOUT_SECONDS: Final = 60.0
"""One call of a tool unless it declares otherwise."""

PENDING_SECONDS_MAX: Final = 7 * 24 * 3600
"""A pending operation that was never settled is put in doubt after this."""

POLL_SECONDS: Final = 5.0
"""Between two polls of a pending operation unless the tool says otherwise."""

WORDS_CHARACTERS_MAX: Final = 4000
"""What a tool, a probe or a model's server says when something goes wrong: a person reads it, and an
event has to hold it."""

CALL_NAME_CHARACTERS_MAX: Final = 200
"""The id of a call and the name of a tool in a reply: providers stop at 64, a runaway reply does not."""

WAIT_SECONDS_MAX: Final = 366 * 24 * 3600
"""One wait of an agent; a longer one is a slip, and its time would not fit the store's clock."""

REMEMBERED_RECEIPTS_MAX: Final = 200
"""Receipts listed to the model after a rewind; the newest, with a count of the rest."""

INBOX_BYTES_MAX: Final = EVENT_BYTES_MAX - 4096
"""One posted input; it becomes an event, and has to fit into one with its envelope."""

INBOX_TAKEN_MAX: Final = 1000
"""Posts that one batch takes in: a flood of them comes in parts, each far below ``BATCH_EVENTS_MAX``."""

INBOX_TAKEN_BYTES_MAX: Final = 8 * 1024 * 1024
"""Their bodies together; more would hold up the other batches of a group commit."""

CHILD_DEPTH_MAX: Final = 8
"""Runs within runs: deeper nesting is a loop."""

WORKSPACE_FILES_MAX: Final = 200_000
"""Files of a workspace tree that the portable scanner records; more wants another rung."""

POLL_NS_MIN: Final = 10_000_000
"""Between two polls at least: a tool that asks for no pause would ask all the time."""

GRACE_SECONDS: Final = 5.0
"""How long a closing store waits for what is let go of to end in order."""

PATHS_IN_EVENT_MAX: Final = 100
"""Changed paths that an event names itself; more stand in a blob. Most turns change fewer than ten."""

TOUCHES_MAX: Final = 64
"""Effects remembered as having run since the last checkpoint; more make the oldest window wider."""

CHECKPOINT_SECONDS_MAX: Final = 600
"""One recording or restoring; a first recording of 10 GB takes about a minute on a slow disk."""

COLLECT_GRACE_SECONDS: Final = 2 * CHECKPOINT_SECONDS_MAX
"""How long garbage waits while somebody uses the store: a recording that began before it was found has ended
twice over. Whoever was stopped for longer is refused."""

STORE_BYTES_DEFAULT: Final = 20 * 1024 * 1024 * 1024
"""A store's budget unless it says otherwise, or half of what is free if that is less: months of an agent's
work, and no disk filled by a run that nobody watches."""

STORE_WARN_PERCENT: Final = 80
"""Of its budget: from here on the store says that it fills."""

CHECKPOINT_WAIT_SECONDS_MAX: Final = 300
"""How long an action waits for a recording before the run says so and stops: a person would have looked by then."""

FILE_IN_ONE_BLOB_BYTES_MAX: Final = 1024 * 1024
"""Files up to here are one blob, which shares the event's sync; larger ones are cut by content, so that a change
in one costs its chunks."""

CHUNK_BYTES_AVERAGE: Final = 512 * 1024
"""Chunks of large files: some 2,000 for a gigabyte, and a small change stores one or two of them again."""

RULES_BYTES_MAX: Final = 64 * 1024
"""A file of rules; hundreds of lines fit, and each name of the workspace is matched against them."""

WORKSPACE_DEPTH_MAX: Final = 256
"""Directories within directories of a workspace that are recorded; compilers and shells give up before,
and what walks a tree does so within the language's own bound of a thousand calls."""

LANDING_DEPTH_MAX: Final = 128
"""Directories within directories that a shell command may change: real trees stay below 50, and each
level holds two files open while the change is put into the workspace."""

SHELL_OUTPUT_BYTES_MAX: Final = 1024 * 1024
"""Output of one command that is kept, half from its beginning and half from its end."""

SERVICES_MAX: Final = 16
"""Living background services of one run: more is a loop that starts them."""

PARTS_MAX: Final = 256
"""Files of a restore that are made whole and flushed together before they take their names."""

PARTS_BYTES_MAX: Final = 64 * 1024 * 1024
"""Bytes of such files: what a restore may need on the disk beyond the tree itself, one file apart."""

TEXT_BYTES_MAX: Final = 1024 * 1024
"""Text up to here is merged and blamed by lines; what is larger was written by a program."""

FREEZE_SECONDS_MAX: Final = 60
"""Services stand still no longer than this for an image; what takes longer is given up, and they go on."""

THAW_SECONDS_MAX: Final = 60
"""Bringing an image back to life: a gigabyte of memory takes some seconds from a slow disk."""

IMAGE_BYTES_MAX: Final = 2 * 1024 * 1024 * 1024
"""Memory of all services in one image; writing more would keep them still for longer than they stand."""

GHOST_BYTES_MAX: Final = 64 * 1024 * 1024
"""A deleted file that a service still holds open goes into the image up to here."""

SERVICE_OUTPUT_KEPT_BYTES: Final = 1024 * 1024
"""The end of what a service said goes into its image; a person reads the end first."""

LINKS_FOLLOWED_MAX: Final = 40
"""Symbolic links on the way to one file, as in the kernel; more are a circle."""

READ_LINES: Final = 2000
"""Lines of one reading unless the model asks for fewer: most source files are shorter."""

READ_CHARACTERS_MAX: Final = 100_000
"""One reading: about 30,000 tokens, more than a model should take in at once."""

LINE_BYTES_MAX: Final = 2000
"""Shown of one line: no person writes longer ones, and minified code has a megabyte in one."""

SCAN_BYTES_MAX: Final = 256 * 1024 * 1024
"""Read of one file to find a line and to count lines: a fraction of a second. Beyond it the shell is the tool."""

BINARY_LOOK_BYTES: Final = 8192
"""Looked at to tell text from bytes: a zero byte in it means bytes, as for git and grep."""

EDIT_BYTES_MAX: Final = 16 * 1024 * 1024
"""A file that is edited, searched or written by a tool: it stands in memory some four times."""

EDIT_PLACES_SHOWN_MAX: Final = 8
"""Lines named where a piece of text stands more than once; enough to choose one."""

PATHS_SHOWN_MAX: Final = 1000
"""Paths of one answer: about 15,000 tokens; more wants a narrower pattern."""

MATCHES_SHOWN_MAX: Final = 200
"""Matches of one search unless the model asks for others; more say that the pattern is too wide."""

CONTEXT_LINES_MAX: Final = 20
"""Lines shown around a match; more is a reading."""

SEARCH_FILES_TOGETHER: Final = 200
"""Files that one searching process is handed as open descriptors: a process may hold 1,024 by default."""

SEARCH_SECONDS_MAX: Final = 30.0
"""One search: a pattern that goes back and forth for ever is ended with its process."""

SHELL_SECONDS: Final = 120.0
"""One command unless the model asks for another time."""

SHELL_SECONDS_MAX: Final = 3600.0
"""One command at most; what takes longer is a service in the background."""

SHELL_HEAD_BYTES: Final = 8 * 1024
"""Kept of the beginning of a command's output: what was called, and the first errors."""

SHELL_TAIL_BYTES: Final = 24 * 1024
"""Kept of its end, where the result and the last error are: with the head about 10,000 tokens."""

BLAME_BYTES_MAX: Final = 8 * 1024 * 1024
"""A file whose lines are traced: far more than any source file, little enough to hold each version once."""

CACHE_WORTH_BYTES: Final = 16 * 1024 * 1024
"""Bytes read since the marks of a workspace were last saved: a tenth of a second's reading after a restart."""

WHOLE_LOOK_SECONDS: Final = 10.0
"""Between two looks at every file where each change is accounted for: a person's edit is seen by then, and the
looks cost a twentieth of one each turn."""

NAMES_SHOWN: Final = 20
"""Paths that a message or an event lists before it only counts: what a person reads."""

TEMPORARY_BYTES_MAX: Final = 256 * 1024 * 1024
"""Of the services' /tmp in an image: sockets, locks and small files; more is a cache, and belongs elsewhere."""

SNAPSHOTS_AT_ONCE_MAX: Final = 4
"""Recordings that run at once on a host, and never more than it has CPUs: they hash, and leave room to agents."""

SNAPSHOT_PATIENCE_SECONDS: Final = 0.5
"""How long a recording that an action waits for stands in line before it goes ahead without a slot."""

RESTORE_LOOKS_MAX: Final = 4
"""Times the present is recorded anew before a restore, since a file in its way was saved meanwhile."""

DYING_NS: Final = 2 * 1_000_000_000
"""How long after a process ended what it had started may still change files: the kernel ends one by one."""

LIVES_MAX: Final = 16
"""Processes that are remembered as having worked in a run's workspace: as many as die before anything is recorded."""

SANDBOX_PROCESSES_MAX: Final = 2048
"""Processes and threads of one command or service: more than any build takes, few enough for any machine."""

# -- previews, stubs and recall ----------------------------------------------------------------------

ABOUT_CHARACTERS_MAX: Final = 96
"""Of a path or command in a stub or a list: about 30 tokens, and enough to tell two files apart."""

RECALL_BYTES_MAX: Final = 32_000
"""Of a page in one answer: about 10,000 tokens. Larger pages come in ranges, so that a fault can't fill the window."""

RECALL_LINES_SHOWN_MAX: Final = 40
"""Matching lines of one search in a page; more say that the text looked for is too common."""

RECALL_PAGES_SHOWN_MAX: Final = 40
"""Pages of one list, and of the index that a compaction is given: some 1,500 tokens."""

RECALL_LINE_CHARACTERS_MAX: Final = 200
"""Shown of a line that a search found: the place counts, and the page has the rest."""

RECALL_SEARCH_BYTES_MAX: Final = 64 * 1024 * 1024
"""Read for one search over all pages: a second's reading; beyond it the answer says where it stopped."""

PREVIEW_SCAN_CHARACTERS_MAX: Final = 1024 * 1024
"""Of a result that is looked at for its preview, half from each end: some 25,000 lines, in a fifth of a second."""

PREVIEW_CHARACTERS_MIN: Final = 600
"""Room below which a preview would be little more than its own first line."""

# -- the gateway -------------------------------------------------------------------------------------

GATEWAY_BODY_BYTES_MAX: Final = 32 * 1024 * 1024
"""A request up to here is read whole and looked at: more than any provider takes. Larger ones stream through unread."""

GATEWAY_HELD_BYTES_MAX: Final = 512 * 1024 * 1024
"""Requests held in memory at once; what comes on top of it streams through unread."""

GATEWAY_HEADER_BYTES_MAX: Final = 64 * 1024
"""One header: beta flags and signed tokens fit many times over."""

GATEWAY_CONNECT_SECONDS: Final = 30.0
"""Until an upstream has taken a connection; the clients' own limits are longer."""

GATEWAY_KEEP_SECONDS: Final = 20.0
"""An idle connection to an upstream is kept for so long: below the time after which providers close theirs."""

GATEWAY_DRAIN_SECONDS: Final = 30.0
"""How long streams may go on after the gateway was told to end; most replies are over by then."""

# --- bodies of requests, as foreign clients send them

WIRE_BODY_BYTES_MAX: Final = 32 * 1024 * 1024
"""A body that is read: what Anthropic takes at most. Larger ones are pictures and go on unread, since hashing and
reading them would keep everyone else waiting: at this size it is 0.2 s the first time and 0.1 s after it."""

WIRE_PARTS_MAX: Final = 20_000
"""Items of requests whose reading is remembered: some fifty long conversations at once, 20 MB as measured."""

MEDIA_CHARACTERS: Final = 4_000
"""What a picture or document counts as: some 1,500 tokens, about the most that a provider makes of a picture."""

CALL_ABOUT_CHARACTERS_MAX: Final = 200
"""Of the path, address or command that a call is found by: a line that a person or a model can read."""

CALL_PATHS_MAX: Final = 8
"""Files remembered as named by one call: commands that name more go through a whole tree."""

STUB_CHARACTERS_MAX: Final = 160
"""Kept of the description of a tool whose schema is paged out: what it is for, without how."""

PREVIEW_JSON_CHARACTERS_MAX: Final = 2 * 1024 * 1024
"""JSON that is read for its shape: a twentieth of a second. What is larger is shown by its ends."""

TALKS_OPEN_MAX: Final = 256
"""Conversations that a gateway holds open; the one that was quiet for longest is closed, and found again in the log."""

TALKS_TRIED_MAX: Final = 24
"""Runs of one bucket that a request is compared with, the newest: forks and side calls of one session."""

TALKS_SEARCHED_MAX: Final = 64
"""Runs of one bucket in which a handle is looked for: what a session leaves behind over many compactions."""

# --- replies on their way to a client ---

STREAM_EVENT_BYTES_MAX: Final = 64 * 1024 * 1024
"""Of one event, or of a reply that is no stream: pictures in base64 fit; beyond it bytes only pass through."""

RECALL_ROUNDS_MAX: Final = 12
"""Times that a model may ask within one reply: it can ask for several pages at once, and then it goes round in circles."""

# -- the policy of pages ------------------------------------------------------------------------------

PIN_REQUESTS: Final = 16
"""Requests for which a page that was needed stays: most that are needed twice are so within a dozen requests."""

PIN_REQUESTS_MAX: Final = 256
"""Of a page that is needed again and again: each time twice as long, up to here. Conversations rarely last longer."""

HOT_MAX: Final = 16
"""Paths whose newer versions are pinned at once: as many files as are worked on in turn."""

TRIED_MAX: Final = 32
"""Tools whose previews are judged one by one; no client has more of them that give large results."""

ARRIVALS_MAX: Final = 400
"""New results that one request brings as pages, the newest: a conversation that is seen late has more, and older
ones stay as they are. An event has to hold them."""

SHORT_TOKENS: Final = 200
"""Results below this are never moved: what would stand in their place is nearly as long."""

PREVIEW_BUDGET_TOKENS: Final = 500
"""A preview's size: measured as the best trade of what it saves against the faults that it causes."""

MESSAGES_TRACKED_MAX: Final = 10_000
"""Messages of a conversation that is tracked: an event holds their digests. Longer ones pass as they are."""

RECALL_CALL_TOKENS: Final = 60
"""Of a call of the recall tool, as output: a name, a handle and a range."""

RECALL_ANSWER_TOKENS: Final = 150
"""Of that call and its answer in the window, besides the page's own."""

UNCACHED_REQUESTS: Final = 3
"""Answered requests in a row without a cached token before the provider is taken to have no cache: the first
request never has any, and one may come after a pause."""

PREVIEW_TOKENS_MIN: Final = 1500
"""A result below this comes whole: its preview of some hundred tokens would save less than most faults cost."""

EVICTED_TOKENS_MIN: Final = 500
"""A page below this stays: its stub takes a fifth of it."""

UNCACHED_TOKENS_MIN: Final = 300
"""Where nothing is cached, a page below this stays: its stub takes a third of it."""

USED_TOKENS_MIN: Final = 1000
"""A page below this doesn't leave right after its first use: what stands behind it is written again for it."""

FAULTS_TOLD_MIN: Final = 8
"""Pages that were asked for before their share says anything."""

COLLAPSED_REQUESTS: Final = 3
"""Requests in a row for which the cache should have been read and wasn't, before paging is frozen."""

LIGHT_BATCH_BYTES: Final = 128 * 1024
"""Content of a batch up to which it is written at once, beside others; compressing it takes a millisecond."""

GATEWAY_PARTS_MAX: Final = 100_000
"""Messages that a gateway remembers as read, some 100 MB: 400 conversations of 250 messages."""

STUBS_AFTER_REQUESTS: Final = 20
"""Requests after which a tool that was never used counts as one that may never be."""

STUBS_SAVED_TOKENS_MIN: Final = 150
"""Of one schema; smaller ones are quicker read than asked for."""

TALK_RECENT_BYTES_MAX: Final = 256 * 1024
"""Newest blobs that one open conversation keeps in memory: some hundred previews, of which each request has all."""

BODIES_KEPT_BYTES_MAX: Final = 256 * 1024 * 1024
"""Bodies of open conversations held for the difference that the next makes; beyond it the quietest is kept whole
again with its next request."""

CONTENT_WAITING_BYTES_MAX: Final = 256 * 1024 * 1024
"""Content that may wait for the disk; beyond it requests are recorded without their bodies until it has caught up."""

LOG_WAIT_SECONDS: Final = 5.0
"""A request waits so long for the log, which takes milliseconds, before it goes on without: a store that another
process holds, or a disk that hangs, holds up no agent."""

LOG_WAIT_AGAIN_SECONDS: Final = 0.5
"""The same, once somebody has waited in vain, until the log is there again."""

CLIENT_NAME_CHARACTERS_MAX: Final = 64
"""Of a client's name, and of its version: they go into runs' names and onto standard error."""

# --- calls of foreign clients -------------------------------------------------------------------

CALLS_REMEMBERED_MAX = 512
"""Calls of a foreign client that are remembered by name, most of them answered: one that is sent again after a crash
is among the newest."""

# --- wrap -------------------------------------------------------------------------------------------

KEEPER_START_SECONDS: Final = 60.0
"""A keeper that isn't ready by then never will be: on a busy machine it takes a tenth of that, servers included."""

KEEPER_END_SECONDS: Final = 60.0
"""A keeper may take so long to let streams end, record the workspace and close the log before it is killed."""

KEEPER_LIVES_MAX: Final = 5
"""Keepers begun anew within ``KEEPER_LIVES_SECONDS`` before the wrapper gives up: more often it isn't an accident."""

KEEPER_LIVES_SECONDS: Final = 60.0
"""See ``KEEPER_LIVES_MAX``."""

KEEPER_NOTES_MAX: Final = 10
"""Different things that a person is told of a session's servers when it has ended; the rest stands in the log."""

KEEPER_SAID_BYTES_MAX: Final = 4000
"""The end of what a keeper said, shown where it failed: a stack and its error."""

DEEDS_END_SECONDS: Final = 15.0
"""Once its client has ended, a keeper waits so long for what servers still do: an outcome that is known then is a
receipt, and one that isn't asks a person."""

KEEPER_QUIET_SECONDS: Final = 1.5
"""After it, whoever waits for a keeper to end is told what it waits for."""

CLIENT_GRACE_SECONDS: Final = 3.0
"""A client whose wrapper was killed may take so long to put its terminal in order before it is killed, too."""

SHIM_PATIENCE_SECONDS: Final = 60.0
"""A shim tries so long to reach a keeper before it tells its client: a killed keeper is back within seconds."""

SHIM_LINE_BYTES_MAX: Final = 64 * 1024 * 1024
"""One message between a client and a server: a tool's result with images; more is a flood."""

SHIM_NOTES_MAX: Final = 1000
"""Notifications of a client that wait for a keeper to be back; older ones are let go of."""

DOOR_WORDS_SECONDS: Final = 10.0
"""Who comes to the keeper's door says within this what it wants."""

# --- MCP servers ----------------------------------------------------------------------------------

MCP_LINE_BYTES_MAX: Final = 64 * 1024 * 1024
"""One message of a server or a client on standard streams: images of some megabytes come as base64 in one line."""

MCP_PATIENCE_SECONDS: Final = 45.0
"""How long a client is kept waiting for a person; clients commonly give up after 60 s."""

MCP_CALL_SECONDS: Final = 600.0
"""One call of a server's tool unless the effects file says otherwise: builds and test runs take minutes."""

MCP_HELLO_SECONDS: Final = 60.0
"""A server's first answer; `npx` and `uvx` may install it first."""

MCP_LIST_SECONDS: Final = 20.0
"""One page of a server's list of tools."""

MCP_LIST_PAGES_MAX: Final = 200
"""Pages of one list; a cursor that leads in a circle ends there."""

MCP_TOOLS_MAX: Final = 2000
"""Tools of one server: a client's window holds some hundred."""

MCP_WAITING_MAX: Final = 256
"""Notifications of one server that wait for a slow client; logging and progress beyond it are left out, said."""

MCP_ASKED_MAX: Final = 64
"""Requests of one server that stand open with its client; more are refused."""

MCP_QUIET_SECONDS: Final = 1.0
"""Changes of the tool list are told together, once none came for so long: each costs the client's prompt cache."""

MCP_CLOSE_SECONDS: Final = 8.0
"""A server that is closed: two seconds on its own, then it is ended, and what it left behind."""

MCP_LAST_SECONDS: Final = 30.0
"""What is under way when the client has gone away may go on for so long before it is recorded as in doubt."""

MCP_SESSIONS_MAX: Final = 64
"""Clients that are connected over HTTP at once: each may have servers of its own."""

MCP_EVENTS_MAX: Final = 256
"""Messages of one client over HTTP that can be sent again after its connection was cut."""

MCP_IDLE_SECONDS: Final = 1800.0
"""A client over HTTP that asks nothing and listens to nothing for so long has gone."""

MCP_SETTINGS_BYTES_MAX: Final = 1024 * 1024
"""A file of servers or of effects is written by people."""

# -- profiles of clients --------------------------------------------------------------------------------

PROFILE_BYTES_MAX: Final = 64 * 1024
"""A client's profile; those that are shipped have 2 KB."""

CLIENT_SETTINGS_BYTES_MAX: Final = 64 * 1024 * 1024
"""One settings file of a client; Claude Code keeps the state of every project in one, some MB of it."""

CLIENT_VERSION_SECONDS_MAX: Final = 30.0
"""A client that is asked for its version: those on Node and Python take up to five on a busy machine."""

SETTINGS_FOLDERS_UP_MAX: Final = 64
"""Directories above a client's own that are looked through for its project's settings."""

# -- hooks of clients, and our own MCP server -----------------------------------------------------------

HOOK_LINE_BYTES_MAX: Final = 16 * 1024 * 1024
"""One hook's event on its way to the keeper; a result that is longer is left out of it, and that is said."""

HOOK_SECONDS: Final = 120
"""How long a client waits for one of its hooks; told to it beside the command."""

HOOK_PATIENCE_SECONDS: Final = 60.0
"""How long a hook waits for a person's leave: long enough to read and answer, and well within what the client gives."""

HOOK_KEEPER_SECONDS: Final = 90.0
"""How long a hook waits for the keeper's answer: a person's leave, and a keeper that is being started again."""

HOOK_REACH_SECONDS: Final = 2.0
"""How long a hook looks for a socket at which nobody listens: the wrapper does as long as it lives, whatever becomes of
the keeper, so this is nobody."""

HOOK_CALL_CHARACTERS_MAX: Final = 200
"""Of the name of a client's own call: session, agent and the call's id, some eighty in all."""

VIEW_EVENTS_MAX: Final = 200
"""Events in one answer of our MCP server: some 10,000 tokens, so that no question fills an agent's window."""

VIEW_BYTES_MAX: Final = 48 * 1024
"""Of content in one answer of our MCP server, with a way to go on: some 12,000 tokens, as clients allow for a result."""

VIEW_FIELD_BYTES_MAX: Final = 400
"""Of one field of an event in a list; the event itself shows it whole."""

VIEW_NESTED_BYTES_MAX: Final = 160
"""Of a field that holds many things, in a list of events: what a line has room for."""

VIEW_READ_EVENTS_MAX: Final = 200_000
"""Events that one question may read through: a second or two."""

NOTE_BYTES_MAX: Final = 16 * 1024
"""A note in a run: a page or two of text."""

# -- sessions of foreign clients ------------------------------------------------------------------------

SESSION_BYTES_MAX: Final = 512 * 1024 * 1024
"""One session's file, which is read whole to be cut: the longest of the recorded ones has 60 MB."""

SESSIONS_SEARCHED_MAX: Final = 50
"""Stored sessions that are looked through for a request, the newest first: a second or two."""

# --- a wrapped client's conversation -------------------------------------------------------------------

CALL_HELD_SECONDS: Final = 10.0
"""The first call of a reply waits so long for the workspace to be recorded: it was begun when the request came, and most
models think longer than it takes. A person still takes a longer pause for the model's."""

ANSWER_WORDS_COMPARED: Final = 400
"""Words of an answer that are looked for in what a client tells its model of it: more say nothing new."""

ANSWER_CUT_CHARACTERS: Final = 20_000
"""An answer beyond this may be cut short, or put into a file, by its client before the model sees it."""

RUN_WAIT_SECONDS: Final = 30.0
"""A main request waits so long to be placed in its session's run, which takes milliseconds: a disk that hangs for longer
is said, and nothing is done behind the log's back."""

# --- the feed of all runs ------------------------------------------------------------------------------

FEED_PAGE_BATCHES_MAX: Final = 1_000
"""Batches in one page of the feed: some 30 KB, read in a few milliseconds."""

FEED_STALL_SECONDS: Final = 1.0
"""A batch that is durable for longer and can't be given out yet is held back by somebody, who is then looked for; a
commit of our own takes milliseconds."""

FEED_KEEP_SECONDS: Final = 7 * 24 * 3600.0
"""How long batches are kept for readers without a name: a week, so that a long weekend without a reader loses nothing."""

FEED_PRUNE_BATCHES_MAX: Final = 10_000
"""Batches forgotten in one transaction: some tens of milliseconds, so that no writer waits."""

FEED_PRUNE_SECONDS: Final = 600.0
"""Between two looks of a worker whether batches of the feed are old enough to be forgotten."""

FEED_LAG_COUNTED_MAX: Final = 100_000
"""Batches that are counted for one reader's lag: more is as bad, and counting takes its time."""

FEED_QUERY_CHARACTERS: Final = 120
"""Of a statement that holds the feed back: enough to know it again."""

FEED_NAME_CHARACTERS_MAX: Final = 100
"""Of a reader's name."""

# -- where stores are -----------------------------------------------------------------------------------

SHARDS_MAX: Final = 64
"""Each process holds a few connections to each shard, and a new tenant is looked up on all of them."""

SHARD_NAME_CHARACTERS_MAX: Final = 16
"""It begins every run's name there, which is bounded itself and typed by people."""

# -- large content in an object store -------------------------------------------------------------------

OBJECT_TIMEOUT_SECONDS: Final = 30.0
"""For one request of an object store, its body included, unless the settings say otherwise: 512 MB at 17 MB/s."""

OBJECT_RETRIES: Final = 4
"""Of a request that an object store failed or cut off: with doubling pauses they span some three seconds."""

OBJECT_NAMES_PAGE: Final = 1000
"""Names of objects read at a time: what S3 gives at most."""

OBJECT_CACHE_BYTES_DEFAULT: Final = 2 * 1024 * 1024 * 1024
"""What a machine keeps of objects that it has read: a few workspaces with their large files."""

OBJECT_PUT_SECONDS: Final = 2.0
"""How long a blob waits for the object store before it goes to PostgreSQL instead, and"""

OBJECT_PUT_BYTES_PER_SECOND: Final = 16 * 1024 * 1024
"""so much more time as a slow link takes for a large one."""

OBJECT_PUTS_TOGETHER: Final = 4
"""Objects on their way at once from one process: they fill a link, and each may hold a blob in memory."""

OBJECT_PAUSE_SECONDS: Final = (1.0, 60.0)
"""After a put that failed or stalled nobody tries for so long; doubled each time, up to the second figure."""

OBJECT_MOVE_SECONDS: Final = 5.0
"""Between two looks for blobs that wait in PostgreSQL for the object store."""

SHARD_RETRY_SECONDS: Final = 2.0
"""A shard that was away is asked again after this: opening one that is gone takes seconds, which all others would wait."""

# --- workers -----------------------------------------------------------------------------------------
# The order counts: a process is seen each second; it takes nothing new once it has not been for 4; it is judged silent
# after 6, by somebody who was seen without a gap for as long; and it ends itself, however little it hears, after 30.

WORKER_BEAT_SECONDS: Final = 1.0
"""Between two signs of life: one small row; some six of them are missed before anybody acts on it."""

WORKER_JUDGES: Final = 3
"""A worker looks at all others with a chance of this over the root of their number: in each second of a thousand a hundred
do, so that the few that are left of many see it soon, and not all read the rows of all."""

WORKER_ADRIFT_SECONDS: Final = 4.0
"""Without a sign of life that arrived, a worker begins no other run: soon others may have been given it."""

WORKER_SILENT_SECONDS: Final = 6.0
"""A process that was not seen for so long is judged silent, and its runs are taken over. Shorter than what people wait
for, longer than a pause of a busy machine; a process that was judged never goes on."""

WORKER_ALONE_SECONDS: Final = 30.0
"""A worker that hears nothing of the store for so long ends. What it had begun may finish until then, since a deed that is
cut off is a deed in doubt, and a failover takes some 10 to 20 seconds."""

WORKER_SWEEP_SECONDS: Final = 1.0
"""Between two sweeps of a fleet as a whole for runs that nobody asked for: six reads of small indexes."""

WORKER_SWEEP_RUNS_MAX: Final = 200
"""Runs that one sweep asks for: more than a fleet takes up until the next one."""

WORKER_TRIES_MAX: Final = 10
"""Drives of a run that end without progress, by a crash of its process or an error, before it is parked: more than a fleet
that is killed all the time makes of a run that is well."""

WORKER_TRY_PAUSE_NS: Final = 1_000_000_000
"""Before a run that failed is tried again; each further try waits twice as long."""

WORKER_WAITS_NS: Final = 15_000_000_000
"""A run that no worker may drive now is looked at again after so long."""

WORKER_LENDS_NS: Final = 3_000_000_000
"""Workers leave a run of theirs to somebody who resumes it for so long, until it is held: that takes milliseconds."""

WORKER_PARKS_NS: Final = 10_000_000_000
"""A run that waits for a time beyond this gives its place to others; a shorter wait isn't worth a new writer."""

WORKER_ASKED_SECONDS: Final = 5.0
"""A run that was asked for is not asked for again by the same sweeper: the engine has it in its queue."""

WORKER_SLOT_SECONDS: Final = 0.5
"""A run that was fetched and finds no free place is given back after so long: another worker may have one."""

WORKER_DRAIN_SECONDS: Final = 20.0
"""What a worker has begun may finish for so long when it is told to end; Kubernetes gives 30 before it kills."""

WORKER_FORGET_SECONDS: Final = 86_400.0
"""Processes that ended are listed for a day."""

ENGINE_POLL_SECONDS: Final = 5.0
"""Between two looks for jobs of which nothing was heard at all. One whose notice alone was lost is fetched when a sweep asks
for its run again, about a second later."""

ENGINE_ASK_SECONDS: Final = 15.0
"""For a job to be durable: past what one of its statements may take. What isn't asked for by then, the sweep asks for."""

ENGINE_BEAT_SECONDS: Final = 2.0
"""procrastinate's own sign of life."""

ENGINE_STALLED_SECONDS: Final = 10.0
"""Jobs of an engine's worker that was not seen for so long are deleted; their runs were found by the sweep before."""

ENGINE_PAUSE_SECONDS_MAX: Final = 2.0
"""Between two attempts to reach the engine's database."""

ENGINE_TIMER_NS: Final = 60_000_000_000
"""A timer that is nearer is kept by the engine, one that is farther by the store: procrastinate looks at all jobs that
wait whenever it fetches one, so a million of them would make each fetch slow."""

# -- failover -------------------------------------------------------------------------------------------

LOSSES_NAMED_MAX: Final = 5
"""Runs and claims named in a sentence that says what is missing; all of them stand in a table."""

REMEMBERED_HEADS_MAX: Final = 10_000
"""Ends of runs that a process remembers of what it was told is durable: some 2 MB."""

REMEMBERED_CLAIMS_MAX: Final = 10_000
"""Claims that a process remembers so: some 5 MB. An asynchronous standby lags by seconds, which are fewer."""

BEAT_SECONDS: Final = 5.0
"""Where a store is synchronous, a process that writes nothing commits a sign of life so often: then it can vouch."""

VOUCHES_SECONDS: Final = 15.0
"""Between a process's newest commit and its notice that the server is gone, for it to vouch that nothing is missing:
three beats, so that one lost in a busy moment costs no person's time."""

EPOCHS_LOST_MAX: Final = 1 << 20
"""Epochs that may have been given out in what was lost: the next ones begin beyond them."""

WITNESS_HEADS_SECONDS: Final = 2.0
"""Between two lists of ends of runs that a busy process leaves with its witness: they explain, and forbid nothing."""

WITNESS_KEEP_SECONDS: Final = 35 * 24 * 3600.0
"""How long claims stay with the witness: longer than the month that backups are kept for, by default of most services."""

WITNESS_LOOK_SECONDS: Final = 600.0
"""How far past the oldest missing claim the witness is read on: clocks of hosts differ by less."""

WITNESS_PRUNE_LISTS: Final = 500
"""Objects that a process leaves with its witness between two looks for old claims: some quarter of an hour when busy."""

MISSING_BYTES_MAX: Final = 16 * 1024 * 1024
"""Of a file in which a person names missing claims: some 50,000 of them."""

RUNS_SHOWN_MAX: Final = 1000
"""Runs that a list looks at unless told otherwise: of each of a client's runs, and of each that waits, it reads the state."""

DOUBTFUL_SHOWN_MAX: Final = 100
"""Runs shown of those that a person has to answer for: more don't fit on a screen."""

# --- tenants of a fleet --------------------------------------------------------------------------------

TOLD_LINES_MAX: Final = 10_000
"""Lines that wait for who reads a worker's standard error: some megabytes, and minutes of a busy worker."""

TOLD_SECONDS: Final = 1.0
"""How long a worker that ends waits for its last lines to be read: shorter than anybody waits for its end."""

TENANT_PLACE_SECONDS: Final = 30.0
"""A worker that was allowed to take a run, and hasn't acquired it after so long, has died or thought otherwise."""

WORKER_WORDS_MAX: Final = 2000
"""Characters of an error that are kept beside a run and in its log: an agent's own code may say megabytes."""

TENANT_RECALL_SECONDS: Final = 1.0
"""Between two looks of a worker whether tenants that have runs waiting have places free; it reads the few that wait."""

# --- runs in Temporal ----------------------------------------------------------------------------------

TEMPORAL_BEAT_SECONDS_MAX: Final = 20.0
"""A look whose worker was not heard of for so long is given to another: our own registry is quicker, this is the net below it."""

TEMPORAL_CONNECT_SECONDS: Final = 10.0
"""A server that doesn't answer for longer is away."""

TEMPORAL_QUEUE_SECONDS: Final = 60.0
"""A look that no worker takes for so long is forgotten: workers that come ask by themselves for what is due."""

TEMPORAL_LOOKS_MAX: Final = 4
"""Looks at one run side by side: one drives, the others find it held; more ask for nothing new."""

TEMPORAL_HISTORY_MAX: Final = 2_000
"""Events of one workflow, before it goes on as a new one: replaying them takes some tens of milliseconds."""

TEMPORAL_STICKY_SECONDS: Final = 1.0
"""How long Temporal waits for the worker that decided last, before it lets another decide."""

TEMPORAL_DECISION_SECONDS: Final = 3.0
"""A worker that was to decide what a workflow does next, which takes milliseconds, and hasn't for so long, is gone."""

STORE_THREADS: Final = 4
"""Threads of a process that ask a store over a network: as many as it has connections for reading."""


# --- watching a fleet ---------------------------------------------------------------------------------

WATCH_STANDING_SECONDS: Final = 3.0
"""Between two looks whether a store's runs may be driven: readiness that is asked for every few seconds shows it."""

WATCH_FLEET_SECONDS: Final = 15.0
"""Between two counts of what a database holds: a usual interval of scrapes."""

WATCH_FLEET_SECONDS_MAX: Final = 5.0
"""The longest that one of those counts may take: with ten million runs they take a second or two."""

WATCH_CLAIMS_PAGE: Final = 250_000
"""Claims that one statement reads: a tenth of the time that it may take."""

WATCH_CLAIMS_PAGES: Final = 4
"""Such statements of one count: a table of fifty million is read in a quarter of an hour, once in a process's life."""

WATCH_OPEN_MAX: Final = 100_000
"""Open effects that are counted: more of them say nothing more, and each is looked at in each count."""

WATCH_FLEET_SHARE: Final = 20
"""A count that takes long is made as much more seldom: at most a twentieth of one connection's time."""

WATCH_UNASKED_SECONDS: Final = 300.0
"""After so long without a scrape nothing is counted: nobody reads it."""

CLOCK_SKEW_SECONDS_MAX: Final = 60.0
"""How far a worker's clock may be off the server's: an hour would fire timers an hour early, and a machine whose time is kept
is off by milliseconds. A minute leaves room for a step that its keeper has yet to mend."""
