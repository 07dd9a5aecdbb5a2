"""How each provider's prompt cache behaves, as rows with their source and date; and a tariff made of them.

Invariants:
- A rule is a row below, never a branch in code. The row with the longest matching name wins.
- A price that the price book knows is taken from there; a rule's shares stand in only where the book has none.
- What no row matches has no cache that could be counted on: nothing is then decided by it.

Prices of the newest models leave the shares of a rule behind (some read at a fortieth), so money is decided by
the book, and the rows say how the cache *works*: how long, from which size, at which places.
"""

from typing import Final, Literal, NamedTuple

from perdure.log.events import Tariff

CacheKind = Literal["marked", "longest", "pointed", "none"]
"""'marked': written at the client's marks, found within a look-back before a mark. 'longest': found at the
longest prefix that was ever sent, in steps. 'pointed': written at the end of the newest message and at the
client's marks, found at any of them. 'none': nothing is kept."""

MINUTE_NS: Final = 60 * 1_000_000_000
HOUR_NS: Final = 60 * MINUTE_NS


class CacheRule(NamedTuple):
    """How the prompt cache of one family of models behaves. Shares are in thousandths of the input's price."""

    provider: str
    family: str
    """what the model's name begins with; empty: any model of the provider"""
    kind: CacheKind
    minimum: int
    """tokens below which nothing is cached"""
    ttl: int
    """ns after the last use until which an entry may be found"""
    ttl_long: int
    """ns where the client asks for longer; 0: it can't"""
    step: int
    """tokens; a prefix is found in multiples of it"""
    marks: int
    """places that one request may mark"""
    look_back: int
    """blocks before a mark that are looked through; 0: no limit"""
    read: int
    write: int
    write_long: int
    source: str
    on: str
    """the day on which the source was read, or which it gives itself"""


class Rates(NamedTuple):
    """What a model's tokens cost, in millionths of a dollar per million tokens; 0: not known."""

    input: int = 0
    output: int = 0
    read: int = 0
    write: int = 0
    write_long: int = 0


_CLAUDE: Final = "https://platform.claude.com/docs/en/build-with-claude/prompt-caching"
_OPENAI: Final = "https://developers.openai.com/api/docs/guides/prompt-caching"
_OPENAI_PRICES: Final = "https://developers.openai.com/api/docs/pricing"


def _claude(family: str, minimum: int, on: str) -> CacheRule:
    return CacheRule(
        "anthropic", family, "marked", minimum, 5 * MINUTE_NS, HOUR_NS, 1, 4, 20, 100, 1250, 2000, _CLAUDE, on
    )


def _openai(family: str, read: int, source: str, on: str) -> CacheRule:
    """Writes are free, so a token that is written costs what a token costs that isn't.

    Entries typically go after 5 to 10 minutes and always within an hour. Sessions show them alive after 37 minutes
    and gone after 78, so nothing is taken for cold before the hour.
    """
    return CacheRule("openai", family, "longest", 1024, HOUR_NS, 0, 128, 0, 0, read, 1000, 1000, source, on)


def _pointed(family: str) -> CacheRule:
    return CacheRule(
        "openai", family, "pointed", 1024, 30 * MINUTE_NS, 0, 1, 4, 0, 100, 1250, 1250, _OPENAI, "2026-11-25"
    )


