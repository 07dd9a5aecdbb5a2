"""One trial: a fleet works off jobs while faults land, comes to rest, and is judged."""

import contextlib
import random
import signal
import sqlite3
import threading
import time
from collections.abc import Callable, Generator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Final, NamedTuple

import perdure
from benchmarks.scale.chaos.aim import has_flight
from benchmarks.scale.chaos.course import Fault
from benchmarks.scale.chaos.fleet import Body, Fleet, Order
from benchmarks.scale.chaos.hooks import Strikes
from benchmarks.scale.chaos.jobs import TENANT, Job, drawn_jobs, message_of
from benchmarks.scale.chaos.journal import Struck, pid_of, read_journals
from benchmarks.scale.chaos.keeping import keep_logs
from benchmarks.scale.chaos.oracle import ENDED, Evidence, Verdict, is_parked, judged
from benchmarks.scale.chaos.people import People, Visitor, settle_doubts
from benchmarks.scale.chaos.servers import Bucket, Pair, bucket, paired
from benchmarks.scale.chaos.standing import standing_of
from perdure.assembly.stores.addresses import address_of
from perdure.assembly.stores.failing_over import declare
from perdure.demo.bank_launch import BankSettings, RunningBank, open_bank
from perdure.values.errors import RunExists, Unsettled
from tests.servers.proxy import Mood

LOOK_SECONDS: Final = 0.05
AGAIN_SECONDS: Final = 0.25
AIM_SECONDS: Final = 0.5
"""So long a strike waits for a worker that has an effect on its way."""
CALM_SECONDS: Final = 4.0
BEGIN_SECONDS: Final = 180.0
SLOW_MS: Final = 700
VISIBLE_MS: Final = 300
STOPPED_SECONDS: Final = (0.3, 12.0)
STEPS_NS: Final = tuple(seconds * 1_000_000_000 for seconds in (-30, -2, 0, 2, 30))

WEIGHTS: Final[Mapping[str, float]] = {
    "kill": 6,
    "stop": 5,
    "cut": 6,
    "clock": 2,
    "restart": 0.6,
    "bucket": 1.5,
}
"""How often each kind of fault is drawn; failovers have times of their own."""


class Wish(NamedTuple):
    """What a trial is made of."""

    workers: int = 8
    runs: int = 200
    seconds: float = 120.0
    """while jobs come and faults land"""
    in_flight: int = 0
    """so many strikes are aimed well; where they aren't yet, faults land for half as long again"""
    seed: int = 1
    patience: float = 90.0
    """for the fleet to come to rest after that: so long nothing at all may happen, and three times as long in all"""
    pause: tuple[float, float] = (0.2, 0.9)
    """between faults"""
    strikes: float = 0.06
    """of all payments: the process kills or stops itself right before the socket"""
    appends: float = 0.06
    """of all runs: the process stops itself right before it appends an outcome"""
    failovers: int = 1
    standby: bool = True
    objects: bool = True
    """whether large content goes to a bucket"""
    broken: str = ""
    kinds: Mapping[str, float] = WEIGHTS
    stopped_seconds: tuple[float, float] = STOPPED_SECONDS
    rivals: bool = False
    """whether every job is given twice, so that two runs are after each payment"""


