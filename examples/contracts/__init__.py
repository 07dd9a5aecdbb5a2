"""Contracts to copy from; docs/contract.md explains them."""
