"""Which URLs a reach lets through. Every trick here has once sent some client to another host."""

import urllib.parse

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perdure.contract.hosts import Place, host_glob_of, place_of, reachable
from perdure.contract.paths import BadGlob, Unclear


def through(lines: list[str], url: str) -> bool:
    place = place_of(url)
    return isinstance(place, Place) and reachable([host_glob_of(line) for line in lines], place)


@pytest.mark.parametrize(
    ("lines", "url", "verdict"),
    [
        (["api.example.com"], "https://api.example.com/v1?x=1#y", True),
        (["api.example.com"], "http://api.example.com", True),
        (["api.example.com"], "HTTPS://API.Example.COM./", True),
        (["API.example.com."], "https://api.example.com/", True),
        (["api.example.com"], "https://api.example.com:443/", True),
        (["api.example.com"], "https://api.example.com:8443/", False),
        (["api.example.com:8443"], "https://api.example.com:8443/", True),
        (["api.example.com:8443"], "https://api.example.com/", False),
        (["api.example.com:*"], "https://api.example.com:1/", True),
        (["api.example.com"], "https://evil-api.example.com/", False),
        (["api.example.com"], "https://api.example.com.evil.org/", False),
        (["*.example.com"], "https://a.b.example.com/", True),
        (["*.example.com"], "https://example.com/", False),
        (["*.example.com"], "https://badexample.com/", False),
        (["*"], "https://anything.org/", True),
        (["*"], "ftp://anything.org/", False),
        (["https://api.example.com"], "http://api.example.com/", False),
        (["https://api.example.com"], "wss://api.example.com/", False),
        (["ftp://files.example.com:21"], "ftp://files.example.com:21/x", True),
        (["127.0.0.1:8000"], "http://127.0.0.1:8000/", True),
        (["[::1]:8000"], "http://[0:0:0:0:0:0:0:1]:8000/", True),
        (["10.0.0.1"], "http://[::ffff:10.0.0.1]/", True),
        (["*", "!169.254.169.254"], "http://169.254.169.254/latest", False),
        (["*:*", "!169.254.169.254"], "http://169.254.169.254:8080/", False),
        (["*", "!169.254.169.254"], "http://[::ffff:a9fe:a9fe]/", False),
        (["*", "!*.internal"], "https://db.internal/", False),
        (["*", "!*.internal"], "https://db.external/", True),
        ([], "https://example.com/", False),
    ],
)
def test_a_line_allows_its_host_its_port_and_nothing_that_looks_like_it(lines, url, verdict):
    assert through(lines, url) is verdict


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("https://good.org@evil.org/", "user name"),
        ("https://good.org%40evil.org/", "percent"),
        ("https://evil.org\\@good.org/", "backslash"),
        ("https://good.org\\.evil.org/", "backslash"),
        ("https://g\u043e\u043ed.org/", "xn--"),
        ("https://good.org\u3002evil.org/", "xn--"),
        ("https://good\uff0eorg/", "xn--"),
        ("https://%67ood.org/", "percent"),
        ("https://good.org\t/", "control"),
        (" https://good.org/", "spaces"),
        ("ht\ntps://good.org/", "control"),
        ("//good.org/", "full URL"),
        ("good.org", "full URL"),
        ("javascript:alert(1)", "full URL"),
        ("https:good.org", "full URL"),
        ("https:///good.org", "readable host"),
        ("https://", "readable host"),
        ("https://a:b:c/", "readable host"),
        ("https://good..org/", "empty part"),
        ("https://2130706433/", "number"),
        ("https://127.1/", "number"),
        ("https://0x7f.0.0.1/", "number"),
        ("https://0177.0.0.01/", "number"),
        ("https://0x7f000001/", "number"),
        ("https://good.org:99999/", "port"),
        ("https://[::1/", "readable host"),
        ("https://[1:2]/", "address"),
        ("", "full URL"),
    ],
)
def test_a_url_that_clients_read_in_different_ways_is_refused_with_the_form_to_write(url, why):
    place = place_of(url)
    assert isinstance(place, Unclear)
    assert why in place.why


@pytest.mark.parametrize(
    "line",
    [
        "",
        "!",
        "*.",
        "a*.com",
        "api.*.com",
        "exa mple.com",
        "m\u00fcnchen.de",
        "host:port",
        "host:99999",
        "a..b",
        "*.10.0.0.1",
        "1.2.3",
        "https://",
        "host/path",
        "u@host",
    ],
)
def test_a_line_that_is_no_host_is_refused_with_a_cure(line: str):
    with pytest.raises(BadGlob, match="; "):
        host_glob_of(line)


@given(st.text(max_size=40))
def test_where_we_think_a_url_leads_is_where_the_standard_library_thinks_it_leads(tail: str):
    url = f"https://{tail}"
    place = place_of(url)
    if isinstance(place, Place) and not place.host.startswith("[") and not place.host[0].isdigit():
        parsed = urllib.parse.urlsplit(url)
        assert (parsed.hostname or "").removesuffix(".") == place.host
        assert (parsed.port or 443) == place.port


@given(st.from_regex(r"https://[a-z@.:%\\/?#\[\]0-9-]{0,25}", fullmatch=True))
def test_no_spelling_gets_past_the_one_host_that_is_allowed(url: str):
    if through(["good.org"], url):
        assert urllib.parse.urlsplit(url).hostname in {"good.org", "good.org."}
