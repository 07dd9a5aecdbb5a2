"""How an agent's window is kept small, made out from what it says and what its model costs."""

from typing import Final, Literal

from msgspec.structs import replace

from perdure.assembly.pricing import tariff_of
from perdure.intention.declaration import Paging
from perdure.page.density import characters_per_token
from perdure.values.errors import BadPaging

ContextMode = Literal["safe", "observe", "off"]

_MODES: Final = ("safe", "observe", "room", "nocache")


def paging_of(agent: str, context: str | Paging, model: str, base_url: str | None) -> Paging | None:
    """Return what the definition says of the window; None where nothing is ever to move.

    'safe' moves only what is expected to save money, so where a model's price isn't known there is nothing to
    decide, and the model isn't given a tool that would never be of use. Raises ``BadPaging``.
    """
    if context == "off":
        return None
    paging = context if isinstance(context, Paging) else Paging(context)
    if paging.mode not in _MODES:
        raise BadPaging(f"agent {agent}: context is {paging.mode!r}")
    if paging.mode == "room" and paging.room <= 0:
        raise BadPaging(
            f"agent {agent}: the window is to be kept under a number of tokens, and room says none"
        )
    name = model.partition(":")[2] or model
    if not paging.tariff.input:
        paging = replace(paging, tariff=tariff_of(name, local=base_url is not None))
    if paging.density == Paging().density:
        paging = replace(paging, density=round(100 * characters_per_token(name)))
    return None if paging.mode == "safe" and not paging.tariff.input else paging
