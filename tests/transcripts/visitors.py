"""The clients whose sessions are cut, each as it stores them."""

from tests.transcripts.of_claude import ClaudeVisitor
from tests.transcripts.of_codex import CodexVisitor, base_item
from tests.transcripts.of_qwen import QwenVisitor
from tests.transcripts.visitor import Sent, Visitor

__all__ = ["VISITORS", "ClaudeVisitor", "CodexVisitor", "Sent", "Visitor", "base_item"]

VISITORS: dict[str, type[Visitor]] = {"claude": ClaudeVisitor, "codex": CodexVisitor, "qwen": QwenVisitor}
