"""What a reply has cost, from the price book of the ``genai-prices`` package where it is installed.

A model that the book doesn't know costs nothing here: budgets in money hold only for models that it
knows, and budgets in tokens for all.
"""

from decimal import ROUND_HALF_EVEN, Decimal
from functools import cache
from importlib.util import find_spec

from perdure.log.events import Usage

MICROUSD_PER_USD = Decimal(1_000_000)


@cache
def _has_book() -> bool:
    return find_spec("genai_prices") is not None


def cost_microusd(usage: Usage, model: str, *, provider: str | None, base_url: str | None) -> int:
    """Return millionths of a dollar for ``usage``; 0 where the price isn't known."""
    if not _has_book():
        return 0
    import genai_prices  # noqa: PLC0415 - an extra, and slow to import

    tokens = genai_prices.Usage(
        input_tokens=usage.input_tokens,
        output_tokens=usage.output_tokens,
        cache_read_tokens=usage.cache_read_tokens,
        cache_write_tokens=usage.cache_write_tokens,
    )
    try:
        if base_url is not None and provider is None:
            price = genai_prices.calc_price(tokens, model, provider_api_url=base_url)
        else:
            price = genai_prices.calc_price(tokens, model, provider_id=provider)
    except (LookupError, ValueError):
        return 0
    return int((price.total_price * MICROUSD_PER_USD).to_integral_value(ROUND_HALF_EVEN))