RULES: Final[tuple[CacheRule, ...]] = (
    # A family without a row of its own (5.5 and later) is taken at the largest minimum in use.
    _claude("", 4096, "2026-11-25"),
    _claude("claude-3", 1024, "2026-10-07"),
    _claude("claude-3-haiku", 2048, "2026-10-07"),
    _claude("claude-3-5-haiku", 2048, "2026-10-07"),
    _claude("claude-opus-4", 1024, "2026-10-07"),
    _claude("claude-opus-4-5", 4096, "2026-10-07"),
    _claude("claude-opus-4-6", 4096, "2026-10-07"),
    _claude("claude-opus-4-7", 2048, "2026-10-07"),
    _claude("claude-opus-4-8", 1024, "2026-10-07"),
    _claude("claude-opus-5", 512, "2026-10-07"),
    # Documented as 1,024; seen to begin at 2,048 (anthropic-sdk-python issue 1194).
    _claude("claude-sonnet-4", 1024, "2026-10-07"),
    _claude("claude-sonnet-4-6", 2048, "2026-10-07"),
    _claude("claude-sonnet-5", 1024, "2026-10-07"),
    _claude("claude-haiku-4-5", 4096, "2026-10-07"),
    _claude("claude-fable-5", 512, "2026-10-07"),
    _claude("claude-mythos-5", 512, "2026-10-07"),
    _openai("", 100, _OPENAI, "2026-11-25"),
    _openai("gpt-4o", 500, _OPENAI_PRICES, "2026-11-05"),
    _openai("gpt-4.5", 500, _OPENAI_PRICES, "2026-11-05"),
    _openai("gpt-4.1", 250, _OPENAI_PRICES, "2026-11-05"),
    _openai("codex-mini", 250, _OPENAI_PRICES, "2026-11-05"),
    _openai("o1", 500, _OPENAI_PRICES, "2026-11-05"),
    _openai("o3", 250, _OPENAI_PRICES, "2026-11-05"),
    _openai("o3-mini", 500, _OPENAI_PRICES, "2026-11-05"),
    _openai("o4-mini", 250, _OPENAI_PRICES, "2026-11-05"),
    _pointed("gpt-5.6"),
    _pointed("gpt-5.7"),
    _pointed("gpt-5.8"),
    _pointed("gpt-5.9"),
    _pointed("gpt-6"),
    # One slot keeps the last prompt until another one takes its place: nothing to pay, and nothing promised.
    CacheRule(
        "local", "", "longest", 0, 0, 0, 1, 0, 0, 1000, 1000, 1000,
        "https://github.com/ggml-org/llama.cpp/tree/master/tools/server", "2026-11-25",
    ),
)  # fmt: skip

NONE: Final = CacheRule("", "", "none", 0, 0, 0, 1, 0, 0, 1000, 1000, 1000, "no row matches", "")


def provider_of(model: str) -> str:
    """Return whose model it is by its name; empty where the name doesn't say."""
    name = _bare(model)
    if name.startswith("claude"):
        return "anthropic"
    if name.startswith(("gpt-", "chatgpt", "codex", "o1", "o3", "o4")):
        return "" if name.startswith("gpt-oss") else "openai"
    return ""


def cache_rule(model: str, provider: str = "") -> CacheRule:
    """Return how the cache of ``model`` behaves; without ``provider`` the model's name says whose it is."""
    provider, name = provider or provider_of(model), _bare(model)
    found = NONE
    for row in RULES:
        fits = row.provider == provider and name.startswith(row.family)
        if fits and (found is NONE or len(row.family) > len(found.family)):
            found = row
    return found


def tariff(
    model: str, rates: Rates, *, provider: str = "", long: bool = False, subscription: bool = False
) -> Tariff:
    """Return what input costs and how the cache behaves, for decisions by money.

    ``long``: the client asks for the longer life of its marks, where the provider has one. Without a price of
    the input nothing is known, and the prices stay 0.
    """
    rule = cache_rule(model, provider)
    long = long and rule.ttl_long > 0
    return Tariff(
        input=rates.input,
        read=rates.read or _share(rates.input, rule.read),
        write=_written(rule, rates, long=long),
        output=rates.output,
        ttl=rule.ttl_long if long else rule.ttl,
        minimum=rule.minimum,
        subscription=subscription,
        look_back=rule.look_back,
    )


def _written(rule: CacheRule, rates: Rates, *, long: bool) -> int:
    if long:
        return rates.write_long or _share(rates.input, rule.write_long)
    return rates.write or _share(rates.input, rule.write)


def _share(price: int, thousandths: int) -> int:
    return -(-price * thousandths // 1000)


def _bare(model: str) -> str:
    """Return the name without the vendors, regions and routes that stand before it."""
    name = model.lower().rpartition("/")[2]
    for vendor in ("anthropic.", "openai."):
        _, found, rest = name.rpartition(vendor)
        if found:
            name = rest
    return name
