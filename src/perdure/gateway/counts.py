"""What a gateway has done since it began, in figures."""

from dataclasses import dataclass


@dataclass
class Counts:
    """Counted as it goes, for ``/perdure/status``."""

    requests: int = 0
    """questions to models"""
    plain: int = 0
    """those that passed unrecorded, since they couldn't be read, or go on from what the provider holds"""
    unlogged: int = 0
    """those that passed unrecorded, since the log couldn't be written, or another gateway has the conversation"""
    unread: int = 0
    """requests too large to be held"""
    failed_open: int = 0
    """questions in which paging failed, and that went on without it"""
    refused: int = 0
    """questions of a wrapped client that were not forwarded: it was resumed elsewhere, or its run can't be written"""
    unrecorded: int = 0
    """replies whose first call went to the client before the workspace stood recorded"""
    recalls: int = 0
    """pages that models asked for"""
