"""The shell tool: commands to their end, services in the background, and their output admitted in part."""

from typing import Annotated, Final, Literal

import msgspec

from perdure.adapters.tools.coding.admission import Admitted
from perdure.adapters.tools.context import Context
from perdure.adapters.tools.desk import Ran, Service, Shell
from perdure.adapters.tools.outcomes import NotDone
from perdure.values.digest import Json
from perdure.values.errors import BadInput, SandboxMissing
from perdure.values.limits import SHELL_HEAD_BYTES, SHELL_SECONDS, SHELL_SECONDS_MAX, SHELL_TAIL_BYTES

Action = Literal["run", "start", "stop", "output", "list"]

_SECONDS: Final = msgspec.Meta(gt=0, le=SHELL_SECONDS_MAX)
_NAME: Final = msgspec.Meta(pattern="^[A-Za-z0-9_-]{0,40}$")


async def shell(
    ctx: Context,
    command: str = "",
    timeout_seconds: Annotated[float, _SECONDS] = SHELL_SECONDS,
    action: Action = "run",
    service: Annotated[str, _NAME] = "",
) -> dict[str, Json]:
    """Run a command in the workspace, or a service in the background.

    Each command has a shell of its own that starts in the workspace's root: ``cd`` and variables don't last, so
    chain with ``&&``. Nothing can be typed into it. Of long output the beginning and the end are kept.

    To keep a server running, use action "start" with a name in ``service``; look at what it says with "output",
    end it with "stop", see all with "list". A process that a command leaves behind is ended with it.

    Args:
        command: a line for the shell; for "run" and "start"
        timeout_seconds: when to end the command
        action: run a command to its end, start a service, stop it, show its output, or list all services
        service: the name of the service
    """
    shell = ctx.desk.shell if ctx.desk is not None else None
    if shell is None:
        raise NotDone("there is no shell in this workspace")
    if action in {"run", "start"} and not command.strip():
        raise NotDone(f'action "{action}" needs a command')
    if action in {"start", "stop", "output"} and not service:
        raise NotDone(f'action "{action}" needs the name of a service')
    try:
        if action == "run":
            return await _run(shell, ctx, command, timeout_seconds)
        return await _serve(shell, action, service, command)
    except (BadInput, SandboxMissing) as error:  # nothing was run
        raise NotDone(f"{error}; {error.hint}") from error


async def _run(shell: Shell, ctx: Context, command: str, seconds: float) -> dict[str, Json]:
    admitted = Admitted()
    ran = await shell.run(command, timeout=seconds, key=ctx.key, on_output=admitted.take)
    return {"exit": ran.exit, "output": admitted.text(), **_told(ran, seconds)}


def _told(ran: Ran, seconds: float) -> dict[str, Json]:
    """Return what a result says beside exit code and output; nothing of it where all went well."""
    told: dict[str, Json] = {}
    if ran.timed_out:
        told["timed_out"] = f"it was ended after {seconds:g} s, with all that it had started"
    if ran.refused:
        told["refused"] = list(ran.refused)
        told["why"] = f"{ran.why}; nothing that the command changed was kept"
    if ran.left:
        told["ended"] = list(ran.left)
        told["hint"] = 'it left these running; start what shall stay with action "start"'
    return told


async def _serve(shell: Shell, action: Action, name: str, command: str) -> dict[str, Json]:
    match action:
        case "start":
            return _shown(await shell.start(name, command))
        case "stop":
            return _shown(await shell.stop(name))
        case "output":
            spoken = await shell.tail(name, bytes_max=SHELL_HEAD_BYTES + SHELL_TAIL_BYTES)
            admitted = Admitted(head=0, tail=len(spoken.content))
            admitted.take(spoken.content)
            return {"service": name, "output": admitted.text(dropped=spoken.before)}
        case _:
            return {"services": [_shown(each) for each in shell.services()]}


def _shown(service: Service) -> dict[str, Json]:
    state: Json = "running" if service.running else {"exit": service.exit}
    return {"service": service.name, "command": service.command, "state": state}
