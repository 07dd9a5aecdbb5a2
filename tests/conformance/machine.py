"""A Hypothesis state machine: any order of calls, any store, compared with the model after every step."""

import shutil
import tempfile
from pathlib import Path
from typing import ClassVar

import msgspec
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from perdure.adapters import holders
from perdure.log.envelope import Event, Stored, seal
from perdure.log.events import Content, MessageReceived
from perdure.log.port import Appended, Batch, ClaimClosed, ClaimOpened, CounterMoved, NewRun, Post
from perdure.values.errors import Conflict, Fenced, Held
from tests.conformance.model import Run, World
from tests.conformance.stores import SECONDS, STORES, Factory, Store, blob, holder

RUNS = ("a", "b", "c")
picks = st.integers(0, 5)


class StoreMachine(RuleBasedStateMachine):
    """Subclasses name the store."""

    factory: ClassVar[Factory] = STORES["memory"]
    money: ClassVar[str] = "money"
    """the counter that is moved"""
    keeps: ClassVar[bool] = False
    """whether a closed store can be opened again"""

    def __init__(self) -> None:
        super().__init__()
        self.directory = Path(tempfile.mkdtemp())
        self.store: Store = type(self).factory(self.directory)
        self.world = World()
        self.counter = 0

    def teardown(self) -> None:
        self.store.close()
        shutil.rmtree(self.directory)

    def fresh(self, prefix: str) -> str:
        self.counter += 1
        return f"{prefix}{self.counter}"

    # -- rules ---------------------------------------------------------------------------------------

    @initialize()
    def begin(self) -> None:
        for name in RUNS[:2]:
            self.create(name)
            self.acquire(0, take_over=False, known=False)

    def picked(self, pick: int) -> tuple[str, Run]:
        name = list(self.world.runs)[pick % len(self.world.runs)]
        return name, self.world.runs[name]

    @rule(name=st.sampled_from(RUNS))
    def create(self, name: str) -> None:
        made = self.store.create(NewRun(name, f"lineage-{name}", "acme", 1))
        assert made == (name not in self.world.runs)
        self.world.runs.setdefault(name, Run([]))

    @rule(pick=picks, name=st.sampled_from(RUNS), back=st.integers(0, 9))
    def fork(self, pick: int, name: str, back: int) -> None:
        parent, whole = self.picked(pick)
        if not whole.events or name in self.world.runs:
            return
        at = max(1, len(whole.events) - back)
        assert self.store.create(NewRun(name, "x", "acme", 1, parent, at))
        self.world.runs[name] = Run(whole.events[:at], at)

    @rule(pick=picks, take_over=st.booleans(), known=st.booleans())
    def acquire(self, pick: int, take_over: bool, known: bool) -> None:
        name, _ = self.picked(pick)
        living = sorted(self.world.living)
        token = living[-1] if known and living else self.fresh("w")
        before = self.world.runs[name].epoch
        due = self.world.acquire(name, token, take_over=take_over)
        try:
            lease = self.store.acquire(name, holder(token), take_over=take_over)
        except Held:
            assert due is None
            assert self.store.rows(name)[0].epoch == before
        else:
            assert (lease.epoch, list(lease.dead), list(lease.alive)) == due

    @rule(pick=picks, back=st.integers(0, 2), ended=st.sampled_from([True, True, False]))
    def release(self, pick: int, back: int, ended: bool) -> None:
        name, run = self.picked(pick)
        if run.epoch - back < 1:
            return
        self.store.release(name, run.epoch - back, ended=ended)
        self.world.release(name, run.epoch - back, ended=ended)

    @rule()
    @precondition(lambda self: self.world.living)
    def end_a_writer(self) -> None:
        token = min(self.world.living)
        holders.end(token)
        self.world.living.discard(token)

    @rule(pick=picks, number=st.integers(1, 9))
    def post(self, pick: int, number: int) -> None:
        name, run = self.picked(pick)
        taken = self.store.post(name, Post(f"p{number}", "timer.fired", msgspec.Raw(b"{}"), 1))
        assert taken == (f"p{number}" not in run.posted)
        if taken:
            run.posted.add(f"p{number}")
            run.waiting.append(f"p{number}")

    @rule(
        pick=picks,
        count=st.integers(0, 4),
        text=st.text(max_size=100),
        off=st.sampled_from([0] * 12 + [1, -1]),
        late=st.sampled_from([0] * 10 + [1]),
        stem=st.sampled_from([None] * 4 + ["s1", "s2", "s3"]),
        end=st.sampled_from([None, "succeeded", "failed", "compensated"]),
        amount=st.sampled_from([0, 0, 0, 3, 40, -20]),
        alone=st.booleans(),
        consumed=st.sampled_from([None] * 5 + ["first"] * 3 + ["p9"]),
    )
    def append(
        self,
        pick: int,
        count: int,
        text: str,
        off: int,
        late: int,
        stem: str | None,
        end: str | None,
        amount: int,
        alone: bool,
        consumed: str | None,
    ) -> None:
        name, run = self.picked(pick)
        if run.token is None and not late:
            self.acquire(pick, take_over=False, known=False)
        batch = Batch(
            name,
            len(run.events) + off,
            run.epoch - late,
            self.events(name, run, count, text),
            blobs=[blob(text.encode())] if count else (),
            opened=self.opening(stem),
            closed=self.closing(end),
            counters=[CounterMoved(type(self).money, amount, 100)] if amount else (),
            consumed=self.consuming(run, consumed),
            status="waiting" if count == 3 else None,
            alone=alone,
        )
        due = self.world.verdict(batch)
        try:
            answer = self.store.append(batch).result(SECONDS)
        except Fenced:
            assert due == "fenced"
        except Conflict:
            assert due == "conflict"
        else:
            assert due == ("written" if isinstance(answer, Appended) else "remembered")
            if isinstance(answer, Appended):
                self.world.write(batch)
                assert answer.position == len(run.events)

    @rule()
    @precondition(lambda self: type(self).keeps)
    def close_and_open_again(self) -> None:
        self.store.close()
        self.world.living.clear()
        self.store = type(self).factory(self.directory)

    # -- what must hold ------------------------------------------------------------------------------

    @invariant()
    def the_store_remembers_what_the_model_does(self) -> None:
        for name, run in self.world.runs.items():
            assert list(self.store.read(name)) == run.events
            (row,) = self.store.rows(name)
            assert (row.position, row.head, row.epoch) == (len(run.events), run.head, run.epoch)
            assert row.status == run.status
            assert (row.holder.token if row.holder else None) == run.token
            assert [post.id for post in self.store.inbox(name)] == run.waiting
        assert [row.run for row in self.store.rows()] == list(self.world.runs)

    @invariant()
    def what_is_shared_is_remembered(self) -> None:
        claims = {seen.key: (seen.stem, seen.run, seen.outcome) for seen in self.store.claims()}
        assert claims == self.world.claims
        counters = {seen.counter: seen.used for seen in self.store.counters([type(self).money])}
        assert counters == self.world.counters
        assert all(self.store.get(name) == content for name, content in self.world.blobs.items())

    # -- what batches are made of --------------------------------------------------------------------

    def events(self, name: str, run: Run, count: int, text: str) -> list[Stored]:
        sealed: list[Stored] = []
        head, end = run.head, len(run.events)
        for position in range(end + 1, end + 1 + count):
            body = MessageReceived(f"m{position}", "ann", Content(len(text.encode()), text))
            sealed.append(seal(Event(name, position, position, run.epoch, end, body), head))
            head = sealed[-1].digest
        return sealed

    def opening(self, stem: str | None) -> list[ClaimOpened]:
        if stem is None:
            return []
        return [ClaimOpened(self.fresh("k"), stem, "acme", "pay", 1, 1, "a" * 64)]

    def closing(self, end: str | None) -> list[ClaimClosed]:
        open_keys = sorted(key for key, (_, _, outcome) in self.world.claims.items() if outcome is None)
        return [ClaimClosed(open_keys[0], end, Content(2, "ok"))] if end and open_keys else []

    def consuming(self, run: Run, consumed: str | None) -> list[str]:
        if consumed == "first":
            return run.waiting[:1]
        return [consumed] if consumed else []
