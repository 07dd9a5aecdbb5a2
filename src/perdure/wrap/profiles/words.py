"""What a profile says of a client: the words of its file, which is TOML.

Invariants:
- A profile is data. What a client needs is said here or it can't be said; no client has code of its own.
- Templates hold ``{home}``, ``{directory}``, ``{base_url}`` and the like in words; where a whole value is such a
  word, as in ``"{servers}"``, the value itself takes its place.
- An unknown word in a file is refused: a profile that is misread would send requests around the gateway.
"""

from typing import Literal

import msgspec

from perdure.values.digest import Json
from perdure.wire.bodies.nouns import Api

Read = Literal["messages", "chat", "responses", "gemini"]
"""The API of a client's main requests; of 'gemini' the turns are recorded, and nothing is moved in its window."""


class VersionWords(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How a client is asked for its version, and which were tested: from ``since`` on, and below ``before``."""

    since: str
    before: str
    arguments: tuple[str, ...] = ("--version",)


class PlaceWords(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A directory that has a word of its own in templates."""

    variable: str = ""
    """of the user's, which names it"""
    under: str = ""
    """within what ``variable`` names"""
    default: str


class Source(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One place where a client finds a setting: an option of its command line, a variable, or a key of a file."""

    option: str = ""
    """'--model', given as ``--model X`` or ``--model=X``; of several the last counts"""
    many: bool = False
    """the option takes all that follows it, up to the next option"""
    variable: str = ""
    file: str = ""
    """a template of a path; JSON (with comments), TOML or YAML by its name"""
    upwards: bool = False
    """also in the directories above, up to the top; the nearest counts first"""
    holds: Literal["value", "document", "overrides"] = "value"
    """what an option or a variable has: the value itself; a document, by its text or its path, in which ``key`` leads
    to the value; ``key=value`` pairs, as in ``-c model="x"``"""
    key: tuple[str, ...] = ()
    """the way to the value through tables; parts are templates"""
    says: tuple[str, ...] = ()
    """values that mean yes, where a yes or no is asked for"""


class UpstreamWords(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Where a client's requests go without us; the first source that says something counts."""

    sources: tuple[Source, ...] = ()
    default: str


class BuiltIn(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A provider that a client knows by itself."""

    api: Api
    url: str
    address: tuple[str, ...]
    """the key that sets another address for it"""
    sources: tuple[Source, ...] = ()
    """where another address is found, besides ``address`` in the client's files"""


class ProviderWords(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How a client that has providers in its settings is pointed: each gets its own address there."""

    files: tuple[Source, ...]
    """the documents that have the table, nearest first"""
    chosen: tuple[Source, ...]
    """where the one in use is named; with ``divided``, before that sign"""
    divided: str = ""
    default: str = ""
    table: tuple[str, ...]
    """the key of the table of all"""
    address: tuple[str, ...]
    """within a provider's table"""
    kind: tuple[str, ...] = ()
    """within a provider's table: what speaks to it, looked up in ``kinds``"""
    kinds: dict[str, Api] = {}
    api: Api = "chat"
    """of those whose kind isn't known"""
    suffix: str = "/v1"
    """of the address that such a provider is given; its own upstream ends so as well"""
    built_in: dict[str, BuiltIn] = {}


class GatewayWords(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What points a client at the gateway."""

    environment: dict[str, str] = {}
    defaults: dict[str, str] = {}
    """variables that are set only where the user hasn't"""
    arguments: tuple[str, ...] = ()
    upstreams: dict[Literal["all", "messages", "chat", "responses"], UpstreamWords] = {}
    providers: ProviderWords | None = None


class ServerFields(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How a client's entry of an MCP server spells what it is."""

    command: str = "command"
    """a word, or a list with its arguments"""
    arguments: str = "args"
    environment: str = "env"
    passed: str = ""
    """names of the user's variables that the server gets"""
    directory: str = "cwd"
    urls: dict[str, Literal["http", "sse"]] = msgspec.field(default_factory=lambda: {"url": "http"})
    """the fields of an address, and what is spoken there unless ``type`` says otherwise"""
    type: str = "type"
    headers: str = "headers"
    header_variables: str = ""
    """a table of headers whose values stand in variables"""
    bearer_variable: str = ""
    enabled: str = ""
    disabled: str = ""
    kept: tuple[str, ...] = ()
    """fields that the client itself heeds, and that go over into the entry of the shim"""


class ServerSource(Source, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One place of MCP servers, of a scope; a nearer one comes first, and names a server for good."""

    scope: Literal["session", "local", "project", "user", "system"]
    approved: tuple[Source, ...] = ()
    """lists of names, or a yes for all: only servers in one of them are started by the client without asking"""
    refused: tuple[Source, ...] = ()


class ServerWords(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Where a client's MCP servers are told, and how a shim stands in for each."""

    sources: tuple[ServerSource, ...]
    fields: ServerFields = ServerFields()
    shim: dict[str, Json]
    """the entry that stands in: ``"{command}"``, ``"{arguments}"`` and ``"{command_line}"`` are the shim's"""
    apart: str = ""
    """of a client that merges entries and refuses one with both a command and an address: the end of the name under
    which the shim of a server with an address stands, beside the user's entry, which is switched ``off``"""
    off: dict[str, Json] = {}
    expands: Literal["", "shell", "braces"] = ""
    """'shell': ``$NAME``, ``${NAME}``, ``${NAME:-otherwise}``; 'braces': ``{env:NAME}``"""
    merged: bool = False
    """tables of one name from several places are one, the nearest deciding each field; else the nearest is it"""
    left_out: str = ""
    """which servers the client doesn't start under wrap, for the user to read"""
    uncovered: str = ""
    """which servers the client reaches around us, for the user to read"""


class SettingsWords(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One document of settings that a client is given beside the user's."""

    content: dict[str, Json]
    """a template; ``"{servers}"`` is the table of shims, ``"{hooks}"`` that of hooks, ``"{providers}"`` the addresses.
    What stands under the empty name is part of the document itself."""
    to: Literal["file", "variable", "overrides"]
    """a private file; the text itself in ``variable``; ``key=value`` arguments, each behind ``option``"""
    name: str = ""
    """of the file"""
    variable: str = ""
    """names the file, or holds the text; what the user has there is kept beneath ours"""
    usual: str = ""
    """the file that the client reads where ``variable`` is not set; it is kept beneath ours as well"""
    option: str = ""
    """names the file; what the user gives there is taken in beneath ours, and left out of the command line"""
    many: bool = False
    """the option takes all that follows it, up to the next option"""
    arguments: tuple[str, ...] = ()
    """that come with it"""
    owned: bool = False
    """the client reads it only where nobody but root can write it or a directory above it"""
    without: str = ""
    """what a user should know where it can't be given so"""


class HookWords(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How a client's hooks are told; ``perdure hooks print`` knows the words."""

    client: str
    """its name there"""
    key: tuple[str, ...] = ()
    """where the table of hooks stands in the document that is printed; empty: the document is the table"""
    only_with: tuple[str, ...] = ()
    """options of the user's without one of which the client would not run them"""
    without: str = ""
    """what a user should know who gave none of them"""


class ResumeWords(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How a client goes on with a session of its own."""

    arguments: tuple[str, ...] = ()
    """``{session}`` is its name; empty: its sessions can't be named"""
    last: tuple[str, ...] = ()
    """the same for the newest session of this directory; empty: the client can't"""
    after: tuple[str, ...] = ()
    """subcommands that they stand behind, where the user gave one; else they stand first"""
    instead: tuple[str, ...] = ()
    """options of the user's that say something else of it, and make way"""
    instead_valued: tuple[str, ...] = ()
    """the same, of those that have a value"""


class TranscriptWords(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Where a client keeps its sessions, and in which format."""

    format: Literal["claude", "codex", "gemini", "qwen", "opencode", "aider", "trajectory", ""]
    files: tuple[str, ...]
    """templates with ``*``; the newest is the session's"""


class ClientProfile(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """All that is known of one client."""

    name: str
    title: str
    programs: tuple[str, ...]
    """as it is called on a command line, without directories"""
    api: Read
    agents: tuple[str, ...] = ()
    """as it names itself to a provider, in small letters"""
    toolless: bool = False
    """its main loop offers the model no tools, so that nothing else tells it from a side call"""
    version: VersionWords
    gateway: GatewayWords
    places: dict[str, PlaceWords] = {}
    servers: ServerWords | None = None
    settings: tuple[SettingsWords, ...] = ()
    hooks: HookWords | None = None
    resume: ResumeWords | None = None
    transcript: TranscriptWords | None = None
    bare: tuple[str, ...] = ()
    """subcommands that are no sessions: the client gets no arguments of ours with them"""
    said: tuple[str, ...] = ()
    """what a user should know before a session: what isn't covered"""
