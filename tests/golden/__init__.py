"""Logs as released versions wrote them. They are read for ever and never written anew."""
