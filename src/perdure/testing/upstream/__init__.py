"""A strict scripted provider: Anthropic Messages, OpenAI Chat Completions and Responses.

It refuses what the providers refuse, in their words; it signs what they sign and checks it when it comes back;
its ``usage`` comes from a prompt cache; and its script goes on only with what stands in the prompt.
``python -m perdure.testing.upstream`` serves one. It needs the extra ``gateway``.
"""
