"""The marks of a path: what its inode says of it, and when they can be trusted to show the next change.

Invariants:
- A change that comes after a look shows in the marks, if they were ``settled`` at that look.
- Marks that aren't settled say nothing: what they belong to is looked at again, content and all.

The kernel stamps changes with a clock that stands still between its ticks, so two changes within one tick can
leave the same marks. git has the same rule for what it calls racily clean entries.
"""

import os
from collections.abc import Callable
from operator import attrgetter
from typing import Final, cast

Marks = tuple[int, int, int, int, int, int, int, int]
"""mode, size, mtime and ctime in ns, inode, user, group, number of links"""

MarksOf = Callable[[os.stat_result], Marks]

CTIME: Final = 3
LINKS: Final = 7

marks_of: Final = cast(
    "MarksOf",
    attrgetter("st_mode", "st_size", "st_mtime_ns", "st_ctime_ns", "st_ino", "st_uid", "st_gid", "st_nlink"),
)

GRAIN_NS: Final = 20_000_000
"""Two ticks of the slowest kernel clock (100 Hz): a stamp older than this can't be given out again."""

COARSE_GRAIN_NS: Final = 2_500_000_000
"""File systems that keep whole seconds, or every second one (ext3, FAT): their step, and a little."""

REMOTE_GRAIN_NS: Final = 5_000_000_000
"""File systems of other machines stamp with their own clock, which may be behind ours."""

_SECOND_NS: Final = 1_000_000_000


def settled(marks: Marks, now: int, grain: int = GRAIN_NS) -> bool:
    """Whether a change after ``now`` (ns, read before the look) has to show in ``marks``.

    ``grain`` is the file system's; a stamp without a fraction of a second counts as one of a coarse one.
    A stamp in the future is never settled.
    """
    ctime = marks[CTIME]
    step = max(grain, COARSE_GRAIN_NS) if ctime % _SECOND_NS == 0 else grain
    return ctime < now - step
