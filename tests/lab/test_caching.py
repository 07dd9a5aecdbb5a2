"""The rules of the providers' caches, and the tariffs made of them."""

from datetime import date

import pytest

from perdure.page.caching import HOUR_NS, MINUTE_NS, RULES, Rates, cache_rule, tariff


@pytest.mark.parametrize(
    ("model", "minimum"),
    [
        ("claude-opus-4-5-20251101", 4096),
        ("claude-opus-4-1-20250805", 1024),
        ("anthropic/claude-opus-5", 512),
        ("us.anthropic.claude-haiku-4-5-20251001-v1:0", 4096),
        ("claude-sonnet-4-5", 1024),
        ("claude-sonnet-4-6", 2048),
        ("claude-something-9", 4096),
        ("gpt-5.4", 1024),
    ],
)
def test_a_family_has_its_own_minimum(model: str, minimum: int):
    assert cache_rule(model).minimum == minimum


@pytest.mark.parametrize(
    ("model", "kind"),
    [
        ("gpt-5.5", "longest"),
        ("gpt-5", "longest"),
        ("gpt-5.6-sol", "pointed"),
        ("gpt-6.1-terra", "pointed"),
        ("claude-fable-5", "marked"),
        ("gpt-oss-20b", "none"),
        ("qwen3-coder", "none"),
    ],
)
def test_what_no_row_matches_has_no_cache(model: str, kind: str):
    assert cache_rule(model).kind == kind


def test_every_row_has_its_source_and_date():
    for row in RULES:
        assert row.source.startswith("https://")
        assert date.fromisoformat(row.on) <= date(2026, 11, 25)


def test_no_two_rows_name_the_same_family():
    names = [(row.provider, row.family) for row in RULES]
    assert len(set(names)) == len(names)


def test_the_price_book_goes_before_the_shares():
    rates = Rates(input=10_000_000, output=50_000_000, read=250_000, write=12_500_000, write_long=20_000_000)
    short, long = tariff("claude-fable-5-1", rates), tariff("claude-fable-5-1", rates, long=True)
    assert (short.read, short.write, short.ttl) == (250_000, 12_500_000, 5 * MINUTE_NS)
    assert (long.read, long.write, long.ttl) == (250_000, 20_000_000, HOUR_NS)


def test_shares_stand_in_for_what_the_book_does_not_hold():
    book = Rates(input=3_000_000, output=15_000_000)
    found = tariff("claude-sonnet-4-5", book)
    assert (found.read, found.write) == (300_000, 3_750_000)
    assert tariff("claude-sonnet-4-5", book, long=True).write == 6_000_000
    assert tariff("gpt-4.1", book).read == 750_000
    assert tariff("gpt-5.2", book).write == book.input


def test_only_who_offers_a_longer_life_sells_one():
    book = Rates(input=1_250_000, output=10_000_000)
    assert tariff("gpt-5.2", book, long=True) == tariff("gpt-5.2", book)


def test_without_a_price_nothing_is_priced():
    found = tariff("claude-opus-4-5", Rates())
    assert (found.input, found.read, found.write) == (0, 0, 0)
    assert found.ttl == 5 * MINUTE_NS
