"""A store in PostgreSQL that failed over or was restored: what is known of that, and what people say of it."""

from collections.abc import Generator, Iterable, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from perdure.assembly.inspect import Inspector
from perdure.assembly.stores.addresses import Address
from perdure.assembly.stores.opening import open_database
from perdure.driver.books import Books, read_state
from perdure.effect.memory import Fresh, identity_on_path, recall, scope_of
from perdure.intention.identity import key_of
from perdure.log.port import RunRow
from perdure.orchestrator.draft import content_of
from perdure.values.digest import Json
from perdure.values.errors import BadInput, UnknownRun
from perdure.values.limits import DOUBTFUL_SHOWN_MAX, MISSING_BYTES_MAX

if TYPE_CHECKING:
    from perdure.adapters.postgres.failover.losses import LostClaim
    from perdure.adapters.postgres.failover.releasing import Failover, Missed, Released
    from perdure.adapters.postgres.store import PostgresStore
    from perdure.assembly.stores.describing import Description


class ServerHistory(NamedTuple):
    """How a store came to the server that it is on."""

    synchronous: bool
    suspended: str | None
    failovers: "Sequence[Failover]"
    missed: "Sequence[Missed]"
    """claims that were found missing"""
    doubtful: Sequence[tuple[str, str]]
    """runs of which it has to be said yet whether claims are missing, and why; not more than can be shown"""


