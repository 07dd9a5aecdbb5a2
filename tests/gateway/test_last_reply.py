"""Whose calls a wrapped client makes, also while the reply they stand in has not ended yet."""

from perdure.assembly.foreign.replies import CameFrom, LastReply, SpelledCall


def heard(*calls: SpelledCall) -> LastReply:
    reply = LastReply()
    reply.begin(31)
    for call in calls:
        reply.hear(call)
    return reply


def test_of_two_servers_with_a_tool_of_one_name_each_call_is_its_own_before_it_is_spelled():
    """A client may set to work as soon as it has the last event, before the stream has ended."""
    reply = heard(SpelledCall("u1", "mcp__bank__pay"), SpelledCall("u2", "mcp__card__pay"))
    assert reply.found("c.1", "card", "pay", {"cents": 1}) == CameFrom(31, "u2")
    assert reply.found("c.2", "bank", "pay", {"cents": 1}) == CameFrom(31, "u1")


def test_of_two_calls_of_one_tool_that_are_not_spelled_yet_the_reply_is_known_and_later_which():
    reply = heard(SpelledCall("u1", "mcp__bank__pay"), SpelledCall("u2", "mcp__bank__pay"))
    assert reply.found("c.1", "bank", "pay", {"cents": 2}) == CameFrom(31)
    reply.hear(SpelledCall("u1", "mcp__bank__pay", '{"cents":1}'))
    reply.hear(SpelledCall("u2", "mcp__bank__pay", '{"cents":2}'))
    assert reply.found("c.2", "bank", "pay", {"cents": 2}) == CameFrom(31, "u2")


def test_a_call_of_a_tool_that_the_reply_does_not_name_is_of_another():
    reply = heard(SpelledCall("u1", "mcp__bank__pay"))
    assert reply.found("c.1", "shop", "order", {}) == CameFrom()
