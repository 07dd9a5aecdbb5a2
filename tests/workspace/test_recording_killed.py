"""A recording that dies, or whose disk is full, at any call to the store: the next one is true and whole."""

from benchmarks.harness.checkpoints import recordings, trusting_recordings


def test_a_recording_that_ends_at_any_call_leaves_the_old_tree_and_the_next_is_whole():
    found = recordings()
    assert (found.damaged, found.first) == (0, "")
    assert found.histories > 90


def test_a_recorder_that_takes_its_cache_for_the_store_is_caught():
    assert trusting_recordings().damaged > 0
