"""What the runs of a trial have to do, drawn from its seed.

A job is the run's first message, as JSON: the model that plays it reads its steps from there, so that a run goes on
where it should whoever drives it. An invoice in two jobs is the same business act: only one of them may pay it.
"""

import random
from collections.abc import Sequence
from typing import Final

import msgspec

TENANT: Final = "acme"
PAYING: Final = ("transfer", "wire", "express", "book")
SHARED_SHARE: Final = 0.15
"""Jobs that pay an invoice of the job before as well."""
LARGE_SHARE: Final = 0.1
"""Jobs that read something that is kept in the object store."""


class Step(msgspec.Struct, frozen=True):
    """One call of the model: a tool, and what it is about."""

    tool: str
    about: str = ""
    cents: int = 0
    steps: tuple["Step", ...] = ()
    """of a child"""


class Job(msgspec.Struct, frozen=True):
    """What one run has to do."""

    number: int
    steps: tuple[Step, ...]

    @property
    def run(self) -> str:
        """The run's name."""
        return f"job-{self.number:04d}"


LIMIT_CENTS: Final = 90_000
"""Payments above it need a person's yes."""

_encode = msgspec.json.Encoder().encode


def message_of(job: Job) -> str:
    """Return what the run is told."""
    return _encode(job).decode()


def task_of(steps: Sequence[Step]) -> str:
    """Return what a child is told."""
    return _encode(Job(0, tuple(steps))).decode()


def read_job(text: str) -> Job:
    """Return the job in a message or task."""
    return msgspec.json.decode(text, type=Job)


def drawn_jobs(count: int, seed: int, *, rivals: bool = False) -> tuple[Job, ...]:
    """Return so many jobs, the same for the same seed; of ``rivals`` each two have the same to do."""
    if rivals:
        jobs = drawn_jobs(count, seed)
        return tuple(Job(job.number, jobs[place // 2 * 2].steps) for place, job in enumerate(jobs))
    chance = random.Random(f"jobs {seed}")
    drawn: list[Job] = []
    for number in range(1, count + 1):
        steps = [_paid(chance, number, place) for place in range(1, chance.choice((2, 3, 3, 4)) + 1)]
        steps.insert(chance.randrange(len(steps) + 1), Step(chance.choice(("balance", "wait", "wait"))))
        if chance.random() < LARGE_SHARE:
            steps.insert(0, Step("archive", f"{number}"))
        if chance.random() < 0.12:
            steps.insert(chance.randrange(len(steps) + 1), Step("ask_person", f"Shall job {number} go on?"))
        if chance.random() < 0.1:
            steps.append(Step("errand", steps=(_paid(chance, number, 9), Step("balance"))))
        if drawn and chance.random() < SHARED_SHARE:
            steps.append(next(step for step in drawn[-1].steps if step.tool in PAYING))
        drawn.append(Job(number, tuple(steps)))
    return tuple(drawn)


def _paid(chance: random.Random, number: int, place: int) -> Step:
    tool = chance.choices(PAYING, (4, 4, 2, 3))[0]
    cents = chance.randrange(100, 100_000)
    return Step(tool, f"INV-{number:04d}-{place}", cents)
