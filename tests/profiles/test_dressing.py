"""A client meets the gateway and the shims; what its user has given stands beneath that, and no file of theirs changes."""

import json
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from perdure.values.digest import Json
from perdure.values.errors import BadInput
from perdure.wrap.profiles import dressing
from perdure.wrap.profiles.documents import as_toml, overrides_of
from perdure.wrap.profiles.dressing import is_bare
from perdure.wrap.profiles.reading import known
from perdure.wrap.profiles.resuming import continuing, session_files
from tests.profiles.ground import BASE, User, profile

SERVERS: dict[str, tuple[str, str | dict[str, object]]] = {
    "claude-code": ("~/.claude.json", {"mcpServers": {"bank": {"command": "bank", "timeout": 5}}}),
    "codex": ("~/.codex/config.toml", '[mcp_servers.bank]\ncommand = "bank"\n'),
    "opencode": ("~/.config/opencode/opencode.json", {"mcp": {"bank": {"command": ["bank"]}}}),
    "gemini-cli": ("~/.gemini/settings.json", {"mcpServers": {"bank": {"command": "bank"}}}),
    "qwen-code": ("~/.qwen/settings.json", {"mcpServers": {"bank": {"command": "bank"}}}),
}
SHIM = ["/usr/bin/python", "-m", "shim", "bank"]


@pytest.mark.parametrize("name", [each.name for each in known()])
def test_a_client_is_dressed_and_nothing_of_its_users_changes(name: str, tmp_path: Path):
    user = User(tmp_path, name)
    if name in SERVERS:
        user.writes(*SERVERS[name])
    before = user.digest()
    dress = user.dressed("-p", "do it")
    assert user.digest() == before
    assert all(path.parent == user.folder for path in dress.files)
    told = " ".join([*dress.arguments, *dress.environment.values(), *dress.files.values()])
    assert BASE in told
    assert dress.arguments[-2:] == ("-p", "do it")


def test_claude_gets_shims_alone_and_keeps_what_its_user_gave_on_the_command_line(tmp_path: Path):
    user = User(tmp_path, "claude-code")
    user.writes(*SERVERS["claude-code"])
    user.writes("more.json", {"mcpServers": {"given": {"command": "given"}}})
    user.writes("own.json", {"model": "opus", "hooks": {"Stop": [{"hooks": [{"command": "mine"}]}]}})
    ours: dict[str, Json] = {"hooks": {"Stop": [{"hooks": [{"command": "ours"}]}], "PreToolUse": []}}
    dress = user.dressed("--settings", "own.json", "--mcp-config", "more.json", "-p", "x", hooks=ours)
    assert dress.arguments == (
        "--mcp-config",
        str(user.folder / "servers.json"),
        "--strict-mcp-config",
        "--settings",
        str(user.folder / "settings.json"),
        "-p",
        "x",
    )
    servers = json.loads(dress.files[user.folder / "servers.json"])["mcpServers"]
    assert servers == {
        "given": {"type": "stdio", "command": SHIM[0], "args": [*SHIM[1:-1], "given"]},
        "bank": {"type": "stdio", "command": SHIM[0], "args": SHIM[1:], "timeout": 5},
    }
    settings = json.loads(dress.files[user.folder / "settings.json"])
    assert settings["model"] == "opus"
    assert settings["env"] == {"ANTHROPIC_BASE_URL": BASE}
    assert [each["hooks"][0]["command"] for each in settings["hooks"]["Stop"]] == ["mine", "ours"]


def test_native_tool_search_stays_on_unless_its_user_said_otherwise(tmp_path: Path):
    user = User(tmp_path, "claude-code")
    assert user.dressed().environment["ENABLE_TOOL_SEARCH"] == "true"
    user.environment["ENABLE_TOOL_SEARCH"] = "false"
    assert user.dressed().environment["ENABLE_TOOL_SEARCH"] == "false"


def test_codex_gets_overrides_that_read_as_they_were_meant(tmp_path: Path):
    user = User(tmp_path, "codex")
    user.writes(
        "~/.codex/config.toml",
        '[mcp_servers.bank]\ncommand = "bank"\n[mcp_servers."a.b"]\nurl = "https://far.example"\n',
    )
    dress = user.dressed("exec", "go")
    pairs = [each for flag, each in zip(dress.arguments, dress.arguments[1:], strict=False) if flag == "-c"]
    read = overrides_of(pairs)
    assert read["openai_base_url"] == f"{BASE}/v1"
    assert read["mcp_servers"] == {
        "bank": {"command": SHIM[0], "args": SHIM[1:], "startup_timeout_sec": 60},
        # One with an address can't be both: it is switched off, and its shim stands beside it.
        "a.b": {"enabled": False},
        "a.b_perdure": {"command": SHIM[0], "args": [*SHIM[1:-1], "a.b"], "startup_timeout_sec": 60},
    }


