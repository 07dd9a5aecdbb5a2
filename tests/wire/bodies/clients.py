"""One request of each kind of client, with all that it is known to send along."""

from perdure.values.digest import Json
from tests.wire.bodies.sending import tools_of

_MARK: Json = {"type": "ephemeral"}
_PNG = "iVBORw0KGgo="

CLAUDE_CODE: dict[str, Json] = {
    "model": "claude-x-5",
    "max_tokens": 32000,
    "stream": True,
    "thinking": {"type": "adaptive"},
    "context_management": {"edits": [{"type": "clear_thinking_20251015", "keep": "all"}]},
    "container": {"id": "container_1", "skills": []},
    "metadata": {
        "user_id": '{"device_id":"d1","account_uuid":"","session_id":"0b5c9d3e-1111-4222-8333-944445555666"}'
    },
    "system": [
        {"type": "text", "text": "x-anthropic-billing-header: cc_version=2.1.330.aa1; cch=0f1e2;"},
        {"type": "text", "text": "You work on code.", "cache_control": _MARK},
    ],
    "tools": [
        *tools_of("messages", "Read", "Bash"),
        {"type": "tool_search_tool_regex_20251119", "name": "tool_search_tool_regex"},
        {
            "name": "mcp__db__ask",
            "description": "ask",
            "input_schema": {"type": "object"},
            "defer_loading": True,
        },
        {"type": "web_search_20250305", "name": "web_search", "max_uses": 5},
    ],
    "messages": [
        {"role": "user", "content": "Mend the build."},
        {
            "role": "assistant",
            "content": [
                {"type": "thinking", "thinking": "First look.", "signature": "RXFv"},
                {"type": "redacted_thinking", "data": "RW1a"},
                {"type": "text", "text": "I look."},
                {
                    "type": "tool_use",
                    "id": "toolu_1",
                    "name": "Read",
                    "input": {"file_path": "/repo/Makefile"},
                },
                {
                    "type": "tool_use",
                    "id": "toolu_2",
                    "name": "Bash",
                    "input": {"command": "cat src/a.py | head -5"},
                },
                {"type": "tool_use", "id": "toolu_3", "name": "Read", "input": {"file_path": "/repo/a.png"}},
            ],
        },
        {
            "role": "user",
            "content": [
                {"type": "tool_result", "tool_use_id": "toolu_1", "content": 'all:\n\techo "done"\n'},
                {
                    "type": "tool_result",
                    "tool_use_id": "toolu_2",
                    "is_error": True,
                    "content": [
                        {"type": "text", "text": "no such file"},
                        {"type": "text", "text": "exit 1", "cache_control": _MARK},
                    ],
                },
                {
                    "type": "tool_result",
                    "tool_use_id": "toolu_3",
                    "content": [
                        {
                            "type": "image",
                            "source": {"type": "base64", "media_type": "image/png", "data": _PNG},
                        }
                    ],
                },
            ],
        },
        {"role": "system", "content": "The file a.py was changed by somebody else."},
        {
            "role": "assistant",
            "content": [
                {
                    "type": "server_tool_use",
                    "id": "srvtoolu_1",
                    "name": "web_search",
                    "input": {"query": "make"},
                },
                {
                    "type": "web_search_tool_result",
                    "tool_use_id": "srvtoolu_1",
                    "content": [
                        {"type": "web_search_result", "url": "https://a.example", "encrypted_content": "RW5j"}
                    ],
                },
                {
                    "type": "tool_use",
                    "id": "toolu_4",
                    "name": "Grep",
                    "input": {"pattern": "x", "path": "src"},
                },
                {"type": "tool_use", "id": "toolu_5", "name": "mcp__db__ask", "input": {}},
            ],
        },
        {
            "role": "user",
            "content": [
                {
                    "type": "tool_result",
                    "tool_use_id": "toolu_4",
                    "content": [
                        {
                            "type": "search_result",
                            "source": "src/a.py",
                            "title": "a",
                            "content": [{"type": "text", "text": "x = 1"}],
                        }
                    ],
                },
                {"type": "tool_result", "tool_use_id": "toolu_5"},
                {"type": "text", "text": "go on", "cache_control": _MARK},
            ],
        },
    ],
}

