"""Secrets stay out of the log, whichever tool of a client has them."""

from pathlib import Path

import msgspec

from perdure.assembly.store import open_store
from perdure.contract import Contract
from perdure.contract.rules import Redaction
from perdure.log import events as e
from perdure.values.digest import Json
from perdure.wrap.hooks.heard import heard
from tests.hooks.kit import bodies, hears, post, pre, wrapped
from tests.sessions.ground import played

TOKEN = "ghp_0123456789abcdefghij"


def stored(place: Path) -> str:
    """Return all that a store holds of its runs, as text."""
    found: list[str] = []
    with open_store(place) as store:
        for row in store.runs():
            for event in store.events(row.run):
                found.append(msgspec.json.encode(event.body).decode())
                for name in event.body.__struct_fields__:
                    value = getattr(event.body, name)
                    if isinstance(value, e.Content) and value.blob:
                        found.append(store.blobs.get(value.blob).decode(errors="replace"))
    return "\n".join(found)


def test_a_secret_file_is_known_by_digest_whether_it_is_read_or_written(tmp_path: Path):
    async def story() -> None:
        async with wrapped(tmp_path) as session:
            path = str(tmp_path / "workspace" / "deploy" / ".env")
            for event in (
                pre("Read", {"file_path": path}, "c1"),
                post("Read", {"file_path": path}, {"file": {"content": "PIN=4711-0815"}}, "c1"),
                pre("Write", {"file_path": path, "content": "PIN=4711-0815"}, "c2"),
                post("Write", {"file_path": path, "content": "PIN=4711-0815"}, {"ok": True}, "c2"),
            ):
                assert (await hears(session, event))["exit"] == 0
            proposed = [
                each.arguments
                for each in bodies(session, e.IntentionProposed)
                if isinstance(each, e.IntentionProposed)
            ]
            assert proposed[0] == {"file_path": "deploy/.env"}
            assert str((proposed[1] or {})["content"]).startswith("{'secret': 'sha256:")

    played(story())
    assert "4711-0815" not in stored(tmp_path / "store")


def test_credentials_around_the_client_are_blotted_out_wherever_they_show(tmp_path: Path):
    async def story() -> None:
        async with wrapped(tmp_path) as session:
            around = {"GITHUB_TOKEN": TOKEN, "HOME": "/srv/ann", "SHORT_KEY": "none"}
            for event in (
                pre("Bash", {"command": f"curl -H 'authorization: {TOKEN}' https://x"}, "c1"),
                post("Bash", {"command": "env"}, {"stdout": f"GITHUB_TOKEN={TOKEN}\nHOME=/srv/ann"}, "c1"),
                {**pre("Bash", {"command": "env"}, "c2")},
                {
                    **post("Bash", {"command": "env"}, None, "c2"),
                    "hook_event_name": "PostToolUseFailure",
                    "error": TOKEN,
                },
            ):
                words: dict[str, Json] = {"event": event}
                assert (await heard(session, words, environment=around))["exit"] == 0

    played(story())
    kept = stored(tmp_path / "store")
    assert TOKEN not in kept
    assert "[secret]" in kept
    assert "HOME=/srv/ann" in kept


def test_what_the_contract_redacts_is_not_kept_of_results(tmp_path: Path):
    contract = Contract(redact=(Redaction(r"DE[0-9]{20}", "iban"),))

    async def story() -> None:
        async with wrapped(tmp_path, contract=contract) as session:
            await hears(session, pre("Bash", {"command": "cat ledger"}))
            await hears(session, post("Bash", {"command": "cat ledger"}, "to DE02120300000000202051 at noon"))

    played(story())
    kept = stored(tmp_path / "store")
    assert "DE02120300000000202051" not in kept
    assert "at noon" in kept
