"""Leases in memory: a new epoch for a new writer, and what is known of the ones before."""

from perdure.adapters.holders import Fate, Proof
from perdure.adapters.memory.shelf import Past, Record
from perdure.log.carrying import check_moved
from perdure.log.port import Holder, Lease
from perdure.values.errors import Held


def grant(record: Record, holder: Holder, proof: Proof, *, take_over: bool) -> Lease:
    """Give the run to ``holder`` under the next epoch, or raise ``Held``."""
    check_moved(record.new.run, record.holder, holder)
    if record.holder is not None and not take_over:
        verdict = proof(record.holder)
        if verdict is not Fate.DEAD:
            raise Held(
                f"{record.new.run}: process {record.holder.pid} holds it under epoch {record.epoch}"
                + ("" if verdict is Fate.ALIVE else ", and can't be seen from here")
            )
    for epoch, past in list(record.past.items()):
        # Told, and since then something was appended: the log itself says now that it is dead.
        if past.told is not None and past.told <= record.wrote:
            del record.past[epoch]
    if record.epoch and record.epoch not in record.past:
        record.past[record.epoch] = Past(record.holder)
    record.epoch += 1
    record.holder = holder
    for past in record.past.values():
        if past.told is not None or past.holder is None or proof(past.holder) is Fate.DEAD:
            past.told = record.epoch
    dead = sorted(epoch for epoch, past in record.past.items() if past.told is not None)
    alive = sorted(epoch for epoch, past in record.past.items() if past.told is None)
    return Lease(record.epoch, tuple(dead), tuple(alive))


def give_back(record: Record, epoch: int, *, ended: bool) -> None:
    """The writer of ``epoch`` has given the run back; a stale one only says so."""
    if epoch == record.epoch:
        if not ended and record.holder is not None:
            record.past[epoch] = Past(record.holder)
        record.holder = None
    if ended and epoch in record.past:
        record.past[epoch].holder = None
