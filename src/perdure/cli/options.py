"""Options that several commands share, each spelled once."""

import getpass
from collections.abc import Callable
from functools import wraps
from typing import Final, ParamSpec, TypeVar

import click

from perdure.assembly.stores.addresses import Address, address_of

F = TypeVar("F", bound=Callable[..., object])
P = ParamSpec("P")


class _Addressed(click.ParamType[Address]):
    """A store's address, as people write it. Raises ``BadAddress``."""

    name: str = "location"

    def convert(
        self, value: str | Address, param: click.Parameter | None, ctx: click.Context | None
    ) -> Address:
        """Return the address that ``value`` spells."""
        del param, ctx
        return address_of(value)


ADDRESS: Final = _Addressed()


def example(*lines: str) -> str:
    """Return what stands below a command's options: commands to copy, each on its own line."""
    return "\b\nFor example:\n" + "\n".join(f"  {line}" for line in lines)


def store_option(command: F) -> F:
    """Add ``--store``."""
    return click.option(
        "--store",
        "store",
        metavar="LOCATION",
        type=ADDRESS,
        help="The store: a directory, postgresql://..., or a .toml file "
        "[default: PERDURE_STORE, ./state if it is one, ./.perdure].",
    )(command)


def shard_option(command: F) -> F:
    """Add ``--shard``."""
    return click.option(
        "--shard", default="", metavar="NAME", help="Which of the databases, where the store has several."
    )(command)


def json_option(command: F) -> F:
    """Add ``--json``."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON for programs.")(command)


def run_argument(command: Callable[P, int]) -> Callable[P, int]:
    """Add the argument ``RUN``."""
    return click.argument("run", metavar="RUN")(shard_found(command))


def shard_found(command: Callable[P, int]) -> Callable[P, int]:
    """Let people leave out the shard of ``run`` where it is the only one of that name. Raises ``BadInput`` where it isn't."""

    @wraps(command)
    def found(*words: P.args, **named: P.kwargs) -> int:
        run, store = named.get("run"), named.get("store")
        if isinstance(run, str) and (store is None or isinstance(store, Address)):
            from perdure.cli.place import whole_name  # noqa: PLC0415 - help needs no store

            named["run"] = whole_name(run, store)
        return command(*words, **named)

    return found


def by_option(command: F) -> F:
    """Add ``--by``, which the log records."""
    return click.option(
        "--by", metavar="NAME", default=_user, show_default="your login name", help="Who says so."
    )(command)


def resume_option(command: F) -> F:
    """Add ``--resume``, and ``--agent`` beside it."""
    command = agent_option(command)
    return click.option("--resume", "go_on", is_flag=True, help="Go on driving the run at once.")(command)


def agent_option(command: F) -> F:
    """Add ``--agent``."""
    return click.option(
        "--agent", metavar="FILE:NAME", help="The agent, if it isn't the one the run was begun with."
    )(command)


def _user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return "operator"