def test_codex_hooks_are_given_only_where_codex_runs_them(tmp_path: Path):
    user = User(tmp_path, "codex")
    hooks: dict[str, Json] = {"hooks": {"PreToolUse": []}}
    without = user.dressed(hooks=hooks)
    assert not any(each.startswith("hooks=") for each in without.arguments)
    assert "perdure hooks print codex" in without.notes[0]
    trusting = user.dressed("--dangerously-bypass-hook-trust", hooks=hooks)
    assert any(each.startswith("hooks=") for each in trusting.arguments)
    assert trusting.notes == ()


def test_opencodes_own_inline_settings_and_plugins_stay(tmp_path: Path):
    user = User(tmp_path, "opencode")
    user.environment["OPENCODE_CONFIG_CONTENT"] = json.dumps({"theme": "dark", "plugin": ["theirs"]})
    user.writes(*SERVERS["opencode"])
    dress = user.dressed("run", "x", hooks={"plugin": ["ours"]})
    content = json.loads(dress.environment["OPENCODE_CONFIG_CONTENT"])
    assert content["theme"] == "dark"
    assert content["plugin"] == ["theirs", "ours"]
    assert content["mcp"]["bank"]["command"] == SHIM
    assert content["provider"]["anthropic"]["options"]["baseURL"] == f"{BASE}/v1"


def test_settings_that_only_root_may_give_are_not_given_by_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    user = User(tmp_path, "gemini-cli")
    user.writes(*SERVERS["gemini-cli"])
    dress = user.dressed()
    assert dress.files == {}
    assert "GEMINI_CLI_SYSTEM_SETTINGS_PATH" not in dress.environment
    assert "around the contract" in dress.notes[0]
    monkeypatch.setattr(dressing, "roots_own", lambda folder: folder == user.folder)
    owned = user.dressed()
    path = owned.environment["GEMINI_CLI_SYSTEM_SETTINGS_PATH"]
    assert json.loads(owned.files[Path(path)])["mcpServers"]["bank"]["command"] == SHIM[0]


def test_what_the_administrator_has_set_stays_beneath_ours(tmp_path: Path):
    user = User(tmp_path, "qwen-code")
    system = tmp_path / "system.json"
    entry = {"command": "admins"}
    system.write_text(json.dumps({"tools": {"core": ["x"]}, "mcpServers": {"admins": entry}}))
    user.environment["QWEN_CODE_SYSTEM_SETTINGS_PATH"] = str(system)
    dress = user.dressed()
    ours = json.loads(dress.files[user.folder / "qwen.json"])
    assert ours["tools"] == {"core": ["x"]}
    assert ours["mcpServers"]["admins"]["command"] == SHIM[0]


def test_subcommands_that_are_no_sessions_are_known():
    assert is_bare(profile("claude-code"), ("mcp", "list"))
    assert not is_bare(profile("claude-code"), ("-p", "mcp"))
    assert not is_bare(profile("codex"), ("exec", "login"))
    assert not is_bare(profile("aider"), ())


@pytest.mark.parametrize(
    ("name", "given", "session", "wanted"),
    [
        ("claude-code", "--continue -p x", "s-1", "--resume s-1 -p x"),
        ("claude-code", "--resume old -p x", "", "--continue -p x"),
        ("claude-code", "-p x -- --resume y", "s-1", "--resume s-1 -p x -- --resume y"),
        ("codex", "exec --json x", "s-1", "exec resume s-1 --json x"),
        ("codex", "--model m", "", "resume --last --model m"),
        ("opencode", "run --session=old x", "s-1", "run --session s-1 x"),
        ("gemini-cli", "-p x", "", "--resume latest -p x"),
        ("qwen-code", "-c -p x", "s-1", "--resume s-1 -p x"),
        ("aider", "--message x", "", "--restore-chat-history --message x"),
    ],
)
def test_a_client_goes_on_with_a_session_by_its_own_words(name: str, given: str, session: str, wanted: str):
    assert " ".join(continuing(profile(name), given.split(), session)) == wanted


def test_a_client_that_cannot_go_on_says_so():
    with pytest.raises(BadInput, match="mini-swe-agent has no way"):
        continuing(profile("mini-swe-agent"), (), "")
    with pytest.raises(BadInput, match="session 's-1'"):
        continuing(profile("aider"), (), "s-1")


def test_sessions_lie_where_the_users_variables_say(tmp_path: Path):
    user = User(tmp_path, "claude-code")
    assert session_files(user.profile, user.stands()) == (f"{user.home}/.claude/projects/*/*.jsonl",)
    user.environment["CLAUDE_CONFIG_DIR"] = "/elsewhere"
    assert session_files(user.profile, user.stands()) == ("/elsewhere/projects/*/*.jsonl",)


TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
VALUES = st.recursive(
    st.booleans() | st.integers(-(2**53), 2**53) | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(TEXTS, VALUES, max_size=4))
def test_whatever_is_written_as_toml_reads_as_itself(table: dict[str, Json]):
    assert msgspec.toml.decode(f"v = {as_toml(table)}")["v"] == table