class Trial:
    """One trial, from its servers to its verdict."""

    def __init__(self, wish: Wish, place: Path, pair: Pair, bank: RunningBank, bucket: Bucket | None) -> None:
        """Prepare it in ``place``."""
        self.wish: Wish = wish
        self.place: Path = place
        self.pair: Pair = pair
        self.bank: RunningBank = bank
        self.location: str = pair.dsn if bucket is None else bucket.described(pair.dsn, place / "store.toml")
        self._bucket: Bucket | None = bucket
        self._bucket_until: float = 0.0
        self.jobs: tuple[Job, ...] = drawn_jobs(wish.runs, wish.seed, rivals=wish.rivals)
        self.faults: list[Fault] = []
        self.heads: list[tuple[str, int, str]] = []
        self._aimed: int = 0
        """faults that, as far as could be seen, landed while an effect was on its way"""
        self._chance: random.Random = random.Random(f"faults {wish.seed}")
        self._waking: dict[int, float] = {}
        """processes that are stopped, and when they go on"""
        self._servers: ThreadPoolExecutor = ThreadPoolExecutor(1, "servers")
        self._outage: Future[None] | None = None
        """while the database is down: its end"""
        with closing(sqlite3.connect(place / "book.db")) as db:
            db.execute("PRAGMA journal_mode=WAL")
            db.execute("CREATE TABLE entries (invoice TEXT, cents INTEGER, reference TEXT)")
        half = wish.strikes / 2
        order = Order(
            self.location,
            place,
            bank.url,
            strikes=Strikes(wish.seed, half, half, wish.appends),
            broken=wish.broken,
        )
        with perdure.open(self.location):
            pass
        if wish.standby:
            declare(address_of(self.location), synchronous=True)
        self.fleet: Fleet = Fleet(order, wish.workers)
        self.people: People = People(self.location)
        self._visitor: Visitor = Visitor(self.location)

    # -- the course of it ----------------------------------------------------------------------------

    def run(self, *, settle: bool = True) -> tuple[Verdict, int]:
        """Play it all; return the verdict, and how many runs did not end although a person had settled all doubts."""
        try:
            self._await_fleet()
            self.people.start()
            giving = threading.Thread(target=self._give_jobs, daemon=True)
            giving.start()
            self._strike()
            giving.join()
            self._rest()
            verdict = self._judged()
            left = self._settled_by_people() if settle and (verdict.stops or verdict.parked) else 0
        finally:
            self._visitor.leave()
            self._servers.shutdown()
            if self.people.is_alive():
                self.people.end()
            codes = self.fleet.end()
            self.fleet.kill()
        self.codes = codes
        return verdict, left

    def _await_fleet(self) -> None:
        end = time.monotonic() + BEGIN_SECONDS
        while not all(body.serves() for body in self.fleet.bodies):
            dead = [body for body in self.fleet.bodies if body.process.poll() is not None]
            if dead or time.monotonic() > end:
                said = (dead or self.fleet.bodies)[0].said.read_text(errors="replace")
                raise RuntimeError(f"a worker did not begin to serve:\n{said[-3000:]}")
            time.sleep(LOOK_SECONDS)

    def _give_jobs(self) -> None:
        """Ask for the runs one after the other, over three quarters of the time, each until it is known to be there."""
        began = time.monotonic()
        end = began + self.wish.seconds + self.wish.patience
        visitor = Visitor(self.location)
        for number, job in enumerate(self.jobs):
            due = began + 0.75 * self.wish.seconds * number / len(self.jobs)
            time.sleep(max(0.0, due - time.monotonic()))
            while visitor.ask(lambda store, job=job: _asked(store, job)) is None and time.monotonic() < end:
                time.sleep(AGAIN_SECONDS)
        visitor.leave()

    # -- faults --------------------------------------------------------------------------------------

    def _await_work(self) -> None:
        """Nobody is struck before the first effect is on its way, if one is soon."""
        end = time.monotonic() + BEGIN_SECONDS
        while not self._flies() and time.monotonic() < end:
            self._tend_until(time.monotonic() + LOOK_SECONDS)

    def _flies(self) -> bool:
        return any(has_flight(self.place, body.pid) for body in self.fleet.bodies)

    def _strike(self) -> None:
        if self.wish.kinds:
            self._await_work()
        began = time.monotonic()
        until = began + self.wish.seconds
        over = [
            until - self.wish.seconds * (1 - (k + 1) / (self.wish.failovers + 1))
            for k in range(self.wish.failovers)
        ]
        while (now := time.monotonic()) < until or self._falls_short(now - began):
            if over and now > over[0] and not self._is_down():
                over.pop(0)
                self._fault("failover")
            elif self.wish.kinds:
                (kind,) = self._chance.choices(list(self.wish.kinds), list(self.wish.kinds.values()))
                self._fault(kind)
            self._tend_until(time.monotonic() + self._chance.uniform(*self.wish.pause))
        while self._is_down():
            self._tend_until(time.monotonic() + LOOK_SECONDS)

    def _falls_short(self, seconds: float) -> bool:
        struck = self._aimed + sum(1 for _ in (self.place / "strikes").glob("*"))
        return struck < self.wish.in_flight and seconds < 1.5 * self.wish.seconds

    def _fault(self, kind: str) -> None:
        now = time.monotonic_ns()
        match kind:
            case "kill" | "stop" | "clock":
                self._strike_worker(kind)
            case "bucket":
                self._turn_bucket(now)
            case _ if self._is_down():
                # What is done to the server waits; workers are struck meanwhile as well.
                self._strike_worker(self._chance.choice(("kill", "stop")))
            case "cut":
                self._aimed += self._flies()
                self.faults.append(Fault(now, kind))
                self.pair.cut(self._chance.choice((0.3, 0.7, 1.0)))
            case "restart":
                self._take_down(kind, self.pair.restart)
            case "failover":
                self._note_heads()
                self._take_down(kind, self.pair.fail_over)
            case _:
                raise ValueError(kind)

    def _take_down(self, kind: str, work: Callable[[], None]) -> None:
        self.faults.append(Fault(time.monotonic_ns(), kind))
        self._outage = self._servers.submit(work)

    def _is_down(self) -> bool:
        """Tell whether the database is being restarted or replaced; what went wrong with that is raised."""
        if self._outage is not None and self._outage.done():
            outage, self._outage = self._outage, None
            outage.result()
        return self._outage is not None

    def _strike_worker(self, kind: str) -> None:
        body = self._victim()
        if body is None:
            return
        self.faults.append(Fault(time.monotonic_ns(), kind, body.pid))
        match kind:
            case "kill":
                body.process.kill()
            case "stop":
                body.process.send_signal(signal.SIGSTOP)
                self._waking[body.pid] = time.monotonic() + self._chance.uniform(*self.wish.stopped_seconds)
            case _:
                self.fleet.step(body.seat, self._chance.choice(STEPS_NS))

    def _turn_bucket(self, now: int) -> None:
        if self._bucket is not None and not self._bucket_until:
            mood = self._chance.choice(Bucket.MOODS)
            self._bucket.turn(mood)
            self._bucket_until = time.monotonic() + self._chance.uniform(0.5, 5.0)
            self.faults.append(Fault(now, f"bucket: {mood.value}"))

    def _victim(self) -> Body | None:
        """Return a worker that has an effect on its way, if one has soon, else any that moves."""
        until = time.monotonic() + AIM_SECONDS
        while True:
            moving = [body for body in self.fleet.bodies if body.serves() and body.moves()]
            busy = [body for body in moving if has_flight(self.place, body.pid)]
            if busy or time.monotonic() > until:
                self._aimed += bool(busy)
                return self._chance.choice(busy or moving) if moving else None
            self._tend_until(time.monotonic() + LOOK_SECONDS)

    def _tend_until(self, end: float) -> None:
        while time.monotonic() < end:
            self._tend()
            time.sleep(LOOK_SECONDS)

    def _tend(self) -> None:
        """Stopped processes go on when it is time; dead ones are replaced, once there is a database to come to."""
        now = time.monotonic()
        if self._bucket is not None and self._bucket_until and now > self._bucket_until:
            self._bucket.turn(Mood.PASS)
            self._bucket_until = 0.0
        for body in self.fleet.bodies:
            if body.is_stopped() and body.pid not in self._waking:
                # It stopped itself, before a payment.
                self._waking[body.pid] = now + self._chance.uniform(*self.wish.stopped_seconds)
            if now > self._waking.get(body.pid, now + 1):
                self._waking.pop(body.pid)
                with contextlib.suppress(ProcessLookupError):
                    body.process.send_signal(signal.SIGCONT)
        for body in () if self._is_down() else self.fleet.fill():
            self.faults.append(Fault(time.monotonic_ns(), "end", body.pid, str(body.process.returncode)))

    def _note_heads(self) -> None:
        """Remember what can be read now, once that is known to be acknowledged."""
        seen = self._visitor.ask(lambda store: store.runs()) or ()
        self.pair.acknowledged()
        self.heads += [(row.run, row.position, row.head.hex()) for row in seen if row.position]

    # -- coming to rest ------------------------------------------------------------------------------

    def _rest(self) -> None:
        """Return when every run has ended, or waits for nobody but a person for a while, or patience is over."""
        now = time.monotonic()
        latest, until = now + 3 * self.wish.patience, now + self.wish.patience
        told: int = -1
        calm_since: float | None = None
        while now < min(until, latest):
            self._tend_until(now + AGAIN_SECONDS)
            standing = self._visitor.ask(standing_of)
            now = time.monotonic()
            if standing is not None and standing.told != told:
                told, until = standing.told, now + self.wish.patience
            if standing is None or standing.moving:
                calm_since = None
            elif not standing.resting:
                return
            else:
                calm_since = calm_since or now
                if now - calm_since > CALM_SECONDS:
                    return

    def _judged(self) -> Verdict:
        """Judge while nothing moves: ledgers and log are read one after the other."""
        self.fleet.freeze()
        self.bank.quiet()
        try:
            return self._read_and_judged()
        finally:
            self.fleet.wake()

    def _read_and_judged(self) -> Verdict:
        journals = read_journals(self.place)
        struck = [
            Fault(entry.at, f"{entry.how} before the {entry.before}", pid_of(name), entry.about)
            for name, entries in journals.items()
            for entry in entries
            if isinstance(entry, Struck)
        ]
        self.faults += struck
        with perdure.open(self.location) as store:
            evidence = Evidence(
                self.jobs, self.bank.statement(), self.place / "book.db", journals, self.faults, self.heads
            )
            verdict = judged(store, evidence)
            keep_logs(store, verdict.lines(), self.place / "runs")
        return verdict

    def _settled_by_people(self) -> int:
        """Settle every doubt by the bank's ledger; return how many runs don't end then."""
        until = time.monotonic() + self.wish.patience
        left = 1
        while left and time.monotonic() < until:
            self._tend()
            left = self._visitor.ask(self._settle_all)
            left = 1 if left is None else left
            time.sleep(AGAIN_SECONDS)
        return left

    def _settle_all(self, store: perdure.Store) -> int:
        waiting = [row.run for row in store.runs() if row.status not in ENDED]
        for run in waiting:
            if is_parked(store, run):
                store.unpark(run, by="ann")
            with contextlib.suppress(Unsettled):
                settle_doubts(store, self.bank, run)
        return len(waiting)


def _asked(store: perdure.Store, job: Job) -> bool:
    with contextlib.suppress(RunExists):
        store.submit("payer", message_of(job), run=job.run, tenant=TENANT)
    return True


@contextlib.contextmanager
def trial_of(wish: Wish, place: Path) -> Generator[Trial]:
    """Have everything that a trial takes for the length of a ``with`` block."""
    settings = BankSettings(slow_ms=SLOW_MS, visible_ms=VISIBLE_MS, seed=wish.seed)
    with (
        paired(place, standby=wish.standby) as pair,
        open_bank(place / "bank.db", settings) as bank,
        bucket() if wish.objects else contextlib.nullcontext() as large,
    ):
        yield Trial(wish, place, pair, bank, large)
