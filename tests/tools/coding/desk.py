"""A desk without walls: files as they are, and a plain shell that confines nothing. For tests of the tools only."""

import asyncio
import os
import signal
from collections.abc import Callable, Sequence
from pathlib import Path

from perdure.adapters.tools.coding.toolset import make_tools
from perdure.adapters.tools.context import Context
from perdure.adapters.tools.convert import plain
from perdure.adapters.tools.desk import Ran, Service, Shell, Tail, Touch
from perdure.adapters.tools.invoke import invoke
from perdure.adapters.tools.tool import AnyTool
from perdure.contract import Contract
from perdure.contract.grounds import grounds_of
from perdure.values.digest import Json
from perdure.values.errors import BadInput

TOOLS: dict[str, AnyTool] = {tool.declaration.name: tool for tool in make_tools(confined=False)}


class PlainShell:
    """Commands as child processes in the workspace."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._services: dict[str, tuple[str, asyncio.subprocess.Process, Path]] = {}

    async def run(
        self,
        command: str,
        *,
        timeout: float,  # noqa: ASYNC109 - as the port has it
        key: str,
        on_output: Callable[[bytes], None],
    ) -> Ran:
        child = await self._started(command, asyncio.subprocess.PIPE)
        assert child.stdout is not None
        timed_out = False
        try:
            async with asyncio.timeout(timeout):
                while piece := await child.stdout.read(65536):
                    on_output(piece)
                await child.wait()
        except TimeoutError:
            timed_out = True
        finally:
            ended(child)
            await child.wait()
        code = child.returncode if not timed_out and (child.returncode or 0) >= 0 else None
        return Ran(code, timed_out)

    async def start(self, name: str, command: str) -> Service:
        if name in self._services and self._services[name][1].returncode is None:
            raise BadInput(f"a service {name!r} is running", hint="stop it first")
        output = self._root.parent / f"{name}.output"
        with output.open("wb") as file:
            self._services[name] = command, await self._started(command, file.fileno()), output
        return self._seen(name)

    async def stop(self, name: str) -> Service:
        _, child, _ = self._known(name)
        ended(child)
        await child.wait()
        return self._seen(name)

    def services(self) -> tuple[Service, ...]:
        return tuple(self._seen(name) for name in self._services)

    async def tail(self, name: str, *, bytes_max: int) -> Tail:
        content = self._known(name)[2].read_bytes()
        return Tail(content[-bytes_max:], max(len(content) - bytes_max, 0))

    def _known(self, name: str) -> tuple[str, asyncio.subprocess.Process, Path]:
        if name not in self._services:
            raise BadInput(f"there is no service {name!r}", hint="list them")
        return self._services[name]

    def _seen(self, name: str) -> Service:
        command, child, _ = self._known(name)
        return Service(name, command, child.returncode is None, child.returncode)

    async def _started(self, command: str, output: int) -> asyncio.subprocess.Process:
        return await asyncio.create_subprocess_shell(
            command, cwd=self._root, stdin=asyncio.subprocess.DEVNULL, stdout=output,
            stderr=asyncio.subprocess.STDOUT, start_new_session=True,
        )  # fmt: skip


def ended(child: asyncio.subprocess.Process) -> None:
    """End all processes of the session that ``child`` leads."""
    try:
        os.killpg(child.pid, signal.SIGKILL)
    except ProcessLookupError:
        return


class PlainDesk:
    """A directory, a contract's reach over it, and what the tools noted."""

    def __init__(
        self, root: Path, contract: Contract | None = None, *, hidden: Sequence[str] = (), shell: bool = False
    ) -> None:
        self.root: Path = root.resolve()
        self.shell: Shell | None = PlainShell(self.root) if shell else None
        self.changed: dict[str, str] = {}
        self._contract = contract or Contract()
        self._hidden = hidden

    def barred(self, tool: str, touch: Touch, path: str) -> str:
        grounds = grounds_of(self._contract, tool, hidden=self._hidden)
        return grounds.barred(write=touch == "write", path=path)

    def telltales(self, path: str) -> tuple[bytes, ...]:
        return (b"PRIVATE KEY",) if path.endswith(".pem") else ()

    def noted(self, path: str, key: str) -> None:
        self.changed[path] = key


def use(desk: PlainDesk | None, name: str, **arguments: Json) -> Json:
    """Return what the tool answers, as the model gets it; raises what the tool raises."""
    return asyncio.run(using(desk, name, **arguments))


async def using(desk: PlainDesk | None, name: str, **arguments: Json) -> Json:
    """As ``use``, within a loop."""
    tool = TOOLS[name]
    ctx = Context(run="r", key="k", desk=desk)
    return plain(await invoke(tool, ctx, tool.bind(arguments), time_limit=60))


def text(desk: PlainDesk, name: str, **arguments: Json) -> str:
    """Return the text that the tool answers."""
    said = use(desk, name, **arguments)
    assert isinstance(said, str)
    return said


def everything(root: Path) -> dict[str, bytes]:
    """Return the files below ``root`` with their content."""
    return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}
