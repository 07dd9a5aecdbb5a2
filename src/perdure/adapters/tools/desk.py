"""The workspace as tools reach it: where its files are, what is out of reach, and a shell in it."""

from collections.abc import Callable
from pathlib import Path
from typing import Literal, NamedTuple, Protocol

Touch = Literal["read", "write"]


class Ran(NamedTuple):
    """How a command ended. What it printed went to ``on_output`` meanwhile."""

    exit: int | None
    """its exit code, as a shell reports it; None if it was ended from here"""
    timed_out: bool = False
    """it ran until its time was over, and was then ended with all that it had started"""
    refused: tuple[str, ...] = ()
    """paths that it may not change, or that somebody else changed: then none of its changes was made"""
    why: str = ""
    """why they were refused"""
    left: tuple[str, ...] = ()
    """programs that it had left running in the background, and that were ended with it"""


class Service(NamedTuple):
    """A command in the background, under its name."""

    name: str
    command: str
    running: bool
    exit: int | None = None
    """its exit code, once it has ended by itself"""


class Tail(NamedTuple):
    """The end of what a service printed."""

    content: bytes
    before: int
    """bytes that it printed before that"""


class Shell(Protocol):
    """Commands in the workspace, confined as the contract and the sandbox say."""

    async def run(
        self,
        command: str,
        *,
        timeout: float,  # noqa: ASYNC109 - the shell ends what the command started, not only the wait
        key: str,
        on_output: Callable[[bytes], None],
    ) -> Ran:
        """Run ``command`` to its end, or to ``timeout`` seconds; both of its streams go to ``on_output``.

        ``key`` is the effect's, to which changes of the workspace are put down. When the call is
        cancelled, the command is ended.
        """
        ...

    async def start(self, name: str, command: str) -> Service:
        """Start ``command`` in the background; raises ``BadInput`` where a living service has the name."""
        ...

    async def stop(self, name: str) -> Service:
        """End a service with all that it started; raises ``BadInput`` where there is none of that name."""
        ...

    def services(self) -> tuple[Service, ...]:
        """Return the services of this run, also those that have ended."""
        ...

    async def tail(self, name: str, *, bytes_max: int) -> Tail:
        """Return the end of what a service printed; raises ``BadInput`` where there is none of that name."""
        ...


class Desk(Protocol):
    """One run's workspace."""

    @property
    def root(self) -> Path:
        """The directory, without symbolic links in its name."""
        ...

    @property
    def shell(self) -> Shell | None:
        """Where commands run; None where nothing can confine them and nobody has allowed that."""
        ...

    def barred(self, tool: str, touch: Touch, path: str) -> str:
        """Return why ``tool`` may not touch ``path``, in words for the model; '' where it may.

        ``path`` is relative to the root and leads through no symbolic link. Files that were declared
        secret are barred as well.
        """
        ...

    def telltales(self, path: str) -> tuple[bytes, ...]:
        """Return what a file at ``path`` holds only if it is secret (``PRIVATE KEY`` in a ``*.pem``).

        No tool shows a file in which one of them stands.
        """
        ...

    def noted(self, path: str, key: str) -> None:
        """Learn that the effect ``key`` has changed ``path`` (relative to the root)."""
        ...
