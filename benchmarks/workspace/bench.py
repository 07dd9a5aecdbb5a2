"""The parts of the benchmark, one method each: they make the trees, run the courses and compare."""

import itertools
import shutil
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from benchmarks.workspace.course import Course, Measured, run_together
from benchmarks.workspace.rows import Row, compared
from benchmarks.workspace.systems import BASELINE
from benchmarks.workspace.trees import make_tree

SHRINK = 10
"""Trees of many agents have files of 2 KB in the mean, so that making sixteen of them doesn't take longer than the
measurement. A look costs by the number of files."""

RESTORES = 3


class Bench:
    """Measurements below one directory."""

    def __init__(self, place: Path, say: Callable[[str], None]) -> None:
        """Work below ``place``; tell ``say`` what is being done."""
        self._place = place
        self._say = say
        self._names = itertools.count()

    def in_turn(
        self, systems: Sequence[str], files: int, wait_s: float, turns: Callable[[str], int]
    ) -> list[Row]:
        """Measure the baseline and each of ``systems`` on one tree, one after the other."""
        tree = (self._tree(files),)
        base = self._one(Course(BASELINE, files, wait_s, turns(BASELINE), tree, self._kept()))
        rows: list[Row] = []
        for system in systems:
            course = Course(
                system,
                files,
                wait_s,
                turns(system),
                tree,
                self._kept(),
                restores=RESTORES if turns(system) > 10 else 1,
            )
            rows.append(compared(course, [self._one(course)], [base]))
        shutil.rmtree(tree[0])
        return rows

    def side_by_side(self, systems: Sequence[str], files: int, wait_s: float, turns: int) -> list[Row]:
        """Measure the baseline and ``systems`` at one time, each on a tree of its own: for long waits."""
        courses = [
            Course(system, files, wait_s, turns, (self._tree(files),), self._kept())
            for system in (BASELINE, *systems)
        ]
        self._say(f"  {', '.join(course.system for course in courses)} side by side")
        base, *found = run_together(courses)
        self._clear(courses)
        return [compared(course, [each], [base]) for course, each in zip(courses[1:], found, strict=True)]

    def crowd(self, systems: Sequence[str], files: int, wait_s: float, turns: int, agents: int) -> list[Row]:
        """Measure so many agents in one process, each on a tree of its own."""
        trees = tuple(self._tree(files, SHRINK) for _ in range(agents))
        base = self._one(Course(BASELINE, files, wait_s, turns, trees, self._kept()))
        rows: list[Row] = []
        for system in systems:
            course = Course(system, files, wait_s, turns, trees, self._kept())
            rows.append(compared(course, [self._one(course)], [base]))
        for tree in trees:
            shutil.rmtree(tree)
        return rows

    def processes(
        self, systems: Sequence[str], files: int, wait_s: float, turns: int, agents: int
    ) -> list[Row]:
        """Measure so many processes of one agent each."""
        trees = [(self._tree(files, SHRINK),) for _ in range(agents)]

        def together(system: str) -> tuple[list[Course], list[Measured]]:
            self._say(f"  {system}, {agents} processes")
            courses = [Course(system, files, wait_s, turns, tree, self._kept()) for tree in trees]
            return courses, run_together(courses)

        _, base = together(BASELINE)
        rows: list[Row] = []
        for system in systems:
            courses, found = together(system)
            made = compared(courses[0], found, base)
            rows.append(made._replace(setting=f"{agents} processes"))
        self._clear(Course("", 0, 0, 0, tree, "") for tree in trees)
        return rows

    def _one(self, course: Course) -> Measured:
        self._say(f"  {course.system}, {course.turns} turns")
        (found,) = run_together([course])
        shutil.rmtree(course.kept)
        return found

    def _tree(self, files: int, shrink: int = 1) -> str:
        name = f"tree-{next(self._names)}"
        make_tree(self._place / name, files, shrink=shrink)
        return str(self._place / name)

    def _kept(self) -> str:
        kept = self._place / f"kept-{next(self._names)}"
        kept.mkdir()
        return str(kept)

    def _clear(self, courses: Iterable[Course]) -> None:
        for course in courses:
            for each in (*course.trees, course.kept):
                if each:
                    shutil.rmtree(each, ignore_errors=True)
