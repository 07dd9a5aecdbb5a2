"""The parts of the benchmark, one method each: they make the trees, run the courses and compare."""

import itertools
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

from benchmarks.workspace.course import Course, Measured, run_together
from benchmarks.workspace.rows import Row, compared
from benchmarks.workspace.systems import BASELINES, PLAIN, baseline_of, with_baselines
from benchmarks.workspace.trees import make_tree

SHRINK = 10
"""Trees of many agents have files of 2 KB in the mean, so that making sixteen of them doesn't take longer than the
measurement. A look costs by the number of files."""

Found = dict[str, tuple[Course, list[Measured]]]


class Bench:
    """Measurements below one directory."""

    def __init__(self, place: Path, say: Callable[[str], None]) -> None:
        """Work below ``place``; tell ``say`` what is being done."""
        self._place = place
        self._say = say
        self._names = itertools.count()

    def in_turn(
        self,
        systems: Sequence[str],
        files: int,
        wait_s: float,
        turns: Callable[[str], int],
        *,
        shrink: int = 1,
        restores: int = 0,
    ) -> list[Row]:
        """Measure ``systems`` on one tree, one after the other."""
        tree = (self._tree(files, shrink),)
        found: Found = {}
        for system in with_baselines(systems):
            back = 0 if system in BASELINES else min(restores, turns(system) // 3)
            course = Course(system, files, wait_s, turns(system), tree, self._kept(), restores=back)
            found[system] = course, [self._one(course)]
        shutil.rmtree(tree[0])
        return _rows(found)

    def side_by_side(
        self, systems: Sequence[str], files: int, wait_s: float, turns: int, *, restores: int = 0
    ) -> list[Row]:
        """Measure ``systems`` at one time, each on a tree of its own: whatever else the machine does, it does to all."""
        courses = [
            Course(
                system,
                files,
                wait_s,
                turns,
                (self._tree(files),),
                self._kept(),
                restores=0 if system in BASELINES else restores,
            )
            for system in with_baselines(systems)
        ]
        self._say(f"  {', '.join(course.system for course in courses)}: {turns} turns, side by side")
        measured = run_together(courses)
        for course in courses:
            shutil.rmtree(course.trees[0])
            shutil.rmtree(course.kept)
        return _rows(
            {course.system: (course, [each]) for course, each in zip(courses, measured, strict=True)}
        )

    def crowd(self, systems: Sequence[str], files: int, wait_s: float, turns: int, agents: int) -> list[Row]:
        """Measure so many agents in one process, each on a tree of its own."""
        trees = tuple(self._tree(files, SHRINK) for _ in range(agents))
        found: Found = {}
        for system in with_baselines(systems):
            course = Course(system, files, wait_s, turns, trees, self._kept())
            found[system] = course, [self._one(course)]
        for tree in trees:
            shutil.rmtree(tree)
        return _rows(found)

    def processes(
        self, systems: Sequence[str], files: int, wait_s: float, turns: int, agents: int
    ) -> list[Row]:
        """Measure so many processes of one agent each."""
        trees = [(self._tree(files, SHRINK),) for _ in range(agents)]
        found: Found = {}
        for system in with_baselines(systems):
            self._say(f"  {system}, {agents} processes")
            courses = [Course(system, files, wait_s, turns, tree, self._kept()) for tree in trees]
            found[system] = courses[0], run_together(courses)
            for course in courses:
                shutil.rmtree(course.kept)
        for tree in trees:
            shutil.rmtree(tree[0])
        return [row._replace(setting=f"{agents} processes") for row in _rows(found)]

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


def _rows(found: Found) -> list[Row]:
    """Return a row for each system but the plain baseline, beside its own baseline."""
    return [
        compared(course, measured, found[baseline_of(system)][1])
        for system, (course, measured) in found.items()
        if system != PLAIN
    ]
