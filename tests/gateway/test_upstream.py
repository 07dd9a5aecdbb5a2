"""What this machine says of a provider's host: its proxy counts, its logins don't."""

import asyncio
import socket
from pathlib import Path

import pytest
from multidict import CIMultiDict

from perdure.gateway.upstream import Upstream
from tests.gateway.raw import RawUpstream, Seen


def _fine(connection: socket.socket, _seen: Seen) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok")


def _asked(address: str, headers: "CIMultiDict[str]") -> bytes:
    async def ask() -> bytes:
        upstream = Upstream()
        try:
            async with await upstream.ask("POST", address, headers, b"{}") as answer:
                return await answer.read()
        finally:
            await upstream.close()

    return asyncio.run(ask())


@pytest.fixture
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.mark.usefixtures("no_proxy")
@pytest.mark.parametrize("given", [{}, {"Authorization": "Bearer mine"}])
def test_a_login_in_netrc_is_neither_added_nor_in_the_way(
    given: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    file = tmp_path / "netrc"
    file.write_text("default login someone password secret\n")
    monkeypatch.setenv("NETRC", str(file))
    with RawUpstream(_fine) as upstream:
        assert _asked(f"{upstream.url}/v1/messages", CIMultiDict(given)) == b"ok"
    assert [seen.header("Authorization") for seen in upstream.seen] == [given.get("Authorization", "")]


@pytest.mark.usefixtures("no_proxy")
def test_the_proxy_of_the_environment_is_asked_with_its_login(monkeypatch: pytest.MonkeyPatch):
    with RawUpstream(_fine) as proxy:
        monkeypatch.setenv("http_proxy", f"http://me:secret@127.0.0.1:{proxy.port}")
        assert _asked("http://provider.invalid/v1/messages", CIMultiDict()) == b"ok"
    (seen,) = proxy.seen
    assert seen.line == "POST http://provider.invalid/v1/messages HTTP/1.1"
    assert seen.header("Proxy-Authorization") == "Basic bWU6c2VjcmV0"


@pytest.mark.usefixtures("no_proxy")
def test_a_host_that_the_environment_excepts_is_asked_itself(monkeypatch: pytest.MonkeyPatch):
    with RawUpstream(_fine) as upstream, RawUpstream(_fine) as proxy:
        monkeypatch.setenv("http_proxy", proxy.url)
        monkeypatch.setenv("no_proxy", "127.0.0.1")
        assert _asked(f"{upstream.url}/v1/messages", CIMultiDict()) == b"ok"
        assert (len(upstream.seen), len(proxy.seen)) == (1, 0)
