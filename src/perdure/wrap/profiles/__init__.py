"""Clients as data: how each is recognised, pointed at the gateway and the shims, resumed, and where its sessions lie."""