class Named(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One act that a person says was begun and is missing."""

    run: str
    tool: str
    arguments: dict[str, Json] = {}
    """as it was called; those that its identity names are enough"""
    outcome: str = "unknown"
    result: Json = None


def history_of(address: Address, shard: str = "") -> ServerHistory:
    """Return how the store, or one ``shard`` of it, came to the server that it is on.

    Raises ``BadInput`` for a store in a directory, and where it has shards and none is named.
    """
    with _database(address, shard) as store:
        asked = store.takeovers
        return ServerHistory(
            asked.is_synchronous(),
            asked.suspended(),
            asked.failovers(),
            asked.missed(),
            asked.doubtful(DOUBTFUL_SHOWN_MAX),
        )


def declare(address: Address, shard: str = "", *, synchronous: bool) -> None:
    """Every acknowledged commit of the store is on a standby, or need not be. Raises ``BadInput``."""
    with _database(address, shard) as store:
        store.takeovers.declare(synchronous=synchronous)


def release_database(
    address: Address,
    by: str,
    named: Sequence[Named] | None,
    run: str | None = None,
    *,
    shard: str = "",
    anyway: bool = False,
) -> "Released":
    """``by`` says that this copy counts, and that ``named`` is all that is missing (None: they don't know).

    With ``run`` it is said of that run alone, with ``shard`` of that one of several. Where nothing keeps runs from being driven, only ``anyway``: whoever
    writes them is stopped by it.
    """
    with _database(address, shard) as store:
        lost = None if named is None else tuple(lost_by(store, named))
        if run is None:
            asks = store.takeovers
            if not (anyway or asks.suspended() or asks.doubtful(1)):
                raise BadInput(
                    "nothing keeps the runs of this store from being driven, and whoever drives them now would be stopped",
                    hint="if it was put back to an earlier time in a way that can't be seen, say --anyway",
                )
            return store.takeovers.release(by, lost)
        if lost is None:
            raise BadInput(
                "what is missing of the run isn't said", hint="say --none-missing or --missing FILE"
            )
        others = sorted({claim.run for claim in lost} - {run})
        if others:
            raise BadInput(f"the file names run {others[0]!r}, and --run says {run!r}")
        return store.takeovers.answer_for(run, by, lost)


def read_named(path: Path) -> tuple[Named, ...]:
    """Return the acts that a file names, one JSON object a line. Raises ``BadInput`` with the line."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise BadInput(f"{path} can't be read: {error.strerror}") from error
    if len(content) > MISSING_BYTES_MAX:
        raise BadInput(f"{path} has {len(content)} bytes; at most {MISSING_BYTES_MAX} are read")
    found: list[Named] = []
    for number, line in enumerate(content.splitlines(), 1):
        if not line.strip():
            continue
        try:
            named = msgspec.json.decode(line, type=Named)
        except msgspec.DecodeError as error:
            raise BadInput(
                f"{path}, line {number}: {error}",
                hint='write {"run": "...", "tool": "...", "arguments": {...}, "outcome": "unknown"}',
            ) from error
        if named.outcome not in ("unknown", "succeeded", "failed"):
            raise BadInput(
                f"{path}, line {number}: outcome {named.outcome!r}",
                hint="say unknown, succeeded or failed",
            )
        found.append(named)
    return tuple(found)


def lost_by(books: Books, named: Iterable[Named]) -> "Generator[LostClaim]":
    """Yield the claims of acts that people name, under the keys that the runs themselves would give them.

    What is said to have failed was not done: it is left out. Raises ``UnknownRun``, ``BadInput`` for an act that can't
    be named so.
    """
    inspector = Inspector(books)
    for each in named:
        rows = books.rows(each.run)
        if not rows or not rows[0].position:
            raise UnknownRun(
                f"run {each.run!r} is not here, so its acts can't be named",
                hint="leave it out, and see before it is begun anew what it had done",
            )
        if each.outcome != "failed":
            yield _lost(books, inspector, rows[0], each)


def _lost(books: Books, inspector: Inspector, row: RunRow, named: Named) -> "LostClaim":
    from perdure.adapters.postgres.failover.losses import LostClaim  # noqa: PLC0415 - psycopg is an extra

    state = read_state(books, row.run).state
    declaration = inspector.law(state).definition.tool(named.tool)
    if declaration is None:
        raise BadInput(f"run {row.run} has no tool {named.tool!r}")
    for field in declaration.identity or ():
        if field not in named.arguments:
            raise BadInput(f"{named.tool} of run {row.run}: the argument {field!r} is part of its identity")
    identity = identity_on_path(state, declaration, named.arguments)
    known = recall(state, declaration, identity)
    if not isinstance(known, Fresh):
        raise BadInput(
            f"{named.tool} {named.arguments} of run {row.run} is not missing: the run remembers it",
            hint="leave it out, or settle it with `perdure settle`",
        )
    content, blob = content_of(msgspec.json.encode(named.result).decode())
    if blob is not None:
        books.put(*blob)
    return LostClaim(
        key=key_of(known.stem, known.attempt),
        run=row.run,
        stem=known.stem,
        scope=scope_of(state, declaration),
        tool=named.tool,
        attempt=known.attempt,
        arguments=identity.arguments,
        loose=identity.loose if identity.loose != identity.arguments else "",
        position=row.position,
        outcome="succeeded" if named.outcome == "succeeded" else None,
        result=content if named.outcome == "succeeded" else None,
    )


@contextmanager
def _database(address: Address, shard: str) -> "Generator[PostgresStore]":
    if address.kind == "directory":
        raise BadInput(
            f"{address} is a directory: it has no standby",
            hint="`perdure store release --by NAME` releases a copy of it",
        )
    words = _part(address, shard)
    database = address if words is None else words.database
    with open_database(database, create=False, words=words) as store:
        yield store


def _part(address: Address, shard: str) -> "Description | None":
    """Return what a file says of the one database that is meant. Raises ``BadInput`` where it has to be said which."""
    from perdure.assembly.stores.describing import Description, described  # noqa: PLC0415 - only for such a file

    found = described(address.path) if address.kind == "described" else None
    if found is None or isinstance(found, Description):
        if shard:
            raise BadInput(f"{address} has no shards", hint="leave --shard out")
        return found
    names = ", ".join(found)
    if not shard:
        raise BadInput(
            f"{address} has the shards {names}, and each is on a server of its own",
            hint="say which with --shard NAME; `perdure store stats` shows which are suspended",
        )
    if shard not in found:
        raise BadInput(f"{address} has no shard {shard!r}", hint=f"it has {names}")
    return found[shard]
