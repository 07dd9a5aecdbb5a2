"""Prices for decisions and for the ledger: the door to the price book for rooms that name no adapter."""

from functools import lru_cache

from perdure.adapters.models.prices import cost_microusd
from perdure.log.events import Tariff, Usage
from perdure.page.caching import Rates, cache_rule, provider_of, tariff

_THOUSAND = 1000
"""Tokens by which a price is asked: below every step at which a book's prices change."""


@lru_cache(maxsize=256)
def rates_of(model: str, provider: str) -> Rates:
    """Return what the book says of ``model``, in millionths of a dollar per million tokens; 0 where it doesn't."""

    def price(usage: Usage) -> int:
        return cost_microusd(usage, model, provider=provider or None, base_url=None) * _THOUSAND

    return Rates(
        input=price(Usage(input_tokens=_THOUSAND)),
        output=price(Usage(output_tokens=_THOUSAND)),
        read=price(Usage(input_tokens=_THOUSAND, cache_read_tokens=_THOUSAND)),
        write=price(Usage(input_tokens=_THOUSAND, cache_write_tokens=_THOUSAND)),
    )


def tariff_of(model: str, *, local: bool, long: bool = False, subscription: bool = False) -> Tariff:
    """Return what input costs for ``model`` and how its cache behaves.

    ``local``: a server on this machine answers; it costs nothing unless the model's name is a provider's (then
    the server only passes on). ``long``: the client asks for the cache's longer life.
    """
    provider = provider_of(model)
    if not provider and local:
        return tariff(model, Rates(), provider="local")
    return tariff(model, rates_of(model, provider), provider=provider, long=long, subscription=subscription)


def cost_of(usage: Usage, model: str, *, long: bool = False) -> int:
    """Return millionths of a dollar for one call; 0 where the price isn't known.

    ``long``: what it wrote to the cache was written for the longer life, of which the book knows no price.
    """
    provider = provider_of(model)
    if not provider:
        return 0
    cost = cost_microusd(usage, model, provider=provider, base_url=None)
    if long and usage.cache_write_tokens:
        rule, rates = cache_rule(model, provider), rates_of(model, provider)
        dearer = rates.input * max(rule.write_long - rule.write, 0) // 1000
        cost += usage.cache_write_tokens * dearer // 1_000_000
    return cost


def open_price_book() -> None:
    """The book is read, which takes half a second the first time; whoever serves many does it before."""
    rates_of("", "")
