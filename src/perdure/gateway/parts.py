"""What all requests of one gateway share."""

from collections.abc import Callable
from typing import NamedTuple

from perdure.gateway.counts import Counts
from perdure.gateway.main_loop import MainLoop
from perdure.gateway.measure import Measure
from perdure.gateway.patience import Patience
from perdure.gateway.talks import Talk
from perdure.gateway.tracking import Tracker
from perdure.gateway.upstream import Upstream


class Parts(NamedTuple):
    """What all requests of one gateway share."""

    upstream: Upstream
    measure: Measure
    tracker: Tracker
    counts: Counts
    patience: Patience
    observes: bool
    """whether no byte is ever changed"""
    now: Callable[[], int]
    """the time, ns"""
    is_behind: Callable[[], bool]
    """whether the log is so far behind that it is spared what can be done without"""
    main: MainLoop | None = None
    """of the wrapped client, where there is one"""

    def may_move(self, talk: Talk) -> bool:
        """Tell whether what was moved in ``talk`` stays moved, and more may be."""
        return not self.observes and talk.conversation.mode != "observe"
