"""One request of a main conversation, as its main loop hears of it."""

import logging
from typing import Final

from perdure.gateway.counts import Counts
from perdure.gateway.holding import ApiListener, Hold, Listener, Write
from perdure.gateway.main_loop import MainLoop
from perdure.wire.bodies.request import RequestBody

_LOG: Final = logging.getLogger("perdure.gateway")


class MainReply:
    """The request, and the reply that is held back from its first call on."""

    def __init__(self, main: MainLoop, read: RequestBody, session: str, counts: Counts) -> None:
        """Tell ``main`` of ``read``; ``session`` is the client's name of the conversation."""
        self._main: MainLoop = main
        self._read: RequestBody = read
        self.session: str = session
        self._counts: Counts = counts
        self._hold: Hold | None = None
        self._asked: bool = False

    @property
    def toolless(self) -> bool:
        """Whether the client's main loop offers no tools."""
        return self._main.toolless

    @property
    def unbroken(self) -> bool:
        """Whether the request begins with all that one on the run's present path sent."""
        return self._main.unbroken

    def stop_of(self, stop: str) -> str:
        """Return why the reply ended; nothing for a client without tools, which sets to work where its model stops."""
        return "" if self._main.toolless else stop

    @property
    def held_ms(self) -> int:
        """How long its first call waited."""
        return self._hold.held_ms if self._hold is not None else 0

    @property
    def unrecorded(self) -> bool:
        """Whether that went on before the workspace stood recorded."""
        return self._hold is not None and self._hold.unrecorded

    def asked(self, position: int) -> None:
        """The request was told at ``position``."""
        self._asked = True
        self._main.asked(self._read, self.session, position)

    def answered(self, *, whole: bool) -> None:
        """Its reply has ended; only the first time counts."""
        if self._asked:
            self._asked = False
            self._main.answered(whole=whole)

    def held(self, write: Write, *, streamed: bool) -> Hold:
        """Return the way of its reply to ``write``."""
        return self.held_by(ApiListener(self._read.api, streamed=streamed), write, streamed=streamed)

    def held_by(self, listener: Listener, write: Write, *, streamed: bool) -> Hold:
        """Return the same for a reply that ``listener`` hears."""
        self._hold = Hold(listener, write, self._ready, self._main.reply.hear, streamed=streamed)
        return self._hold

    async def _ready(self) -> bool:
        try:
            ready = await self._main.ready()
        except Exception as error:  # noqa: BLE001 - the reply is the client's, whatever became of the workspace
            _LOG.warning("%s: not known to be recorded: %s", self._main.session.run, type(error).__name__)
            ready = False
        self._counts.unrecorded += int(not ready)
        return ready
