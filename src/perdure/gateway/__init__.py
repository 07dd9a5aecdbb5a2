"""Floor 9: an HTTP proxy between an agent and its provider, which keeps the agent's context for money and room.

What the agent says becomes a run of the log (``tracking``, ``talks``), what moves in its window is decided there
(``perdure.page``) and spliced into the bytes that go on (``perdure.wire``). Whatever fails in that, the agent's own
bytes pass.
"""
