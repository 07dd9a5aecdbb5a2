"""What is kept of how a client was started: enough to go on with it, and no key."""

import pytest

from perdure.wrap.transcripts.started import HIDDEN, hushed

KEPT = [
    ("-p", "fix the key: it squeaks"),
    ("--max-tokens", "100", "--model", "x"),
    ("--keyboard", "dvorak"),
    ("-c", "model_provider=mine"),
    ("--api-key", "--verbose"),
]


@pytest.mark.parametrize("arguments", KEPT, ids=lambda each: each[0])
def test_what_is_no_secret_is_kept(arguments: tuple[str, ...]):
    assert hushed(arguments) == arguments


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--openai-api-key", "sk-1", "-p", "x"), ("--openai-api-key", HIDDEN, "-p", "x")),
        (("--api-key", "gemini=sk-1"), ("--api-key", HIDDEN)),
        (("--anthropic-api-key=sk-1",), (f"--anthropic-api-key={HIDDEN}",)),
        (("-c", 'model_providers.a.api_key="sk-1"'), ("-c", f'model_providers.a.api_key="{HIDDEN}"')),
        (
            ("--settings", '{"env":{"ANTHROPIC_API_KEY":"sk-1"}}'),
            ("--settings", f'{{"env":{{"ANTHROPIC_API_KEY":"{HIDDEN}"}}}}'),
        ),
        (("--token", "t", "--password", "p"), ("--token", HIDDEN, "--password", HIDDEN)),
    ],
    ids=["option", "of a provider", "in one word", "override", "document", "two"],
)
def test_a_key_on_a_clients_command_line_is_not_kept(arguments: tuple[str, ...], told: tuple[str, ...]):
    assert hushed(arguments) == told
