"""One round trip: statements that go to the server together, and whose answers are read together.

Invariants:
- What was prepared on a connection is prepared once; a name stands for one text for ever.
- After an error nothing of the same unit was done: the server passes over the rest up to ``unit``.
- An answer that doesn't come in time ends the connection: nobody may take it for the next one's.
"""

import select
from collections.abc import Sequence
from typing import Final, NamedTuple

import psycopg
from psycopg import pq
from psycopg.adapt import Transformer
from psycopg.errors import error_from_result

from perdure.adapters.postgres.link.faults import Lost
from perdure.adapters.postgres.link.waiting import Database
from perdure.adapters.postgres.wire import Many, Row, Statement, Value, encoded

_DONE: Final = (pq.ExecStatus.COMMAND_OK, pq.ExecStatus.TUPLES_OK)


class _Sent(NamedTuple):
    """Something on its way that the server answers: a statement, its preparation, or the end of a unit."""

    statement: Statement | None = None
    prepares: str | None = None


_END: Final = _Sent()


class Rounds:
    """A connection used in whole round trips."""

    def __init__(self, db: Database, seconds: float) -> None:
        """Speak over ``db``; an answer takes at most ``seconds``."""
        self.db: Database = db
        self._wire = db.pgconn
        self._seconds: float = seconds
        self._names: dict[str, bytes] = {}
        self._prepared: int = 0
        self._sent: list[_Sent] = []
        self.notices: int = 0
        self.units: int = 0
        """of the last round, those that were done"""
        self._decoder = Transformer(db)
        self._poll = select.poll()
        self._wire.nonblocking = 1
        self._wire.enter_pipeline_mode()
        self._socket: int = self._wire.socket
        db.add_notice_handler(self._note)

    def _note(self, _notice: object) -> None:
        self.notices += 1

    def close(self) -> None:
        self.db.close()

    def ask(self, statement: Statement, *values: "Value | Sequence[Value]") -> None:
        """Add a statement to the round."""
        try:
            name = self._names.get(statement.text)
            if name is None:
                self._prepared += 1
                name = self._names[statement.text] = b"p%d" % self._prepared
                oids = [kind.of.array if isinstance(kind, Many) else kind.oid for kind in statement.kinds]
                self._wire.send_prepare(name, statement.text.encode(), oids)
                self._sent.append(_Sent(prepares=statement.text))
            words = [encoded(kind, value) for kind, value in zip(statement.kinds, values, strict=True)]
            self._wire.send_query_prepared(name, words, [1] * len(words), 1)
        except psycopg.OperationalError as error:
            raise Lost(str(error)) from error
        self._sent.append(_Sent(statement))

    def unit(self) -> None:
        """What was added since the last unit fails or is done as one."""
        try:
            self._wire.pipeline_sync()
        except psycopg.OperationalError as error:
            raise Lost(str(error)) from error
        self._sent.append(_END)

    def go(self) -> list[list[Row]]:
        """Send the round and return the rows of each statement; raise the first error, when all is read."""
        if not self._sent or self._sent[-1] is not _END:
            self.unit()
        sent, self._sent = self._sent, []
        answers: list[list[Row]] = []
        failure: psycopg.Error | None = None
        self.units = 0
        try:
            self._flush()
            for each in sent:
                result = self._next()
                if each is _END:
                    self.units += failure is None
                    continue
                if result.status in _DONE:
                    if each.statement is not None:
                        answers.append(self._rows(result, each.statement))
                else:
                    if failure is None:
                        failure = error_from_result(result)
                    if each.prepares is not None:
                        del self._names[each.prepares]
                self._end_of_statement()
        except (psycopg.OperationalError, OSError) as error:
            self.close()
            raise Lost(str(failure or error)) from error
        if failure is not None:
            raise failure
        return answers

    def _rows(self, result: "pq.abc.PGresult", statement: Statement) -> list[Row]:
        """Return the rows; psycopg decodes them all at once, in C where it can."""
        if not statement.returns:
            return []
        self._decoder.set_pgresult(result)
        rows: list[Row] = self._decoder.load_rows(0, result.ntuples, tuple)
        return rows

    # -- waiting -------------------------------------------------------------------------------------

    def _flush(self) -> None:
        while self._wire.flush():
            self._wait(select.POLLIN | select.POLLOUT)
            self._wire.consume_input()

    def _next(self) -> pq.abc.PGresult:
        while True:
            while self._wire.is_busy():
                self._wait(select.POLLIN)
                self._wire.consume_input()
            result = self._wire.get_result()
            if result is not None:
                return result
            if self._wire.status != pq.ConnStatus.OK:
                raise psycopg.OperationalError("the connection is lost")

    def _end_of_statement(self) -> None:
        while self._wire.is_busy():
            self._wait(select.POLLIN)
            self._wire.consume_input()
        extra = self._wire.get_result()
        if extra is not None:
            raise psycopg.OperationalError("the server said more than it was asked")

    def _wait(self, what: int) -> None:
        self._poll.register(self._socket, what)
        if not self._poll.poll(self._seconds * 1000):
            raise psycopg.OperationalError(f"no answer within {self._seconds} seconds")
