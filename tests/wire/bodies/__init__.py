"""Conversations as providers see them."""