CODEX: dict[str, Json] = {
    "model": "gpt-x-codex",
    "instructions": "You are a coding agent.",
    "store": False,
    "stream": True,
    "include": ["reasoning.encrypted_content"],
    "prompt_cache_key": "019ac1f0-aaaa-7bbb-8ccc-1234567890ab",
    "reasoning": {"effort": "medium", "summary": "auto"},
    "parallel_tool_calls": True,
    "tool_choice": "auto",
    "tools": [
        *tools_of("responses", "exec_command"),
        {"type": "custom", "name": "apply_patch", "description": "patch", "format": {"type": "grammar"}},
        {
            "type": "namespace",
            "name": "mcp__db",
            "tools": [
                {"type": "function", "name": "ask", "parameters": {"type": "object"}, "defer_loading": True}
            ],
        },
        {"type": "web_search"},
    ],
    "input": [
        {"type": "message", "role": "developer", "content": [{"type": "input_text", "text": "<rules/>"}]},
        {
            "type": "message",
            "role": "user",
            "content": [
                {"type": "input_text", "text": "Mend the build."},
                {"type": "input_image", "image_url": f"data:image/png;base64,{_PNG}"},
            ],
        },
        {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "gAAA"},
        {
            "type": "function_call",
            "name": "exec_command",
            "arguments": '{"cmd":"sed -n 1,20p src/main.rs"}',
            "call_id": "call_1",
        },
        {"type": "function_call_output", "call_id": "call_1", "output": "fn main() {}\n"},
        {
            "type": "custom_tool_call",
            "name": "apply_patch",
            "input": "*** Begin Patch\n*** Update File: src/main.rs\n*** End Patch",
            "call_id": "call_2",
        },
        {"type": "custom_tool_call_output", "call_id": "call_2", "output": "Done!"},
        {
            "type": "local_shell_call",
            "call_id": "call_3",
            "status": "completed",
            "action": {"type": "exec", "command": ["bash", "-lc", "make test"]},
        },
        {"type": "local_shell_call_output", "id": "call_3", "output": '{"output":"ok"}'},
        {
            "type": "function_call",
            "name": "view_image",
            "arguments": '{"path":"/repo/a.png"}',
            "call_id": "call_4",
        },
        {
            "type": "function_call_output",
            "call_id": "call_4",
            "output": [{"type": "input_image", "image_url": f"data:image/png;base64,{_PNG}"}],
        },
        {
            "type": "mcp_call",
            "id": "mcp_1",
            "name": "ask",
            "server_label": "db",
            "arguments": "{}",
            "output": "42",
        },
        {"type": "item_reference", "id": "msg_9"},
        {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "Mended."}]},
        {"role": "user", "content": "thanks"},
    ],
}

CHAT_AGENT: dict[str, Json] = {
    "model": "gpt-x",
    "stream": True,
    "stream_options": {"include_usage": True},
    "prompt_cache_key": "ses_1",
    "tools": tools_of("chat", "read", "bash"),
    "messages": [
        {"role": "system", "content": "You work on code."},
        {"role": "user", "content": [{"type": "text", "text": "Mend the build."}]},
        {
            "role": "assistant",
            "content": None,
            "reasoning_content": "look first",
            "tool_calls": [
                {
                    "id": "call_0",
                    "type": "function",
                    "function": {"name": "read", "arguments": '{"filePath":"/repo/a.py"}'},
                },
                {
                    "id": "call_1",
                    "type": "function",
                    "function": {"name": "bash", "arguments": '{"command":"make'},
                },
            ],
        },
        {"role": "tool", "tool_call_id": "call_0", "content": "x = 1\n"},
        {"role": "tool", "tool_call_id": "call_1", "content": [{"type": "text", "text": "ok"}]},
        {
            "role": "assistant",
            "content": "again",
            "tool_calls": [
                {
                    "id": "call_0",
                    "type": "function",
                    "function": {"name": "read", "arguments": '{"filePath":"/repo/b.py"}'},
                }
            ],
        },
        {"role": "tool", "tool_call_id": "call_0", "content": "y = 2\n"},
        {"role": "assistant", "content": "", "function_call": {"name": "old", "arguments": "{}"}},
        {"role": "function", "name": "old", "content": "old result"},
    ],
}
