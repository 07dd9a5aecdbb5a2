"""What a client has is read as the client reads it: scopes, approvals, switches, variables, providers."""

from pathlib import Path

import pytest

from perdure.values.errors import BadSettings, NoWayToProvider
from tests.profiles.ground import User


def named(user: User, *arguments: str) -> dict[str, str]:
    return {each.name: each.scope for each in user.has(*arguments).servers}


def test_claude_servers_of_every_scope_are_found_and_the_nearest_names_one(tmp_path: Path):
    user = User(tmp_path, "claude-code")
    one, other = {"command": "one"}, {"command": "other", "args": ["-x"], "env": {"K": "v"}}
    local = {"projects": {str(user.project): {"mcpServers": {"local": one, "twice": other}}}}
    user.writes("~/.claude.json", {"mcpServers": {"mine": one, "twice": one}, **local})
    user.writes("given.json", {"mcpServers": {"given": one}})
    assert named(user) == {"local": "local", "twice": "local", "mine": "user"}
    inline = '{"mcpServers": {"inline": {"command": "x"}}}'
    assert named(user, "--mcp-config", "given.json", inline, "--verbose", "-p", "x") == {
        "given": "session",
        "inline": "session",
        "local": "local",
        "twice": "local",
        "mine": "user",
    }
    twice = next(each for each in user.has().servers if each.name == "twice")
    assert (twice.command, twice.environment) == (("other", "-x"), {"K": "v"})


def test_a_projects_server_is_started_only_where_its_user_has_said_so(tmp_path: Path):
    user = User(tmp_path, "claude-code")
    user.writes(".mcp.json", {"mcpServers": {"theirs": {"command": "x"}}})
    assert named(user) == {}
    assert any("theirs" in note and "approved" in note for note in user.has().notes)
    user.writes(".claude/settings.local.json", {"enabledMcpjsonServers": ["theirs"]})
    assert named(user) == {"theirs": "project"}
    user.writes(".claude/settings.local.json", {"enableAllProjectMcpServers": True})
    assert named(user) == {"theirs": "project"}
    user.writes(
        ".claude/settings.local.json",
        {"enableAllProjectMcpServers": True, "disabledMcpjsonServers": ["theirs"]},
    )
    assert named(user) == {}


def test_a_projects_settings_count_for_gemini_only_where_the_folder_is_trusted(tmp_path: Path):
    user = User(tmp_path, "gemini-cli")
    user.writes(".gemini/settings.json", {"mcpServers": {"theirs": {"command": "x"}}})
    assert named(user) == {}
    user.writes("~/.gemini/trustedFolders.json", {str(user.project): "DO_NOT_TRUST"})
    assert named(user) == {}
    user.writes("~/.gemini/trustedFolders.json", {str(user.project): "TRUST_FOLDER"})
    assert named(user) == {"theirs": "project"}


def test_codex_tables_are_merged_as_codex_does_it(tmp_path: Path):
    user = User(tmp_path, "codex")
    user.environment["BANK_TOKEN"] = "t-1"
    user.writes(
        "~/.codex/config.toml",
        """
        [mcp_servers.bank]
        command = "bank"
        args = ["--live"]
        env_vars = ["BANK_TOKEN", "NOT_SET"]
        [mcp_servers.far]
        url = "https://far.example/mcp"
        bearer_token_env_var = "BANK_TOKEN"
        http_headers = { "X-Kind" = "a" }
        [mcp_servers.off]
        command = "off"
        enabled = false
        """,
    )
    servers = {each.name: each for each in user.has("-c", 'mcp_servers.bank.args=["--test"]').servers}
    assert servers.keys() == {"bank", "far"}
    assert servers["bank"].command == ("bank", "--test")
    assert servers["bank"].environment == {"BANK_TOKEN": "t-1"}
    assert (servers["far"].url, servers["far"].transport) == ("https://far.example/mcp", "http")
    assert servers["far"].headers == {"X-Kind": "a", "Authorization": "Bearer t-1"}


def test_variables_are_filled_in_as_each_client_spells_them(tmp_path: Path):
    user = User(tmp_path, "opencode")
    user.environment["KEY"] = "k-1"
    user.writes(
        "opencode.jsonc",
        """{ // of the project
          "mcp": {"a": {"type": "local", "command": ["run", "{env:KEY}"], "environment": {"K": "{env:GONE}"}},},
        }""",
    )
    (server,) = user.has().servers
    assert (server.command, server.environment) == (("run", "k-1"), {"K": ""})
    (tmp_path / "claude").mkdir()
    other = User(tmp_path / "claude", "claude-code")
    other.environment["KEY"] = "k-2"
    entry = {"type": "http", "url": "https://x/${KEY}/${GONE:-d}", "headers": {"H": "${KEY}"}}
    other.writes("~/.claude.json", {"mcpServers": {"far": entry}})
    (far,) = other.has().servers
    assert (far.url, far.headers) == ("https://x/k-2/d", {"H": "k-2"})


def test_where_requests_go_is_what_the_client_would_take(tmp_path: Path):
    user = User(tmp_path, "claude-code")
    assert user.has().upstreams["messages"] == "https://api.anthropic.com"
    user.environment["ANTHROPIC_BASE_URL"] = "http://proxy.example/"
    assert user.has().upstreams["messages"] == "http://proxy.example"
    user.writes("~/.claude/settings.json", {"env": {"ANTHROPIC_BASE_URL": "http://settings.example"}})
    assert user.has().upstreams["messages"] == "http://settings.example"


def test_codexs_provider_is_the_chosen_one(tmp_path: Path):
    user = User(tmp_path, "codex")
    assert user.has().upstreams == {"responses": "https://api.openai.com"}
    user.writes(
        "~/.codex/config.toml",
        'model_provider = "mine"\n[model_providers.mine]\nbase_url = "http://mine.example/v1/"\n',
    )
    has = user.has()
    assert has.upstreams == {"responses": "http://mine.example"}
    assert dict(has.providers) == {"mine": (("model_providers", "mine", "base_url"), "/v1")}
    other = user.has("exec", "-c", "model_provider=openai")
    assert other.upstreams == {"responses": "https://api.openai.com"}
    assert any("mine" in note for note in other.notes)


def test_a_provider_without_an_address_is_refused_with_the_way_out(tmp_path: Path):
    user = User(tmp_path, "opencode")
    with pytest.raises(NoWayToProvider, match="openrouter") as refused:
        user.has("run", "--model", "openrouter/some-model")
    assert "--upstream" in refused.value.hint


def test_a_settings_file_that_cannot_be_read_stops_before_the_client_starts(tmp_path: Path):
    user = User(tmp_path, "claude-code")
    user.writes("~/.claude.json", '{"mcpServers": {"a": ')
    with pytest.raises(BadSettings, match=r"\.claude\.json"):
        user.has()
    user.writes("~/.claude.json", "{}")
    with pytest.raises(BadSettings, match=r"gone\.json"):
        user.has("--mcp-config", "gone.json")


def test_the_project_is_looked_for_upwards_as_far_as_the_repository(tmp_path: Path):
    user = User(tmp_path, "opencode")
    user.writes("opencode.json", {"mcp": {"top": {"type": "local", "command": ["x"]}}})
    (user.project / ".git").mkdir()
    inner = user.project / "a/b"
    inner.mkdir(parents=True)
    user.project = inner
    assert named(user) == {"top": "project"}
    (inner / ".git").mkdir()
    assert named(user) == {}
