"""A process that is killed at a chosen moment while it stores, moves or collects large blobs.

It is started once, and forks for each death: ``python -m tests.objects.dying`` reads one order a line.
"""

import json
import os
import signal
import sys
from collections.abc import Callable, Sequence
from typing import TypeVar

from perdure.adapters.objects import open_objects
from perdure.adapters.objects.bucket import Bucket
from perdure.adapters.postgres.content import large as placing
from perdure.adapters.postgres.content.blobs import OUTSIDE, Packed
from perdure.adapters.postgres.content.collecting import Collector
from perdure.adapters.postgres.content.frames import Index
from perdure.adapters.postgres.content.large import LargeBlobs
from perdure.adapters.postgres.content.marking import Marking
from perdure.adapters.postgres.content.moving import Mover
from perdure.adapters.postgres.failover.known import Known
from perdure.adapters.postgres.layout import Setup
from perdure.adapters.postgres.link.connecting import Dialer
from perdure.adapters.postgres.link.desk import Desk
from perdure.adapters.postgres.link.readers import Readers
from tests.objects.parts import PATIENCE_SECONDS, large

T = TypeVar("T")


class Moments:
    """Counts the moments before and after each touch of the world; at the chosen one this process is killed."""

    def __init__(self, at: int) -> None:
        self.at = at
        self.count = 0

    def pass_one(self) -> None:
        self.count += 1
        if self.count == self.at:
            os.kill(os.getpid(), signal.SIGKILL)

    def around(self, room: type, name: str) -> None:
        touch: Callable[..., object] = getattr(room, name)

        def touched(*words: object, **more: object) -> object:
            self.pass_one()
            answer = touch(*words, **more)
            self.pass_one()
            return answer

        setattr(room, name, touched)


class RowFirst(LargeBlobs):
    """A broken build: the row says that the object is there before it is."""

    def _place(self, name: str, size: int, index: Index, frames: Sequence[bytes]) -> bool:
        there = index.object_name(self.store(), name)
        self.promise(there)
        row = Packed(bytes.fromhex(name), size, OUTSIDE, index.stored())
        self._desk.do("writing the row", lambda db, _: placing._enter(db, row, there, self.store()))
        return self.put_within(there, b"".join(frames))


def live(order: dict[str, object]) -> None:
    # What is counted must not depend on how busy the machine is.
    bound = "OBJECT_PUT_SECONDS"
    setattr(placing, bound, float(PATIENCE_SECONDS))
    moments = Moments(int(str(order["at"])))
    dialer = Dialer(str(order["dsn"]), Setup())
    readers = Readers(dialer)
    desk = Desk(readers, dialer.setup, lambda _mark: None)
    objects = open_objects({"url": str(order["url"])})
    blobs = (RowFirst if order["broken"] else LargeBlobs)(readers, desk, objects)
    blobs.store()
    mover = Mover(readers, desk, blobs)
    for room, names in (
        (Desk, ("do",)),
        (Bucket, ("put", "delete")),
        (Marking, ("advance",)),
        (Collector, ("_announce",)),
    ):
        for name in names:
            moments.around(room, name)
    match order["deed"]:
        case "settle":
            blobs.settle(*large(int(str(order["seed"]))))
        case "move":
            mover.move()
        case _:
            Collector(dialer, Known(), blobs, lambda *_: None, grace_seconds=0).collect()


def main() -> None:
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            code = 1
            try:
                live(json.loads(line))
                code = 0
            finally:
                sys.stderr.flush()
                os._exit(code)
        _, status = os.waitpid(child, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)


if __name__ == "__main__":
    main()
