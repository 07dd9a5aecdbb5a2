"""At which terms a session's requests were served: the model's prices, and how its cache lived.

Invariant: where nobody knows a price, only proportions count, and every request is taken at ``FALLBACK``.
"""

from collections.abc import Callable
from typing import Final

from perdure.page.caching import MINUTE_NS, NONE, CacheRule, Rates, cache_rule, provider_of
from perdure.profile.route import Priced, Terms
from perdure.profile.trace import Exchange, Trace

FALLBACK: Final = Rates(1_000_000, 5_000_000)
"""Of a model that the price book doesn't know: a reply's token costs five of a prompt's."""

RatesOf = Callable[[str, str], Rates]
"""The prices of a model of a provider."""


def recorded_terms(trace: Trace, rates: RatesOf, ttl: int | None = None) -> Priced:
    """Return the terms of each request as recorded: its model, and the life of what it wrote.

    ``ttl`` (ns): how long every entry is taken to have lived instead.
    """
    lives = next((request.ttl for request in trace.requests if request.ttl), 0)
    cached = any(
        request.usage.cache_read_tokens or request.usage.cache_write_tokens for request in trace.requests
    )
    known: dict[tuple[str, int], Terms] = {}

    def terms(exchange: Exchange) -> Terms:
        nonlocal lives
        lives = exchange.ttl or lives
        wanted = lives if ttl is None else ttl
        found = known.get((exchange.model, wanted))
        if found is None:
            found = known[exchange.model, wanted] = _terms(exchange.model, trace.source, wanted, rates)
            found = known[exchange.model, wanted] = found if cached else without_cache(found)
        return found

    return terms


def without_cache(terms: Terms) -> Terms:
    """Return ``terms`` had the provider no prompt cache."""
    price = terms.rates.input
    rates = Rates(price, terms.rates.output, price, price, price)
    return terms._replace(rule=NONE, rates=rates, ttl=0, long=False)


def _terms(model: str, source: str, ttl: int, rates: RatesOf) -> Terms:
    provider = provider_of(model) or ("openai" if source in ("codex", "chat") else "anthropic")
    rule = cache_rule(model, provider)
    long = rule.ttl_long > 0 and ttl > 5 * MINUTE_NS
    lives = rule.ttl_long if long else rule.ttl
    if rule.kind == "longest" and ttl:
        lives = ttl
    return Terms(model or "unknown", rule, _whole(rates(model, provider), rule), lives, long)


def _whole(rates: Rates, rule: CacheRule) -> Rates:
    """Return ``rates`` with the rule's shares where the price book is silent."""
    base = rates if rates.input else FALLBACK
    price = base.input
    return Rates(
        price,
        base.output,
        base.read or price * rule.read // 1000,
        base.write or price * rule.write // 1000,
        base.write_long or price * rule.write_long // 1000,
    )
