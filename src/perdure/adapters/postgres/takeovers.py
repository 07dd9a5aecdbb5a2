"""What people ask and say of a store that went on on another server: the front of ``releasing`` for one store."""

from collections.abc import Sequence

from perdure.adapters.postgres.failover.identity import ground
from perdure.adapters.postgres.failover.known import Known
from perdure.adapters.postgres.failover.losses import LostClaim
from perdure.adapters.postgres.failover.releasing import (
    Failover,
    Missed,
    Released,
    Testimony,
    answer_for,
    declare,
    doubtful_of,
    failovers_of,
    missed_of,
    release,
)
from perdure.adapters.postgres.failover.sealing import Gone, read_seal
from perdure.adapters.postgres.link.desk import Desk
from perdure.adapters.postgres.link.readers import Readers
from perdure.adapters.postgres.link.waiting import Database
from perdure.values.errors import Suspended, Unreplicated


class Takeovers:
    """Failovers, restored backups, and what is said of them."""

    def __init__(self, known: Known, readers: Readers, desk: Desk) -> None:
        """Read by ``readers`` and change by ``desk``; ``known`` has the witness, if there is one."""
        self._known: Known = known
        self._readers: Readers = readers
        self._desk: Desk = desk

    def suspended(self) -> str | None:
        """Return why no run of this store may be driven, or None."""
        return self._readers.read("reading whose store this is", self._why)

    def release(self, by: str, missing: Sequence[LostClaim] | None = None) -> Released:
        """``by`` says that this copy counts, and that ``missing`` is all that is missing; None: they don't know.

        What the witness knows is put back as well. Where nobody knows all, each run has to be answered for.
        """
        done = self._desk.do("releasing the store", lambda db, _: self._released(db, by, missing))
        if self._known.witness is not None and self._known.place is not None:
            self._known.witness.arrived(self._known.place)
        return done

    def answer_for(self, run: str, by: str, missing: Sequence[LostClaim]) -> Released:
        """``by`` says that ``missing`` is all that is missing of ``run``."""
        answer = Testimony(missing, known=True)
        return self._desk.do(
            f"releasing {run}", lambda db, again: answer_for(db, run, by, answer, again=again)
        )

    def declare(self, *, synchronous: bool) -> None:
        """Every acknowledged commit is on a standby, or need not be. Raises ``BadInput``."""
        self._desk.do("saying how the server replicates", lambda db, _: declare(db, synchronous=synchronous))

    def is_synchronous(self) -> bool:
        """Whether every acknowledged commit has to be on a standby."""
        return self._readers.read("reading how the server replicates", read_seal).synchronous

    def failovers(self) -> Sequence[Failover]:
        """Return every time that the store went on elsewhere, oldest first."""
        return self._readers.read("reading failovers", failovers_of)

    def missed(self) -> Sequence[Missed]:
        """Return the claims that were found missing."""
        return self._readers.read("reading what was missing", missed_of)

    def doubtful(self, most: int) -> Sequence[tuple[str, str]]:
        """Return up to ``most`` runs that have to be answered for, and why."""
        return self._readers.read("reading which runs are doubtful", lambda db: doubtful_of(db, most))

    def _why(self, db: Database) -> str | None:
        try:
            ground(db, self._known)
        except Suspended as error:
            return str(error).partition(": ")[2]
        except Unreplicated:
            return None
        return None

    def _released(self, db: Database, by: str, missing: Sequence[LostClaim] | None) -> Released:
        gone, whole = Gone(), False
        witness = self._known.witness
        if witness is not None:
            since = witness.begin(read_seal(db))
            gone, reached = witness.gone(db)
            whole = since and reached and witness.claims_before
        done = release(db, by, Testimony(missing or (), missing is not None or whole, gone))
        self._known.forget(self._known.gone(db))
        return done
